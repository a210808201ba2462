"""One chat's files while they grow: messages.jsonl, peers.jsonl, and chat.json."""
from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any
from zlib import crc32

import orjson

from tgbulk.engine.durable import make_folder, sync, sync_folder, write_all
from tgbulk.engine.folder import Place
from tgbulk.engine.group_sync import sync_together
from tgbulk.stages.archive.about import ChatAbout, asked_ids
from tgbulk.stages.archive.account import without
from tgbulk.stages.archive.annex import AnnexFiles
from tgbulk.stages.archive.changes import ChangeCounts, ChangeFile, Sighting
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.id_range import IdRange, add_range, contains, intersect
from tgbulk.stages.archive.lines import cut_from, cut_to, find_lines, line_id, read_blocks
from tgbulk.stages.archive.quarantine import Quarantine, Undecoded
from tgbulk.stages.archive.row import COMPLETE, ENDED, OPEN, ChatRow
from tgbulk.stages.archive.segments import Segments, open_at
from tgbulk.stages.archive.source import Sources
from tgbulk.stages.archive.statement import Statement, make_statement
from tgbulk.stages.telegram.chat import ChatRecord
from tgbulk.stages.telegram.difference import Told
from tgbulk.stages.telegram.peer import PeerLine, digest, is_min, marked_id

#: Seconds between two times that chat.json says who brought what, while several accounts do: thousands of ranges.
SOURCES_SECONDS = 10.0
#: What the line of a service message begins with.
_SERVICE = b'{"_":"messageService"'


