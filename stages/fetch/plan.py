"""Which chat is asked next: fair among the chats under way, and none idle while another could be split."""
from __future__ import annotations

import asyncio
from collections import deque

from engine.error import TgbulkError
from stages.fetch.coverage import Range
from stages.fetch.walk import Probe, Walk


class Plan:
    """The chats under way, of one run."""

    def __init__(self, most: int) -> None:
        """most: chats under way at a time."""
        self._walks: deque[Walk] = deque()
        self._most = most
        #: set whenever there may be a new job, or room for a chat
        self._changed = asyncio.Event()
        #: set when no chat is under way and none will be
        self.over = asyncio.Event()
        self._finders = 0
        self._stopped = False

    def __len__(self) -> int:
        return len(self._walks)

    def next(self, reader: int) -> tuple[Walk, Range | Probe] | None:
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

    async def room(self) -> None:
        """Wait until one more chat can be under way."""
        while len(self._walks) >= self._most and not self.closed:
            await self.change()

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
        self._changed.set()
        if self.closed and not self._walks:
            self.over.set()

    async def change(self) -> None:
        """Wait for notify(); what was looked at before is looked at again."""
        self._changed.clear()
        await self._changed.wait()
