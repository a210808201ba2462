"""All downloads of a run: items come from write while there is room for them, outcomes go back."""
from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, Protocol

from tgbulk.engine.error import DISK_ERRORS, LimitError, StorageError, TgbulkError, file_error, shortage
from tgbulk.engine.metric import Meter
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.fetch.config import MediaConfig
from tgbulk.stages.fetch.error import ACCOUNT_LOST, AuthNeededError, FloodParkedError, UnreachableError, first
from tgbulk.stages.fetch.media.connection import Pool
from tgbulk.stages.fetch.media.download import Download
from tgbulk.stages.fetch.media.feed import Feed
from tgbulk.stages.fetch.media.reference import References, Source
from tgbulk.stages.fetch.media.store import Store
from tgbulk.stages.fetch.media.video import Videos
from tgbulk.stages.fetch.reader import Reader
from tgbulk.stages.protocol.event import Notice, Waiting
from tgbulk.stages.protocol.request import MediaBatch, MediaRequest
from tgbulk.stages.telegram.medium import MediaItem, MediaOutcome

#: Files under way at a time; of these, files above LARGE bytes (docs/spec/media-download.md 5).
FILES = 16
LARGE_FILES = 2
LARGE = 20_000_000


class MediaSource(Protocol):
    """Who knows what is to be downloaded: write, by way of the pipeline, or what stands for it."""

    async def media(self, request: MediaRequest) -> MediaBatch: ...


class Downloads:
    """Runs beside the walk; `left`: whether it was stopped before its end."""

    def __init__(
        self,
        readers: list[Reader],
        write: MediaSource,
        notify: Callable[[object], None],
        config: MediaConfig,
        stopping: asyncio.Event,
        meter: Meter,
        videos: Videos | None = None,
    ) -> None:
        self._readers = {reader.me: reader for reader in readers}
        self._write = write
        self._notify = notify
        self._config = config
        self._stopping = stopping
        self._meter = meter
        self._videos = videos
        try:
            self._store = Store(config.archive)
        except OSError as error:
            raise file_error(error) from error
        self._references = References(self._sources)
        self._peers: dict[int, dict[int, Any]] = {}
        self._pools: dict[tuple[int, int], Pool] = {}
        self._queue: asyncio.Queue[MediaItem] = asyncio.Queue()
        self._large = asyncio.Semaphore(LARGE_FILES)
        #: accounts whose login has ended
        self._out: set[int] = set()
        self._feed: Feed[MediaItem, MediaOutcome] = Feed(self._ask, self._queue.put_nowait, self._sent)
        self.left = False

    def know(self, chat: int, peers: dict[int, Any]) -> None:
        """A chat of the run: by the number of the reader, the peer to ask."""
        self._peers[chat] = peers
        if self._videos:
            self._videos.met()

    def met(self) -> None:
        """A page with media is with write."""
        self._feed.met()

    @property
    def moves(self) -> int:
        """Answers for files so far."""
        return sum(pool.moves for pool in self._pools.values())

    @property
    def pausing(self) -> bool:
        """A part waits for the pace or for the end of a flood wait; or for its answer, which has a deadline."""
        return any(pool.pausing or pool.flying for pool in self._pools.values())

    def close(self) -> None:
        """No page will come any more."""
        self._feed.close()

    async def run(self) -> None:
        """Until everything is done after close(), or the run is to stop. What ends the run is raised."""
        feeder = asyncio.create_task(self._feed.run())
        stop = asyncio.create_task(self._stopping.wait())
        workers = [asyncio.create_task(self._work()) for _ in range(FILES)]
        tasks = [feeder, stop, *workers]
        done: set[asyncio.Task[Any]] = set()
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.gather(*(pool.close() for pool in self._pools.values()))
        if any(task.cancelled() for task in done):
            # Nobody here has done that: Telethon cancels what waits on a lost connection.
            server = next(iter(self._readers.values())).access.server_name
            raise UnreachableError(server, "the connection was lost")
        self.left = feeder.cancelled()
        parked = [error for error in ended if isinstance(error, FloodParkedError)]
        if parked:  # one flood wait, which all files met
            self._notify(Notice(f"{parked[0]}: the media that are left wait for the next run"))
        for error in ended:
            if isinstance(error, Exception) and error not in parked:
                raise first(error)
        await self._feed.flush()

    def _sources(self, chat: int) -> list[Source]:
        peers = self._peers.get(chat, {})
        readers = {reader.number: reader for reader in self._readers.values() if self._is_in(reader)}
        return [Source(readers[number], peer) for number, peer in peers.items() if number in readers]

    async def _ask(self, outcomes: list[MediaOutcome], cursor: int, wanted: bool) -> MediaBatch:
        return await self._write.media(MediaRequest(outcomes, cursor, wanted))

    def _sent(self, outcomes: list[MediaOutcome]) -> None:
        if self._videos and any(one.state == "done" for one in outcomes):
            self._videos.met()

    async def _work(self) -> None:
        while True:
            item = await self._queue.get()
            async with self._large if item.medium.size > LARGE else nullcontext():
                outcome = await self._download(item)
            self._feed.answer(outcome)

    async def _download(self, item: MediaItem) -> MediaOutcome:
        deadline = self._config.deadline
        try:
            async with asyncio.timeout(deadline):
                return await Download(item, self._store, self._pool, self._references).run()
        except TimeoutError:
            return MediaOutcome(item.number, "failed", f"not there after {deadline:g} s")
        except (FloodParkedError, StorageError, LimitError):
            raise
        except AuthNeededError as error:
            # The walk finds out for itself: it has more to settle then.
            self._out.add(item.account)
            return MediaOutcome(item.number, "failed", str(error))
        except TgbulkError as error:
            return MediaOutcome(item.number, "failed", str(error))
        except OSError as error:
            if error.errno not in DISK_ERRORS and not shortage(error):
                return MediaOutcome(item.number, "failed", f"it cannot be written: {error.strerror or error}")
            raise file_error(error, Archive(self._config.archive).media / item.medium.path) from error

    def _pool(self, account: int, dc_id: int) -> Pool | None:
        reader = self._readers.get(account)
        if reader is None or not self._is_in(reader):
            return None
        pool = self._pools.get((account, dc_id))
        if pool is None:
            name = reader.access.account
            pool = self._pools[account, dc_id] = Pool(
                reader.client,
                reader.access,
                dc_id,
                self._config.connections,
                reader.caller.takeout,
                lambda method, seconds: self._notify(Waiting(name, method, seconds)),
                self._config.rate,
                self._meter,
                lambda text: self._notify(Notice(text)),
            )
        return pool

    def _is_in(self, reader: Reader) -> bool:
        """False once its login has ended; a flood wait of the history is none of the media's business."""
        return reader.me not in self._out and not isinstance(reader.failure, ACCOUNT_LOST)
