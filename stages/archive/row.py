"""The journal's rows: how far each chat is. docs/archive.md lists their places."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tgbulk.engine import journal
from tgbulk.engine.folder import Place
from tgbulk.stages.archive.account import ACCOUNT_ROW, AccountState, Unlooked, is_common
from tgbulk.stages.archive.folder import Archive, ChatFolder
from tgbulk.stages.archive.id_range import IdRange

#: States of a chat: from the moment a run begins with it; whole; at its end, without what could not be decoded; neither.
OPEN, COMPLETE, GAPS, FAILED = "open", "complete", "gaps", "failed"
#: Places of a row, without gaps and with them; more only of a chat whose changes were looked for.
_WITHOUT_GAPS, PLACES = 10, 11
#: In place of a message that is above what is covered: there may be some.
MAYBE_BEHIND = (1 << 31) - 1
#: States in which the server has nothing more to give.
ENDED = (COMPLETE, GAPS)


@dataclass(slots=True)
class CoveredRange:
    """Every id from lo to below hi has been asked for; the lines of these messages have `size` bytes and this CRC-32."""

    lo: int
    hi: int
    size: int = 0
    crc: int = 0

    @property
    def ids(self) -> IdRange:
        return IdRange(self.lo, self.hi)

    def copy(self) -> CoveredRange:
        return CoveredRange(self.lo, self.hi, self.size, self.crc)


@dataclass(slots=True)
class ChatRow:
    """How far a chat is; the order of the fields is the order of the row."""

    marked_id: int
    #: the account whose message ids these are, or that exported it last
    account: int
    state: str = OPEN
    messages: int = 0
    services: int = 0
    peer_bytes: int = 0
    #: CRC-32 of the peers' lines
    peer_crc: int = 0
    #: how many of the ranges lie in one file; the others in segments
    joined: int = 0
    ranges: list[CoveredRange] = field(default_factory=list)
    #: runs of ids that the server answered with messageEmpty
    empty: list[IdRange] = field(default_factory=list)
    #: gaps whose messages could not be decoded
    quarantined: list[IdRange] = field(default_factory=list)
    #: of changes.jsonl
    change_bytes: int = 0
    change_crc: int = 0
    #: lines of it that are versions
    versions: int = 0
    #: messages that are deleted now
    deleted: int = 0
    #: messages that changes.jsonl alone has: there was none when their ids were asked for
    late: int = 0
    #: of a channel's box, 0: not known
    pts: int = 0
    #: Unix seconds: all that changed until then is known, but for `unlooked`; 0: never looked. Of a chat of the common box
    #: the account's state may be younger
    looked: int = 0
    #: a message that is known to be there above what is covered, MAYBE_BEHIND where that is not known, 0 for none
    behind: int = 0
    unlooked: list[Unlooked] = field(default_factory=list)

    def pack(self) -> list[Any]:
        """As the journal has it."""
        values = [getattr(self, name) for name in self.__slots__]
        values[8] = [[one.lo, one.hi, one.size, one.crc] for one in self.ranges]
        values[9] = [one.closed() for one in self.empty]
        values[10] = [one.closed() for one in self.quarantined]
        values[-1] = [one.pack() for one in self.unlooked]
        return values if any(values[PLACES:]) else values[:PLACES]

    @classmethod
    def unpack(cls, row: list[Any]) -> ChatRow:
        found = cls(*row)
        found.ranges = [CoveredRange(*one) for one in row[8]]
        found.empty = [IdRange.from_closed(one) for one in row[9]]
        found.quarantined = [IdRange.from_closed(one) for one in row[10]] if len(row) > _WITHOUT_GAPS else []
        found.unlooked = [Unlooked(*one) for one in row[-1]] if len(row) > PLACES else []
        return found

    @property
    def covered(self) -> list[IdRange]:
        return [one.ids for one in self.ranges]

    def counts(self) -> tuple[int, ...]:
        """Of messages, as chat.json has them."""
        return self.messages, self.versions, self.deleted, self.late

    @property
    def alive(self) -> int:
        """Messages that are there and not deleted."""
        return self.messages + self.late - self.deleted

    @property
    def joined_size(self) -> int:
        """Bytes of the lines of all ranges that lie in one file."""
        return sum(one.size for one in self.ranges[: self.joined])

    @property
    def empty_count(self) -> int:
        return sum(one.hi - one.lo for one in self.empty)

    def growing(self, folder: ChatFolder) -> list[tuple[Place, int, int]]:
        """(file, committed bytes, their CRC-32) of each file beside the messages."""
        found = [(folder.peers, self.peer_bytes, self.peer_crc)]
        return [*found, (folder.changes, self.change_bytes, self.change_crc)] if self.change_bytes else found

    @property
    def committed(self) -> bool:
        """Whether there is anything of the chat that counts."""
        return bool(self.ranges or self.peer_bytes)


class LastRows:
    """The journal's last word on each chat and account, out of its records."""

    def __init__(self) -> None:
        self._rows: dict[int, list[Any]] = {}
        self._accounts: dict[int, list[Any]] = {}

    def take(self, record: list[list[Any]]) -> None:
        for row in record:
            if row[0] == ACCOUNT_ROW:
                self._accounts[row[1]] = row
            else:
                self._rows[row[0]] = row

    def chats(self) -> dict[int, ChatRow]:
        return {chat: ChatRow.unpack(row) for chat, row in self._rows.items()}

    def accounts(self) -> dict[int, AccountState]:
        return {account: AccountState.unpack(row) for account, row in self._accounts.items()}


@dataclass(frozen=True, slots=True)
class JournalState:
    """The journal's last word on everything."""

    chats: dict[int, ChatRow]
    #: bytes of whole records, and bytes behind them
    end: int = 0
    torn: int = 0
    #: by user id
    accounts: dict[int, AccountState] = field(default_factory=dict)

    def known_until(self, row: ChatRow) -> int:
        """Unix seconds: what changed of a chat until then is known, but for row.unlooked; 0: nobody looked."""
        state = self.accounts.get(row.account)
        return max(row.looked, state.looked) if state and row.looked and is_common(row.marked_id) else row.looked


def read_journal(archive: Archive) -> JournalState:
    """Without touching it, even while a run is going on; without a journal there are no chats.

    DamagedJournalError, OSError.
    """
    if not archive.journal.exists():
        return JournalState({})
    rows = LastRows()
    end, size = journal.read(archive.journal, rows.take)
    return JournalState(rows.chats(), end, size - end, rows.accounts())


def journal_size(archive: Archive) -> int:
    """Bytes."""
    return archive.journal.stat().st_size if archive.journal.exists() else 0
