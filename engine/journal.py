"""The journal: an append-only file of records, each of which is whole or does not count.

A record is a header of three little-endian u32 (length of the payload, CRC-32 of those four bytes, CRC-32 of the payload)
and the payload, one msgpack value. A crash leaves at most a torn last record (a prefix, or zeros where the file system had
only grown the file): opening cuts it off. Anything else that does not add up is damage, and refused.
"""
import os
import struct
from pathlib import Path
from typing import Any
from zlib import crc32

import msgpack

from engine.durable import sync, sync_folder, write_all
from engine.error import StorageError

_HEADER = struct.Struct("<III")


class DamagedJournalError(StorageError):
    """{0} is damaged at byte {1}: {2}"""

    advice = "Restore the file from a copy, or move the archive away and export again."


class Journal:
    """Open for appending; the records that were already there are in `records`, in order."""

    def __init__(self, path: Path) -> None:
        """Open or create. DamagedJournalError, or OSError from the file system."""
        self._path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            self.records, self._end = _scan(path, os.pread(self._descriptor, os.fstat(self._descriptor).st_size, 0))
            os.ftruncate(self._descriptor, self._end)
            sync_folder(path.parent)
        except BaseException:
            os.close(self._descriptor)
            raise

    def append(self, record: Any) -> None:
        """Add one record and make it durable before returning. After an OSError the file is as it was."""
        payload = msgpack.packb(record)
        length = struct.pack("<I", len(payload))
        data = length + struct.pack("<II", crc32(length), crc32(payload)) + payload
        try:
            write_all(self._descriptor, data, self._end)
            sync(self._descriptor, self._path)
        except OSError:
            os.ftruncate(self._descriptor, self._end)
            raise
        self._end += len(data)

    def close(self) -> None:
        os.close(self._descriptor)


def read(path: Path) -> tuple[list[Any], int, int]:
    """(records, end of the last whole one, size of the file), without touching it. DamagedJournalError, OSError."""
    data = path.read_bytes()
    records, end = _scan(path, data)
    return records, end, len(data)


def _scan(path: Path, data: bytes) -> tuple[list[Any], int]:
    """(records, end of the last whole one)."""
    records: list[Any] = []
    place = 0
    while place < len(data):
        rest = len(data) - place
        if rest < _HEADER.size:
            break
        length, length_crc, payload_crc = _HEADER.unpack_from(data, place)
        if crc32(data[place : place + 4]) != length_crc:
            if len(data[place:].rstrip(b"\0")) < _HEADER.size:
                break
            raise DamagedJournalError(path, place, "the length of a record is not what was written")
        if rest < _HEADER.size + length:
            break
        end = place + _HEADER.size + length
        payload = data[place + _HEADER.size : end]
        if crc32(payload) != payload_crc:
            if end == len(data):
                break
            raise DamagedJournalError(path, place, "a record is not what was written")
        records.append(msgpack.unpackb(payload))
        place = end
    return records, place
