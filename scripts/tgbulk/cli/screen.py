"""What rich draws on a terminal: tables, and the lines that move. Import it only there: it takes its time.

What is said comes from progress.py and the commands; here it gets columns, weight and colour. rich itself respects NO_COLOR.
"""
from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tgbulk.engine.text import printable

#: Columns of the bar, at most.
BAR = 48
#: Styles of how far it is, and of what is less than the rest.
DONE, FAINT = "cyan", "bright_black"


def progress_lines(
    parts: Sequence[tuple[str, str]], share: float | None, rows: Sequence[Sequence[str]], width: int
) -> list[str]:
    """The lines that move. parts: (text, style) of the first one; share: of the whole that is done, None where nobody knows;
    rows: of the stages, a heading first. No line is wider than the width, in columns."""
    first = Text("  ").join(_text(text, style) for text, style in parts)
    drawn: list[RenderableType] = [first]
    if share is not None:
        drawn.append(ProgressBar(
            1.0, share, width=min(BAR, width), style=FAINT, complete_style=DONE, finished_style=DONE))
    if rows:
        heading, *others = rows
        table = _table(FAINT)
        for place, name in enumerate(heading):
            table.add_column(_text(name), justify="right" if 0 < place < len(heading) - 1 else "left")
        for row in others:
            table.add_row(*map(_text, row))
        drawn.append(table)
    return _lines(drawn, width)


def table_lines(
    headings: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool], width: int
) -> list[str]:
    """A table that fits the width: what does not fit is cut, numbers last."""
    table = _table("bold")
    for place, (name, to_right) in enumerate(zip(headings, right, strict=True)):
        table.add_column(_text(name), justify="right" if to_right else "left", no_wrap=to_right,
                         min_width=max((len(row[place]) for row in rows), default=0) if to_right else None)
    for row in rows:
        table.add_row(*map(_text, row))
    return _lines([table], width)


def _table(heading: str) -> Table:
    return Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style=heading)


def _text(text: str, style: str = "") -> Text:
    """Nothing in it steers the terminal, and it keeps to its line."""
    return Text(printable(text), style, no_wrap=True, overflow="ellipsis")


def _lines(drawn: Sequence[RenderableType], width: int) -> list[str]:
    console = Console(force_terminal=True, width=width, highlight=False, markup=False, emoji=False)
    lines: list[str] = []
    for one in drawn:
        with console.capture() as captured:
            console.print(one, no_wrap=True, overflow="ellipsis", crop=True)
        lines += [line.rstrip() for line in captured.get().splitlines()]
    return lines
