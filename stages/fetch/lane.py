"""A lane: one request after the other of one account, each for the job that the plan names then."""
from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from telethon import errors

from engine.error import TgbulkError
from stages.event import ChatStarted, Notice
from stages.fetch.bucket import Halted
from stages.fetch.coverage import OPEN, Phase, Range
from stages.fetch.error import AuthNeededError, ChatError, FloodParkedError, TroubledError
from stages.fetch.history import METHOD, newest, next_page
from stages.fetch.media.gallery import Gallery
from stages.fetch.pipeline import Pipeline
from stages.fetch.plan import Plan
from stages.fetch.quarantine import UndecodableError, set_aside
from stages.fetch.reader import Reader
from stages.fetch.resolver import refusal
from stages.fetch.takeout import message_range
from stages.fetch.walk import Probe, Walk
from stages.receipt import Kind, Receipt

#: The peer is not taken as it was kept in the cache.
STALE = (
    errors.ChannelInvalidError,
    errors.ChannelPrivateError,
    errors.ChatIdInvalidError,
    errors.PeerIdInvalidError,
    errors.UserIdInvalidError,
)


class Events(Protocol):
    """What a lane reports of a chat."""

    def first(self, walk: Walk, reader: Reader) -> None:
        """Its first page is there."""

    def large(self, walk: Walk) -> None:
        """It is worth several accounts."""

    async def stale(self, walk: Walk, reader: Reader, job: Range | Probe, error: errors.RPCError) -> None:
        """Telegram did not take its peer; the job is still under way."""

    async def lost(self, reader: Reader, failure: TgbulkError) -> None:
        """The account cannot go on; the job is still under way."""

    async def end(self, walk: Walk) -> None:
        """Nothing of it is left or under way."""


class Lane:
    """Runs until the plan is closed and empty, or the run is to stop."""

    def __init__(
        self,
        plan: Plan,
        reader: Reader,
        pipeline: Pipeline,
        stopping: Callable[[], bool],
        tell: Callable[[object], None],
        events: Events,
        gallery: Gallery | None = None,
    ) -> None:
        """tell: for the supervisor."""
        self._plan = plan
        self._reader = reader
        self._caller = reader.caller
        self._pipeline = pipeline
        self._stopping = stopping
        self._tell = tell
        self._events = events
        self._gallery = gallery

    async def run(self) -> None:
        """Admission first, then the choice: no job is held by somebody who may not ask yet."""
        bucket = self._caller.bucket(METHOD)
        while not self._over():
            try:
                await bucket.enter()
            except (Halted, FloodParkedError):
                return
            job = None if self._over() else self._plan.next(self._reader.number)
            if job is not None:
                await self._work(*job)
                continue
            bucket.cancel()
            # The last chat may have ended while this lane stood at the bucket: nothing changes any more then.
            if not self._over():
                await self._plan.change()

    def _over(self) -> bool:
        return self._stopping() or self._reader.failure is not None or (self._plan.closed and not len(self._plan))

    async def _work(self, walk: Walk, job: Range | Probe) -> None:
        slot = await self._pipeline.reserve()
        try:
            if self._reader.failure:  # it was lost while this lane waited for the slot
                self._caller.bucket(METHOD).cancel()
                self._pipeline.cancel(slot)
                raise self._reader.failure
            if isinstance(job, Probe):
                walk.probed(await self._probe(slot, walk))
                self._events.large(walk)
            else:
                await self._advance(slot, walk, job)
        except Halted:
            walk.release(job)
        except (ChatError, TroubledError) as error:
            walk.fail(error)
        except (AuthNeededError, FloodParkedError) as error:
            await self._events.lost(self._reader, error)
            walk.lose(self._reader.number, job, error)
        except STALE as error:
            await self._events.stale(walk, self._reader, job, error)
        except errors.RPCError as error:
            walk.fail(refusal(walk.target.name, error))
        self._plan.notify()
        if walk.ended:
            self._plan.remove(walk)
            await self._events.end(walk)

    async def _advance(self, slot: int, walk: Walk, one: Range) -> None:
        try:
            receipt = await self._page(slot, walk, one)
        except UndecodableError as error:
            if one.limit > 1:
                walk.narrowed(one)
            else:
                walk.skipped(one, await set_aside(error, walk, one, self._reader, self._pipeline))
        else:
            walk.answered(one, receipt)
            self._learn(walk, receipt)

    async def _probe(self, slot: int, walk: Walk) -> Receipt:
        request = newest(walk.peers[self._reader.number])
        request.message_range = message_range(walk.message_ranges, OPEN)
        answer = await self._exchange(slot, request)
        receipt: Receipt
        receipt, _ = await self._pipeline.send(slot, answer, stream=walk.stream, kind=Kind.PROBE)
        # Where it cannot be decoded, there are no ranges: the tail is walked, and meets it in the end.
        return receipt

    async def _page(self, slot: int, walk: Walk, one: Range) -> Receipt:
        mark = one.next
        request = next_page(walk.peers[self._reader.number], mark, one.limit)
        request.message_range = message_range(walk.message_ranges, mark)
        answer = await self._exchange(slot, request)
        one.phase = Phase.SENT
        ceiling = 0 if one.hi == OPEN else one.hi
        receipt: Receipt
        receipt, _ = await self._pipeline.send(
            slot,
            answer,
            stream=walk.stream,
            kind=Kind.HISTORY,
            segment=one.lo,
            mark=mark,
            ceiling=ceiling,
            origin=self._reader.me if self._gallery else 0,
        )
        if receipt.error:
            raise UndecodableError(receipt.error, answer)
        if receipt.high and receipt.high < mark:
            raise ChatError(walk.target.name, f"Telegram gives old messages instead of those from id {mark}", "")
        if receipt.slow:
            self._tell(Notice(f"{walk.target.name}: the page from id {mark} was decoded the slow way: {receipt.slow}"))
        return receipt

    async def _exchange(self, slot: int, request: object) -> bytes:
        try:
            answer: bytes = await self._caller.exchange(request)
        except BaseException:
            self._pipeline.cancel(slot)
            raise
        return answer

    def _learn(self, walk: Walk, receipt: Receipt) -> None:
        """Keep the peers that came along. Tell of a chat with its first page: only then is its size known."""
        self._reader.resolver.learn(receipt.peers or [])
        if self._gallery and receipt.media:
            self._gallery.met()
        record = walk.target.record
        for marked, _, _, title, usernames, _ in receipt.peers or []:
            if marked == record.marked_id and record.type != "saved":
                record.title, record.usernames = title, usernames
        if walk.pages == 1:
            self._events.first(walk, self._reader)
            total = -1 if record.total is None else record.total
            self._tell(ChatStarted(walk.stream, record.marked_id, record.title, total, walk.before))

