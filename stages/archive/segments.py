"""The messages of one chat on disk, while several id ranges of it grow at once.

What is covered is a list of ranges, ascending and apart. The first `joined` of them lie back to back in messages.jsonl, the
others in segments/<lo>.jsonl. A range is appended to messages.jsonl as soon as the one before it has reached it; at the
end of a run all of them are, gaps or not. When a later run fills a gap in the middle, what lies behind it becomes segments
again.

Committed bytes are never overwritten before a newer journal row is durable: joining copies, and the segment goes after the
commit; parting copies, commits, and only then cuts messages.jsonl.
"""
from __future__ import annotations

import math
import os
from bisect import bisect_right
from collections.abc import Callable
from functools import partial
from zlib import crc32

from tgbulk.engine.checksum import joined
from tgbulk.engine.durable import sync, sync_folder, write_all
from tgbulk.engine.error import StorageError
from tgbulk.engine.folder import Place
from tgbulk.engine.heartbeat import beat
from tgbulk.stages.archive.folder import ChatFolder
from tgbulk.stages.archive.id_range import IdRange
from tgbulk.stages.archive.lines import Piece
from tgbulk.stages.archive.row import ChatRow, CoveredRange

#: Bytes copied at a time from one file to another.
_COPY = 1 << 20


class DamagedChatError(StorageError):
    """{0} has {1} bytes where the journal committed {2}"""

    advice = "The file was cut or replaced; move the chat's folder away, or export into a new archive."


