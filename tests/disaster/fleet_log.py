"""What the simulated Telegram says of a fleet: who asked for which chat, and when (perf.simdc.asked)."""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from tgbulk.perf.simdc.launcher import SimDC

#: Methods that give messages of a chat.
HISTORY = {"messages.getHistory", "channels.getMessages", "messages.getReplies", "messages.search"}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request; seconds by time.monotonic()."""

    when: float
    #: index of the account
    account: int
    session: int
    method: str
    chat: int


class FleetLog:
    """From its making on."""

    def __init__(self, dc: SimDC) -> None:
        self._dc = dc
        self._start = len(dc.control("asked"))

    def rows(self) -> list[Asked]:
        return [Asked(*row) for row in self._dc.control("asked", start=self._start)]

    def history(self, account: int, since: float, until: float) -> int:
        """How often an account asked for messages meanwhile."""
        return sum(one.method in HISTORY and one.account == account and since <= one.when <= until for one in self.rows())

    def pages(self) -> Counter[int]:
        """Requests for messages, by chat."""
        return Counter(one.chat for one in self.rows() if one.method in HISTORY)

    def shared(self) -> Iterator[str]:
        """Chats that two accounts asked for at a time: sessions of both, between whose first and last requests lie common
        moments."""
        spans: dict[tuple[int, int, int], tuple[float, float]] = {}
        for one in self.rows():
            key = one.chat, one.account, one.session
            first, last = spans.get(key, (one.when, one.when))
            spans[key] = min(first, one.when), max(last, one.when)
        found = sorted((chat, first, last, account) for (chat, account, _), (first, last) in spans.items())
        open_: dict[int, tuple[int, float]] = {}  # chat -> account, and when its latest session ends
        for chat, first, last, account in found:
            other, end = open_.get(chat, (account, 0.0))
            if other != account and first <= end:
                yield f"chat {chat}: accounts {other} and {account} asked for it within {end - first:.3f} s"
            if last >= end:
                open_[chat] = account, last
