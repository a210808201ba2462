"""TL bytes as the lossless JSON of an archive's line, by the schema alone.

`_` names the constructor as in Telegram's schema, absent flags are left out, Bools stay, dates are Unix times, bytes are
base64. This is the independent check of the exporter's decoder and shares no code with it.
"""
from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from functools import cache
from typing import Any

from tgbulk.perf.simdc.corpus.schema import Field, classes, constructor
from tgbulk.perf.simdc.history import MEDIA_HASH_PLACEHOLDER

VECTOR, TRUE, FALSE = 0x1CB5C415, 0x997275B5, 0xBC799737


class Reader:
    """Reads one object after another from TL bytes; ValueError where they are not what the schema says."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def object(self) -> dict[str, Any]:
        """A boxed object."""
        found = constructor(_by_id()[self._number("<I")])
        result: dict[str, Any] = {"_": found.name}
        words: dict[str, int] = {}
        for field in found.fields:
            if field.kind == "flags":
                words[field.name] = self._number("<I")
            elif field.flag and not words[field.flag[0]] & field.flag[1]:
                continue
            else:
                result[field.name] = self._vector(field) if field.vector else self._item(field)
        return result

    def at_end(self) -> bool:
        """Whether everything was read."""
        return self._at == len(self._data)

    def _vector(self, field: Field) -> list[Any]:
        if self._number("<I") != VECTOR:
            raise ValueError(f"{field.name} is not a vector")
        return [self._item(field) for _ in range(self._number("<i"))]

    def _item(self, field: Field) -> Any:
        kind = field.kind
        if kind == "object":
            return self.object()
        if kind == "true":
            return True
        if kind == "string":
            return self._bytes().decode()
        if kind == "bytes":
            return base64.b64encode(self._bytes()).decode()
        if kind == "Bool":
            return {TRUE: True, FALSE: False}[self._number("<I")]
        if kind in ("int128", "int256"):
            return int.from_bytes(self._take(int(kind[3:]) // 8), "little", signed=True)
        return self._number({"int": "<i", "date": "<i", "long": "<q", "double": "<d"}[kind])

    def _bytes(self) -> bytes:
        length, head = self._take(1)[0], 1
        if length == 254:
            length, head = int.from_bytes(self._take(3), "little"), 4
        data = self._take(length)
        self._take(-(head + length) % 4)
        return data

    def _number(self, layout: str) -> Any:
        return struct.unpack(layout, self._take(struct.calcsize(layout)))[0]

    def _take(self, count: int) -> bytes:
        data = self._data[self._at:self._at + count]
        if len(data) != count:
            raise ValueError("the bytes end too early")
        self._at += count
        return data


def converted(data: bytes, media_hash: int) -> dict[str, Any]:
    """One boxed object as it must be archived for an account with this media access hash, without file references."""
    reader = Reader(data)
    result = reader.object()
    if not reader.at_end():
        raise ValueError("bytes are left over")
    for item in nested(result):
        item.pop("file_reference", None)
        if item.get("access_hash") == MEDIA_HASH_PLACEHOLDER:
            item["access_hash"] = media_hash
    return result


def nested(value: Any) -> Iterator[dict[str, Any]]:
    """The object and every object within it."""
    if isinstance(value, dict):
        yield value
        for item in list(value.values()):
            yield from nested(item)
    elif isinstance(value, list):
        for item in value:
            yield from nested(item)


@cache
def _by_id() -> dict[int, type]:
    return {cls.CONSTRUCTOR_ID: cls for cls in classes()}
