"""A run's export: names become chats, chats are walked side by side, each ends complete or with its reason."""
from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from telethon import errors

from engine.error import ExitCode, TgbulkError
from stages.event import ChatFailed, Notice
from stages.fetch.bucket import Halted
from stages.fetch.config import FetchConfig
from stages.fetch.coverage import OPEN, Coverage, Range
from stages.fetch.crew import Crew
from stages.fetch.error import AuthNeededError, ChatError, FloodParkedError, TroubledError
from stages.fetch.history import METHOD
from stages.fetch.lane import Lane
from stages.fetch.media.gallery import Gallery
from stages.fetch.name import ChatName, parse_name
from stages.fetch.pipeline import Pipeline
from stages.fetch.plan import Plan
from stages.fetch.reader import Reader
from stages.fetch.resolver import Target, before_migration, refusal
from stages.fetch.selection import bounds
from stages.fetch.walk import Probe, Walk
from stages.receipt import Answer, Kind, Receipt
from stages.telegram.chat import ACCOUNT_SPACE, ChatRecord

#: Names looked up at a time, ahead of the chats under way.
FINDERS = 3
#: Lanes beyond the requests in flight, for those whose page is with process and write.
SPARE_LANES = 3
#: Chats in a row at which the server keeps failing: no other one is tried then.
TROUBLED = 3

#: Why a chat is not complete that came to its end.
GAPS = "messages of it cannot be decoded; they are kept as they came"

_REFUSALS = {
    Answer.OTHER_ACCOUNT: (
        "the archive has it with the message ids of another account",
        "Message ids of private chats and basic groups differ for every account: use that account, or another archive.",
    ),
    Answer.DAMAGED: (
        "its files in the archive are shorter than what was committed",
        "Move the chat's folder away, or export it into another archive.",
    ),
    Answer.LOST: (
        "its chat.json knows of more messages than the journal, which has lost records",
        "Restore the journal from a copy, or let `tgbulk verify --repair` move the chat aside and export it again.",
    ),
}


