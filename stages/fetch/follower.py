"""Following one account: pushes in the order of their boxes, a difference where one is missing (docs/spec/updates.md 10 b).

A push that continues its box is applied; an older one is dropped; one that comes too early waits for those before it, and
after GAP_SECONDS the server is asked for what is missing. While a difference of a box is under way its pushes wait.
"""
from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Set
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from telethon import errors
from telethon.tl import types

from tgbulk.engine.error import TgbulkError
from tgbulk.engine.metric import Meter, Number
from tgbulk.stages.archive.account import AccountState
from tgbulk.stages.fetch.bucket import Halted
from tgbulk.stages.fetch.client import plain
from tgbulk.stages.fetch.difference import METHOD, METHOD_CHANNEL
from tgbulk.stages.fetch.error import AuthNeededError, FloodParkedError
from tgbulk.stages.fetch.pipeline import Pipeline
from tgbulk.stages.fetch.push import COMMON, Push, PushQueue, as_channel_difference, as_difference, split
from tgbulk.stages.fetch.reader import Reader
from tgbulk.stages.fetch.resolver import input_peer
from tgbulk.stages.fetch.updates import AT_ONCE, Updates
from tgbulk.stages.protocol.event import Notice
from tgbulk.stages.telegram.chat import CHANNEL_MARK

#: Seconds that a push may wait for those before it, and that one may wait for others, of all boxes, to go with.
GAP_SECONDS = 0.5
BATCH_SECONDS = 1.0
#: Seconds that pushes may wait to be looked at together.
TOGETHER_SECONDS = 0.2
#: Seconds without a difference after which one is asked for: it also names channels of which pushes do not come.
QUIET_SECONDS = 900.0
#: Seconds between two looks at channels that the account is not in, AT_ONCE of them by turns: nobody tells of these.
POLL_SECONDS = 30.0
#: Seconds between two tries where the server cannot answer, the first and the most.
FIRST_PAUSE, MOST_PAUSE = 1.0, 60.0
#: Pushes that wait for others in one box: with more, a difference is cheaper.
MOST_HELD = 1000


@dataclass(slots=True)
class Followed:
    """One box."""

    key: int
    pts: int
    #: too early, or while a difference is under way
    held: list[Push] = field(default_factory=list)
    #: applied, on their way to write
    batch: list[Push] = field(default_factory=list)
    #: the loop's time: of the oldest one held for a gap, and of the first one of the batch
    gap_at: float | None = None
    batch_at: float = 0.0
    #: a difference is under way, or wanted
    asking: bool = False
    wanted: bool = False
    pause: float = 0.0
    #: the bucket of its difference is shut, after a flood wait that is too long to sit out in it
    reopen: bool = False
    #: the server did not let the account ask: somebody else says when that is over
    refused: bool = False


@dataclass(slots=True)
class FollowCounts:
    """Since the start."""

    pushes: int = 0
    gaps: int = 0
    differences: int = 0
    #: seconds from the server's clock to ours, of the newest push
    lag: float = 0.0


