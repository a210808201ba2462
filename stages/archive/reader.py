"""An archive, read only: what a run has committed, and nothing behind it. Needs no lock and no Telethon.

Safe while a run goes on. The journal says how many bytes of each file count. Committed bytes stay where they are until a
newer record of the journal parts a chat's messages again (segments.py); whoever reads looks at the journal after each
block, and goes on from the last id in the new places.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import orjson

from tgbulk.engine import journal
from tgbulk.engine.error import UsageError, file_error
from tgbulk.engine.folder import Place
from tgbulk.stages.archive.about import ChatAbout, load_about
from tgbulk.stages.archive.account import ACCOUNT_ROW, AccountState
from tgbulk.stages.archive.annex import AnnexAbout, AnnexRecord, load_annexes, read_annex
from tgbulk.stages.archive.folder import Archive, ChatFolder
from tgbulk.stages.archive.id_range import UNBOUNDED, IdRange
from tgbulk.stages.archive.lines import (
    ChangedChatError,
    Piece,
    cut_from,
    cut_since,
    cut_to,
    find_lines,
    parse_lines,
    read_blocks,
)
from tgbulk.stages.archive.media_reader import MediaReader
from tgbulk.stages.archive.peers import Peers, read_peers
from tgbulk.stages.archive.row import ENDED, ChatRow
from tgbulk.stages.archive.segments import committed_pieces
from tgbulk.stages.archive.statement import Statement, make_statement
from tgbulk.stages.archive.versions import ChangePlaces, Versions, locate_changes

Found = TypeVar("Found")
#: How often a chat that a run parts is looked for again.
ATTEMPTS = 10


class JournalWatch:
    """The journal's last word on every chat, kept up to date."""

    def __init__(self, archive: Archive) -> None:
        self._path = archive.journal
        self._end = 0
        self._seen: tuple[int, int] | None = None
        self._rows: dict[int, list[Any]] = {}
        self._accounts: dict[int, list[Any]] = {}
        #: by chat: bytes of peers.jsonl, and when they changed last, in rows of the journal
        self._peers: dict[int, tuple[int, int]] = {}
        #: by chat: how often committed bytes of messages.jsonl were let go
        self._parted: dict[int, int] = {}
        self._count = 0

    def update(self) -> None:
        """Read what was added. DamagedJournalError, OSError."""
        try:
            about = self._path.stat()
        except FileNotFoundError:
            return
        now = about.st_ino, about.st_size
        if now == self._seen:
            return
        if self._seen and (now[0] != self._seen[0] or now[1] < self._end):
            self._end = 0
        self._end, _ = journal.read(self._path, self._take, self._end)
        self._seen = now

    def rows(self) -> dict[int, ChatRow]:
        """Ascending by marked id."""
        return {chat: ChatRow.unpack(self._rows[chat]) for chat in sorted(self._rows)}

    def row(self, chat: int) -> ChatRow | None:
        """Of one chat, None where nothing was ever committed of it."""
        return ChatRow.unpack(self._rows[chat]) if chat in self._rows else None

    def accounts(self) -> dict[int, AccountState]:
        """By user id."""
        return {account: AccountState.unpack(row) for account, row in self._accounts.items()}

    def parted(self, chat: int) -> int:
        """Differs when bytes that were committed are not sure to be there any more."""
        return self._parted.get(chat, 0)

    def peers_changed(self, chat: int) -> int:
        """When peers of the chat came last: greater is later."""
        return self._peers[chat][1]

    def _take(self, record: list[list[Any]]) -> None:
        for row in record:
            if row[0] == ACCOUNT_ROW:
                self._accounts[row[1]] = row
                continue
            self._count += 1
            now = ChatRow.unpack(row)
            before = self._rows.get(now.marked_id)
            if before is not None and now.joined_size < ChatRow.unpack(before).joined_size:
                self._parted[now.marked_id] = self.parted(now.marked_id) + 1
            if now.peer_bytes != self._peers.get(now.marked_id, (-1, 0))[0]:
                self._peers[now.marked_id] = now.peer_bytes, self._count
            self._rows[now.marked_id] = row


