"""The fetch process: one event loop with the account's session, the supervisor's control and the ring."""
from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING

from tgbulk.engine.channel import Channel, ChannelClosed
from tgbulk.engine.error import NetworkError, TgbulkError
from tgbulk.engine.frame import CONTROL_LIMIT, DATA_LIMIT
from tgbulk.engine.heartbeat import BEAT_SECONDS, beat, leave_stack_to_main
from tgbulk.engine.hop import Attach
from tgbulk.engine.lease import LostLeaseError
from tgbulk.engine.lock import Lock
from tgbulk.engine.metric import Meter
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.fetch.access import Access
from tgbulk.stages.fetch.accounts import without
from tgbulk.stages.fetch.bound import State
from tgbulk.stages.fetch.config import FetchContext
from tgbulk.stages.fetch.error import AuthNeededError, FloodParkedError, TakeoutDelayedError, UnreachableError, first
from tgbulk.stages.fetch.export import Export
from tgbulk.stages.fetch.name import parse_name
from tgbulk.stages.fetch.names import ChatNames
from tgbulk.stages.fetch.pipeline import Pipeline
from tgbulk.stages.fetch.reader import Reader, open_reader
from tgbulk.stages.fetch.shared_pace import SharedPaces
from tgbulk.stages.fetch.standstill import StandstillWatch
from tgbulk.stages.protocol.event import (
    ABANDONED,
    FedName,
    FeedClosed,
    Fetched,
    Finish,
    NewNames,
    Notice,
    PoisonFound,
    Ready,
    Stopped,
    report_failure,
)
from tgbulk.stages.protocol.transcode import TranscodeAttached, TranscodeChannels

if TYPE_CHECKING:
    from tgbulk.stages.fetch.following import Following
    from tgbulk.stages.fetch.media.downloads import Downloads
    from tgbulk.stages.fetch.media.video import Videos

#: Accounts that connect at a time: each takes some round trips and some milliseconds of CPU.
OPENED_AT_ONCE = 10
#: Why an account cannot be used now that the others of the run may do without.
LEFT_OUT = (AuthNeededError, NetworkError, FloodParkedError, TakeoutDelayedError)


def main(control: Channel, context: FetchContext) -> None:
    """Export the chats, hand every page on, and leave when write has taken the last one."""
    with report_failure(control), Meter(context.outlet) as meter:
        asyncio.run(_run(control, context, meter))


async def _run(control: Channel, context: FetchContext, meter: Meter) -> None:
    executor = ThreadPoolExecutor(initializer=leave_stack_to_main)
    asyncio.get_running_loop().set_default_executor(executor)
    await Fetch(control, context, meter).run()


