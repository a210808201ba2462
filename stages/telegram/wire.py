"""What generated functions call for the rarer shapes on the wire, and the errors of decoding."""
from __future__ import annotations

from binascii import b2a_base64
from struct import unpack_from
from typing import Any, NoReturn

from tgbulk.stages.telegram.sparse import REFERENCES, number

VECTOR = 0x1CB5C415
BOOLS = {0x997275B5: True, 0xBC799737: False}


class DecodeError(ValueError):
    """The bytes are not what they should be: cut short, a lying count, a constructor nobody knows."""


class UnknownConstructor(DecodeError):
    """An object begins with an id that no installed type has. `offset` is that of the id in the buffer."""

    def __init__(self, constructor_id: int, offset: int) -> None:
        super().__init__(f"unknown constructor {constructor_id:#010x} at offset {offset}")
        self.constructor_id = constructor_id
        self.offset = offset


def long_blob(data: bytes, offset: int) -> tuple[bytes, int]:
    """A string of 254 bytes or more; `offset` is that after its first byte, 254."""
    if data[offset - 1] != 254:
        raise DecodeError(f"no string begins with 255, at offset {offset - 1}")
    start = offset + 3
    size = int.from_bytes(data[offset:start], "little")
    return data[start : start + size], start + (size + 3 & -4)


def blob(data: bytes, offset: int) -> tuple[bytes, int]:
    """A string of any length, as bytes."""
    size = data[offset]
    if size >= 254:
        return long_blob(data, offset + 1)
    return data[offset + 1 : offset + 1 + size], offset + (size + 4 & -4)


def numbers(data: bytes, offset: int, count: int, code: str, size: int) -> tuple[list[int], int]:
    """`count` numbers in a row, of one struct code and its size."""
    end = offset + count * size
    if end > len(data):
        raise DecodeError(f"a vector of {count} ends after the buffer, at offset {offset}")
    return list(unpack_from(f"<{count}{code}", data, offset)), end


def refuse_vector(head: int, count: int, offset: int) -> NoReturn:
    """Raise for a vector whose id is wrong, or whose count cannot be true."""
    raise DecodeError(f"vector {head:#010x} of {count} before offset {offset}")


def refuse_constructor(constructor_id: int, offset: int) -> NoReturn:
    """Raise for an object whose type has no such constructor; `offset` is that of the id."""
    raise UnknownConstructor(constructor_id, offset)


#: What generated functions call, by the names they use.
NAMES: dict[str, Any] = {
    "BOOLS": BOOLS,
    "REFERENCES": REFERENCES,
    "b2a_base64": b2a_base64,
    "blob": blob,
    "long_blob": long_blob,
    "number": number,
    "numbers": numbers,
    "refuse_constructor": refuse_constructor,
    "refuse_vector": refuse_vector,
}
