"""The journal: an append-only file of records, each of which is whole or does not count.

A record is a header of three little-endian u32 (length of the payload, CRC-32 of those four bytes, CRC-32 of the payload)
and the payload, one msgpack value. A crash leaves at most a torn last record (a prefix, or zeros where the file system had
only grown the file): opening cuts it off. Anything else that does not add up is damage, and refused.
"""
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO
from zlib import crc32

import msgpack

from tgbulk.engine.durable import sync, sync_folder, write_all
from tgbulk.engine.error import StorageError
from tgbulk.engine.folder import Place

_HEADER = struct.Struct("<III")


class DamagedJournalError(StorageError):
    """{0} is damaged at byte {1}: {2}"""

    advice = "Restore the file from a copy, or move the archive away and export again."


#: Is given each record, in order; a long journal's are too many to hold.
Take = Callable[[Any], object]


class Journal:
    """Open for appending."""

    def __init__(self, path: Path | Place, take: Take) -> None:
        """Open or create; `take` gets what is there. DamagedJournalError, or OSError from the file system."""
        self._path = path
        self._descriptor = Place.of(path).open(os.O_RDWR | os.O_CREAT)
        try:
            self._end, _ = read(path, take)
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


def read(path: Path | Place, take: Take, place: int = 0) -> tuple[int, int]:
    """(end of the last whole record, size of the file), without touching it; from the record on that begins at `place`.

    DamagedJournalError, OSError.
    """
    with Place.of(path).reader() as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(place)
        while (payload := _next(file, path, place, size - place)) is not None:
            take(msgpack.unpackb(payload))
            place += _HEADER.size + len(payload)
    return place, size


def _next(file: BinaryIO, path: Path | Place, place: int, rest: int) -> bytes | None:
    """The payload of the record that begins here; None at the end, and where the last one is torn."""
    header = file.read(_HEADER.size)
    if rest < _HEADER.size:
        return None
    length, length_crc, payload_crc = _HEADER.unpack(header)
    if crc32(header[:4]) != length_crc:
        if len((header + file.read()).rstrip(b"\0")) < _HEADER.size:
            return None
        raise DamagedJournalError(path, place, "the length of a record is not what was written")
    if rest < _HEADER.size + length:
        return None
    payload = file.read(length)
    if crc32(payload) != payload_crc:
        if rest == _HEADER.size + length:
            return None
        raise DamagedJournalError(path, place, "a record is not what was written")
    return payload