class Fetch:
    """What lasts as long as the process, in its event loop."""

    def __init__(self, control: Channel, context: FetchContext, meter: Meter) -> None:
        self._control = control
        self._config = context.config
        self._locks = context.session_locks
        self._meter = meter
        self._lease = context.lease
        if self._lease is not None:
            State.guard = self._require_lease
        #: set when the supervisor or write is gone
        self._gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stopping = asyncio.Event()
        self._following: Following | None = None
        #: of a feed
        self._names = ChatNames(fetched=control.send) if self._config.feed else None
        on_poison = partial(control.send, PoisonFound())
        self._pipeline = Pipeline(context.frames, context.blocks, context.written, self._gone, meter, on_poison)
        media = context.config.media
        self._videos: Videos | None = None
        if context.videos and media:
            from tgbulk.stages.fetch.media.video import Videos

            self._videos = Videos(self._pipeline, media.archive, self._stopping, on_poison)

    async def run(self) -> None:
        """Until all is exported, or nobody is left to do it for."""
        self._listen()
        task = asyncio.create_task(self._export())
        await asyncio.wait([task, self._gone], return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
            raise ChannelClosed
        await task

    def _listen(self) -> None:
        """Act on the supervisor's messages; show that the loop goes round."""
        loop = asyncio.get_running_loop()

        def live() -> None:
            beat()
            self._require_lease()
            loop.call_later(BEAT_SECONDS, live)

        loop.add_reader(self._control.fileno(), self._receive)
        live()

    def _require_lease(self) -> None:
        """Leave at once where the lease is over, with whatever waits to be sent."""
        if self._lease is not None and not self._lease.held():
            with suppress(ChannelClosed, OSError):
                self._control.send(Stopped.of(LostLeaseError(self._lease.seconds)))
            os._exit(ABANDONED)

    def _receive(self) -> None:
        try:
            frame, descriptors = self._control.receive()
        except ChannelClosed:
            asyncio.get_running_loop().remove_reader(self._control.fileno())
            if not self._gone.done():
                self._gone.set_result(None)
            return
        if isinstance(frame, Attach):
            self._pipeline.attach(frame.worker, Channel.from_descriptor(descriptors[0], DATA_LIMIT))
        elif isinstance(frame, TranscodeAttached) and self._videos:
            ends = [Channel.from_descriptor(descriptor, CONTROL_LIMIT) for descriptor in descriptors]
            self._videos.attach(TranscodeChannels(*ends) if ends else None, frame.exit_status)
        elif isinstance(frame, Finish):
            self._stopping.set()
        elif isinstance(frame, NewNames) and self._following:
            self._following.rename([parse_name(name) for name in frame.names])
        elif isinstance(frame, FedName) and self._names:
            self._names.put(frame.line, parse_name(frame.name))
        elif isinstance(frame, FeedClosed) and self._names:
            self._names.close()

    async def _export(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                if self._videos:
                    group.create_task(self._videos.run())
                export = await self._export_chats()
                if self._videos:
                    self._videos.close()
        except BaseExceptionGroup as errors:
            raise first(errors) from errors
        await self._pipeline.drain()
        self._control.send(Fetched(len(export.done), export.left))
        self._pipeline.close()

    async def _export_chats(self) -> Export | Following:
        """All that needs Telegram; videos may take longer than that."""
        config, notify = self._config, self._control.send
        async with AsyncExitStack() as stack:
            readers = await self._open_readers(stack)
            notify(Ready())
            downloads = None
            if config.media:
                from tgbulk.stages.fetch.media.downloads import Downloads  # the fork server has it where it is needed

                archive = Archive(config.media.archive)
                if archive.media_elsewhere:
                    notify(Notice(f"{archive.media} is a link: files go to {archive.media_elsewhere}"))
                downloads = Downloads(
                    readers, self._pipeline, notify, config.media, self._stopping, self._meter, self._videos
                )
            export: Export | Following
            if config.follow:
                from tgbulk.stages.fetch.following import Following

                following = Following(readers, self._pipeline, notify, config, self._stopping, self._meter, downloads)
                export = self._following = following
            else:
                export = Export(readers, self._pipeline, notify, config, self._stopping, downloads, names=self._names)
            try:
                async with asyncio.TaskGroup() as group:
                    watch = group.create_task(self._watch(readers, downloads).run())
                    if downloads:
                        downloading = group.create_task(downloads.run())
                    await export.run()
                    if downloads:
                        downloads.close()
                        await downloading
                    await self._pipeline.drain()
                    watch.cancel()
            except BaseExceptionGroup as errors:
                raise first(errors) from errors
            if not (export.left or (downloads is not None and downloads.left)):
                await finish_takeouts(readers)
        return export

    def _watch(self, readers: list[Reader], downloads: Downloads | None) -> StandstillWatch:
        seen = 0

        def excused() -> bool:
            """Files or videos come, or say why not; or the run is to stop, which has a deadline."""
            nonlocal seen
            moves, seen = seen, downloads.moves if downloads else 0
            busy = self._videos is not None and self._videos.busy
            idle = self._following.idle if self._following else self._names is not None and self._names.idle
            return self._stopping.is_set() or idle or busy or seen != moves or (downloads is not None and downloads.pausing)

        return StandstillWatch(readers, self._pipeline, self._control.send, excused)

    async def _open_readers(self, stack: AsyncExitStack) -> list[Reader]:
        """The accounts that can be used now, some opened at a time; why not, where none can."""
        turn, shared = asyncio.Semaphore(OPENED_AT_ONCE), SharedPaces()
        # A follower runs for weeks: it is started again rather than go on without.
        left_out = AuthNeededError if self._config.follow else LEFT_OUT
        opened: dict[int, Reader] = {}
        failed: dict[int, TgbulkError] = {}

        async def open_one(number: int, access: Access, lock: Lock) -> None:
            async with turn:
                if failed and not opened and all(isinstance(one, UnreachableError) for one in failed.values()):
                    return  # nobody was answered, and each would take its time
                try:
                    opening = open_reader(number, access, lock, self._config, self._control.send, self._meter, shared)
                    opened[number] = await stack.enter_async_context(opening)
                except left_out as error:
                    failed[number] = error

        pairs = zip(self._config.accesses, self._locks, strict=True)
        try:
            async with asyncio.TaskGroup() as group:
                for number, pair in enumerate(pairs):
                    group.create_task(open_one(number, *pair))
        except BaseExceptionGroup as errors:
            raise first(errors) from errors
        if not opened:
            raise failed[min(failed)]
        for number, failure in sorted(failed.items()):
            self._control.send(without(self._config.accesses[number].account, failure))
        return [opened[number] for number in sorted(opened)]


async def finish_takeouts(readers: list[Reader]) -> None:
    """Of all that have one, side by side: an account whose connection is lost may take a minute, and many their own."""
    try:
        async with asyncio.TaskGroup() as group:
            for reader in readers:
                if reader.caller.takeout and not reader.failure:
                    group.create_task(reader.caller.takeout.finish())
    except BaseExceptionGroup as errors:
        raise first(errors) from errors
