"""Work that write hands out, and what came of it: asked for while there is room for it; what is answered goes back.

The queue is write's index on disk: in memory there is less than LOW, and what one question brings. It is asked for by
ascending number, and when nothing new will come any more, from the front again until nothing waits.
"""
from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, Protocol, TypeVar

#: Unanswered work below which more is asked for.
LOW = 100
#: Answers that go to write at a time.
ANSWERS = 100
#: Seconds between two questions, in which answers gather.
PAUSE = 0.05


Item = TypeVar("Item", covariant=True)
Outcome = TypeVar("Outcome")


class WorkBatch(Protocol[Item]):
    """MediaBatch and VideoBatch (stages/protocol/request.py)."""

    @property
    def items(self) -> Sequence[Item]: ...

    @property
    def cursor(self) -> int: ...

    @property
    def more(self) -> bool: ...


class Feed(Generic[Item, Outcome]):
    """Of one kind of work."""

    def __init__(
        self,
        ask: Callable[[list[Outcome], int, bool], Awaitable[WorkBatch[Item]]],
        take: Callable[[Item], None],
        sent: Callable[[list[Outcome]], None] = lambda outcomes: None,
    ) -> None:
        """ask(outcomes, cursor, whether more is wanted): write; take: gets each item of work, which is to be answered once;
        sent: gets the outcomes that write has taken."""
        self._ask = ask
        self._take = take
        self._sent = sent
        self._answers: list[Outcome] = []
        self._unanswered = 0
        self._changed = asyncio.Event()
        self._closed = False
        #: write may have more behind `_cursor`
        self._more = True
        self._cursor = 0

    @property
    def unanswered(self) -> int:
        """Work that was taken and is not done."""
        return self._unanswered

    def met(self) -> None:
        """Write has perhaps more now."""
        self._more = True
        self._changed.set()

    def close(self) -> None:
        """What write has is all that will come."""
        self._closed = True
        self.met()

    def answer(self, outcome: Outcome) -> None:
        """What came of one item."""
        self._answers.append(outcome)
        self._unanswered -= 1
        self._changed.set()

    async def run(self) -> None:
        """Until all is answered after close()."""
        found = True
        while True:
            await self._changed.wait()
            self._changed.clear()
            hungry = self._more and self._unanswered < LOW
            if hungry or self._answers:
                batch = await self._exchange(hungry)
                found = found or bool(batch.items)
                if batch.items or not batch.more:  # else write is still reading older lines
                    await asyncio.sleep(PAUSE)
                self._changed.set()
            elif self._closed and not self._unanswered and not self._more:
                if not found:
                    return
                found = False
                self._cursor = 0
                self.met()

    async def flush(self) -> None:
        """Hand over the answers that are left."""
        while self._answers:
            await self._exchange(hungry=False)

    async def _exchange(self, hungry: bool) -> WorkBatch[Item]:
        answers, self._answers = self._answers[:ANSWERS], self._answers[ANSWERS:]
        if hungry:
            self._more = False
        batch = await self._ask(answers, self._cursor, hungry)
        self._sent(answers)
        if hungry:
            self._cursor = batch.cursor
            self._more = self._more or batch.more
            self._unanswered += len(batch.items)
            for item in batch.items:
                self._take(item)
        return batch
