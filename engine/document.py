"""Small JSON files that show when anything in them was changed: the last field is a CRC-32 of the document without it."""
from __future__ import annotations

from pathlib import Path
from typing import Any
from zlib import crc32

import orjson

from engine.error import StorageError

_SUM = "crc32"


class DamagedDocumentError(StorageError):
    """{0} is damaged: {1}"""


def dump(document: dict[str, Any]) -> bytes:
    """The file's bytes."""
    found = crc32(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    return orjson.dumps(document | {_SUM: found}, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def load(path: Path) -> dict[str, Any]:
    """What was dumped into the file; DamagedDocumentError when a single byte of it is another, OSError."""
    data = path.read_bytes()
    try:
        document: dict[str, Any] = orjson.loads(data)
        document.pop(_SUM)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedDocumentError(path, "it cannot be read") from error
    if dump(document) != data:
        raise DamagedDocumentError(path, "it is not what was written")
    return document