class Follower:
    """Runs until it is told to stop, or until chats have to be walked."""

    def __init__(
        self,
        reader: Reader,
        updates: Updates,
        pipeline: Pipeline,
        queue: PushQueue,
        counts: FollowCounts,
        notify: Callable[[object], None],
        taken: Callable[[], None],
        over: asyncio.Event,
        failed: Set[int] = frozenset(),
    ) -> None:
        """updates: caught up; taken: called when something was applied; over: ends it, set also where chats need a walk;
        failed: chats that need one, as soon as Telegram tells anything of them."""
        self._reader = reader
        self._updates = updates
        self._pipeline = pipeline
        self._queue = queue
        self._counts = counts
        self._notify = notify
        self._taken = taken
        self._boxes: dict[int, Followed] = {}
        #: those of which something is held, on its way, or wanted
        self._busy: dict[int, Followed] = {}
        self._seq = 0
        #: everything up to the start was told
        self.ready = False
        #: why the account cannot go on
        self.failure: TgbulkError | None = None
        self._over = over
        self._failed = failed
        #: a push has come, a difference has ended, or it is over: something may be due
        self._woken = asyncio.Event()
        self._asked_at = self._polled_at = asyncio.get_running_loop().time()
        self._polled = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def lose(self) -> None:
        """Pushes may have been lost."""
        self._want(COMMON)

    async def run(self) -> None:
        """Until it is over. What is held then will be told again."""
        state = self._updates.state
        assert state is not None
        self._seq = state.seq
        self._box(COMMON, state.pts)
        for marked, known in self._updates.boxes.items():
            if marked < -CHANNEL_MARK and known.pts:
                self._box(marked, known.pts)
        self.lose()  # what came between the states and now
        end = asyncio.create_task(self._over.wait())
        end.add_done_callback(lambda _: self._woken.set())
        self._queue.woken = self._woken
        self._woken.set()
        try:
            while not end.done():
                await self._step()
        finally:
            end.cancel()
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks)
            for box in self._boxes.values():
                await self._flush(box)

    async def _step(self) -> None:
        """Take what has come, then do what is due."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._wait()):
                await self._woken.wait()
                await asyncio.sleep(TOGETHER_SECONDS)
        self._woken.clear()
        while not self._queue.empty():
            self._take(*self._queue.get_nowait())
        if self._queue.lost:
            self._queue.lost = False
            self.lose()
        now = asyncio.get_running_loop().time()
        if now - self._asked_at > QUIET_SECONDS:
            self.lose()
        if now - self._polled_at >= POLL_SECONDS:
            self._polled_at = now
            self._poll()
        await self._flush_due(now)
        for box in list(self._busy.values()):
            if box.gap_at is not None and now - box.gap_at >= GAP_SECONDS:
                self._counts.gaps += not box.asking
                box.wanted, box.gap_at = True, None
            if box.wanted and not box.asking:
                box.asking, box.wanted = True, False
                task = asyncio.create_task(self._difference(box))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            if not (box.held or box.batch or box.asking or box.wanted or box.gap_at is not None):
                del self._busy[box.key]

    def _wait(self) -> float:
        """Seconds until something is due."""
        now = asyncio.get_running_loop().time()
        due = [self._asked_at + QUIET_SECONDS, self._polled_at + POLL_SECONDS]
        for box in self._busy.values():
            if box.gap_at is not None:
                due.append(box.gap_at + GAP_SECONDS)
            if box.batch and not box.asking:
                due.append(box.batch_at + BATCH_SECONDS)
            if box.wanted and not box.asking:
                return 0.0
        return max(0.0, min(due) - now)

    def _take(self, came: float, container: Any) -> None:
        """One container."""
        pushes = split(container, came)
        seq = getattr(container, "seq", 0)
        if not pushes:
            self.lose()  # too much, or in a form that leaves out what an archive needs
            return
        if seq:
            first = getattr(container, "seq_start", 0) or seq
            if first <= self._seq:
                return
            if first > self._seq + 1:
                self._counts.gaps += 1
                self.lose()
            self._seq = seq
        for push in pushes:
            self._counts.pushes += 1
            if push.date:
                self._counts.lag = max(0.0, time.time() - push.date)
            self._route(push)

    def _route(self, push: Push) -> None:
        key, update = push.box, push.update
        if key is None:
            self._beside(push)
            return
        box = self._boxes.get(key)
        if box is None:
            return  # of a channel that is not archived
        self._busy[key] = box
        if box.asking:
            box.held.append(push)
            if len(box.held) > MOST_HELD:
                box.held.clear()
                box.wanted = True
            return
        self._apply(box, push, update.pts, push.steps)

    def _apply(self, box: Followed, push: Push, pts: int, count: int) -> None:
        if pts <= box.pts:
            return
        if box.pts + count < pts:
            box.held.append(push)
            if box.gap_at is None:
                box.gap_at = asyncio.get_running_loop().time()
            if len(box.held) > MOST_HELD:
                box.held.clear()
                box.wanted, box.gap_at = True, None
            return
        box.pts = pts
        if not box.batch:
            box.batch_at = push.came
        box.batch.append(push)
        if box.held:
            self._release(box)

    def _release(self, box: Followed) -> None:
        """Pushes that were held go through the rule, in the order of their pts."""
        held, box.held, box.gap_at = sorted(box.held, key=lambda one: one.update.pts), [], None
        for push in held:
            self._apply(box, push, push.update.pts, push.steps)

    def _beside(self, push: Push) -> None:
        """Updates that take no step."""
        update = push.update
        if isinstance(update, types.UpdateChannelTooLong | types.UpdateChannel):
            marked = -CHANNEL_MARK - update.channel_id
            if marked in self._failed:
                self._over.set()
            box = self._boxes.get(marked)
            if box is not None and (getattr(update, "pts", None) or box.pts + 1) > box.pts:
                if isinstance(update, types.UpdateChannel):  # perhaps it lets the account in again
                    box.pause = 0.0
                self._want(box.key)
        elif isinstance(update, types.UpdateChannelAvailableMessages):
            box = self._boxes.get(-CHANNEL_MARK - update.channel_id)
            if box is not None:
                box.batch_at = box.batch_at if box.batch else push.came
                box.batch.append(push)
                self._busy[box.key] = box
        elif isinstance(update, types.UpdatePtsChanged):
            self.lose()

    def _poll(self) -> None:
        """The next ones of the channels that the account is not in."""
        known = self._reader.cache.known
        outside = [key for key, box in self._boxes.items() if not box.refused and (peer := known(key)) and peer.left]
        for place in range(min(AT_ONCE, len(outside))):
            self._want(outside[(self._polled + place) % len(outside)])
        self._polled += AT_ONCE

    def _want(self, key: int) -> None:
        box = self._boxes.get(key)
        if box is not None:
            box.wanted = True
            self._busy[key] = box

    def _box(self, key: int, pts: int) -> None:
        self._boxes[key] = Followed(key, pts)

    async def _flush_due(self, now: float) -> None:
        """When one box has waited long enough, all go: so every process wakes up once for all of them."""
        ready = [box for box in self._busy.values() if box.batch and not box.asking]
        if ready and now - min(box.batch_at for box in ready) >= BATCH_SECONDS:
            await asyncio.gather(*map(self._flush, ready))

    async def _flush(self, box: Followed) -> None:
        """Hand on what was applied: content and pts in one commit."""
        batch, box.batch = box.batch, []
        if not batch:
            return
        state = self._updates.state
        assert state is not None
        me = self._reader.me
        if box.key == COMMON:
            told = AccountState(me, box.pts, state.qts, state.date, self._seq)
            receipt = await self._pipeline.difference(as_difference(batch, told), me)
        else:
            receipt = await self._pipeline.difference(as_channel_difference(batch, box.pts), me, box.key)
        self._updates.take(receipt)
        if receipt.error:
            self._notify(Notice(f"a push was not taken: {receipt.error}"))
            # What comes behind it is held, and not taken before the difference has told of it.
            box.pts = state.pts if box.key == COMMON else self._updates.boxes[box.key].pts
            self._want(box.key)
        elif box.key == COMMON:
            self._updates.state = receipt.state or state
        else:
            self._updates.boxes[box.key].pts = receipt.pts
        if receipt.behind:
            self._over.set()
        self._taken()

    async def _difference(self, box: Followed) -> None:
        """Ask for what is missing of one box, until there is an answer."""
        try:
            if box.pause:
                await asyncio.sleep(box.pause)
            if box.reopen:
                box.reopen = False
                self._reader.caller.limit(METHOD if box.key == COMMON else METHOD_CHANNEL, AT_ONCE)
            await self._flush(box)
            self._counts.differences += 1
            if box.key == COMMON:
                self._asked_at = asyncio.get_running_loop().time()
                await self._ask_common(box)
            else:
                await self._ask_channel(box)
            box.pause, box.refused = 0.0, False
        except Halted:
            return
        except AuthNeededError as error:
            self.failure = error
            self._over.set()
        except TgbulkError as error:
            box.pause = min(MOST_PAUSE, max(FIRST_PAUSE, 2 * box.pause))
            if isinstance(error, FloodParkedError):  # whose bucket is shut for good
                box.pause = float(error.retry_after or MOST_PAUSE)
                box.reopen = True
            box.wanted = True
            self._notify(Notice(f"account {self._reader.access.account}: {error}; trying again in {box.pause:.0f} s"))
        except errors.RPCError as error:
            if not box.refused:  # or it is said again with every look at the account
                what = f"changes of {box.key or 'its chats'}"
                self._notify(Notice(f"account {self._reader.access.account}: {what}: {plain(error)}"))
            box.pause, box.refused = MOST_PAUSE, True
        finally:
            box.asking = False
            self._busy[box.key] = box
            self._woken.set()
        self._release(box)
        self._taken()

    async def _ask_common(self, box: Followed) -> None:
        told = await self._updates.learn()
        state = self._updates.state
        assert state is not None
        box.pts, self._seq = state.pts, state.seq
        for marked in state.dirty:
            self._want(marked)
        if not self._failed.isdisjoint(state.dirty):
            self._over.set()
        self.ready = True
        if not told:
            self._over.set()

    async def _ask_channel(self, box: Followed) -> None:
        peer = self._reader.cache.known(box.key)
        if peer is None:
            return
        if not await self._updates.ask(box.key, input_peer(peer), peer.title, sure=True):
            self._over.set()
            return
        box.pts = max(box.pts, self._updates.boxes[box.key].pts)


def follow_numbers(counts: FollowCounts) -> Iterator[Number]:
    """For the meter."""
    yield Number("pushes", "updates", counts.pushes)
    yield Number("push_gaps", "updates", counts.gaps)
    yield Number("differences", "updates", counts.differences)
    yield Number("push_lag_seconds", "updates", counts.lag)


def follow_meter(meter: Meter, counts: FollowCounts) -> None:
    """Have them measured."""
    meter.watch(lambda: follow_numbers(counts))
