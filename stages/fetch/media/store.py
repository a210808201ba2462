"""The files below media/: reached without following a symbolic link, whole under their names or not there.

A file under way is <name>.part: its bytes where they belong, and behind them a map of what is there.

    size bytes          of the file; what is missing is undefined
    8                   MAGIC
    8 + 4 + 4           the file's size, the size of a part, 0: little-endian
    8 for each part     0 while it is missing, else 2^32 + its CRC-32

The map goes away when the file is whole. After a crash every part in it is checked, so nothing needs to be synced on the
way: what had not reached the disk fails its sum and is fetched again.
"""
from __future__ import annotations

import asyncio
import hashlib
import os
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import ParamSpec, TypeVar

# A third of zlib's CPU time.
from isal.isal_zlib import crc32

from tgbulk.engine.durable import PART, make_folder, open_new, sync_folder, write_all
from tgbulk.engine.folder import Place
from tgbulk.stages.archive.folder import Archive

P = ParamSpec("P")
T = TypeVar("T")

#: Bytes hashed at a time.
_CHUNK = 1 << 20

MAGIC = b"tgpart\0\1"
_HEAD = struct.Struct("<8sQII")
_ENTRY = struct.Struct("<Q")
_THERE = 1 << 32


class Store:
    """Paths are those of Medium; methods block, and raise OSError as it comes, UnsafeNameError for a path that leads out."""

    def __init__(self, archive: Path) -> None:
        self._root = Archive(archive).media
        make_folder(self._root)

    def existing(self, path: str) -> tuple[int, bytes] | None:
        """(size, SHA-256) of a whole file, None where there is none."""
        try:
            descriptor = (self._root / path).open()
        except OSError:
            return None
        try:
            return os.fstat(descriptor).st_size, _digest(descriptor)
        finally:
            os.close(descriptor)

    def keep(self, path: str, data: bytes, date: int) -> bytes:
        """Make a whole file of these bytes; its SHA-256."""
        descriptor = self.open_part(path)
        try:
            os.ftruncate(descriptor, 0)
            write_all(descriptor, data, 0)
            os.fsync(descriptor)
            self.publish(path, descriptor, date)
        finally:
            os.close(descriptor)
        return hashlib.sha256(data).digest()

    def open_part(self, path: str) -> int:
        """A descriptor of the file's .part, new or old, for reading and writing."""
        part = self._part(path)
        make_folder(part.parent)
        try:
            return part.open(os.O_RDWR)
        except OSError:  # none, or nothing of ours
            return open_new(part)

    def publish(self, path: str, descriptor: int, date: int) -> None:
        """The .part is whole and durable: give it its name, and the time of its message where that can be had."""
        if date:
            with suppress(OSError, OverflowError):
                os.utime(descriptor, (date, date))
        place = self._part(path).rename((self._root / path).name)
        sync_folder(place.parent)

    def discard(self, path: str) -> None:
        """Remove a .part that will not become whole."""
        with suppress(FileNotFoundError):
            self._part(path).unlink()

    def _part(self, path: str) -> Place:
        place = self._root / path
        return place.with_name(place.name + PART)


class PartFile:
    """An open .part file; the descriptor is the caller's. Its methods may block."""

    def __init__(self, descriptor: int, size: int, part: int) -> None:
        """Resume what is there of a file of that size, or start over. OSError when the disk is full."""
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


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What the function returns or raises. A caller that is cancelled waits for its end: it may hold files."""
    task = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(task)
    finally:
        if not task.done():
            await asyncio.wait([task])


def _digest(descriptor: int) -> bytes:
    digest = hashlib.sha256()
    offset = 0
    while data := os.pread(descriptor, _CHUNK, offset):
        digest.update(data)
        offset += len(data)
    return digest.digest()
