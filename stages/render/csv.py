"""CSV, for spreadsheets and for whatever reads nothing else."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from tgbulk.stages.render.column import Column
from tgbulk.stages.render.csv_row import cell, csv_line, csv_lines, excel_cell
from tgbulk.stages.render.flat import Row
from tgbulk.stages.render.flat_format import FlatText
from tgbulk.stages.render.view import View

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Csv(FlatText):
    """A header, then lines that end with a line feed."""

    name: ClassVar[str] = "csv"

    #: with a byte order mark, and cells that cannot be taken for formulas
    excel: bool = False

    def options(self) -> dict[str, Any]:
        return FlatText.options(self) | {"excel": self.excel}

    def head(self, name: str) -> bytes:
        return self._header(self.columns)

    def message_lines(self, view: View) -> Callable[[Row], bytes]:
        return csv_lines(self.columns, self.zone, self.excel)

    def table(self, columns: tuple[Column, ...], rows: Iterator[tuple[Any, ...]]) -> Iterator[bytes]:
        yield self._header(columns)
        for row in rows:
            yield csv_line(row, excel_cell if self.excel else cell).encode()

    def _header(self, columns: tuple[Column, ...]) -> bytes:
        return (_BOM if self.excel else b"") + ",".join(one.name for one in columns).encode() + b"\n"
