"""The messages of one chat, ascending by id: the contract of every kind of history."""
from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Any

#: Stands in stored message bytes for every file reference (24 bytes); a page is patched with the account's own.
FILE_REFERENCE_PLACEHOLDER = b"SIMDC-FILE-REFERENCE-000"
#: Stands in stored message bytes for every photo's and document's access hash; patched likewise.
MEDIA_HASH_PLACEHOLDER = 0x5AC3_E55A_5AC3_E55A


class History(ABC):
    """Visible messages of a chat. Ids are positive and only grow; an id never comes back after a deletion."""

    @abstractmethod
    def __len__(self) -> int:
        """Number of messages a page can contain (messageEmpty ones included, deleted ones not)."""

    @abstractmethod
    def top_id(self) -> int:
        """The newest id, 0 for an empty chat."""

    @abstractmethod
    def rank(self, message_id: int) -> int:
        """How many messages have an id below this one."""

    @abstractmethod
    def ids(self, start: int, stop: int) -> Sequence[int]:
        """The ids of ranks start (inclusive) to stop (exclusive), ascending."""

    @abstractmethod
    def rank_of_date(self, date: int) -> int:
        """How many messages are older than this Unix time."""

    @abstractmethod
    def message(self, message_id: int) -> bytes:
        """The boxed TL bytes (Message, MessageService or MessageEmpty), placeholders in; KeyError if there is none."""

    @abstractmethod
    def object(self, message_id: int) -> Any:
        """The same as a Telethon object, for filters and for the ground truth."""

    @abstractmethod
    def peers(self, ids: Iterable[int]) -> set[int]:
        """Marked ids of every user and chat that these messages name and that must come along in a page."""

    def __contains__(self, message_id: int) -> bool:
        """Whether there is a message with this id."""
        return self.rank(message_id) < self.rank(message_id + 1)

    def messages(self, ids: Sequence[int]) -> list[bytes]:
        """message() of ids that ids() has just given."""
        return [self.message(message_id) for message_id in ids]

    def shown(self, ids: Sequence[int]) -> Sequence[int]:
        """The ids that are not withheld."""
        return [message_id for message_id in ids if not self.withheld(message_id)]

    def withheld(self, message_id: int) -> bool:
        """True for a message that the server takes out of its pages after cutting the window (short pages)."""
        return False


class ListedHistory(History):
    """One whose ids are all in memory."""

    _ids: list[int]

    def __len__(self) -> int:
        return len(self._ids)

    def top_id(self) -> int:
        return self._ids[-1] if self._ids else 0

    def rank(self, message_id: int) -> int:
        return bisect_left(self._ids, message_id)

    def ids(self, start: int, stop: int) -> Sequence[int]:
        return self._ids[max(start, 0) : max(stop, 0)]


class ClearedHistory(History):
    """A history of which one account has cleared the ids up to `last` for itself."""

    def __init__(self, whole: History, last: int) -> None:
        self._whole = whole
        self._gone = whole.rank(last + 1)

    def __len__(self) -> int:
        return len(self._whole) - self._gone

    def top_id(self) -> int:
        return self._whole.top_id() if len(self) else 0

    def rank(self, message_id: int) -> int:
        return max(0, self._whole.rank(message_id) - self._gone)

    def ids(self, start: int, stop: int) -> Sequence[int]:
        return self._whole.ids(max(start, 0) + self._gone, max(stop, 0) + self._gone)

    def rank_of_date(self, date: int) -> int:
        return max(0, self._whole.rank_of_date(date) - self._gone)

    def message(self, message_id: int) -> bytes:
        return self._whole.message(message_id)

    def object(self, message_id: int) -> Any:
        return self._whole.object(message_id)

    def peers(self, ids: Iterable[int]) -> set[int]:
        return self._whole.peers(ids)

    def withheld(self, message_id: int) -> bool:
        return self._whole.withheld(message_id)
