"""CRC-32 of a file that grows in pieces, each with its own sum: sums of neighbours can be joined without reading."""
from __future__ import annotations

#: x^0 and x^8, and the polynomial without x^32, in the bit order of zlib.crc32: the highest bit is the lowest power.
_ONE = 1 << 31
_BYTE = 1 << 23
_POLYNOMIAL = 0xEDB88320


def joined(first: int, second: int, size: int) -> int:
    """crc32(a + b), given crc32(a), crc32(b) and len(b).

    A CRC is the remainder of a polynomial over GF(2), so `size` more bytes behind `a` multiply its part by x^(8 size).
    """
    shift, square = _ONE, _BYTE
    while size:
        if size & 1:
            shift = _product(shift, square)
        square = _product(square, square)
        size >>= 1
    return _product(first, shift) ^ second


def _product(a: int, b: int) -> int:
    """a * b modulo the polynomial."""
    result = 0
    while a:
        if a & _ONE:
            result ^= b
        a = a << 1 & 0xFFFFFFFF
        b = b >> 1 ^ (_POLYNOMIAL if b & 1 else 0)
    return result
