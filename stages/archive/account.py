"""Update states: what an account, and each box of messages, was told up to. docs/archive.md lists the places of its row.

A box is the sequence in which Telegram counts changes of messages by `pts`: one holds all private chats and basic groups of
an account together, and every channel and supergroup has one of its own (docs/spec/updates.md 1).
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tgbulk.stages.archive.id_range import IdRange
from tgbulk.stages.telegram.chat import CHANNEL_MARK

#: The first place of an account's row, where a chat's has a number.
ACCOUNT_ROW = "account"


@dataclass(slots=True)
class AccountState:
    """Up to where an account was told what changed in its private chats and basic groups."""

    #: user id
    account: int
    pts: int
    qts: int
    #: Unix seconds, as Telegram gave it; it selects what the next difference tells
    date: int
    seq: int
    #: Unix seconds, ours: when it was told the last time
    looked: int = 0
    #: marked id of each channel that is known to have changed and was not asked yet -> its pts then, 0 where it was not told
    dirty: dict[int, int] = field(default_factory=dict)

    def pack(self) -> list[Any]:
        """As the journal has it."""
        numbers = self.account, self.pts, self.qts, self.date, self.seq, self.looked
        return [ACCOUNT_ROW, *numbers, [[chat, pts] for chat, pts in sorted(self.dirty.items())]]

    @classmethod
    def unpack(cls, row: list[Any]) -> AccountState:
        account, pts, qts, date, seq, looked, dirty = row[1:]
        return cls(account, pts, qts, date, seq, looked, dict(dirty))

    def copy(self) -> AccountState:
        return AccountState.unpack(self.pack())


@dataclass(frozen=True, slots=True)
class Unlooked:
    """Messages of these ids may have changed from `since` to `until` (Unix seconds; since 0: since they were archived), for
    nobody told, and they were not looked at afterwards."""

    since: int
    until: int
    lo: int
    hi: int

    @property
    def ids(self) -> IdRange:
        return IdRange(self.lo, self.hi)

    def pack(self) -> list[int]:
        return [self.since, self.until, self.lo, self.hi]


def is_common(marked_id: int) -> bool:
    """Whether the messages of a chat are counted in the account's box, and not in one of the chat's own."""
    return marked_id > -CHANNEL_MARK


def without(unlooked: list[Unlooked], ids: IdRange) -> list[Unlooked]:
    """What is left when these ids were looked at."""
    left = []
    for one in unlooked:
        for lo, hi in ((one.lo, min(one.hi, ids.lo)), (max(one.lo, ids.hi), one.hi)):
            if lo < hi:
                left.append(Unlooked(one.since, one.until, lo, hi))
    return left
