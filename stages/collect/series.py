"""A table that grows with time and not with memory: when it is full, every second row goes and the step doubles."""
from __future__ import annotations

from typing import Any

#: Rows kept at most.
ROWS = 240


class Series:
    """Rows of one time each, with the columns that were there then."""

    def __init__(self, rows: int = ROWS) -> None:
        self._most = rows
        self._rows: list[dict[str, float]] = []
        self._seen = 0
        #: rows seen for each one kept
        self._step = 1

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, row: dict[str, float]) -> None:
        """Keep the row, or leave it out where the step says so."""
        if self._seen % self._step == 0:
            self._rows.append(row)
            if len(self._rows) >= self._most:
                self._rows = self._rows[::2]
                self._step *= 2
        self._seen += 1

    def document(self) -> dict[str, list[Any]]:
        """Column -> its values, None where a row has none."""
        columns = dict.fromkeys(name for row in self._rows for name in row)
        return {name: [row.get(name) for row in self._rows] for name in columns}
