"""A run's export: names become chats, chats are walked side by side, each ends complete or with its reason."""
from __future__ import annotations

import asyncio
from collections.abc import Iterator

from telethon import TelegramClient, errors

from engine.channel import Channel
from engine.error import ExitCode, TgbulkError
from stages.event import ChatFailed, Notice
from stages.fetch.caller import Caller
from stages.fetch.config import FetchConfig
from stages.fetch.coverage import Coverage
from stages.fetch.error import ChatError, FloodParkedError
from stages.fetch.history import METHOD
from stages.fetch.lane import Lane
from stages.fetch.name import ChatName
from stages.fetch.pipeline import Pipeline
from stages.fetch.plan import Plan
from stages.fetch.resolver import Resolver, Target, refusal
from stages.fetch.selection import bounds
from stages.fetch.walk import Walk
from stages.receipt import Answer, Kind, Receipt
from stages.telegram.chat import ChatRecord

#: Names looked up at a time, ahead of the chats under way.
FINDERS = 3
#: Lanes beyond the requests in flight, for those whose page is with process and write.
SPARE_LANES = 3

_REFUSALS = {
    Answer.OTHER_ACCOUNT: (
        "the archive has it with the message ids of another account",
        "Message ids of private chats and basic groups differ for every account: use that account, or another archive.",
    ),
    Answer.DAMAGED: (
        "its files in the archive are shorter than what was committed",
        "Move the chat's folder away, or export it into another archive.",
    ),
}


class Export:
    """The chats of one run."""

    def __init__(
        self,
        client: TelegramClient,
        caller: Caller,
        pipeline: Pipeline,
        control: Channel,
        config: FetchConfig,
        stopping: asyncio.Event,
    ) -> None:
        self._client = client
        self._caller = caller
        self._pipeline = pipeline
        self._control = control
        self._config = config
        self._stopping = stopping
        self._plan = Plan(config.in_flight)
        self._seen: set[int] = set()
        self._next_stream = 0
        self._opened = 0
        self._skipped = 0
        #: chats that reached their end
        self.complete = 0

    @property
    def left(self) -> int:
        """Chats that a stop cut short or never let begin."""
        return self._skipped + self._opened - self.complete

    async def run(self) -> None:
        """Export every chat; one that fails does not stop the others. What ends the run is raised."""
        config = self._config
        self._caller.limit(METHOD, config.in_flight, config.rate)
        resolver = Resolver(self._caller, await self._client.get_me())
        async with asyncio.TaskGroup() as outer:
            stopper = outer.create_task(self._close_on_stop())
            async with asyncio.TaskGroup() as group:
                group.create_task(self._find_all(resolver))
                for _ in range(config.in_flight + SPARE_LANES):
                    group.create_task(self._lane().run())
            stopper.cancel()

    def _lane(self) -> Lane:
        return Lane(self._plan, self._caller, self._pipeline, self._stopping.is_set, self._control.send, self._end)

    async def _close_on_stop(self) -> None:
        await self._stopping.wait()
        self._plan.close()

    async def _find_all(self, resolver: Resolver) -> None:
        names = iter(self._config.chats)
        async with asyncio.TaskGroup() as group:
            for _ in range(FINDERS):
                group.create_task(self._find(resolver, names))
        self._plan.close()

    async def _find(self, resolver: Resolver, names: Iterator[ChatName]) -> None:
        for name in names:
            if self._stopping.is_set():
                self._skipped += 1
                continue
            try:
                target = await resolver.resolve(name)
                await self._begin(target)
                older = await resolver.older_half(target)
                if older is not None:
                    await self._begin(older)
            except (ChatError, FloodParkedError) as error:
                self._fail(name.text, 0, error)
            except errors.RPCError as error:
                self._fail(name.text, 0, refusal(name.text, error))

    async def _begin(self, target: Target) -> None:
        """Open the chat in the archive and put it under way."""
        marked = target.record.marked_id
        if marked in self._seen:
            self._control.send(Notice(f"{target.name}: the same chat was named twice; it is exported once"))
            return
        self._seen.add(marked)
        await self._plan.room()
        stream = self._next_stream
        self._next_stream += 1
        start, end = await bounds(self._config.selection, target, stream, self._caller, self._pipeline)
        receipt, answer = await self._send(stream, Kind.OPEN, target.record)
        if answer != Answer.OPENED:
            raise ChatError(target.name, *_REFUSALS[Answer(answer)])
        self._opened += 1
        coverage = Coverage.of(receipt.covered or [], start, end)
        walk = Walk(target, stream, coverage, receipt.messages, self._config.in_flight > 1)
        self._plan.add(walk)
        if walk.ended:
            self._plan.remove(walk)
            await self._end(walk)

    async def _end(self, walk: Walk) -> None:
        """Close the chat in the archive, and tell why if it failed."""
        record = walk.target.record
        record.state = "failed" if walk.failure else "complete"
        record.reason = str(walk.failure) if walk.failure else None
        await self._send(walk.stream, Kind.CLOSE, record)
        if walk.failure:
            self._opened -= 1
            self._fail(walk.target.name, record.marked_id, walk.failure)
        else:
            self.complete += 1

    async def _send(self, stream: int, kind: Kind, record: ChatRecord) -> tuple[Receipt, int]:
        slot = await self._pipeline.reserve()
        return await self._pipeline.send(slot, record.pack(), stream=stream, kind=kind)

    def _fail(self, name: str, marked_id: int, error: TgbulkError) -> None:
        reason = str(error).removeprefix(f"{name}: ")
        code = error.exit_code if isinstance(error, FloodParkedError) else ExitCode.NOTHING
        self._control.send(ChatFailed(name, marked_id, reason, error.hint, int(code)))
