"""Which chat is asked next: fair among the chats under way, and none idle while another could be split.

An account without a job waits here. One job more wakes one account that may do it, not all of them: with fifty accounts a
page would else cost fifty looks.
"""
from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator

from tgbulk.engine.error import TgbulkError
from tgbulk.stages.fetch.missing import WalkRange
from tgbulk.stages.fetch.walk import Probe, Walk

#: Large chats under way at a time, beyond the others: each has files open and is asked in turn.
MOST_LARGE = 48


class Plan:
    """The chats under way, of one run."""

    def __init__(self, most: int) -> None:
        """most: chats under way at a time that are small, or of which nobody knows yet how large they are."""
        self._walks: deque[Walk] = deque()
        self._most = most
        #: accounts without a job, who has waited longest first: what wakes each, and the number of its reader
        self._idle: dict[asyncio.Future[None], int] = {}
        #: set whenever there may be room for a chat
        self._roomier = asyncio.Event()
        #: set when no chat is under way and none will be
        self.over = asyncio.Event()
        self._finders = 0
        self._stopped = False

    def __len__(self) -> int:
        return len(self._walks)

    def __iter__(self) -> Iterator[Walk]:
        return iter(tuple(self._walks))

    def next(self, reader: int) -> tuple[Walk, WalkRange | Probe] | None:
        """A job for this reader, None while there is none: its chats in turn, then the upper half of the largest range."""
        for _ in range(len(self._walks)):
            walk = self._walks[0]
            self._walks.rotate(-1)
            job = walk.take() if reader in walk.peers else None
            if job is not None:
                return walk, job
        largest = max((walk for walk in self._walks if reader in walk.peers), key=Walk.left, default=None)
        upper = largest.split() if largest is not None else None
        return (largest, upper) if largest is not None and upper is not None else None

    def orphans(self, reader: int, failure: TgbulkError) -> list[Walk]:
        """The reader is out: the other chats that nobody else can read, as far as nothing of them is under way."""
        for walk in self._walks:
            walk.forget(reader, failure)
        return [walk for walk in self._walks if walk.failure is failure and walk.ended and not walk.peers]

    def joinable(self, reader: int) -> Walk | None:
        """The large chat that one more account helps most: with most messages left for each that reads it already. None
        while the account looks one up: it may have enough to do then."""
        if any(reader in walk.joining for walk in self._walks):
            return None
        worth = {walk: walk.worth_joining(reader) for walk in self._walks}
        best = max(worth, key=lambda walk: worth[walk], default=None)
        return best if best is not None and worth[best] > 0 else None

    async def room(self) -> None:
        """Wait until one more chat can be under way. Large ones keep no small one waiting, unless there are very many."""
        while not self.closed:
            small = sum(not walk.is_large for walk in self._walks)
            if small < self._most and len(self._walks) < MOST_LARGE + self._most:
                return
            self._roomier.clear()
            await self._roomier.wait()

    def add(self, walk: Walk) -> None:
        self._walks.append(walk)
        self.notify()

    def remove(self, walk: Walk) -> None:
        self._walks.remove(walk)
        self.notify()

    @property
    def closed(self) -> bool:
        """No chat will be added any more."""
        return self._stopped or not self._finders

    def expect(self) -> None:
        """Somebody may add chats, until a call of expect_no_more()."""
        self._finders += 1

    def expect_no_more(self) -> None:
        self._finders -= 1
        self.notify()

    def stop(self) -> None:
        """Whoever waits for room or a job need not wait any longer."""
        self._stopped = True
        self.notify()

    def notify(self) -> None:
        """Something changed for everybody."""
        self._roomier.set()
        while self._idle:
            self._wake(next(iter(self._idle)))
        if self.closed and not self._walks:
            self.over.set()

    def offer(self, walk: Walk) -> None:
        """There may be one job more of this chat."""
        self._wake(next((one for one, reader in self._idle.items() if reader in walk.peers), None))

    def pass_on(self) -> None:
        """Whoever was woken cannot ask now: somebody else may."""
        self._wake(next(iter(self._idle), None))

    async def change(self, reader: int) -> None:
        """Wait until there may be a job for this reader, or will be none any more; what was looked at before is looked at
        again."""
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._idle[woken] = reader
        try:
            await woken
        finally:
            self._idle.pop(woken, None)

    def _wake(self, woken: asyncio.Future[None] | None) -> None:
        if woken is not None:
            del self._idle[woken]
            if not woken.done():
                woken.set_result(None)
