"""Holes in what is covered: their ids are taken out of it, and the next export asks for them. No line moves."""
from __future__ import annotations

from collections import deque
from dataclasses import replace
from zlib import crc32

import orjson

from tgbulk.engine.folder import Place
from tgbulk.engine.journal import Journal
from tgbulk.stages.archive.about import load_about
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.row import OPEN, ChatRow, CoveredRange


def open_holes(archive: Archive, row: ChatRow, missing: list[int], most: int) -> bool:
    """Let ids be missing again, ascending, of which no line is there; the archive is held, the chat whole and joined.

    False, and nothing was done, where that takes more than `most` holes. DamagedDocumentError, DamagedJournalError, OSError.
    """
    folder = archive.chat(row.marked_id)
    ranges = without(folder.messages, row.ranges, missing)
    if len(ranges) - len(row.ranges) > most:
        return False
    # Like this a chat is while a run is at it, wherever this is cut short.
    replace(load_about(folder, row.marked_id), state=OPEN, statement=None).write(folder)
    row.state = OPEN
    row.joined = len(ranges)
    row.ranges = ranges
    append_row(archive, row)
    return True


def append_row(archive: Archive, row: ChatRow) -> None:
    """Journal one row of an archive that is held. DamagedJournalError, OSError."""
    journal = Journal(archive.journal, lambda _: None)
    try:
        journal.append([row.pack()])
    finally:
        journal.close()


def without(path: Place, ranges: list[CoveredRange], missing: list[int]) -> list[CoveredRange]:
    """The ranges, whose lines lie back to back in this file, without these ids; those between two lines go together."""
    result: list[CoveredRange] = []
    left = deque(missing)
    with path.reader() as file:
        for one in ranges:
            part, size = CoveredRange(one.lo, one.lo), one.size
            while size:
                line = file.readline()
                part = _cut(part, left, orjson.loads(line)["id"], result)
                part.size += len(line)
                part.crc = crc32(line, part.crc)
                size -= len(line)
            part = _cut(part, left, one.hi, result)
            _keep(part, one.hi, result)
    return result


def _cut(part: CoveredRange, left: deque[int], below: int, result: list[CoveredRange]) -> CoveredRange:
    """End the part at the first id that is left, where it is below that, and begin another one above the last."""
    if not left or left[0] >= below:
        return part
    _keep(part, left[0], result)
    while left and left[0] < below:
        lo = left.popleft() + 1
    return CoveredRange(lo, lo)


def _keep(part: CoveredRange, hi: int, result: list[CoveredRange]) -> None:
    if part.lo < hi:
        part.hi = hi
        result.append(part)
