from __future__ import annotations

import random
from zlib import crc32

import pytest

from tgbulk.engine.checksum import joined


@pytest.mark.parametrize("size", [0, 1, 2, 3, 255, 256, 65_537, 1_000_000])
def test_the_sum_of_both_is_that_of_the_whole(size: int) -> None:
    source = random.Random(size)
    for first in (b"", b"\0", source.randbytes(77), source.randbytes(100_001)):
        second = source.randbytes(size)
        assert joined(crc32(first), crc32(second), size) == crc32(first + second)


def test_many_pieces() -> None:
    source = random.Random(1)
    pieces = [source.randbytes(source.randrange(300)) for _ in range(200)]
    total = 0
    for piece in pieces:
        total = joined(total, crc32(piece), len(piece))
    assert total == crc32(b"".join(pieces))
