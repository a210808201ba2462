"""Films among the files that are there: jobs go to the transcode process, results come back and go to write.

The queue is write's index on disk, as it is for downloads: in memory there are fewer than LOW jobs, and what one question
brings.
"""
from __future__ import annotations

import asyncio
from dataclasses import astuple, replace
from pathlib import Path

import msgpack

from engine.channel import ChannelClosed
from stages.fetch.pipeline import Pipeline
from stages.film import FilmBatch
from stages.receipt import Kind
from stages.transcode.job import Desk, TranscodeJob, TranscodeResult, target_of

#: Unanswered jobs below which more are asked for; a question brings at most 100.
LOW = 100
#: Results that go to write at a time, with so many characters of each reason.
RESULTS = 50
REASON = 500
#: Seconds between two questions, in which results gather.
PAUSE = 0.05


class Films:
    """Runs beside the gallery and after it."""

    def __init__(self, desk: Desk, pipeline: Pipeline, archive: Path, stopping: asyncio.Event) -> None:
        self._jobs, self._results = desk.jobs, desk.results
        self._pipeline = pipeline
        self._folder = archive.absolute() / "media"
        self._stopping = stopping
        self._changed = asyncio.Event()
        #: answered, and not yet with write
        self._answered: list[TranscodeResult] = []
        self._held = 0
        self._closed = False
        #: write may have more
        self._more = True
        self._cursor = 0
        #: the process that makes films has left
        self._gone = False

    def met(self) -> None:
        """Files became whole, or a chat with files was opened."""
        self._more = True
        self._changed.set()

    def close(self) -> None:
        """No file will come any more."""
        self._closed = True
        self.met()

    async def run(self) -> None:
        """Until every film is answered after close(), or the run is to stop, or nobody makes films any more."""
        loop = asyncio.get_running_loop()
        for channel in (self._jobs, self._results):
            channel.set_blocking(False)
        loop.add_reader(self._results.fileno(), self._take)
        stop = asyncio.create_task(self._wake_at_stop())
        try:
            await self._feed()
            self._jobs.close()
            while self._answered or not self._gone:
                if self._answered:
                    await self._exchange(hungry=False)
                    continue
                await self._changed.wait()
                self._changed.clear()
        finally:
            stop.cancel()
            if not self._gone:
                loop.remove_reader(self._results.fileno())
            self._jobs.close()
            self._results.close()

    async def _wake_at_stop(self) -> None:
        await self._stopping.wait()
        self._changed.set()

    async def _feed(self) -> None:
        found = True
        while not (self._stopping.is_set() or self._gone):
            await self._changed.wait()
            self._changed.clear()
            hungry = self._more and self._held < LOW
            if hungry or self._answered:
                batch = await self._exchange(hungry)
                found = found or bool(batch.films)
                for film in batch.films:
                    await self._hand(*film)
                await asyncio.sleep(PAUSE)
                self._changed.set()
            elif self._closed and not self._held and not self._more:
                if not found:
                    return
                found = False
                self._cursor = 0
                self.met()

    async def _exchange(self, hungry: bool) -> FilmBatch:
        slot = await self._pipeline.reserve()
        results, self._answered = self._answered[:RESULTS], self._answered[RESULTS:]
        rows = [astuple(replace(one, source="", output="", reason=one.reason[:REASON])) for one in results]
        if hungry:
            self._more = False
        question = msgpack.packb([rows, self._cursor, hungry])
        batch: FilmBatch
        batch, _ = await self._pipeline.send(slot, question, stream=0, kind=Kind.FILM)
        if hungry:
            self._cursor = batch.cursor
            self._more = self._more or bool(batch.films)
        return batch

    async def _hand(self, number: int, path: str, category: str, size: int, sha256: str) -> None:
        source = self._folder / path
        job = TranscodeJob(number, str(source), str(target_of(source)), category, size, sha256)
        while not (self._stopping.is_set() or self._gone):
            try:
                self._jobs.send(job)
                self._held += 1
                return
            except BlockingIOError:
                await asyncio.sleep(PAUSE)
            except ChannelClosed:
                return  # its last results, and the end of file behind them, are still to be read

    def _take(self) -> None:
        try:
            while True:
                result, _ = self._results.receive()
                self._held -= 1
                self._answered.append(result)
                self._changed.set()
        except BlockingIOError:
            return
        except ChannelClosed:
            asyncio.get_running_loop().remove_reader(self._results.fileno())
            self._gone = True
            self._changed.set()
