"""The JSON Schema of the flat record, made of its columns, so that they cannot differ."""
from __future__ import annotations

from typing import Any

from tgbulk.stages.render.column import COLUMNS, STRUCTS, Column, Kind

_INT64 = {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1}
_TYPES: dict[Kind, dict[str, Any]] = {
    Kind.INT64: _INT64,
    Kind.INT32: {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
    Kind.FLOAT64: {"type": "number"},
    Kind.BOOL: {"type": "boolean"},
    Kind.STRING: {"type": "string"},
    Kind.WORD: {"type": "string"},
    Kind.TIME: {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)$"},
    Kind.STRINGS: {"type": "array", "items": {"type": "string"}},
    Kind.INTS: {"type": "array", "items": _INT64},
}
#: Members of structs that are never null.
_REQUIRED = {"type", "offset", "length", "reaction", "count", "chosen", "correct", "text", "row"}


def flat_schema() -> dict[str, Any]:
    """Of one line of `tgbulk render jsonl` with all columns."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "One message, flat: a line of `tgbulk render jsonl`",
        "type": "object",
        "properties": {one.name: _column(one) for one in COLUMNS},
        "required": [one.name for one in COLUMNS],
        "additionalProperties": False,
    }


def _column(column: Column) -> dict[str, Any]:
    if column.kind in STRUCTS:
        members = {name: _nullable(_TYPES[kind], name not in _REQUIRED) for name, kind in STRUCTS[column.kind].items()}
        items = {"type": "object", "properties": members, "required": list(members), "additionalProperties": False}
        return _nullable({"type": "array", "items": items}, column.null)
    return _nullable(_TYPES[column.kind], column.null)


def _nullable(schema: dict[str, Any], null: bool) -> dict[str, Any]:
    return schema | {"type": [schema["type"], "null"]} if null else schema
