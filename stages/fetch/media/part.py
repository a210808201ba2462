"""A file under way: <name>.part has its bytes where they belong, and behind them a map of what is there.

    size bytes          of the file; what is missing is undefined
    8                   MAGIC
    8 + 4 + 4           the file's size, the size of a part, 0: little-endian
    8 for each part     0 while it is missing, else 2^32 + its CRC-32

The map goes away when the file is whole. After a crash every part in it is checked, so nothing needs to be synced on the
way: what had not reached the disk fails its sum and is fetched again.
"""
from __future__ import annotations

import os
import struct

# A third of zlib's CPU time.
from isal.isal_zlib import crc32

from engine.durable import write_all

MAGIC = b"tgpart\0\1"
_HEAD = struct.Struct("<8sQII")
_ENTRY = struct.Struct("<Q")
_THERE = 1 << 32


class PartFile:
    """An open .part file; the descriptor is the caller's. Its methods may block."""

    def __init__(self, descriptor: int, size: int, part: int) -> None:
        """Take up what is there of a file of that size, or begin anew. OSError when the disk is full."""
        self._descriptor = descriptor
        self.size = size
        self.part = part
        self.count = -(-size // part)
        self.missing = set(range(self.count))
        if not self._resume():
            self._begin()

    def length(self, index: int) -> int:
        """Bytes that this part has."""
        return min(self.part, self.size - index * self.part)

    def write(self, index: int, data: bytes) -> None:
        write_all(self._descriptor, data, index * self.part)
        write_all(self._descriptor, _ENTRY.pack(_THERE | crc32(data)), self._entry(index))
        self.missing.discard(index)

    def read(self, index: int) -> bytes:
        return os.pread(self._descriptor, self.length(index), index * self.part)

    def finish(self) -> None:
        """Every part is there: leave the file's bytes alone, durable.

        The map goes last: whoever is killed while much is written to the disk has it still.
        """
        os.fsync(self._descriptor)
        os.ftruncate(self._descriptor, self.size)
        os.fsync(self._descriptor)

    @property
    def _head(self) -> bytes:
        return _HEAD.pack(MAGIC, self.size, self.part, 0)

    def _entry(self, index: int) -> int:
        return self.size + _HEAD.size + index * _ENTRY.size

    def _resume(self) -> bool:
        if os.fstat(self._descriptor).st_size != self._entry(self.count):
            return False
        entries = os.pread(self._descriptor, self._entry(self.count) - self.size, self.size)
        if not entries.startswith(self._head):
            return False
        for index, (entry,) in enumerate(_ENTRY.iter_unpack(entries[_HEAD.size :])):
            if entry and entry == _THERE | crc32(self.read(index)):
                self.missing.discard(index)
        return True

    def _begin(self) -> None:
        os.ftruncate(self._descriptor, 0)
        try:
            os.posix_fallocate(self._descriptor, 0, self._entry(self.count))
        except OSError:
            os.ftruncate(self._descriptor, 0)
            raise
        write_all(self._descriptor, self._head, self.size)
