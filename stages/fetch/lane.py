"""The lane of an account: its requests, each for the job that the plan names when the account may ask.

A lane waits for room (as many jobs under way as are worth it), for a job and for its bucket's admission, and holds nothing.
A job that is under way waits, in this order, for

1. its bucket's admission, again: after a flood wait or server trouble, holding nothing else;
2. a share of the backlog, holding the admission;
3. the answer, holding both; then it gives both back, and may be at 1 again;
4. a slot, holding the answer's bytes;
5. the receipt, holding the slot.

Nobody waits for something that comes before what it holds, so there is no circle of jobs that wait for each other. And each
wait ends by itself: 5, since workers and write wait for nobody here, and a worker's death sends its pages again; 4, by 5; 3,
for every request has a deadline (stages/fetch/sender.py); 2, by 3 and 4; 1, by 2 and 3, and by flood waits, none for ever.
A lane's own waits end with its jobs, with those of others, or with the run.
"""
from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from telethon import errors
from telethon.tl import types
from telethon.tl.tlobject import TLRequest

from tgbulk.engine.error import TgbulkError
from tgbulk.stages.archive.id_range import UNBOUNDED
from tgbulk.stages.fetch.bound import UnusableAnswer
from tgbulk.stages.fetch.bucket import Halted
from tgbulk.stages.fetch.error import ACCOUNT_LOST, ChatError, FloodParkedError, TroubledError, first
from tgbulk.stages.fetch.history import METHOD, STALE_PAGE, box_pts, fresh, is_stale, newest, next_page
from tgbulk.stages.fetch.missing import Phase, WalkRange
from tgbulk.stages.fetch.pipeline import Pipeline
from tgbulk.stages.fetch.plan import Plan
from tgbulk.stages.fetch.quarantine import UndecodableError, set_aside
from tgbulk.stages.fetch.reader import Reader
from tgbulk.stages.fetch.resolver import refusal
from tgbulk.stages.fetch.takeout import message_range
from tgbulk.stages.fetch.walk import WHOLE, Probe, Walk
from tgbulk.stages.protocol.difference import BoxRequest
from tgbulk.stages.protocol.event import ChatStarted, Notice
from tgbulk.stages.protocol.receipt import Receipt

if TYPE_CHECKING:
    from tgbulk.stages.fetch.media.downloads import Downloads

#: Jobs beyond the requests in flight: those whose page is with process and write.
SPARE = 4

