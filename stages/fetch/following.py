"""`tgbulk follow`: catch up by an export, then take what is pushed; catch up again whenever that is not enough."""
from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from itertools import count

from tgbulk.engine.metric import Meter
from tgbulk.stages.fetch.config import FetchConfig
from tgbulk.stages.fetch.export import Export
from tgbulk.stages.fetch.follower import FollowCounts, Follower, follow_meter
from tgbulk.stages.fetch.history import METHOD
from tgbulk.stages.fetch.media.downloads import Downloads
from tgbulk.stages.fetch.name import ChatName
from tgbulk.stages.fetch.pipeline import Pipeline
from tgbulk.stages.fetch.push_connection import PushConnection, open_push_connection
from tgbulk.stages.fetch.reader import Reader
from tgbulk.stages.protocol.event import FollowState, Notice

#: Seconds between two reports, and before the next try to catch up where an account could not.
REPORT_SECONDS = 1.0
RETRY_SECONDS = 60.0


class Following:
    """One run of it."""

    def __init__(
        self,
        readers: list[Reader],
        pipeline: Pipeline,
        notify: Callable[[object], None],
        config: FetchConfig,
        stopping: asyncio.Event,
        meter: Meter,
        downloads: Downloads | None,
    ) -> None:
        self._readers = readers
        self._pipeline = pipeline
        self._notify = notify
        self._config = config
        self._stopping = stopping
        self._downloads = downloads
        self._counts = FollowCounts()
        self._streams = count()
        #: chats that were complete, once at least
        self.done: set[int] = set()
        #: nothing is cut short by a stop: it ends when somebody says so
        self.left = 0
        #: whether all is caught up with: that nothing moves is then no wonder
        self.idle = False
        self._connections: dict[int, PushConnection] = {}
        self._followers: dict[int, Follower] = {}
        #: when the present turn began, the loop's time, and how long it was put off
        self._began = 0.0
        self._pause = 0.0
        self._turns = 0
        #: supergroups as which followed groups go on
        self._newer: set[int] = set()
        #: set where the present turn is to end
        self._over = asyncio.Event()
        #: set where the next one is not to be put off
        self._hurry = asyncio.Event()
        follow_meter(meter, self._counts)

    def rename(self, names: list[ChatName]) -> None:
        """Follow these chats from now on."""
        self._config = replace(self._config, chats=names)
        self._hurry.set()
        self._over.set()

    async def run(self) -> None:
        """Until somebody stops it, or no account can go on."""
        async with AsyncExitStack() as stack:
            for reader in self._readers:
                opening = open_push_connection(reader, self._lost(reader), lambda text: self._notify(Notice(text)))
                self._connections[reader.number] = await stack.enter_async_context(opening)
            stopper = asyncio.create_task(self._stop())
            reporter = asyncio.create_task(self._report())
            try:
                while not self._stopping.is_set():
                    await self._turn()
            finally:
                stopper.cancel()
                reporter.cancel()

    async def _turn(self) -> None:
        """Catch up, and follow until that is to be done again: at once, but not again and again."""
        now = asyncio.get_running_loop().time()
        self._pause = 0.0 if now - self._began > RETRY_SECONDS else min(RETRY_SECONDS, max(1.0, 2 * self._pause))
        if self._began and self._pause > 1.0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), self._pause)
        self._hurry.clear()
        self._began = now
        self._turns += 1
        self._over.clear()
        self.idle = False
        for reader in self._readers:  # the buckets of the last export were shut at its end
            reader.caller.limit(METHOD, self._config.in_flight, self._config.rate)
            reader.resolver.walk_again()
        export = Export(
            self._readers, self._pipeline, self._notify, self._config, self._stopping, self._downloads, self._streams
        )
        await export.run()
        self.done |= export.done
        if self._stopping.is_set():
            return
        self.idle = True
        async with asyncio.TaskGroup() as group:
            for reader in self._readers:
                updates = export.updates[reader.number]
                if reader.failure or not updates.told:
                    continue
                await updates.load()  # with the boxes of chats that were walked just now
                updates.on_migration = self._migrated
                queue = self._connections[reader.number].queue
                follower = self._followers[reader.number] = Follower(
                    reader, updates, self._pipeline, queue, self._counts, self._notify, self._taken, self._over,
                    export.failed,
                )
                group.create_task(follower.run())
            if not self._followers:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._over.wait(), RETRY_SECONDS)
        for number, follower in self._followers.items():
            if follower.failure:
                await export.lost(self._readers[number], follower.failure)
        self._followers.clear()

    def _taken(self) -> None:
        if self._downloads:
            self._downloads.met()

    def _migrated(self, newer: int) -> None:
        """The next turn finds it by the group's name; once, for it need not be readable."""
        if newer not in self._newer:
            self._newer.add(newer)
            self._over.set()

    def _lost(self, reader: Reader) -> Callable[[], None]:
        def lose() -> None:
            if reader.number in self._followers:
                self._followers[reader.number].lose()

        return lose

    async def _stop(self) -> None:
        await self._stopping.wait()
        self._hurry.set()
        self._over.set()
        for reader in self._readers:
            reader.caller.halt()

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            if self.idle and self._followers and all(one.ready for one in self._followers.values()):
                counts = self._counts
                lag = round(1000 * counts.lag)
                self._notify(FollowState(len(self.done), counts.pushes, counts.gaps, counts.differences, lag, self._turns))
