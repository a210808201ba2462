"""Aligned columns for people; nothing in a cell can steer the terminal."""
from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterable, Sequence

#: Widest cell drawn on a terminal; elsewhere nothing is cut.
CELL_COLUMNS = 48
#: Control, surrogate, line and paragraph separators.
UNSAFE_CATEGORIES = {"Cc", "Cs", "Zl", "Zp"}
#: Turn the order of the text around (Unicode Standard Annex 9).
BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
GAP = "  "


def draw(headings: Sequence[str], rows: Iterable[Sequence[str | int | None]]) -> None:
    """Print the table to standard output; integers are aligned to the right, None is empty."""
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


def printable(text: str) -> str:
    """The text with a replacement character for everything that controls a terminal or the order of the text."""
    return "".join(
        "\ufffd" if unicodedata.category(c) in UNSAFE_CATEGORIES or c in BIDI_CONTROLS else c for c in text
    )


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
