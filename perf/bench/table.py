"""The table that a bench prints."""
from __future__ import annotations

from collections.abc import Iterable, Sequence

from tgbulk.perf.bench.row import Row, Unit

HEAD = ("case", "what", "ours", "baseline", "", "ratio", "goal", "met")
#: Columns of numbers.
RIGHT = {2, 3, 5}
MISSING = "n/a"


def table(rows: Iterable[tuple[str, Row]]) -> str:
    """Aligned columns for (case, row) pairs, with the rows' notes numbered beneath."""
    lines: list[Sequence[str]] = [HEAD]
    notes: list[str] = []
    for case, row in rows:
        mark = ""
        if row.note:
            if row.note not in notes:
                notes.append(row.note)
            mark = f" [{notes.index(row.note) + 1}]"
        lines.append((case, *_cells(row, mark)))
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    shown = [
        "  ".join(cell.rjust(width) if i in RIGHT else cell.ljust(width) for i, (cell, width) in enumerate(pairs)).rstrip()
        for pairs in (list(zip(line, widths, strict=True)) for line in lines)
    ]
    shown.insert(1, "  ".join("-" * width for width in widths))
    shown += ["", *(f"[{number}] {note}" for number, note in enumerate(notes, 1))] if notes else []
    return "\n".join(shown) + "\n"


def _cells(row: Row, mark: str) -> tuple[str, ...]:
    goal = ", ".join(goal.write(row.unit) for goal in row.goals)
    met = {True: "yes", False: "NO", None: MISSING if row.goals else ""}[row.met]
    return (
        row.what + mark,
        _value(row.ours, row.unit),
        _value(row.baseline, row.unit) if row.against else "",
        row.against,
        "" if row.ratio is None else f"{row.ratio:.2f} x",
        goal,
        met,
    )


def _value(value: float | None, unit: Unit) -> str:
    return MISSING if value is None else unit.write(value)
