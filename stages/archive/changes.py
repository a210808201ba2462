"""One chat's changes.jsonl: later versions of its messages, deletions, clearings, restorations (docs/archive.md).

It is only appended to. Whatever Telegram tells may come twice, and twice is once: what is told is held against the last word
on that id, here or, where there is none, in messages.jsonl.
"""
from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any
from zlib import crc32

import orjson

from tgbulk.engine.durable import sync, sync_folder, write_all
from tgbulk.engine.folder import Place
from tgbulk.stages.archive.lines import Piece, line_id, read_blocks
from tgbulk.stages.archive.row import ChatRow
from tgbulk.stages.archive.segments import open_at
from tgbulk.stages.telegram.content import content, edited_at


class ChangeKind(StrEnum):
    """What a line says."""

    #: the message has another content now
    VERSION = "version"
    #: it is not there any more
    DELETED = "deleted"
    #: nor is any message up to this id, for the account that was told
    CLEARED = "cleared"
    #: it is there, though it was deleted, or was not there when its id was asked for
    RESTORED = "restored"


#: How a change is known: Telegram told it; the message was another one, or none, when its id was asked for again; its
#: history was cleared.
UPDATE, WALK, CLEARED = "update", "walk", "cleared"
HOW = (UPDATE, WALK, CLEARED)


@dataclass(frozen=True, slots=True)
class Sighting:
    """When and how changes became known."""

    #: Unix seconds
    seen_at: int
    how: str
    #: user id of the account
    account: int
    #: of the box, 0 where that is not known
    pts: int = 0
    #: Unix seconds of the look before, 0 where there was none: the change happened between both
    since: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """One line."""

    kind: ChangeKind
    id: int
    sighting: Sighting
    #: the TL object of a version or restoration
    message: dict[str, Any] | None = None

    @classmethod
    def parse(cls, line: bytes) -> Change:
        """ValueError, KeyError, TypeError for what is none."""
        found = orjson.loads(line)
        kind, number = ChangeKind(found["kind"]), found["id"]
        sighting = Sighting(found["seen_at"], found["how"], found["account"], found["pts"], found["since"])
        numbers = number, sighting.seen_at, sighting.account, sighting.pts, sighting.since
        if any(type(one) is not int for one in numbers) or sighting.how not in HOW:
            raise ValueError("a field is not of its type")
        message = None
        if kind in (ChangeKind.VERSION, ChangeKind.RESTORED):
            message = found["message"]
            if message["id"] != number or message["_"] not in ("message", "messageService"):
                raise ValueError("its message is another one")
        return cls(kind, number, sighting, message)

    def line(self) -> bytes:
        sighting = self.sighting
        found: dict[str, Any] = {
            "kind": self.kind, "id": self.id, "seen_at": sighting.seen_at, "how": sighting.how, "account": sighting.account,
            "pts": sighting.pts, "since": sighting.since,
        }
        if self.message is not None:
            found["message"] = self.message
        return orjson.dumps(found, option=orjson.OPT_APPEND_NEWLINE)


@dataclass(slots=True)
class ChangeCounts:
    """What became of what was told of a chat: how many messages."""

    new: int = 0
    edited: int = 0
    deleted: int = 0
    restored: int = 0

    def add(self, kind: ChangeKind | None) -> None:
        self.edited += kind is ChangeKind.VERSION
        self.deleted += kind is ChangeKind.DELETED
        self.restored += kind is ChangeKind.RESTORED

    def extend(self, other: ChangeCounts) -> None:
        self.new += other.new
        self.edited += other.edited
        self.deleted += other.deleted
        self.restored += other.restored

    def __bool__(self) -> bool:
        return bool(self.new or self.edited or self.deleted or self.restored)


class ChangeIndex:
    """The last word on each id that changed: where its last version is, and whether it is deleted."""

    def __init__(self) -> None:
        #: id -> (offset of its last version + 1, 0 for the first form in messages.jsonl) << 1 | deleted
        self._last: dict[int, int] = {}
        #: all ids up to this one were cleared
        self.cleared = 0

    def take(self, kind: ChangeKind, number: int, offset: int) -> None:
        """A line that begins at this offset."""
        if kind is ChangeKind.CLEARED:
            self.cleared = max(self.cleared, number)
            self._last.update({one: last | 1 for one, last in self._last.items() if one <= number})
        elif kind is ChangeKind.DELETED:
            self._last[number] = self._last.get(number, 0) | 1
        else:
            self._last[number] = offset + 1 << 1

    def is_deleted(self, number: int) -> bool:
        last = self._last.get(number)
        return number <= self.cleared if last is None else bool(last & 1)

    def version(self, number: int) -> int | None:
        """The offset of the line with its last version, None for its first form."""
        place = self._last.get(number, 0) >> 1
        return place - 1 if place else None

    def ids(self) -> Iterator[int]:
        """Of which a line tells, but for clearings."""
        return iter(self._last)

    def versions(self) -> list[int]:
        """Ids that have one, ascending."""
        return sorted(number for number, last in self._last.items() if last >> 1)


