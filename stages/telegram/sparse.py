"""The sparse form of a TL object, the dict that is a line of messages.jsonl, made the slow way from Telethon's objects.

`_` is Telegram's name of the constructor; fields have Telegram's names and the order of its schema, true flags last.
- absent optional fields, false true flags, the flags words themselves and every `file_reference` are left out
- int, long and date (seconds since 1970) are integers
- int128 and int256 are decimal strings, since orjson stops at 64 bits
- double is a number, or "nan", "inf" or "-inf", for which JSON has no numbers (all NaNs are one)
- Bool is true or false; bytes are base64, standard alphabet, padded
- string is text, where bytes that are not UTF-8 became U+FFFD, as in Telethon
- a vector is an array, kept when empty
"""
from __future__ import annotations

import math
from binascii import b2a_base64
from typing import Any

from telethon.extensions import BinaryReader
from telethon.tl.alltlobjects import tlobjects
from telethon.tl.tlobject import TLObject

from tgbulk.stages.telegram.schema import layout, plain_class

#: The only field that never enters the sparse form: it expires, and differs at every fetch.
LEFT_OUT = "file_reference"
#: Where it goes instead: (name of the constructor, id) -> file reference, of the page that was decoded last.
REFERENCES: dict[tuple[str, int], bytes] = {}


def number(value: float) -> float | str:
    """A double as the sparse form has it."""
    return value if math.isfinite(value) else str(value)


def _value(value: Any, kind: str) -> Any:
    if kind == "object":
        return sparse(value)
    if kind == "bytes":
        return b2a_base64(value, newline=False).decode("ascii")
    if kind == "date":
        return round(value.timestamp())
    if kind == "double":
        return number(value)
    return str(value) if kind in ("int128", "int256") else value


def sparse(value: TLObject) -> dict[str, Any]:
    """The sparse form of a Telethon object.

    An object from a stock BinaryReader has already lost its `messageMediaEmpty`; PlainReader keeps it. Raises KeyError
    and SchemaError as `layout` does.
    """
    known = layout(value.CONSTRUCTOR_ID)
    result: dict[str, Any] = {"_": known.name}
    for field in known.fields:
        if field.kind == "flags":
            continue
        item = getattr(value, field.attribute)
        if field.name == LEFT_OUT:
            REFERENCES[known.name, result.get("id", 0)] = item
            continue
        if item is None or (field.kind == "true" and not item):
            continue
        if field.kind == "vector":
            result[field.name] = [_value(one, field.item) for one in item]
        else:
            result[field.name] = _value(item, field.kind)
    return result


class PlainReader(BinaryReader):  # type: ignore[misc]
    """Telethon's reader, giving objects of the generated classes where Telethon would give its patched messages.

    The patched ones turn `messageMediaEmpty` into None and compute a sender, which fails on peers they do not expect.
    """

    _PLAIN = {known: plain_class(known) for known, cls in tlobjects.items() if cls.__module__ == "telethon.tl.patched"}

    def tgread_object(self) -> Any:
        plain = self._PLAIN.get(int.from_bytes(self.stream[self.position : self.position + 4], "little"))
        if plain is None:
            return super().tgread_object()
        self.position += 4
        return plain.from_reader(self)