class Export:
    """The chats of one run."""

    def __init__(
        self,
        readers: list[Reader],
        pipeline: Pipeline,
        tell: Callable[[object], None],
        config: FetchConfig,
        stopping: asyncio.Event,
        gallery: Gallery | None = None,
    ) -> None:
        self._crew = Crew(readers, tell, self.lost)
        self._readers = readers
        self._pipeline = pipeline
        self._tell = tell
        self._config = config
        self._stopping = stopping
        self._gallery = gallery
        self._plan = Plan(config.in_flight)
        self._seen: set[int] = set()
        self._next_stream = 0
        self._opened = 0
        self._skipped = 0
        self._troubled = 0
        #: chats that reached their end
        self.complete = 0

    @property
    def left(self) -> int:
        """Chats that a stop cut short or never let begin."""
        return self._skipped + self._opened - self.complete

    async def run(self) -> None:
        """Export every chat; one that fails does not stop the others. What ends the run is raised."""
        async with asyncio.TaskGroup() as outer:
            stopper = outer.create_task(self._stop_plan())
            closer = outer.create_task(self._close_buckets())
            async with asyncio.TaskGroup() as group:
                self._group = group
                self._look_for(iter(enumerate(self._config.chats)), FINDERS)
                for reader in self._readers:
                    for _ in range(self._config.in_flight + SPARE_LANES):
                        group.create_task(self._lane(reader).run())
            stopper.cancel()
            closer.cancel()
        if all(reader.failure for reader in self._readers):
            raise next(reader.failure for reader in self._readers if reader.failure)

    def _lane(self, reader: Reader) -> Lane:
        return Lane(self._plan, reader, self._pipeline, self._stopping.is_set, self._tell, self, self._gallery)

    async def _stop_plan(self) -> None:
        await self._stopping.wait()
        self._plan.stop()
        for reader in self._readers:
            reader.caller.halt()

    async def _close_buckets(self) -> None:
        """Lanes that stand at a bucket, perhaps for a flood wait, have nothing to wait for when all chats have ended."""
        await self._plan.over.wait()
        for reader in self._readers:
            reader.caller.bucket(METHOD).shut(Halted())

    def _look_for(self, names: Iterator[tuple[int, ChatName]], finders: int, fresh: bool = False) -> None:
        """Put the chats of these names under way, some names at a time."""
        for _ in range(finders):
            self._plan.expect()
            self._group.create_task(self._find(names, fresh)).add_done_callback(lambda _: self._plan.expect_no_more())

    async def _find(self, names: Iterator[tuple[int, ChatName]], fresh: bool) -> None:
        for place, name in names:
            if self._stopping.is_set():
                self._skipped += 1
                continue
            try:
                reader, target = await self._crew.resolve(name, place, fresh)
                older = await self._older_half(name, reader, target)
                await self._begin(reader, target)
                if older is not None:
                    await self._begin(*older)
            except (ChatError, FloodParkedError, AuthNeededError, TroubledError) as error:
                self._fail(name.text, 0, error)
            except errors.RPCError as error:
                self._fail(name.text, 0, refusal(name.text, error))
            except Halted:
                self._skipped += 1
        for reader in self._readers:  # after a run that is killed the names need not be looked up again
            with suppress(OSError):  # the end of the run tells of it
                reader.cache.save()

    async def _older_half(self, name: ChatName, reader: Reader, target: Target) -> tuple[Reader, Target] | None:
        try:
            return await self._crew.older_half(name, reader, target)
        except (FloodParkedError, TroubledError) as error:
            self._fail(before_migration(target), 0, error)
            return None

    async def _begin(self, reader: Reader, target: Target) -> None:
        """Open the chat in the archive and put it under way."""
        marked = target.record.marked_id
        if marked in self._seen:
            self._tell(Notice(f"{target.name}: the same chat was named twice; it is exported once"))
            return
        self._seen.add(marked)
        await self._plan.room()
        stream = self._next_stream
        self._next_stream += 1
        try:
            start, end = await bounds(self._config.selection, target, stream, reader.caller, self._pipeline)
        except (AuthNeededError, FloodParkedError) as error:
            await self.lost(reader, error)
            raise
        target.record.asked = [start, 0 if end == OPEN else end - 1]
        target.record.named = target.name
        receipt, answer = await self._send(stream, Kind.OPEN, target.record)
        if answer != Answer.OPENED:
            raise ChatError(target.name, *_REFUSALS[Answer(answer)])
        self._opened += 1
        walk = Walk(
            target,
            stream,
            Coverage.of(receipt.covered or [], start, end),
            {reader.number: target.peer},
            _message_ranges(reader, target),
            receipt.messages,
            self._config.in_flight > 1,
        )
        walk.coverage.cut([one.min_id for one in walk.message_ranges])
        if reader.failure:  # it was lost meanwhile
            walk.forget(reader.number, reader.failure)
        if self._gallery:
            self._gallery.know(marked, walk.peers)
        self._plan.add(walk)
        if walk.ended:
            self._plan.remove(walk)
            await self.end(walk)

    def first(self, walk: Walk, reader: Reader) -> None:
        """A username of the cache may have moved: its chat says so itself, and the name is then resolved anew."""
        if not reader.resolver.proved(walk.target):
            walk.target.by_username = None
            self._tell(Notice(f"{walk.target.name} is not this chat's name any more: {walk.target.record.title}"))
            self._look_for(iter([(0, parse_name(walk.target.name))]), 1, fresh=True)

    async def stale(self, walk: Walk, reader: Reader, job: Range | Probe, error: errors.RPCError) -> None:
        """A peer of the cache is resolved once more; any other is what Telegram says it is."""
        target = walk.target
        if not target.cached:
            walk.fail(refusal(target.name, error))
            return
        target.cached = False
        reader.resolver.forget(target)
        try:
            found = await reader.resolver.resolve(parse_name(target.name), fresh=True)
            if found.record.marked_id != target.record.marked_id:
                raise ChatError(target.name, "the name leads to another chat now", "Name that one, or the old one's id.")
            walk.release(job)
            if reader.failure:
                walk.forget(reader.number, reader.failure)
            else:
                walk.peers[reader.number] = found.peer
        except Halted:
            walk.release(job)
        except AuthNeededError as failure:
            await self.lost(reader, failure)
            walk.lose(reader.number, job, failure)
        except (ChatError, FloodParkedError, TroubledError) as failure:
            walk.fail(failure)

    async def lost(self, reader: Reader, failure: TgbulkError) -> None:
        """The account is out, and chats that only it can read have failed; where it is not the last one, that is no more
        than worth telling."""
        if reader.failure:
            return
        reader.failure = failure
        if self._crew.alive:
            self._tell(Notice(f"{failure}; the other accounts go on"))
        for walk in self._plan.orphans(reader.number, failure):
            self._plan.remove(walk)
            await self.end(walk)

    def large(self, walk: Walk) -> None:
        """Let the other accounts help with a large chat whose ids are the same for all."""
        if len(self._readers) > 1 and walk.target.record.type not in ACCOUNT_SPACE:
            self._group.create_task(self._share(walk))

    async def _share(self, walk: Walk) -> None:
        name = parse_name(walk.target.name)
        for reader in self._readers:
            if reader.number not in walk.peers and not reader.failure:
                try:
                    target = await self._crew.look_up(reader, name)
                except Halted:
                    return
                if target is None or reader.failure:
                    continue
                if target.record.marked_id == walk.target.record.marked_id:
                    walk.peers[reader.number] = target.peer
                    self._plan.notify()

    async def end(self, walk: Walk) -> None:
        """Close the chat in the archive, and tell why if it failed."""
        record = walk.target.record
        record.state = "failed" if walk.failure else "gaps" if walk.gaps else "complete"
        record.pages, record.ranges = walk.pages, walk.ranges
        record.reason = str(walk.failure) if walk.failure else GAPS if walk.gaps else None
        await self._send(walk.stream, Kind.CLOSE, record)
        if walk.failure:
            self._opened -= 1
            self._fail(walk.target.name, record.marked_id, walk.failure)
        else:
            self._troubled = 0
            self.complete += 1

    async def _send(self, stream: int, kind: Kind, record: ChatRecord) -> tuple[Receipt, int]:
        slot = await self._pipeline.reserve()
        return await self._pipeline.send(slot, record.pack(), stream=stream, kind=kind)

    def _fail(self, name: str, marked_id: int, error: TgbulkError) -> None:
        reason = str(error).removeprefix(f"{name}: ")
        code = error.exit_code if isinstance(error, FloodParkedError | TroubledError) else ExitCode.NOTHING
        self._tell(ChatFailed(name, marked_id, reason, error.hint, int(code)))
        self._troubled = self._troubled + 1 if isinstance(error, TroubledError) else 0
        if self._troubled == TROUBLED:
            raise error


def _message_ranges(reader: Reader, target: Target) -> list[Any]:
    """In a takeout, private chats and basic groups are asked range by range (spec/history-fetching.md 4)."""
    takeout = reader.caller.takeout
    return takeout.ranges if takeout and target.record.type in ACCOUNT_SPACE else []
