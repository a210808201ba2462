"""Videos among the files that are there: jobs go to the transcode process, results come back and go to write.

A process that dies is followed by another one, which gets what was unanswered. Of the jobs that were under way nobody knows
which one it died of: each of them is then at work alone, and one at which a second process dies is given up.
"""
from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tgbulk.engine.channel import ChannelClosed
from tgbulk.engine.durable import PART
from tgbulk.engine.folder import LinkError, UnsafeNameError
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.video import TranscodeResult, VideoAction, VideoFailure, VideoOutcome, target_of
from tgbulk.stages.fetch.media.feed import Feed
from tgbulk.stages.fetch.pipeline import Pipeline
from tgbulk.stages.protocol.request import VideoBatch, VideoRequest
from tgbulk.stages.protocol.transcode import Begun, TranscodeChannels, TranscodeJob
from tgbulk.stages.telegram.medium import VideoFile

#: Characters of a reason that go to write.
REASON = 500
#: Processes that may die at one video.
DEATHS = 2


class Videos:
    """Runs beside the downloads and after them."""

    def __init__(self, pipeline: Pipeline, archive: Path, stopping: asyncio.Event, on_poison: Callable[[], None]) -> None:
        """on_poison: called when a video was found to be what processes died of."""
        self._feed: Feed[VideoFile, TranscodeResult] = Feed(self._ask, self._take)
        self._pipeline = pipeline
        self._folder = Archive(archive.absolute()).media
        self._stopping = stopping
        self._on_poison = on_poison
        self._channels: TranscodeChannels | None = None
        self._waiting: deque[TranscodeJob] = deque()
        #: by number: with the process, and of these, those under way; how many processes died at a job
        self._given: dict[int, TranscodeJob] = {}
        self._begun: set[int] = set()
        self._deaths: Counter[int] = Counter()
        #: nothing more is to be given away
        self._closing = False
        #: no process will transcode any more
        self._deserted = asyncio.Event()
        #: there is no process, or it has left
        self._left = asyncio.Event()
        self._left.set()

    @property
    def busy(self) -> bool:
        """A video is being made, or waits for it."""
        return self._feed.unanswered > 0

    def met(self) -> None:
        """Files became whole, or a chat with files was opened."""
        self._feed.met()

    def close(self) -> None:
        """No file will come any more."""
        self._feed.close()

    def attach(self, channels: TranscodeChannels | None, exit_status: str) -> None:
        """A process transcodes from now on; None: none will any more. exit_status: how the one before it ended."""
        self._receive()  # all that it had sent
        self._settle(exit_status)
        if channels is None:
            self._deserted.set()
            return
        self._channels = channels
        self._left.clear()
        for channel in (channels.jobs, channels.results):
            channel.set_blocking(False)
        asyncio.get_running_loop().add_reader(channels.results.fileno(), self._receive)
        if self._closing:
            self._end_jobs()
        self._hand_out()

    async def run(self) -> None:
        """Until every video is answered after close(), or the run is to stop, or no process transcodes any more."""
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

    async def _ask(self, outcomes: list[TranscodeResult], cursor: int, wanted: bool) -> VideoBatch:
        return await self._pipeline.videos(VideoRequest(outcomes, cursor, wanted))

    def _take(self, file: VideoFile) -> None:
        try:
            source = self._folder / file.path
            source.stat()
        except (UnsafeNameError, LinkError) as error:
            outcome = VideoOutcome.FAILED, VideoAction.LEAVE, str(error)[:REASON], VideoFailure.PERMISSION
            self._feed.answer(TranscodeResult(file.number, "", file.sha256, file.size, *outcome))
            return
        except OSError:
            pass  # the process says what is wrong with it
        target = target_of(source.path)
        about = file.category, file.size, file.sha256, str(self._folder)
        self._waiting.append(TranscodeJob(file.number, str(source), str(target), *about))
        self._hand_out()

    def _hand_out(self) -> None:
        """Give away what may be; a job at which a process died is at work alone."""
        channels = self._channels
        if channels is None or self._closing:
            return
        loop = asyncio.get_running_loop()
        loop.remove_writer(channels.jobs.fileno())
        while self._waiting:
            job = self._waiting[0]
            if self._given and (job.number in self._deaths or self._deaths.keys() & self._given.keys()):
                return
            try:
                channels.jobs.send(job)
            except BlockingIOError:
                loop.add_writer(channels.jobs.fileno(), self._hand_out)
                return
            except ChannelClosed:
                return  # its last results, and the end of file behind them, are still to be read
            self._given[job.number] = self._waiting.popleft()

    def _receive(self) -> None:
        """Take what the process sent."""
        try:
            while self._channels:
                frame, _ = self._channels.results.receive()
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

    def _settle(self, exit_status: str) -> None:
        """The process that had the jobs is gone: all go again, but for one that killed its second."""
        self._deaths.update(self._begun)
        for number in sorted(self._begun):
            if self._deaths[number] == DEATHS:
                job = self._given[number]
                (self._folder / str(Path(job.target + PART).relative_to(self._folder))).unlink(missing_ok=True)
                reason = f"{DEATHS} processes ended at this video; the last one {exit_status}"
                outcome = VideoOutcome.FAILED, VideoAction.LEAVE, reason, VideoFailure.CRASH
                self._answer(TranscodeResult(number, "", job.sha256, job.size, *outcome))
                self._on_poison()
        self._waiting.extendleft(sorted(self._given.values(), key=lambda job: (self._deaths[job.number], -job.number)))
        self._given.clear()
        self._begun.clear()

    def _end_jobs(self) -> None:
        """End of file: the process leaves when it has answered what it has."""
        if self._channels and self._channels.jobs.fileno() >= 0:
            asyncio.get_running_loop().remove_writer(self._channels.jobs.fileno())
            self._channels.jobs.close()

    def _leave(self) -> None:
        """The process has left."""
        if self._channels:
            self._end_jobs()
            asyncio.get_running_loop().remove_reader(self._channels.results.fileno())
            self._channels.results.close()
            self._channels = None
        self._left.set()
