"""One chat's files while they grow: messages.jsonl, peers.jsonl, and chat.json."""
from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zlib import crc32

import orjson

from engine import document
from engine.document import DamagedDocumentError
from engine.durable import make_folder, sync, sync_folder, write_all, write_whole
from stages.receipt import Receipt
from stages.statement import EVERYTHING, Statement, make_statement
from stages.telegram.chat import ChatRecord
from stages.telegram.peer import digest, is_min, marked_id
from stages.write.coverage import Coverage, Range, open_at
from stages.write.quarantine import Quarantine


@dataclass(slots=True)
class Progress:
    """How far a chat is, as the journal keeps it; the order of the fields is the order of the row."""

    marked_id: int
    #: the account whose message ids these are, or that exported it last
    account: int
    state: str = "open"
    messages: int = 0
    services: int = 0
    peer_bytes: int = 0
    #: CRC-32 of peers.jsonl
    peer_crc: int = 0
    #: how many of the ranges lie in messages.jsonl; the others in segments
    joined: int = 0
    #: [lo, next, size, crc] of each range
    ranges: list[list[int]] = field(default_factory=list)
    #: [first, last] of each run of ids that the server answered with messageEmpty
    empty: list[list[int]] = field(default_factory=list)
    #: [first, last] of each gap whose messages could not be decoded; a last of 0: and all above
    quarantined: list[list[int]] = field(default_factory=list)

    def row(self) -> list[Any]:
        return [getattr(self, name) for name in self.__slots__]

    @property
    def empty_count(self) -> int:
        return sum(last - first + 1 for first, last in self.empty)


class LastRows:
    """The journal's last word on each chat, out of its records."""

    def __init__(self) -> None:
        self._rows: dict[int, list[Any]] = {}

    def take(self, record: list[list[Any]]) -> None:
        for row in record:
            self._rows[row[0]] = row

    def progress(self) -> dict[int, Progress]:
        return {chat: Progress(*row) for chat, row in self._rows.items()}


