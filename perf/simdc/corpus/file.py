"""The bytes of photos, documents and thumbnails."""
from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from random import Random

#: Seeded bytes are made in blocks of this many bytes.
BLOCK = 1 << 16


@dataclass(slots=True)
class ReadyFile:
    """Bytes in memory."""

    dc_id: int
    data: bytes
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = len(self.data)

    def read(self, offset: int, limit: int) -> bytes:
        return self.data[offset:offset + limit]

    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


@dataclass(slots=True)
class SeededFile:
    """Bytes made from a seed where they are read, so of any size."""

    dc_id: int
    size: int
    seed: str

    def read(self, offset: int, limit: int) -> bytes:
        stop = min(offset + limit, self.size)
        first = offset // BLOCK
        data = b"".join(_block(self.seed, number) for number in range(first, -(-stop // BLOCK)))
        return data[offset - first * BLOCK:stop - first * BLOCK] if stop > offset else b""

    def sha256(self) -> str:
        digest = hashlib.sha256()
        for offset in range(0, self.size, BLOCK):
            digest.update(self.read(offset, BLOCK))
        return digest.hexdigest()


@lru_cache(maxsize=256)
def _block(seed: str, number: int) -> bytes:
    return Random(f"{seed}:{number}").randbytes(BLOCK)
