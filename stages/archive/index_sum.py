"""media.sqlite.sum: the size and CRC-32 that the index of media had when a run was done with it.

SQLite finds damage of its pages' structure alone. The sum is not there while a run writes the index, nor after one that was
killed, and does not count where another program has written since, as SQLite's own count of transactions shows: then nobody
can tell.
"""
from __future__ import annotations

import os

from isal.isal_zlib import crc32

from tgbulk.engine import document
from tgbulk.engine.document import DamagedDocumentError
from tgbulk.engine.durable import sync_folder, write_whole
from tgbulk.engine.folder import Place
from tgbulk.engine.heartbeat import beat

#: Behind the name of the index.
SUM = ".sum"
_CHUNK = 1 << 22
#: Where a database has its count of transactions, big-endian, and what it was when SQLite wrote the header the last time
#: (https://sqlite.org/fileformat2.html, 1.3.8 and 1.3.13).
_CHANGES, _VALID_FOR = slice(24, 28), slice(92, 96)


def keep_sum(index: Place) -> None:
    """The index is closed. OSError."""
    write_whole(_place(index), document.dump(_sum(index)))


def remove_sum(index: Place) -> None:
    """Durably, before the index is written to. OSError."""
    if _place(index).exists():
        _place(index).unlink()
        sync_folder(index.parent)


def what_is_wrong(index: Place) -> str:
    """Why the index is not what was written, "" where it is, or where that is not known. OSError."""
    place = _place(index)
    if not place.exists():
        return ""
    try:
        kept = document.load(place)
    except DamagedDocumentError:
        return "its checksum cannot be read"
    found = _sum(index)
    unchanged = kept.get("changes") in (found["changes"], _count(index, _VALID_FOR))
    return "it is not what was written" if unchanged and kept != found else ""


def _place(index: Place) -> Place:
    return index.with_name(index.name + SUM)


def _count(index: Place, where: slice) -> int:
    with index.reader() as file:
        return int.from_bytes(file.read(where.stop)[where], "big")


def _sum(index: Place) -> dict[str, int]:
    changes = _count(index, _CHANGES)
    descriptor = index.open()
    try:
        size = found = 0
        while data := os.pread(descriptor, _CHUNK, size):
            beat()
            found = crc32(data, found)
            size += len(data)
    finally:
        os.close(descriptor)
    return {"size": size, "changes": changes, "content_crc32": found}