#: An answer without messages: to a question with the hash of a list, which is never asked.
NOT_MODIFIED = "messages.messagesNotModified"
#: A page without anything, and a list that is whole.
NOTHING = bytes(types.messages.Messages([], [], [], []))
#: How often a page is asked for again that is empty where it cannot be.
AGAIN_AT_END = 3
AGAIN = "Run the same command again: it goes on at that place."
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

    def migrated(self, walk: Walk, reader: Reader) -> None:
        """It is a group, and its page says that it goes on as a supergroup, which nobody had told."""

    def idle(self, reader: Reader) -> None:
        """This account has no job."""

    async def stale(
        self, walk: Walk, reader: Reader, job: WalkRange | Probe, peer: object, error: errors.RPCError
    ) -> None:
        """Telegram did not take this peer of it; the job is still under way."""

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
        notify: Callable[[object], None],
        events: Events,
        downloads: Downloads | None = None,
    ) -> None:
        """notify: the supervisor."""
        self._plan = plan
        self._reader = reader
        self._caller = reader.caller
        self._pipeline = pipeline
        self._stopping = stopping
        self._notify = notify
        self._events = events
        self._downloads = downloads
        #: jobs under way, and set when one of them has ended
        self._jobs = 0
        self._left = asyncio.Event()

    async def run(self) -> None:
        """What a job ends with that ends the run is raised."""
        try:
            async with asyncio.TaskGroup() as group:
                await self._ask(group)
        except BaseExceptionGroup as errors:
            raise first(errors) from errors

    async def _ask(self, group: asyncio.TaskGroup) -> None:
        """Admission first, then the choice: no job is held by somebody who may not ask yet."""
        bucket = self._caller.bucket(METHOD)
        while not self._over():
            while self._jobs >= int(bucket.window) + SPARE:
                self._left.clear()
                await self._left.wait()
            if bucket.busy:
                self._plan.pass_on()
            try:
                await bucket.enter()
            except Halted:
                return
            except FloodParkedError as error:  # of an earlier run, or seen by another lane
                await self._events.lost(self._reader, error)
                return
            found = None if self._over() else self._plan.next(self._reader.number)
            if found is not None:
                self._jobs += 1
                group.create_task(self._work(*found))
                continue
            bucket.give_back()
            # The last chat may have ended while this lane stood at the bucket: nothing changes any more then.
            if not self._over():
                self._events.idle(self._reader)
                await self._plan.change(self._reader.number)

    def _over(self) -> bool:
        return self._stopping() or self._reader.failure is not None or (self._plan.closed and not len(self._plan))

    async def _work(self, walk: Walk, job: WalkRange | Probe) -> None:
        peer = walk.peers.get(self._reader.number)
        try:
            if peer is None:  # the account was lost between admission and now
                self._caller.bucket(METHOD).give_back()
                raise Halted
            if isinstance(job, Probe):
                walk.probed(await self._probe(walk))
                self._plan.notify()
            else:
                await self._advance(walk, job)
        except Halted:
            walk.release(job)
        except (ChatError, TroubledError) as error:
            walk.fail(error)
        except (*ACCOUNT_LOST, FloodParkedError) as error:
            await self._events.lost(self._reader, error)
            walk.lose(self._reader.number, job, error)
        except STALE as error:
            await self._events.stale(walk, self._reader, job, peer, error)
        except errors.RPCError as error:
            walk.fail(refusal(walk.target.name, error))
        self._jobs -= 1
        self._left.set()
        self._plan.offer(walk)
        if walk.ended:
            self._plan.remove(walk)
            await self._events.end(walk)

    async def _advance(self, walk: Walk, one: WalkRange) -> None:
        try:
            receipt = await self._page(walk, one)
        except UndecodableError as error:
            if one.limit > 1:
                walk.narrowed(one)
            else:
                walk.skipped(one, await set_aside(error, walk, one, self._reader, self._pipeline))
        else:
            walk.answered(one, receipt)
            self._learn(walk, receipt)
            if walk.probe is Probe.WANTED:
                self._plan.notify()  # accounts without a job may join

    async def _probe(self, walk: Walk) -> Receipt:
        request = newest(walk.peers[self._reader.number])
        request.message_range = message_range(walk.message_ranges, UNBOUNDED)
        answer = await self._exchange(request)
        # Where it cannot be decoded, there are no ranges: the tail is walked, and meets it in the end.
        return await self._pipeline.probe(answer, walk.stream)

    async def _page(self, walk: Walk, one: WalkRange) -> Receipt:
        start = one.next
        request = next_page(walk.peers[self._reader.number], start, one.limit)
        request.message_range = message_range(walk.message_ranges, start)
        try:
            answer = await self._exchange(request)
            if is_stale(answer, walk.told) and not walk.doubted:
                self._pipeline.backlog.wait(0)  # this answer takes no room
                answer, _ = await fresh(answer, walk.told, lambda: self._caller.call(request))
        except UnusableAnswer as error:
            raise UndecodableError(error.message, b"") from error
        await self._box(walk, answer)
        one.phase = Phase.SENT
        receipt = await self._submit(walk, one, answer)
        if receipt.error:
            raise UndecodableError(receipt.error, answer)
        if is_stale(answer, walk.told):
            await self._doubt(walk)
        if receipt.form == NOT_MODIFIED:
            raise ChatError(walk.target.name, "Telegram says that nothing changed, and was not asked that", AGAIN)
        if receipt.strange:
            what = f"{receipt.strange:,} users and chats that are none are left out"
            self._notify(Notice(f"{walk.target.name}: the page from id {start}: {what}"))
        if not receipt.high:
            return await self._at_end(walk, one, receipt)
        if receipt.form == WHOLE and receipt.listed >= one.limit:
            receipt.doubtful = True  # a full page may be called the whole list: the next one shows
        if receipt.slow:
            what = f"{walk.target.name}: the page from id {start} was decoded by the slow decoder"
            self._notify(Notice(f"{what}: {receipt.slow}"))
        return receipt

    async def _box(self, walk: Walk, answer: bytes) -> None:
        """Where the chat's box is not known yet, it is as old as the oldest page: replicas of the server may be behind."""
        pts = box_pts(answer)
        if pts and (walk.unboxed or 0 < pts < walk.pts):
            walk.pts = pts
            record = walk.target.record
            await self._pipeline.box(BoxRequest(record.account, record.marked_id, pts))
            walk.unboxed = False

    async def _doubt(self, walk: Walk) -> None:
        """A page is older than what was told of the chat, which may be of its messages: they are to be looked at again."""
        record = walk.target.record
        await self._pipeline.box(BoxRequest(record.account, record.marked_id, walk.told, lost=True))
        if not walk.doubted:
            walk.doubted = True
            self._notify(Notice(f"{walk.target.name}: {STALE_PAGE}: changes of it are unknown"))

    async def _submit(self, walk: Walk, one: WalkRange, answer: bytes, last: bool = False) -> Receipt:
        return await self._pipeline.page(
            answer,
            stream=walk.stream,
            range_start=one.start,
            first=one.next,
            bound=one.hi,
            origin=self._reader.me if self._downloads else -self._reader.me,
            subject=walk.target.record.marked_id,
            last=last,
        )

    async def _at_end(self, walk: Walk, one: WalkRange, receipt: Receipt) -> Receipt:
        """An empty page is no proof that nothing lies above, where the server counts more than it has given: its newest
        message is, of the takeout's range where there is one. The receipt with which the range ends there, or, AGAIN_AT_END
        times at most, is asked for again."""
        if walk.counts_more(receipt):
            peer = walk.peers.get(self._reader.number)
            if peer is None:  # the account was lost meanwhile
                raise Halted
            request = newest(peer)
            request.message_range = message_range(walk.message_ranges, one.next)
            found = await self._pipeline.probe(await self._caller.call(request), walk.stream)
            nothing = not found.high and (bool(walk.message_ranges) or not walk.has_any)
            proved = found.error or 0 < found.high < one.next or (nothing and max(receipt.total, found.total) <= 0)
            if not proved:
                one.doubts += 1
                if one.doubts > AGAIN_AT_END:
                    text = f"Telegram gives no message from id {one.next} on, although it has some"
                    if nothing:
                        text = f"Telegram counts {max(receipt.total, found.total):,} messages and gives none"
                    raise ChatError(walk.target.name, text, AGAIN)
                receipt.doubtful = True
                return receipt
        if one.hi != UNBOUNDED:
            receipt.next = (await self._submit(walk, one, NOTHING, last=True)).next
        return receipt

    async def _exchange(self, request: TLRequest) -> bytes:
        answer: bytes = await self._caller.exchange(request, self._pipeline.backlog)
        return answer

    def _learn(self, walk: Walk, receipt: Receipt) -> None:
        """Keep the peers that came along. Tell of a chat with its first page: only then is its size known."""
        self._reader.resolver.learn(receipt.peers or [])
        if self._downloads and receipt.media:
            self._downloads.met()
        record = walk.target.record
        for peer in receipt.peers or []:
            if peer.marked_id == record.marked_id and record.type != "saved":
                record.title, record.usernames = peer.title, peer.usernames
                if peer.migrated_to and not record.migrated_to:
                    record.migrated_to = peer.migrated_to
                    self._events.migrated(walk, self._reader)
        if walk.pages == 1:
            self._events.first(walk, self._reader)
            total = -1 if record.total is None else record.total
            self._notify(ChatStarted(walk.stream, record.marked_id, record.title, total, walk.before))

