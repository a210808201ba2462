"""Films among the files that are there: jobs go to the transcode process, results come back and go to write.

A process that dies is followed by another one, which gets what was unanswered. Of the jobs that were under way nobody knows
which one it died of: each of them is then at work alone, and one at which a second process dies is given up.
"""
from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.channel import ChannelClosed
from engine.durable import PART
from stages.fetch.media.feed import Feed
from stages.fetch.pipeline import Pipeline
from stages.receipt import Kind
from stages.transcode.failure import Failure
from stages.transcode.job import Begun, Desk, Outcome, TranscodeJob, TranscodeResult, target_of
from stages.transcode.policy import Action

#: Characters of a reason that go to write.
REASON = 500
#: Processes that may die at one film.
DEATHS = 2


class Films:
    """Runs beside the gallery and after it."""

    def __init__(self, pipeline: Pipeline, archive: Path, stopping: asyncio.Event, blame: Callable[[], None]) -> None:
        """blame: called when a film was found to be what processes died of."""
        self._feed = Feed(pipeline, Kind.FILM, self._take)
        self._folder = archive.absolute() / "media"
        self._stopping = stopping
        self._blame = blame
        self._desk: Desk | None = None
        self._waiting: deque[TranscodeJob] = deque()
        #: by number: with the process, and of these, those under way; how many processes died at a job
        self._given: dict[int, TranscodeJob] = {}
        self._begun: set[int] = set()
        self._deaths: Counter[int] = Counter()
        #: nothing more is to be given away
        self._closing = False
        #: nobody will make films any more
        self._deserted = asyncio.Event()
        #: there is no process, or it has left
        self._left = asyncio.Event()
        self._left.set()

    def met(self) -> None:
        """Files became whole, or a chat with files was opened."""
        self._feed.met()

    def close(self) -> None:
        """No file will come any more."""
        self._feed.close()

    def staff(self, desk: Desk | None, fate: str) -> None:
        """A process makes films from now on; None: none will any more. fate: how the one before it ended."""
        self._hear()  # all that it had said
        self._settle(fate)
        if desk is None:
            self._deserted.set()
            return
        self._desk = desk
        self._left.clear()
        for channel in (desk.jobs, desk.results):
            channel.set_blocking(False)
        asyncio.get_running_loop().add_reader(desk.results.fileno(), self._hear)
        if self._closing:
            self._end_jobs()
        self._hand_out()

    async def run(self) -> None:
        """Until every film is answered after close(), or the run is to stop, or nobody makes films any more."""
        feed = asyncio.create_task(self._feed.run())
        tasks = [feed, *(asyncio.create_task(event.wait()) for event in (self._stopping, self._deserted))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            self._closing = True
            for task in tasks[1:]:
                task.cancel()
            if not feed.done():
                feed.cancel()
                await asyncio.wait([feed])
            if not feed.cancelled():
                feed.result()
            self._end_jobs()
            await self._left.wait()
            await self._feed.flush()
        finally:
            for task in tasks:
                task.cancel()
            self._leave()

    def _take(self, row: list[Any]) -> None:
        number, path, category, size, sha256 = row
        source = self._folder / path
        self._waiting.append(TranscodeJob(number, str(source), str(target_of(source)), category, size, sha256))
        self._hand_out()

    def _hand_out(self) -> None:
        """Give away what may be; a job at which a process died is at work alone."""
        desk = self._desk
        if desk is None or self._closing:
            return
        loop = asyncio.get_running_loop()
        loop.remove_writer(desk.jobs.fileno())
        while self._waiting:
            job = self._waiting[0]
            if self._given and (job.number in self._deaths or self._deaths.keys() & self._given.keys()):
                return
            try:
                desk.jobs.send(job)
            except BlockingIOError:
                loop.add_writer(desk.jobs.fileno(), self._hand_out)
                return
            except ChannelClosed:
                return  # its last results, and the end of file behind them, are still to be read
            self._given[job.number] = self._waiting.popleft()

    def _hear(self) -> None:
        """What the process says."""
        try:
            while self._desk:
                frame, _ = self._desk.results.receive()
                if isinstance(frame, Begun):
                    self._begun.add(frame.number)
                else:
                    self._answer(frame)
        except BlockingIOError:
            self._hand_out()
        except ChannelClosed:
            self._leave()

    def _answer(self, result: TranscodeResult) -> None:
        del self._given[result.number]
        self._begun.discard(result.number)
        self._deaths.pop(result.number, None)
        self._feed.answer(replace(result, source="", output="", reason=result.reason[:REASON]))

    def _settle(self, fate: str) -> None:
        """The process that had the jobs is gone: all go again, but for one that killed its second."""
        self._deaths.update(self._begun)
        for number in sorted(self._begun):
            if self._deaths[number] == DEATHS:
                job = self._given[number]
                Path(job.target + PART).unlink(missing_ok=True)
                reason = f"{DEATHS} processes ended at this film; the last one {fate}"
                self._answer(TranscodeResult(number, "", job.sha256, job.size, Outcome.FAILED, Action.LEAVE, reason,
                                             Failure.CRASH))  # fmt: skip
                self._blame()
        self._waiting.extendleft(sorted(self._given.values(), key=lambda job: (self._deaths[job.number], -job.number)))
        self._given.clear()
        self._begun.clear()

    def _end_jobs(self) -> None:
        """End of file: the process leaves when it has answered what it has."""
        if self._desk and self._desk.jobs.fileno() >= 0:
            asyncio.get_running_loop().remove_writer(self._desk.jobs.fileno())
            self._desk.jobs.close()

    def _leave(self) -> None:
        """The process has left."""
        if self._desk:
            self._end_jobs()
            asyncio.get_running_loop().remove_reader(self._desk.results.fileno())
            self._desk.results.close()
            self._desk = None
        self._left.set()
