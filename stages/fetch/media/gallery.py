"""All downloads of a run: items come from write while there is room for them, outcomes go back."""
from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from engine.error import StorageError, TgbulkError
from engine.metric import Meter
from stages.event import Notice, Waiting
from stages.fetch.error import AuthNeededError, FloodParkedError, UnreachableError, first
from stages.fetch.media.config import MediaConfig
from stages.fetch.media.connection import Pool
from stages.fetch.media.download import Download
from stages.fetch.media.feed import Asked, Feed
from stages.fetch.media.film import Films
from stages.fetch.media.reference import References, Source
from stages.fetch.media.store import Store
from stages.fetch.reader import Reader
from stages.medium import Item, Outcome
from stages.receipt import Kind

#: Files under way at a time; of these, files above LARGE bytes (spec/media-download.md 5).
FILES = 16
LARGE_FILES = 2
LARGE = 20_000_000


class Gallery:
    """Runs beside the walk; `left` tells whether it was stopped before its end."""

    def __init__(
        self,
        readers: list[Reader],
        pipeline: Asked,
        tell: Callable[[object], None],
        config: MediaConfig,
        stopping: asyncio.Event,
        meter: Meter,
        films: Films | None = None,
    ) -> None:
        self._readers = {reader.me: reader for reader in readers}
        self._tell = tell
        self._config = config
        self._stopping = stopping
        self._meter = meter
        self._films = films
        try:
            self._store = Store(config.archive)
        except OSError as error:
            raise StorageError(error.filename, error.strerror) from error
        self._references = References(self._sources)
        self._peers: dict[int, dict[int, Any]] = {}
        self._pools: dict[tuple[int, int], Pool] = {}
        self._queue: asyncio.Queue[Item] = asyncio.Queue()
        self._large = asyncio.Semaphore(LARGE_FILES)
        #: accounts whose login has ended
        self._out: set[int] = set()
        self._feed = Feed(pipeline, Kind.MEDIA, lambda row: self._queue.put_nowait(Item.of(row)), self._sent)
        self.left = False

    def know(self, chat: int, peers: dict[int, Any]) -> None:
        """A chat of the run: by the number of the reader, the peer to ask."""
        self._peers[chat] = peers
        if self._films:
            self._films.met()

    def met(self) -> None:
        """A page with media is with write."""
        self._feed.met()

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
        for error in ended:
            if isinstance(error, FloodParkedError):
                self._tell(Notice(f"{error}: the media that are left wait for the next run"))
            elif isinstance(error, Exception):
                raise first(error)
        await self._feed.flush()

    def _sources(self, chat: int) -> list[Source]:
        peers = self._peers.get(chat, {})
        readers = {reader.number: reader for reader in self._readers.values() if self._is_in(reader)}
        return [Source(readers[number], peer) for number, peer in peers.items() if number in readers]

    def _sent(self, outcomes: list[Outcome]) -> None:
        if self._films and any(one.state == "done" for one in outcomes):
            self._films.met()

    async def _work(self) -> None:
        while True:
            item = await self._queue.get()
            async with self._large if item.medium.size > LARGE else nullcontext():
                outcome = await self._download(item)
            self._feed.answer(outcome)

    async def _download(self, item: Item) -> Outcome:
        deadline = self._config.deadline
        try:
            async with asyncio.timeout(deadline):
                return await Download(item, self._store, self._pool, self._references).run()
        except TimeoutError:
            return Outcome(item.number, "failed", f"not there after {deadline:g} s")
        except FloodParkedError:
            raise
        except AuthNeededError as error:
            # The walk finds out for itself: it has more to settle then.
            self._out.add(item.account)
            return Outcome(item.number, "failed", str(error))
        except StorageError:
            raise
        except TgbulkError as error:
            return Outcome(item.number, "failed", str(error))
        except OSError as error:
            raise StorageError(self._config.archive / "media" / item.medium.path, error.strerror) from error

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
                lambda method, seconds: self._tell(Waiting(name, method, seconds)),
                self._config.rate,
                self._meter,
            )
        return pool

    def _is_in(self, reader: Reader) -> bool:
        """False once its login has ended; a flood wait of the history is none of the media's business."""
        return reader.me not in self._out and not isinstance(reader.failure, AuthNeededError)
