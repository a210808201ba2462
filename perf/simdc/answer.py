"""The bytes of an answer."""
from __future__ import annotations

from struct import pack
from typing import Any

from isal import isal_zlib
from telethon.tl import TLObject, types

from tgbulk.perf.simdc.call import RpcError

#: Answers of at most this many bytes are never gzipped.
MIN_GZIPPED = 512
GZIP_LEVEL = 1
#: Window bits that make zlib write a gzip header.
GZIP_WINDOW = 31

_GZIP = pack("<I", 0x3072CFA1)
_VECTOR = 0x1CB5C415
_TRUE = pack("<I", 0x997275B5)
_FALSE = pack("<I", 0xBC799737)


def boxed(answer: Any) -> bytes:
    """Serialise an answer: bytes as they are, bool, TL object, RpcError, vector of objects or of 32-bit ints."""
    if isinstance(answer, bytes):
        return answer
    if isinstance(answer, bool):
        return _TRUE if answer else _FALSE
    if isinstance(answer, TLObject):
        return bytes(answer)
    if isinstance(answer, RpcError):
        return bytes(types.RpcError(answer.code, answer.message))
    items = [pack("<i", item) if isinstance(item, int) else bytes(item) for item in answer]
    return pack("<Ii", _VECTOR, len(items)) + b"".join(items)


def gzipped(answer: bytes) -> bytes:
    """The answer as gzip_packed where that is shorter."""
    if len(answer) <= MIN_GZIPPED:
        return answer
    content = isal_zlib.compress(answer, GZIP_LEVEL, GZIP_WINDOW)
    short = _GZIP + TLObject.serialize_bytes(content)
    return short if len(short) < len(answer) else answer
