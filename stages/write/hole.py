"""Holes in what is covered: their ids are taken out of it, and the next export asks for them. No line moves."""
from __future__ import annotations

from collections import deque
from pathlib import Path
from zlib import crc32

import orjson

from engine import document
from engine.durable import write_whole
from engine.journal import Journal
from stages.write.archive import Archive
from stages.write.chat import Progress
from stages.write.coverage import Range


def open_holes(archive: Archive, progress: Progress, missing: list[int], most: int) -> bool:
    """Let ids be missing again, ascending, of which no line is there; the archive is held, the chat whole and joined.

    False, and nothing was done, where that takes more than `most` holes. DamagedDocumentError, DamagedJournalError, OSError.
    """
    folder = archive.chat(progress.marked_id)
    before = [Range(*values) for values in progress.ranges]
    ranges = without(folder / "messages.jsonl", before, missing)
    if len(ranges) - len(before) > most:
        return False
    # Like this a chat is while a run is at it, wherever this is cut short.
    path = folder / "chat.json"
    about = document.load(path) | {"state": "open"}
    about.pop("statement", None)
    write_whole(path, document.dump(about))
    progress.state = "open"
    progress.joined = len(ranges)
    progress.ranges = [[one.lo, one.next, one.size, one.crc] for one in ranges]
    journal = Journal(archive.journal, lambda _: None)
    try:
        journal.append([progress.row()])
    finally:
        journal.close()
    return True


def without(path: Path, ranges: list[Range], missing: list[int]) -> list[Range]:
    """The ranges, whose lines lie back to back in this file, without these ids; those between two lines go together."""
    result: list[Range] = []
    left = deque(missing)
    with open(path, "rb") as file:
        for one in ranges:
            part, size = Range(one.lo, one.lo, 0), one.size
            while size:
                line = file.readline()
                part = _cut(part, left, orjson.loads(line)["id"], result)
                part.size += len(line)
                part.crc = crc32(line, part.crc)
                size -= len(line)
            part = _cut(part, left, one.next, result)
            _keep(part, one.next, result)
    return result


def _cut(part: Range, left: deque[int], below: int, result: list[Range]) -> Range:
    """End the part at the first id that is left, where it is below that, and begin another one behind the last."""
    if not left or left[0] >= below:
        return part
    _keep(part, left[0], result)
    while left and left[0] < below:
        last = left.popleft()
    return Range(last + 1, last + 1, 0)


def _keep(part: Range, following: int, result: list[Range]) -> None:
    if part.lo < following:
        part.next = following
        result.append(part)
