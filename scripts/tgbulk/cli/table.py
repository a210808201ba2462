"""Aligned columns for people; nothing in a cell can steer the terminal."""
from __future__ import annotations

import os
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Sequence

from tgbulk.cli.stream import steer
from tgbulk.engine.text import printable

#: Widest cell drawn on a terminal; elsewhere nothing is cut.
CELL_COLUMNS = 48
GAP = "  "
#: Rows that rich draws, which takes its time.
MOST_ROWS = 2_000


def draw(headings: Sequence[str], rows: Iterable[Sequence[str | int | None]]) -> None:
    """Print the table to standard output, by rich on a terminal; integers are aligned to the right, None is empty."""
    if sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        rows = list(rows)
        if len(rows) <= MOST_ROWS:
            _draw_rich(headings, rows)
            return
    widest = CELL_COLUMNS if sys.stdout.isatty() else None
    lines = [list(headings)]
    right = [True] * len(headings)
    for row in rows:
        lines.append([_cut(printable("" if cell is None else str(cell)), widest) for cell in row])
        right = [known and (cell is None or isinstance(cell, int)) for known, cell in zip(right, row, strict=True)]
    widths = [max(columns(line[i]) for line in lines) for i in range(len(headings))]
    for line in lines:
        cells = [_pad(cell, width, to_right) for cell, width, to_right in zip(line, widths, right, strict=True)]
        sys.stdout.write(GAP.join(cells).rstrip() + "\n")


def _draw_rich(headings: Sequence[str], rows: Sequence[Sequence[str | int | None]]) -> None:
    # rich takes its time to import, and is wanted on a terminal alone.
    from tgbulk.cli.screen import table_lines

    right = [all(row[i] is None or isinstance(row[i], int) for row in rows) for i in range(len(headings))]
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    for line in table_lines(headings, cells, right, shutil.get_terminal_size().columns):
        steer(line + "\n", sys.stdout)


def columns(text: str) -> int:
    """How many columns a terminal uses for the text, near enough."""
    return sum(_columns(c) for c in text)


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _cut(text: str, widest: int | None) -> str:
    if widest is None or columns(text) <= widest:
        return text
    kept, used = "", 1
    for character in text:
        used += _columns(character)
        if used > widest:
            break
        kept += character
    return kept + "\u2026"


def _pad(text: str, width: int, to_right: bool) -> str:
    space = " " * (width - columns(text))
    return space + text if to_right else text + space
