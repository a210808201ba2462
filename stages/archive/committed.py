"""What counts of one chat at a moment, file by file, so that it can be copied elsewhere while a run goes on."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from tgbulk.engine import document
from tgbulk.engine.folder import Place
from tgbulk.stages.archive.account import is_common
from tgbulk.stages.archive.annex import AnnexAbout, load_annexes
from tgbulk.stages.archive.folder import Archive, ChatFolder
from tgbulk.stages.archive.lines import ChangedChatError, Piece, cut_from, read_blocks
from tgbulk.stages.archive.quarantine import Quarantine
from tgbulk.stages.archive.reader import ATTEMPTS, JournalWatch
from tgbulk.stages.archive.row import ChatRow

#: What messages.jsonl and its segments are called where they are copied to: there they are one.
MESSAGES = "messages.jsonl"
#: Where chats lie whose message ids are the same for every account.
PUBLIC = "public"


@dataclass(frozen=True, slots=True)
class Stretch:
    """Committed bytes of one file: of a range of ids, or of a file that grows and is read from its beginning.

    `lo` and `hi` count ids of messages where the lines are messages, else bytes.
    """

    lo: int
    hi: int
    size: int
    crc: int
    piece: Piece
    by_id: bool

    def offset(self, place: int) -> int:
        """Where an id begins, or the first one above it; a byte is its own offset. ChangedChatError, OSError."""
        if not self.by_id or place <= self.lo:
            return place - self.lo if not self.by_id else 0
        behind = cut_from([self.piece], place)
        return behind[0].offset - self.piece.offset if behind else self.size

    def read(self, start: int, end: int, size: int) -> Iterator[tuple[int, bytes]]:
        """(first place behind them, whole lines of near `size` bytes), from byte `start` to `end`.

        ChangedChatError, OSError.
        """
        done = start
        for block in read_blocks([Piece(self.piece.path, self.piece.offset + start, end - start)], size):
            done += len(block)
            yield (_last_id(block) + 1 if self.by_id else self.lo + done), block


@dataclass(frozen=True, slots=True)
class CommittedChat:
    """One chat: its row of the journal, chat.json, and by name the stretches of its files, ascending."""

    #: its folder
    path: Place
    row: ChatRow
    about: dict[str, Any]
    files: dict[str, list[Stretch]]
    #: what could not be decoded: whole files by name
    raw: dict[str, bytes]
    #: annexes.json; empty where there is none
    annexes: dict[str, Any]

    @property
    def marked_id(self) -> int:
        return self.row.marked_id

    @property
    def space(self) -> str:
        """Whose message ids these are: everybody's, or one account's."""
        return space_of(self.row)


def space_of(row: ChatRow) -> str:
    return space_of_chat(row.marked_id, row.account)


def space_of_chat(marked_id: int, account: int) -> str:
    return str(account) if is_common(marked_id) else PUBLIC


class CommittedArchive:
    """Reads what is committed. Needs no lock, and nothing that is written meanwhile disturbs it."""

    def __init__(self, archive: Archive) -> None:
        """StorageError for what is no archive, NewerFormatError, DamagedJournalError, OSError."""
        if not archive.about.exists():
            raise archive.missing()
        archive.check_format()
        self.archive = archive
        self._watch = JournalWatch(archive)

    def chats(self) -> list[int]:
        """Marked ids of the chats of which something is committed, ascending. DamagedJournalError, OSError."""
        self._watch.update()
        return [chat for chat, row in self._watch.rows().items() if row.committed]

    def row(self, marked_id: int) -> ChatRow:
        """As it was when `chats` or `chat` looked last."""
        return self._watch.rows()[marked_id]

    def chat(self, marked_id: int) -> CommittedChat:
        """As it is now. DamagedDocumentError, ChangedChatError, OSError."""
        folder = self.archive.chat(marked_id)
        for _ in range(ATTEMPTS):
            # A row between two looks at the same chat.json is one that goes with it.
            about = document.load(folder.about)
            self._watch.update()
            row = self._watch.rows()[marked_id]
            try:
                raw = self._raw(row)
            except FileNotFoundError:
                continue  # a run has them as messages now
            if document.load(folder.about) == about:
                annexes = load_annexes(folder)
                listed = {name: one.to_document() for name, one in annexes.items()}
                return CommittedChat(folder.path, row, about, self._files(row) | _annexes(folder, annexes), raw, listed)
        raise ChangedChatError(folder.path)

    def _files(self, row: ChatRow) -> dict[str, list[Stretch]]:
        folder = self.archive.chat(row.marked_id)
        stretches, offset = [], 0
        for index, one in enumerate(row.ranges):
            joined = index < row.joined
            piece = Piece(folder.messages, offset, one.size) if joined else Piece(folder.segment(one.lo), 0, one.size)
            offset += one.size if joined else 0
            stretches.append(Stretch(one.lo, one.hi, one.size, one.crc, piece, True))
        files = {MESSAGES: stretches}
        for place, size, crc in row.growing(folder):
            files[place.name] = [Stretch(0, size, size, crc, Piece(place, 0, size), False)]
        return files

    def _raw(self, row: ChatRow) -> dict[str, bytes]:
        quarantine = Quarantine(self.archive.quarantine, row.marked_id)
        return {place.name: place.read_bytes() for gap in row.quarantined for place in quarantine.files(gap)}


def _annexes(folder: ChatFolder, annexes: dict[str, AnnexAbout]) -> dict[str, list[Stretch]]:
    found = {}
    for name, one in annexes.items():
        place = folder.annex(name)
        found[place.name] = [Stretch(0, one.size, one.size, one.crc, Piece(place, 0, one.size), False)]
    return found


def _last_id(block: bytes) -> int:
    number: int = orjson.loads(block[block.rfind(b"\n", 0, -1) + 1 :])["id"]
    return number
