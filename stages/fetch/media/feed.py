"""Work that write hands out, and what came of it: asked for while there is room for it; what is answered goes back.

The queue is write's index on disk: in memory there is less than LOW, and what one question brings. It is asked for by
ascending number, and when nothing new will come any more, from the front again until nothing waits.
"""
from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import astuple
from typing import Any, Protocol

import msgpack

from stages.receipt import Batch, Kind

#: Unanswered work below which more is asked for.
LOW = 100
#: Answers that go to write at a time.
ANSWERS = 100
#: Seconds between two questions, in which answers gather.
PAUSE = 0.05


class Asked(Protocol):
    """The way to write (stages/fetch/pipeline.py), or what stands for it."""

    async def reserve(self) -> int: ...

    async def send(self, slot: int, payload: bytes, *, stream: int, kind: Kind) -> tuple[Any, int]: ...


class Feed:
    """Of one kind of work."""

    def __init__(
        self,
        pipeline: Asked,
        kind: Kind,
        take: Callable[[list[Any]], None],
        sent: Callable[[list[Any]], None] = lambda answers: None,
    ) -> None:
        """take: gets each row of work, which is to be answered once; sent: is told of answers that are with write."""
        self._pipeline = pipeline
        self._kind = kind
        self._take = take
        self._sent = sent
        self._answers: list[Any] = []
        self._unanswered = 0
        self._changed = asyncio.Event()
        self._closed = False
        #: write may have more behind `_cursor`
        self._more = True
        self._cursor = 0

    def met(self) -> None:
        """Write has perhaps more now."""
        self._more = True
        self._changed.set()

    def close(self) -> None:
        """What write has is all that will come."""
        self._closed = True
        self.met()

    def answer(self, answer: Any) -> None:
        """What came of one row, as a dataclass."""
        self._answers.append(answer)
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
                found = found or bool(batch.rows)
                if batch.rows or not batch.more:  # else write is still reading older lines
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

    async def _exchange(self, hungry: bool) -> Batch:
        slot = await self._pipeline.reserve()
        answers, self._answers = self._answers[:ANSWERS], self._answers[ANSWERS:]
        if hungry:
            self._more = False
        question = msgpack.packb([[astuple(one) for one in answers], self._cursor, hungry])
        batch: Batch
        batch, _ = await self._pipeline.send(slot, question, stream=0, kind=self._kind)
        self._sent(answers)
        if hungry:
            self._cursor = batch.cursor
            self._more = self._more or batch.more
            self._unanswered += len(batch.rows)
            for row in batch.rows:
                self._take(row)
        return batch
