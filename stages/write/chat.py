"""One chat's files while they grow: messages.jsonl, peers.jsonl, and at the end chat.json."""
from __future__ import annotations

import os
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from engine.durable import make_folder, sync_folder, write_all, write_whole
from engine.error import StorageError
from stages.receipt import Receipt
from stages.telegram.chat import ChatRecord
from stages.telegram.peer import digest, is_min, marked_id


class DamagedChatError(StorageError):
    """{0} has {1} bytes where the journal committed {2}"""

    advice = "The file was cut or replaced; move the chat's folder away, or export into a new archive."


@dataclass(slots=True)
class Progress:
    """How far a chat is: what the journal keeps, an array in this order."""

    marked_id: int
    account: int
    #: the lowest id not yet asked for
    next_id: int = 1
    messages: int = 0
    services: int = 0
    message_bytes: int = 0
    peer_bytes: int = 0
    state: str = "open"
    #: [first, last] of each run of ids that the server answered with messageEmpty
    empty: list[list[int]] = field(default_factory=list)

    def row(self) -> tuple[Any, ...]:
        return astuple(self)

    def add_empty(self, ids: list[int]) -> None:
        for one in ids:
            if self.empty and self.empty[-1][1] == one - 1:
                self.empty[-1][1] = one
            else:
                self.empty.append([one, one])

    @property
    def empty_count(self) -> int:
        return sum(last - first + 1 for first, last in self.empty)


class ChatFile:
    """Appends to one chat's folder."""

    def __init__(self, folder: Path, progress: Progress) -> None:
        """Open at what is committed; whatever lies behind it is cut off. DamagedChatError, OSError."""
        make_folder(folder)
        self.folder = folder
        self.progress = progress
        self.dirty = False
        self.record: ChatRecord | None = None
        self._messages = _open_at(folder / "messages.jsonl", progress.message_bytes)
        try:
            self._peers = _open_at(folder / "peers.jsonl", progress.peer_bytes)
        except BaseException:
            os.close(self._messages)
            raise
        sync_folder(folder)
        self._known = _known_peers(folder / "peers.jsonl")
        self._start = progress.messages

    @property
    def new(self) -> int:
        """Messages that came since it was opened."""
        return self.progress.messages - self._start

    def add(self, receipt: Receipt, peers: list[Any], lines: bytes) -> int:
        """Append one page; returns the bytes written."""
        size = len(lines)
        write_all(self._messages, lines, self.progress.message_bytes)
        self.progress.message_bytes += size
        fresh = b"".join(line for peer, small, mark, line in peers if self._changed(peer, small, mark))
        write_all(self._peers, fresh, self.progress.peer_bytes)
        self.progress.peer_bytes += len(fresh)
        self.progress.messages += receipt.messages
        self.progress.services += receipt.services
        self.progress.add_empty(receipt.empty or [])
        self.progress.next_id = max(self.progress.next_id, receipt.high + 1)
        self.dirty = True
        return size + len(fresh)

    def sync(self) -> None:
        os.fdatasync(self._messages)
        os.fdatasync(self._peers)

    def describe(self, record: ChatRecord) -> None:
        """Write chat.json."""
        document = record.document() | {
            "messages": self.progress.messages,
            "services": self.progress.services,
            "empty": self.progress.empty,
        }
        write_whole(self.folder / "chat.json", orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")

    def close(self) -> None:
        os.close(self._messages)
        os.close(self._peers)

    def _changed(self, peer: int, small: bool, mark: bytes) -> bool:
        known = self._known.get(peer)
        if known is not None and (known[1] == mark or (small and not known[0])):
            return False
        self._known[peer] = (small, mark)
        return True


def _open_at(path: Path, size: int) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    found = os.fstat(descriptor).st_size
    if found < size:
        os.close(descriptor)
        raise DamagedChatError(path, found, size)
    os.ftruncate(descriptor, size)
    return descriptor


def _known_peers(path: Path) -> dict[int, tuple[bool, bytes]]:
    known: dict[int, tuple[bool, bytes]] = {}
    with open(path, "rb") as file:
        for line in file:
            peer = orjson.loads(line)
            known[marked_id(peer)] = (is_min(peer), digest(peer))
    return known
