"""A chat whose messages are ready bytes in memory and may grow, change and shrink while the server runs."""
from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from telethon.extensions import BinaryReader

from tgbulk.perf.simdc.corpus.mention import mentioned
from tgbulk.perf.simdc.history import ListedHistory


def unix(date: datetime | int | None) -> int:
    """A message's date as Unix time, 0 where it has none."""
    return int(date.timestamp()) if isinstance(date, datetime) else date or 0


class StoredHistory(ListedHistory):
    """Messages are serialised once, when they are appended. Several accounts may share one."""

    def __init__(self, messages: Iterable[Any] = (), withheld: Iterable[int] = ()) -> None:
        self._ids: list[int] = []
        #: the newest date up to each rank: dates are not strictly ascending by id, this is
        self._dates: list[int] = []
        self._messages: dict[int, bytes] = {}
        self._peers: dict[int, frozenset[int]] = {}
        self._withheld = set(withheld)
        self._last = 0
        for message in messages:
            self.append(message)

    def rank_of_date(self, date: int) -> int:
        return bisect_left(self._dates, date)

    def message(self, message_id: int) -> bytes:
        return self._messages[message_id]

    def object(self, message_id: int) -> Any:
        return BinaryReader(self._messages[message_id]).tgread_object()

    def peers(self, ids: Iterable[int]) -> set[int]:
        return set().union(*map(self._peers_of, ids))

    def withheld(self, message_id: int) -> bool:
        return message_id in self._withheld

    def append(self, message: Any, data: bytes | None = None) -> None:
        """Add the newest message; `data` where Telethon cannot write it.

        ValueError unless its id is above every id ever used.
        """
        if message.id <= self._last:
            raise ValueError(f"message {message.id} comes after {self._last}")
        self._last = message.id
        self._ids.append(message.id)
        date = unix(getattr(message, "date", None))
        self._dates.append(max(date, self._dates[-1]) if self._dates else date)
        self._messages[message.id] = data or bytes(message)

    def edit(self, message_id: int, message: Any) -> None:
        """Put another message under an id: KeyError if that is not in use, ValueError if the message has another."""
        if message.id != message_id:
            raise ValueError(f"message {message.id} cannot take the place of {message_id}")
        if message_id not in self._messages:
            raise KeyError(message_id)
        self._messages[message_id] = bytes(message)
        self._peers.pop(message_id, None)

    def delete(self, message_id: int) -> None:
        """Take a message out for good; KeyError if there is none."""
        del self._messages[message_id]
        rank = self.rank(message_id)
        del self._ids[rank], self._dates[rank]
        self._peers.pop(message_id, None)
        self._withheld.discard(message_id)

    def restore(self, message_id: int, data: bytes) -> None:
        """Bring a deleted message back; ValueError for an id that was never used, or is in use."""
        if message_id in self._messages or not 0 < message_id <= self._last:
            raise ValueError(f"message {message_id} is not a deleted one")
        rank = self.rank(message_id)
        self._ids.insert(rank, message_id)
        self._messages[message_id] = data
        date = unix(getattr(self.object(message_id), "date", None))
        self._dates.insert(rank, max(date, self._dates[rank - 1]) if rank else date)

    def _peers_of(self, message_id: int) -> frozenset[int]:
        found = self._peers.get(message_id)
        if found is None:
            found = self._peers[message_id] = frozenset(mentioned(self.object(message_id)))
        return found