@dataclass(frozen=True, slots=True)
class ChatSnapshot:
    """One chat as it was committed at a moment: may be sent to other processes, which then read the same."""

    root: Path
    row: ChatRow
    about: ChatAbout

    @property
    def marked_id(self) -> int:
        return self.row.marked_id

    @property
    def folder(self) -> ChatFolder:
        return Archive(self.root).chat(self.marked_id)

    @property
    def pieces(self) -> list[Piece]:
        """Where its lines are, ascending by id."""
        return committed_pieces(self.folder, self.row)

    @property
    def statement(self) -> Statement:
        """What can be said of its completeness (docs/archive.md); while a run is at it, of what is there by now."""
        row, about = self.row, self.about
        whole = row.state in ENDED and about.state == row.state
        counts = about.total, row.messages, row.services, row.empty_count
        return make_statement(*counts, row.covered, about.wanted, whole, row.quarantined, row.late - row.deleted)

    def read_peers(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """(marked id, TL object) of each line of peers.jsonl: of one id the last holds. ChangedChatError, OSError."""
        return read_peers(self.peers_path, self.row.peer_bytes)

    @property
    def peers_path(self) -> Place:
        return self.folder.peers

    @property
    def media_path(self) -> Place:
        """Of the index of media, which need not be there."""
        return Archive(self.root).media_index

    def peers(self) -> Peers:
        """ChangedChatError, OSError."""
        return Peers(self.peers_path, self.row.peer_bytes)

    def changes(self) -> ChangePlaces:
        """What is known to have changed of its messages later. ChangedChatError, OSError."""
        return locate_changes(self.folder.changes, self.row.change_bytes, self.pieces)

    def first_form(self, number: int) -> dict[str, Any] | None:
        """One message as it was first archived, found by bisection. ChangedChatError, OSError."""
        line = find_lines(self.pieces, [number]).get(number)
        return None if line is None else orjson.loads(line)

    def __reduce__(self) -> tuple[Any, ...]:
        return ChatSnapshot, (self.root, self.row, self.about)


class ChatReader:
    """One chat of an archive that may grow meanwhile."""

    def __init__(self, archive: ArchiveReader, snapshot: ChatSnapshot) -> None:
        self._archive = archive
        self.snapshot = snapshot

    @property
    def marked_id(self) -> int:
        return self.snapshot.marked_id

    @property
    def about(self) -> ChatAbout:
        return self.snapshot.about

    @property
    def statement(self) -> Statement:
        return self.snapshot.statement

    @property
    def quarantined(self) -> list[IdRange]:
        """Ids whose messages could not be decoded."""
        return self.snapshot.row.quarantined

    @cached_property
    def peers(self) -> Peers:
        return self._archive.again(self, lambda snapshot: snapshot.peers())

    @cached_property
    def changes(self) -> ChangePlaces:
        """Of the moment at which it is first asked for."""
        return self._archive.again(self, lambda snapshot: snapshot.changes())

    def annexes(self) -> dict[str, AnnexAbout]:
        """By name, of each that there is: how far it is. StorageError, OSError."""
        return load_annexes(self.snapshot.folder)

    def annex(self, name: str) -> Iterator[AnnexRecord]:
        """What belongs to the chat: every record of an annex, in the order in which they came. StorageError, OSError."""
        about = self.annexes().get(name)
        return iter(()) if about is None else read_annex(self.snapshot.folder, about)

    def message(self, number: int) -> dict[str, Any] | None:
        """The TL object of one message in its latest form, None where the archive has none. StorageError, OSError."""
        return self.changes.form(number, self._archive.again(self, lambda snapshot: snapshot.first_form(number)))

    def messages(
        self, *, since: int | None = None, until: int | None = None, first: int = 1, last: int | None = None,
        versions: Versions = "latest",
    ) -> Iterator[dict[str, Any]]:
        """TL objects, ascending by id: ids from first to last, dates (Unix seconds) from since to until, all inclusive.

        versions: of a message that was changed its latest form, its first one, or all, one after the other; they are
        ChangedMessages, and so are deleted ones.
        Dates are those of each message. `since` is looked for by bisection, as if dates ascended but for single messages.
        Holds one block. StorageError, OSError.
        """
        found = parse_lines(self._blocks(first, last, since))
        found = self.changes.forms(found, versions, first, UNBOUNDED if last is None else last)
        if since is None and until is None:
            return found
        low, high = since or 0, until if until is not None else UNBOUNDED
        return (one for one in found if low <= one["date"] <= high)

    def _blocks(self, first: int, last: int | None, since: int | None) -> Iterator[bytes]:
        attempts = 0
        while True:
            watch, snapshot = self._archive.watch, self.snapshot
            parted = watch.parted(self.marked_id)
            try:
                pieces = cut_from(snapshot.pieces, first) if first > 1 else snapshot.pieces
                pieces = cut_to(pieces, last) if last is not None else pieces
                pieces = cut_since(pieces, since) if since is not None else pieces
                for block in read_blocks(pieces):
                    watch.update()
                    if watch.parted(self.marked_id) != parted:
                        raise ChangedChatError(snapshot.folder.path)
                    yield block
                    first, attempts = orjson.loads(block[block.rfind(b"\n", 0, -1) + 1 :])["id"] + 1, 0
                return
            except ChangedChatError:
                attempts += 1
                if attempts == ATTEMPTS:
                    raise
                self.snapshot = self._archive.chat(self.marked_id).snapshot


class ArchiveReader:
    """Read-only access to an archive."""

    def __init__(self, root: Path) -> None:
        """StorageError for what is no archive, NewerFormatError, DamagedJournalError, OSError."""
        self._archive = Archive(root)
        self.root = root
        if not self._archive.about.exists():
            raise self._archive.missing()
        self._archive.check_format()
        self.watch = JournalWatch(self._archive)
        self.watch.update()

    @cached_property
    def media(self) -> MediaReader:
        return MediaReader(self._archive.media_index)

    def marked_ids(self) -> list[int]:
        """Of every chat that has something, or a folder; ascending."""
        return [chat for chat, row in self.watch.rows().items() if self._exists(row)]

    def chats(self) -> Iterator[ChatReader]:
        """Ascending by marked id. StorageError for a chat whose chat.json is damaged: `chat` reads each by itself."""
        return map(self.chat, self.marked_ids())

    def chat(self, marked_id: int) -> ChatReader:
        """As it is now. UsageError where there is none, StorageError for what cannot be read."""
        row = self.row(marked_id)
        if row is None:
            raise UsageError(f"the archive has no chat {marked_id}")
        folder = self._archive.chat(marked_id)
        try:
            about = load_about(folder, marked_id)
        except OSError as error:
            raise file_error(error, folder.about) from error
        return ChatReader(self, ChatSnapshot(self.root, row, about))

    def row(self, marked_id: int) -> ChatRow | None:
        """What is committed of a chat now; None where the archive has it not. StorageError, OSError."""
        self.watch.update()
        row = self.watch.row(marked_id)
        return row if row is not None and self._exists(row) else None

    def by_newest_peers(self, snapshots: list[ChatSnapshot]) -> list[ChatSnapshot]:
        """Those to whose peers.jsonl a run added last come last: of a peer that several have, they know the newest form."""
        return sorted(snapshots, key=lambda one: (self.watch.peers_changed(one.marked_id), one.marked_id))

    def again(self, chat: ChatReader, read: Callable[[ChatSnapshot], Found]) -> Found:
        """Read something of a chat; once more where a run changed it meanwhile."""
        for _ in range(ATTEMPTS):
            parted = self.watch.parted(chat.marked_id)
            try:
                result = read(chat.snapshot)
                self.watch.update()
                if self.watch.parted(chat.marked_id) == parted:
                    return result
            except ChangedChatError:
                self.watch.update()
            chat.snapshot = self.chat(chat.marked_id).snapshot
        raise ChangedChatError(chat.snapshot.folder.path)

    def _exists(self, row: ChatRow) -> bool:
        return row.committed or self._archive.chat(row.marked_id).exists()
