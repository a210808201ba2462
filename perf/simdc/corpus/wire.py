"""Serialises objects by the schema.

Telethon's own writer drops an optional Bool that is false, as in a messageActionTopicEdit that opens a topic again.
"""
from __future__ import annotations

import struct
from typing import Any

from telethon.tl import TLObject

from tgbulk.perf.simdc.corpus.schema import Field, constructor

VECTOR = struct.pack("<I", 0x1CB5C415)
BOOL = {True: struct.pack("<I", 0x997275B5), False: struct.pack("<I", 0xBC799737)}


def encode(value: Any) -> bytes:
    """The boxed bytes of an object."""
    parts = [struct.pack("<I", value.CONSTRUCTOR_ID)]
    fields = constructor(type(value)).fields
    for field in fields:
        if field.kind == "flags":
            present = (f.flag[1] for f in fields if f.flag and f.flag[0] == field.name and _present(value, f))
            word = 0
            for mask in present:
                word |= mask
            parts.append(struct.pack("<I", word))
        elif field.kind != "true" and (not field.flag or _present(value, field)):
            held = getattr(value, field.attribute)
            if field.vector:
                parts += (VECTOR, struct.pack("<i", len(held)), *(_item(field, item) for item in held))
            else:
                parts.append(_item(field, held))
    return b"".join(parts)


def _present(value: Any, field: Field) -> bool:
    held = getattr(value, field.attribute)
    return bool(held) if field.kind == "true" else held is not None


def _item(field: Field, item: Any) -> Any:
    if field.kind == "object":
        return encode(item)
    if field.kind in ("string", "bytes"):
        return TLObject.serialize_bytes(item)
    if field.kind == "date":
        return TLObject.serialize_datetime(item)
    if field.kind == "Bool":
        return BOOL[item]
    if field.kind.startswith("int1") or field.kind.startswith("int2"):
        return item.to_bytes(int(field.kind[3:]) // 8, "little", signed=True)
    return struct.pack({"int": "<i", "long": "<q", "double": "<d"}[field.kind], item)