class Segments:
    """Appends lines to ranges of one chat."""

    def __init__(self, folder: ChatFolder, ranges: list[CoveredRange], joined: int, commit: Callable[[], None]) -> None:
        """Open at what is committed and cut off the rest; `commit` makes the present state durable.

        DamagedChatError, OSError.
        """
        self.ranges = ranges
        self.joined = joined
        self._commit = commit
        self._folder = folder
        self._open: dict[int, int] = {}
        #: what is to be made durable: messages.jsonl; segments; the names of these
        self._grown = False
        self._dirty: set[int] = set()
        self._named = False
        self._absorbed: list[int] = []
        self._parting = False
        self._messages = open_at(folder.messages, sum(r.size for r in ranges[:joined]))
        try:
            for one in ranges[joined:]:
                self._open[one.lo] = open_at(self._folder.segment(one.lo), one.size)
            self._remove_orphans()
        except BaseException:
            self.close()
            raise

    def pieces(self) -> list[Piece]:
        """Where the lines are by now, ascending by id."""
        found = [Piece(self._folder.messages, 0, self._joined_size())]
        found += [Piece(self._folder.segment(one.lo), 0, one.size) for one in self.ranges[self.joined :]]
        return [one for one in found if one.size]

    def append(self, start: int, ids: IdRange, lines: bytes) -> bool:
        """Add the lines of these ids to the range that began at `start`; False when they are there already."""
        place = self._find(start)
        one = self.ranges[place]
        if ids.lo < one.hi:
            return False
        if ids.lo > one.hi:
            raise RuntimeError(f"{self._folder.path}: ids {one.hi} to {ids.lo} of the range from {start} are missing")
        if place < self.joined - 1:
            self._part(place + 1)
        if place < self.joined:
            write_all(self._messages, lines, self._joined_size())
            self._grown = True
        else:
            write_all(self._open[one.lo], lines, one.size)
            self._dirty.add(one.lo)
        one.size += len(lines)
        one.crc = crc32(lines, one.crc)
        one.hi = max(one.hi, ids.hi)
        return True

    @property
    def is_whole(self) -> bool:
        """All ranges are in messages.jsonl."""
        return self.joined == len(self.ranges)

    def join(self, everything: bool = False, most: float = math.inf) -> int:
        """Move ranges into messages.jsonl: those that were reached from below, or all of them; no more once so many bytes
        were moved. Returns these."""
        moved = 0
        while not self.is_whole and not self._parting and moved < most:
            upper = self.ranges[self.joined]
            reached = self.joined == 0 or self.ranges[self.joined - 1].hi >= upper.lo
            if not (reached or everything):
                break
            moved += upper.size
            self._absorb(upper)
        return moved

    def unsynced(self) -> list[Callable[[], None]]:
        """What makes the data durable: to be done before the journal speaks of it."""
        if not (self._grown or self._dirty or self._named):
            return []
        syncs: list[Callable[[], None]] = [partial(sync, self._messages, self._folder.messages)]
        syncs += [partial(sync, self._open[lo], self._folder.segment(lo)) for lo in self._dirty & self._open.keys()]
        if self._named:
            syncs += [partial(sync_folder, self._folder.path), partial(sync_folder, self._folder.segments)]
        self._grown = self._named = False
        self._dirty.clear()
        return syncs

    def committed(self) -> None:
        """The journal speaks of the present state: joined segments can go."""
        for lo in self._absorbed:
            self._folder.segment(lo).unlink(missing_ok=True)
        self._absorbed.clear()

    def close(self) -> None:
        for descriptor in [self._messages, *self._open.values()]:
            os.close(descriptor)
        self._open.clear()
        if self._folder.segments.is_dir() and not any(self._folder.segments.iterdir()):
            self._folder.segments.rmdir()

    def _find(self, lo: int) -> int:
        """The place of the range that began at lo, or has become part of one that reached it; or a new one for it."""
        place = bisect_right(self.ranges, lo, key=lambda one: one.lo) - 1
        if place >= 0 and lo <= self.ranges[place].hi:
            return place
        place += 1
        if place < self.joined:
            self._part(place)
        self.ranges.insert(place, CoveredRange(lo, lo))
        if self.joined == 0 and place == 0:
            self.joined = 1
        else:
            self._open_segment(lo)
        return place

    def _absorb(self, one: CoveredRange) -> None:
        end = self._joined_size()
        source = self._open.pop(one.lo)
        _copy(source, 0, self._messages, end, one.size)
        self._grown = True
        os.close(source)
        self._absorbed.append(one.lo)
        before = self.ranges[self.joined - 1] if self.joined else None
        if before is not None and before.hi >= one.lo:
            before.hi = max(before.hi, one.hi)
            before.size += one.size
            before.crc = joined(before.crc, one.crc, one.size)
            self.ranges.remove(one)
        else:
            self.joined += 1

    def _part(self, place: int) -> None:
        """Turn the joined ranges from `place` on into segments again."""
        offset = sum(one.size for one in self.ranges[:place])
        for one in self.ranges[place : self.joined]:
            self._open_segment(one.lo)
            _copy(self._messages, offset, self._open[one.lo], 0, one.size)
            offset += one.size
        self.joined = place
        self._parting = True
        self._commit()
        self._parting = False
        os.ftruncate(self._messages, self._joined_size())

    def _open_segment(self, lo: int) -> None:
        self._folder.segments.mkdir(exist_ok=True)  # and not its parents: where they are gone, the chat is
        self._open[lo] = open_at(self._folder.segment(lo), 0)
        self._dirty.add(lo)
        self._named = True

    def _joined_size(self) -> int:
        return sum(one.size for one in self.ranges[: self.joined])

    def _remove_orphans(self) -> None:
        """Segments that no journal row speaks of: of a crash before their first commit, or after their last."""
        if self._folder.segments.is_dir():
            for place in self._folder.segments.iterdir():
                if place.stem not in {str(lo) for lo in self._open}:
                    place.unlink()


def committed_pieces(folder: ChatFolder, row: ChatRow) -> list[Piece]:
    """Where the lines are of which the row speaks, ascending by id."""
    found = [Piece(folder.messages, 0, row.joined_size)]
    found += [Piece(folder.segment(one.lo), 0, one.size) for one in row.ranges[row.joined :]]
    return [one for one in found if one.size]


def open_at(place: Place, size: int) -> int:
    """A descriptor of the file, cut to its committed size; made where it is missing and nothing is committed."""
    descriptor = place.open(os.O_RDWR | os.O_CREAT)
    found = os.fstat(descriptor).st_size
    if found < size:
        os.close(descriptor)
        raise DamagedChatError(place, found, size)
    os.ftruncate(descriptor, size)
    return descriptor


def _copy(source: int, source_offset: int, target: int, target_offset: int, size: int) -> None:
    for done in range(0, size, _COPY):
        beat()
        data = os.pread(source, min(_COPY, size - done), source_offset + done)
        write_all(target, data, target_offset + done)
