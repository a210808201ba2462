"""Small JSON files that show when anything in them was changed: the last field is a CRC-32 of the document without it."""
from __future__ import annotations

from pathlib import Path
from typing import Any
from zlib import crc32

import orjson

from tgbulk.engine.error import StorageError
from tgbulk.engine.folder import Place

_SUM = "crc32"


class DamagedDocumentError(StorageError):
    """{0} is damaged: {1}"""


def dump(document: dict[str, Any]) -> bytes:
    """The file's bytes."""
    found = crc32(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    return orjson.dumps(document | {_SUM: found}, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def load(path: Path | Place) -> dict[str, Any]:
    """What was dumped into the file; DamagedDocumentError when a single byte of it is another, OSError."""
    try:
        return parse(Place.of(path).read_bytes())
    except ValueError as error:
        raise DamagedDocumentError(path, str(error)) from error


def parse(data: bytes) -> dict[str, Any]:
    """What was dumped into these bytes; ValueError says what is wrong with them."""
    try:
        document: dict[str, Any] = orjson.loads(data)
        document.pop(_SUM)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError("it cannot be read") from error
    if dump(document) != data:
        raise ValueError("it is not what was written")
    return document
