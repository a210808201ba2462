"""JSON Lines: one flat object a message, every key in every line."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import orjson

from tgbulk.stages.render.column import Column
from tgbulk.stages.render.flat import Row
from tgbulk.stages.render.flat_format import FlatText
from tgbulk.stages.render.json_row import json_lines
from tgbulk.stages.render.view import View


@dataclass(frozen=True, slots=True)
class Jsonl(FlatText):
    """UTF-8 as it is, a line feed behind each object."""

    name: ClassVar[str] = "jsonl"

    def message_lines(self, view: View) -> Callable[[Row], bytes]:
        return json_lines(self.columns, self.zone)

    def table(self, columns: tuple[Column, ...], rows: Iterator[tuple[Any, ...]]) -> Iterator[bytes]:
        names = [one.name for one in columns]
        for row in rows:
            yield orjson.dumps(dict(zip(names, row, strict=True)), option=orjson.OPT_APPEND_NEWLINE)