class ChatFile:
    """Appends to one chat's folder."""

    def __init__(self, folder: Path, progress: Progress, commit: Callable[[], None]) -> None:
        """Open at what is committed; whatever lies behind it is cut off. DamagedChatError, OSError."""
        make_folder(folder)
        self.folder = folder
        self.progress = progress
        self.dirty = False
        ranges = [Range(*values) for values in progress.ranges]
        self._commit = commit
        self._coverage = Coverage(folder, ranges, progress.joined, self._commit_now)
        try:
            self._peers = open_at(folder / "peers.jsonl", progress.peer_bytes)
        except BaseException:
            self._coverage.close()
            raise
        sync_folder(folder)
        self._quarantine = Quarantine(folder.parents[1] / "quarantine", progress.marked_id)
        self._quarantine.remove_strangers(progress.quarantined)
        self._filled: list[list[int]] = []
        self._known: dict[int, int] | None = None
        self._before = progress.messages

    @property
    def new(self) -> int:
        """Messages that came since it was opened."""
        return self.progress.messages - self._before

    @property
    def covered(self) -> list[list[int]]:
        """[lo, next] of each range."""
        return [[one.lo, one.next] for one in self._coverage.ranges]

    def add(self, segment: int, mark: int, receipt: Receipt, peers: list[Any], lines: bytes) -> int:
        """Append one page to the range that began at `segment`; returns the bytes written, 0 for a page that is there."""
        if not self._coverage.append(segment, mark, receipt.next, lines):
            return 0
        fresh = b"".join(line for peer, small, version, line in peers if self._changed(peer, small, version))
        write_all(self._peers, fresh, self.progress.peer_bytes)
        self.progress.peer_bytes += len(fresh)
        self.progress.peer_crc = crc32(fresh, self.progress.peer_crc)
        self.progress.messages += receipt.messages
        self.progress.services += receipt.services
        self._add_empty(receipt.empty or [])
        self.dirty = True
        return len(lines) + len(fresh)

    def set_aside(self, about: dict[str, Any], answers: bytes) -> None:
        """Keep messages that cannot be decoded as they came."""
        self._quarantine.keep(about, answers)
        gap = [about["first"], about["last"]]
        self._filled += [one for one in self.progress.quarantined if one[0] == gap[0] and one != gap]
        others = [one for one in self.progress.quarantined if one[0] != gap[0]]
        self.progress.quarantined = sorted([*others, gap])
        self.dirty = True

    def end(self, state: str) -> None:
        """Join what is there into one ascending file."""
        self._coverage.join(everything=True)
        self.progress.state = state
        self.dirty = True

    def prepare(self) -> list[Any]:
        """Make the data durable; the row that may then be journaled."""
        self._coverage.join()
        self._coverage.sync()
        sync(self._peers, self.folder / "peers.jsonl")
        self.progress.joined = self._coverage.joined
        self.progress.ranges = [[one.lo, one.next, one.size, one.crc] for one in self._coverage.ranges]
        filled = [gap for gap in self.progress.quarantined if self._is_filled(*gap)]
        self.progress.quarantined = [gap for gap in self.progress.quarantined if gap not in filled]
        self._filled += filled
        return self.progress.row()

    def committed(self) -> None:
        """The row is durable."""
        self._coverage.committed()
        for gap in self._filled:
            self._quarantine.remove(*gap)
        self._filled.clear()
        self.dirty = False

    def describe(self, record: ChatRecord) -> None:
        """Write chat.json."""
        progress = self.progress
        values = record.document() | {
            "messages": progress.messages,
            "services": progress.services,
            "empty": progress.empty_count,
            "empty_ids": progress.empty,
            "covered": self.covered,
            "quarantined": progress.quarantined,
        }
        if record.state != "open":
            values["statement"] = self.state(record).document()
        write_whole(self.folder / "chat.json", document.dump(values))

    def state(self, record: ChatRecord) -> Statement:
        """What can be said of the chat's completeness."""
        done, asked, whole = self.progress, record.asked or EVERYTHING, record.state in ("complete", "gaps")
        counts = record.total, done.messages, done.services, done.empty_count
        return make_statement(*counts, self.covered, asked, whole, done.quarantined)

    def close(self) -> None:
        self._coverage.close()
        os.close(self._peers)

    def _is_filled(self, first: int, last: int) -> bool:
        return any(one.lo <= first and one.next > max(first, last) for one in self._coverage.ranges)

    def _commit_now(self) -> None:
        self.dirty = True
        self._commit()

    def _changed(self, peer: int, small: bool, version: bytes) -> bool:
        if self._known is None:
            self._known = _known_peers(self.folder / "peers.jsonl")
        known, now = self._known.get(peer), _form(small, version)
        if known == now or (small and known is not None and not known & 1):
            return False
        self._known[peer] = now
        return True

    def _add_empty(self, ids: list[int]) -> None:
        if not ids:
            return
        runs = sorted([*self.progress.empty, *([one, one] for one in ids)])
        merged = [runs[0]]
        for first, last in runs[1:]:
            if first <= merged[-1][1] + 1:
                merged[-1][1] = max(merged[-1][1], last)
            else:
                merged.append([first, last])
        self.progress.empty = merged


def described_messages(folder: Path) -> int:
    """How many messages chat.json knows of, which is written after the journal; 0 where it cannot be read."""
    try:
        return int(document.load(folder / "chat.json")["messages"])
    except (OSError, DamagedDocumentError, KeyError):
        return 0


def _form(small: bool, version: bytes) -> int:
    """A peer's digest, and behind it whether the form is a reduced one: as one number, for there may be a million."""
    return int.from_bytes(version, "little") << 1 | small


def _known_peers(path: Path) -> dict[int, int]:
    known: dict[int, int] = {}
    with open(path, "rb") as file:
        for line in file:
            peer = orjson.loads(line)
            known[marked_id(peer)] = _form(is_min(peer), digest(peer))
    return known
