"""A lane: one request after the other of one account, each for the job that the plan names then."""
from __future__ import annotations

from collections.abc import Awaitable, Callable

from telethon import errors

from stages.event import ChatStarted, Notice
from stages.fetch.caller import Caller
from stages.fetch.coverage import OPEN, Phase, Range
from stages.fetch.error import ChatError, FloodParkedError
from stages.fetch.history import METHOD, newest, next_page
from stages.fetch.pipeline import LostPageError, Pipeline
from stages.fetch.plan import Plan
from stages.fetch.resolver import refusal
from stages.fetch.walk import Probe, Walk
from stages.receipt import Kind, Receipt


class Lane:
    """Runs until the plan is closed and empty, or the run is to stop."""

    def __init__(
        self,
        plan: Plan,
        caller: Caller,
        pipeline: Pipeline,
        stopping: Callable[[], bool],
        tell: Callable[[object], None],
        on_end: Callable[[Walk], Awaitable[None]],
    ) -> None:
        """tell: events for the supervisor; on_end: what to do with a chat that has ended."""
        self._plan = plan
        self._caller = caller
        self._pipeline = pipeline
        self._stopping = stopping
        self._tell = tell
        self._on_end = on_end

    async def run(self) -> None:
        """Slot first, then admission, then the choice: nothing is chosen before it can be asked for."""
        while not self._stopping() and not (self._plan.closed and not len(self._plan)):
            slot = await self._pipeline.reserve()
            bucket = self._caller.bucket(METHOD)
            await bucket.enter()
            job = None if self._stopping() else self._plan.next()
            if job is None:
                bucket.cancel()
                self._pipeline.cancel(slot)
                if not self._stopping():
                    await self._plan.change()
                continue
            await self._work(slot, *job)

    async def _work(self, slot: int, walk: Walk, job: Range | Probe) -> None:
        try:
            if isinstance(job, Probe):
                walk.probed(await self._probe(slot, walk))
            else:
                receipt = await self._page(slot, walk, job)
                walk.answered(job, receipt)
                self._announce(walk, receipt)
        except (ChatError, FloodParkedError) as error:
            walk.fail(error)
        except errors.RPCError as error:
            walk.fail(refusal(walk.target.name, error))
        self._plan.notify()
        if walk.ended:
            self._plan.remove(walk)
            await self._on_end(walk)

    async def _probe(self, slot: int, walk: Walk) -> Receipt:
        answer = await self._exchange(slot, newest(walk.target.peer))
        receipt, _ = await self._pipeline.send(slot, answer, stream=walk.stream, kind=Kind.PROBE)
        return self._checked(receipt, walk, "the newest message")

    async def _page(self, slot: int, walk: Walk, one: Range) -> Receipt:
        mark = one.next
        answer = await self._exchange(slot, next_page(walk.target.peer, mark))
        one.phase = Phase.SENT
        ceiling = 0 if one.hi == OPEN else one.hi
        try:
            receipt, _ = await self._pipeline.send(
                slot, answer, stream=walk.stream, kind=Kind.HISTORY, segment=one.lo, mark=mark, ceiling=ceiling
            )
        except LostPageError as error:
            raise ChatError(walk.target.name, f"the page from id {mark} killed its workers", "") from error
        if receipt.high and receipt.high < mark:
            raise ChatError(walk.target.name, f"Telegram gives old messages instead of those from id {mark}", "")
        return self._checked(receipt, walk, f"the page from id {mark}")

    async def _exchange(self, slot: int, request: object) -> bytes:
        try:
            answer: bytes = await self._caller.exchange(request)
        except BaseException:
            self._pipeline.cancel(slot)
            raise
        return answer

    def _checked(self, receipt: Receipt, walk: Walk, what: str) -> Receipt:
        if receipt.error:
            raise ChatError(walk.target.name, f"{what} cannot be decoded: {receipt.error}", "")
        if receipt.slow:
            self._tell(Notice(f"{walk.target.name}: {what} was decoded the slow way: {receipt.slow}"))
        return receipt

    def _announce(self, walk: Walk, receipt: Receipt) -> None:
        """Tell of a chat with its first page: only then is its size known."""
        if walk.pages == 1:
            record = walk.target.record
            total = -1 if record.total is None else record.total
            self._tell(ChatStarted(walk.stream, record.marked_id, record.title, total))