class ChatFile:
    """Appends to one chat's folder."""

    def __init__(self, archive: Archive, row: ChatRow, commit: Callable[[], None]) -> None:
        """Open at what is committed; whatever lies behind it is cut off. DamagedChatError, OSError."""
        self.folder = archive.chat(row.marked_id)
        make_folder(self.folder.path)
        self.row = row
        self.dirty = False
        self._commit = commit
        self._segments = Segments(self.folder, [one.copy() for one in row.ranges], row.joined, self._commit_now)
        try:
            self._peers = open_at(self.folder.peers, row.peer_bytes)
            try:
                self._changes = ChangeFile(self.folder.changes, row)
            except BaseException:
                os.close(self._peers)
                raise
        except BaseException:
            self._segments.close()
            raise
        self._peers_synced = True
        sync_folder(self.folder.path)
        self._quarantine = Quarantine(archive.quarantine, row.marked_id)
        self._quarantine.remove_orphans(row.quarantined)
        self._filled: list[IdRange] = []
        self._known: dict[int, int] | None = None
        self._before = row.messages
        #: which account brought what
        self.sources = Sources(row.account)
        self._record: ChatRecord | None = None
        #: when chat.json was written, and whether it says who brought what
        self._described = 0.0
        self._sourced = False
        self._ended = False
        self._annexes: AnnexFiles | None = None

    @property
    def new(self) -> int:
        """Messages that came since it was opened."""
        return self.row.messages - self._before

    @property
    def covered(self) -> list[IdRange]:
        """By now, committed or not."""
        return [one.ids for one in self._segments.ranges]

    def add(
        self, start: int, ids: IdRange, lines: bytes, peers: list[PeerLine], messages: int, services: int, empty: list[int],
        account: int = 0,
    ) -> int:
        """Append a page with all of these ids to the range that began at `start`: lines of so many messages, some of them
        service messages, and ids without one; account: that brought it. Returns the bytes written, 0 for a page that is
        there."""
        before = self.covered if account and self.sources.is_other(account) else []
        if not self._segments.append(start, ids, lines):
            return 0
        if account:
            self.sources.add(account, ids, before)
        fresh = self.add_peers(peers)
        self.row.messages += messages
        self.row.services += services
        if empty:
            for one in empty:
                add_range(self.row.empty, IdRange(one, one + 1))
        self.dirty = True
        return len(lines) + fresh

    def add_peers(self, peers: Iterable[PeerLine]) -> int:
        """Append those that are news; the bytes written."""
        fresh = b"".join(one.line for one in peers if self._changed(one))
        if fresh:
            write_all(self._peers, fresh, self.row.peer_bytes)
            self._peers_synced = False
            self.row.peer_bytes += len(fresh)
            self.row.peer_crc = crc32(fresh, self.row.peer_crc)
            self.dirty = True
        return len(fresh)

    @property
    def annexes(self) -> AnnexFiles:
        """DamagedDocumentError, OSError."""
        self.dirty = True
        if self._annexes is None:
            self._annexes = AnnexFiles(self.folder)
        return self._annexes

    def see(self, told: list[Told], sighting: Sighting, grows: bool) -> ChangeCounts:
        """Messages as they are now, in the order in which they were told.

        grows: everything above what is covered is told, so that a message there is the next one; else it is only noted that
        there are more. OSError.
        """
        counts, row = ChangeCounts(), self.row
        if grows and self._segments.ranges:
            told = self._grow(told, counts)
        firsts = find_lines(self._segments.pieces(), (line_id(one.line) for one in told))
        covered = self.covered
        for one in told:
            number = line_id(one.line)
            if contains(covered, number):
                seen = replace(sighting, pts=one.pts or sighting.pts)
                counts.add(self._changes.see(one.line, firsts.get(number), seen))
            elif not covered or number >= covered[-1].hi:
                row.behind = max(row.behind, number)
                self.dirty = True
        self.dirty = self.dirty or bool(counts)
        return counts

    def delete(self, ids: list[int], sighting: Sighting) -> ChangeCounts:
        """Messages that are not there any more; ids that the archive does not have are none. OSError."""
        counts = ChangeCounts()
        firsts = find_lines(self._segments.pieces(), ids)
        for number in ids:
            counts.add(self._changes.delete(number, number in firsts, sighting))
        self.dirty = self.dirty or bool(counts)
        return counts

    def having(self, ids: list[int]) -> set[int]:
        """Of these ids those of which there is a message, deleted or not. OSError."""
        covered = self.covered
        ids = [one for one in ids if contains(covered, one)]
        late = {one for one in ids if self.row.late and self._changes.index.version(one) is not None}
        return late | find_lines(self._segments.pieces(), ids).keys()

    def clear(self, up_to: int, sighting: Sighting) -> ChangeCounts:
        """No message up to this id is there for the account any more. OSError."""
        alive = sum(self._changes.is_alive(one, True) for one in self._first_ids(IdRange(hi=up_to + 1)))
        late = {one for one in self._changes.index.versions() if one <= up_to}
        late -= find_lines(self._segments.pieces(), late).keys()
        alive += sum(self._changes.is_alive(one, False) for one in late)
        self.dirty = True
        return ChangeCounts(deleted=self._changes.clear(up_to, alive, sighting))

    def look_again(self, ids: IdRange, messages: list[bytes], sighting: Sighting) -> ChangeCounts:
        """All messages that are there of these ids, as they are now: an id that is covered and not among them has none.

        OSError.
        """
        counts, row = ChangeCounts(), self.row
        since = [one.since for one in row.unlooked if one.lo < ids.hi and one.hi > ids.lo]
        if since:
            sighting = replace(sighting, since=min(since))
        covered = intersect(self.covered, ids)
        told = {line_id(line): line for line in messages if contains(covered, line_id(line))}
        firsts = {line_id(line): line for line in self._first_lines(ids)}
        late = {one for one in self._changes.index.versions() if one in ids}
        for number in sorted(told.keys() | firsts.keys() | late):
            line = told.get(number)
            if line is not None:
                counts.add(self._changes.see(line, firsts.get(number), sighting))
            elif contains(covered, number):
                counts.add(self._changes.delete(number, number in firsts, sighting))
        row.unlooked = without(row.unlooked, ids)
        self.dirty = True
        return counts

    def set_aside(self, about: Undecoded, answers: bytes, offset: int = 0, whole: bool = True) -> None:
        """Keep messages that cannot be decoded as they came. Of many, some at a time: `offset` bytes of the answers came
        before; not whole: more will."""
        self._quarantine.add(about.first, answers, offset)
        if not whole:
            return
        self._quarantine.keep(about)
        gap = about.ids
        self._filled += [one for one in self.row.quarantined if one.lo == gap.lo and one != gap]
        others = [one for one in self.row.quarantined if one.lo != gap.lo]
        self.row.quarantined = sorted([*others, gap])
        self.dirty = True

    def end(self, record: ChatRecord) -> None:
        """Nothing more comes: what is there is to be joined into one ascending file."""
        self._ended = True
        self.row.state = record.state
        last = asked_ids(record)[-1]
        if record.state == COMPLETE and not last.bounded:  # there is nothing any more where these would begin
            self._filled += [gap for gap in self.row.quarantined if not gap.bounded and gap.lo >= last.lo]
            self.row.quarantined = [gap for gap in self.row.quarantined if gap not in self._filled]
        self.dirty = True

    @property
    def is_joining(self) -> bool:
        """It has ended, and is not one ascending file yet."""
        return self._ended and not self._segments.is_whole

    def join(self, most: float = math.inf) -> int:
        """Join what can be, until so many bytes were moved. Returns these."""
        return self._segments.join(self._ended, most)

    def unsynced(self) -> list[Callable[[], None]]:
        """What makes the data durable, once; for whoever makes that of many chats durable together."""
        syncs = self._segments.unsynced() + self._changes.unsynced()
        if not self._peers_synced:
            syncs.append(partial(sync, self._peers, self.folder.peers))
            self._peers_synced = True
        return syncs

    def prepare(self) -> list[Any]:
        """Make durable what is not; the row that may then be journaled."""
        sync_together(self.unsynced())
        self.row.joined = self._segments.joined
        self.row.ranges = [one.copy() for one in self._segments.ranges]
        if self.row.behind and contains(self.covered, self.row.behind):
            self.row.behind = 0
        filled = [gap for gap in self.row.quarantined if self._is_filled(gap)]
        self.row.quarantined = [gap for gap in self.row.quarantined if gap not in filled]
        self._filled += filled
        return (replace(self.row, state=OPEN) if self.is_joining else self.row).pack()

    def committed(self) -> None:
        """The row is durable."""
        self._segments.committed()
        for gap in self._filled:
            self._quarantine.remove(gap)
        self._filled.clear()
        # At once where chat.json still says that one account brought all.
        due = not self._sourced or time.monotonic() >= self._described + SOURCES_SECONDS
        if due and self.sources.dirty and self._record:
            self.describe(self._record)
        if self._annexes is not None and self._annexes.dirty:
            self._annexes.commit()
        self.dirty = self.is_joining

    def describe(self, record: ChatRecord) -> None:
        """Write chat.json."""
        self._record = record
        self._described = time.monotonic()
        self.sources.dirty = False
        sources = self.sources.document()
        ChatAbout.of(record, self.row, self.covered, self.state(record), sources).write(self.folder)
        self._sourced = sources is not None

    def state(self, record: ChatRecord) -> Statement:
        """What can be said of the chat's completeness."""
        row = self.row
        counts = record.total, row.messages, row.services, row.empty_count
        changed = row.late - row.deleted
        return make_statement(*counts, self.covered, asked_ids(record), record.state in ENDED, row.quarantined, changed)

    def restate(self, about: ChatAbout) -> None:
        """Write chat.json anew, of a chat that no run walked since `about` was written: what was told since counts at the
        server, too."""
        row, complete = self.row, about.state in ENDED
        total = None if about.total is None else about.total + row.alive - about.alive
        counts = total, row.messages, row.services, row.empty_count
        changed = row.late - row.deleted
        statement = make_statement(*counts, self.covered, about.wanted, complete, row.quarantined, changed)
        replace(
            about, total=total, messages=row.messages, services=row.services, versions=row.versions or None,
            deleted=row.deleted or None, late=row.late or None, covered=self.covered,
            statement=statement if about.state != OPEN else None,
        ).write(self.folder)

    def close(self) -> None:
        if self._annexes is not None:
            self._annexes.close()
        self._changes.close()
        self._segments.close()
        os.close(self._peers)

    def _grow(self, told: list[Told], counts: ChangeCounts) -> list[Told]:
        """Append what lies above all that is covered, each id once; what is left of the messages."""
        last = self._segments.ranges[-1]
        news: dict[int, bytes] = {}
        left = []
        for one in told:
            number = line_id(one.line)
            if number < last.hi or number in news:
                left.append(one)
            else:
                news[number] = one.line
        if news:
            ids = IdRange(last.hi, max(news) + 1)
            lines = [news[number] for number in sorted(news)]
            services = sum(line.startswith(_SERVICE) for line in lines)
            self.add(last.lo, ids, b"".join(lines), [], len(lines), services, [])
            counts.new += len(lines)
        return left

    def _first_lines(self, ids: IdRange) -> Iterator[bytes]:
        pieces = cut_to(cut_from(self._segments.pieces(), ids.lo), ids.hi - 1)
        for block in read_blocks(pieces):
            yield from block.splitlines()

    def _first_ids(self, ids: IdRange) -> Iterator[int]:
        return map(line_id, self._first_lines(ids))

    def _is_filled(self, gap: IdRange) -> bool:
        """Whether all of it is covered; of one without a bound, its beginning."""
        last = gap.hi - 1 if gap.bounded else gap.lo
        return any(one.lo <= gap.lo and one.hi > last for one in self._segments.ranges)

    def _commit_now(self) -> None:
        self.dirty = True
        self._commit()

    def _changed(self, peer: PeerLine) -> bool:
        if self._known is None:
            self._known = _known_peers(self.folder.peers)
        known, now = self._known.get(peer.marked_id), _form(peer.is_min, peer.digest)
        if known == now or (peer.is_min and known is not None and not known & 1):
            return False
        self._known[peer.marked_id] = now
        return True


def _form(small: bool, version: bytes) -> int:
    """A peer's digest, and behind it whether the form is a reduced one: as one number, for there may be a million."""
    return int.from_bytes(version, "little") << 1 | small


def _known_peers(place: Place) -> dict[int, int]:
    known: dict[int, int] = {}
    with place.reader() as file:
        for line in file:
            peer = orjson.loads(line)
            known[marked_id(peer)] = _form(is_min(peer), digest(peer))
    return known