class ChangeFile:
    """Appends to changes.jsonl of one chat, and counts in its row; the file is made with the first change."""

    def __init__(self, place: Place, row: ChatRow) -> None:
        """Open at what is committed, and cut off the rest. DamagedChatError, OSError."""
        self._place = place
        self._row = row
        self._index: ChangeIndex | None = None
        self._dirty = False
        self._descriptor = open_at(place, row.change_bytes) if row.change_bytes or place.exists() else -1

    @property
    def index(self) -> ChangeIndex:
        """The last word on each id, of all that was appended."""
        if self._index is None:
            self._index = index_changes(self._place, self._row.change_bytes)
        return self._index

    def see(self, line: bytes, first: bytes | None, sighting: Sighting) -> ChangeKind | None:
        """A message is there and like this; first: its line in messages.jsonl, None where there is none. None: known."""
        number = line_id(line)
        place, deleted = self.index.version(number), self.index.is_deleted(number)
        if place is None and not deleted and first is not None and first.rstrip() == line.rstrip():
            return None
        message = orjson.loads(line)
        known = self._version(place) if place is not None else None if first is None else orjson.loads(first)
        if known is None or deleted:
            self._row.late += known is None
            self._row.deleted -= known is not None
            return self._append(Change(ChangeKind.RESTORED, number, sighting, message))
        if edited_at(message) < edited_at(known) or content(message) == content(known):
            return None
        self._row.versions += 1
        return self._append(Change(ChangeKind.VERSION, number, sighting, message))

    def delete(self, number: int, has_first: bool, sighting: Sighting) -> ChangeKind | None:
        """A message is not there; has_first: it has a line in messages.jsonl. None: it was known, or never was there."""
        if not self.is_alive(number, has_first):
            return None
        self._row.deleted += 1
        return self._append(Change(ChangeKind.DELETED, number, sighting))

    def clear(self, up_to: int, alive: int, sighting: Sighting) -> int:
        """No message up to this id is there for the account any more, of which so many were. How many these are."""
        if up_to <= self.index.cleared:
            return 0
        self._row.deleted += alive
        self._append(Change(ChangeKind.CLEARED, up_to, sighting))
        return alive

    def is_alive(self, number: int, has_first: bool) -> bool:
        """Whether the archive has the message, and it is not deleted."""
        return (has_first or self.index.version(number) is not None) and not self.index.is_deleted(number)

    def unsynced(self) -> list[Callable[[], None]]:
        """What makes the lines durable: to be done before the journal speaks of them."""
        dirty, self._dirty = self._dirty, False
        return [partial(sync, self._descriptor, self._place)] if dirty else []

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _append(self, change: Change) -> ChangeKind:
        index, row, line = self.index, self._row, change.line()
        if self._descriptor < 0:
            self._descriptor = open_at(self._place, 0)
            sync_folder(self._place.parent)
        write_all(self._descriptor, line, row.change_bytes)
        index.take(change.kind, change.id, row.change_bytes)
        row.change_bytes += len(line)
        row.change_crc = crc32(line, row.change_crc)
        self._dirty = True
        return change.kind

    def _version(self, offset: int) -> dict[str, Any]:
        with self._place.reader() as file:
            file.seek(offset)
            message = Change.parse(file.readline()).message
        assert message is not None
        return message


def read_changes(place: Place, size: int) -> Iterator[tuple[int, Change]]:
    """(offset, change) of every committed line, in order. ChangedChatError, OSError; ValueError and others as `parse`."""
    offset = 0
    for block in read_blocks([Piece(place, 0, size)] if size else []):
        for line in block.splitlines(keepends=True):
            yield offset, Change.parse(line)
            offset += len(line)


def index_changes(place: Place, size: int) -> ChangeIndex:
    """Of every committed line. Errors as read_changes."""
    index = ChangeIndex()
    for offset, change in read_changes(place, size):
        index.take(change.kind, change.id, offset)
    return index
