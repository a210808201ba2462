"""The transcode process: finds the GPU once, then answers jobs. Nothing else in a run opens a render node."""
from __future__ import annotations

import os
import queue
import selectors
import threading
from collections.abc import Callable
from functools import partial

from tgbulk.engine.channel import Channel, ChannelClosed
from tgbulk.engine.heartbeat import BEAT_SECONDS, beat, leave_stack_to_main
from tgbulk.engine.metric import Meter
from tgbulk.stages.archive.video import TranscodeResult, VideoOutcome
from tgbulk.stages.protocol.event import Finish, Notice, Ready, report_failure
from tgbulk.stages.protocol.transcode import Begun, TranscodeJob, TranscodeSummary
from tgbulk.stages.transcode.capability import GpuStatus, VaapiCapabilities
from tgbulk.stages.transcode.config import TranscodeConfig, TranscodeContext
from tgbulk.stages.transcode.detection import search
from tgbulk.stages.transcode.failure import Breaker
from tgbulk.stages.transcode.ffmpeg import Tools, find_tools
from tgbulk.stages.transcode.process import Stop
from tgbulk.stages.transcode.transcoder import Transcoder

#: Jobs under way at a time: one encodes, meanwhile another is probed, skipped or put into another container.
JOBS_AT_ONCE = 2
#: Seconds beyond the grace of ffmpeg that a stop may take.
LEAVE = 5.0


def main(control: Channel, context: TranscodeContext) -> None:
    """Answer until `jobs` is closed and all are answered; after Finish, or when the supervisor is gone, at once.

    Sends on control: one Notice about who encodes, Ready, then TranscodeProgress and
    Notice as they come, and last a TranscodeSummary. Measures `job` by encoder (by action where there is none), and counts
    `job_errors` and `fallbacks` by failure.
    """
    with report_failure(control), Meter(context.outlet) as meter:
        service = TranscodeService(control, context.config, context.results, meter)
        try:
            service.serve(context.jobs)
        finally:
            service.close()


class TranscodeService:
    """The main thread listens; a second prepares and then waits for the lanes, which outlive every ffmpeg they start."""

    def __init__(self, control: Channel, config: TranscodeConfig, results: Channel, meter: Meter) -> None:
        self._control, self._config, self._results, self._meter = control, config, results, meter
        self._counting = threading.Lock()
        self._stop = Stop()
        self._waiting: queue.SimpleQueue[TranscodeJob | None] = queue.SimpleQueue()
        self._done, self._finished = os.pipe()
        self._bug: BaseException | None = None
        self._worker = threading.Thread(target=self._guard, args=(self._work,), daemon=True)

    def serve(self, jobs: Channel) -> None:
        """Until there is nothing left to do."""
        self._worker.start()
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ, self._obey)
            selector.register(jobs, selectors.EVENT_READ, self._take)
            selector.register(self._done, selectors.EVENT_READ, None)
            while True:
                beat()
                for key, _ in selector.select(BEAT_SECONDS):
                    if key.data is None:
                        self._worker.join()
                        if self._bug:
                            raise self._bug
                        return
                    channel = key.fileobj
                    assert isinstance(channel, Channel)
                    if not key.data(channel):
                        selector.unregister(channel)

    def close(self) -> None:
        """Stop what runs; the process ends after this."""
        self._end()
        if self._worker.ident is not None:
            self._worker.join(self._config.term_grace + self._config.kill_grace + LEAVE)

    def _obey(self, control: Channel) -> bool:
        """False when the supervisor will say nothing more."""
        try:
            frame, _ = control.receive()
        except ChannelClosed:
            self._end(at_once=True)
            return False
        if isinstance(frame, Finish):
            self._end()
        return True

    def _take(self, jobs: Channel) -> bool:
        """False when there will be no more jobs."""
        try:
            job, _ = jobs.receive()
        except ChannelClosed:
            self._end_of_jobs()
            return False
        self._waiting.put(job)
        return True

    def _end(self, at_once: bool = False) -> None:
        self._stop.request(at_once)
        self._end_of_jobs()

    def _end_of_jobs(self) -> None:
        for _ in range(JOBS_AT_ONCE):
            self._waiting.put(None)

    def _guard(self, work: Callable[[], None]) -> None:
        """A thread that raises ends the process; one whose channel is closed ends in silence."""
        leave_stack_to_main()
        try:
            work()
        except ChannelClosed:
            self._end()
        except BaseException as error:
            self._bug = self._bug or error
            self._end()
        finally:
            if threading.current_thread() is self._worker:
                os.close(self._finished)

    def _work(self) -> None:
        tools = find_tools(self._config)
        found = search(self._config, tools, self._stop)
        self._control.send(Notice(describe(found, tools)))
        self._control.send(Ready())
        breaker = Breaker(found, self._config.hardware_decode)
        transcoder = Transcoder(self._config, tools, breaker, self._stop, self._control.send)
        self._meter.set("jobs_at_once", JOBS_AT_ONCE)
        work = partial(self._lane, transcoder)
        lanes = [threading.Thread(target=self._guard, args=(work,), daemon=True) for _ in range(JOBS_AT_ONCE)]
        for lane in lanes:
            lane.start()
        for lane in lanes:
            lane.join()
        counts = dict(transcoder.outcomes), dict(transcoder.encoders), dict(breaker.failures)
        self._control.send(TranscodeSummary(*counts, breaker.reason))

    def _lane(self, transcoder: Transcoder) -> None:
        while (job := self._waiting.get()) is not None:
            self._results.send(Begun(job.number))
            result = transcoder.handle(job)
            with self._counting:
                self._count(result)
            self._results.send(result)

    def _count(self, result: TranscodeResult) -> None:
        self._meter.observe("job", result.seconds, result.encoder or result.action)
        if result.outcome == VideoOutcome.FAILED:
            self._meter.count("job_errors", label=result.failure)
        for failure in result.fallbacks:
            self._meter.count("fallbacks", label=failure)


def describe(found: VaapiCapabilities, tools: Tools) -> str:
    """One line: who encodes, and why."""
    if found.usable:
        driver = f" ({found.driver})" if found.driver else ""
        return f"videos are encoded by h264_vaapi on {found.node}{driver}: {found.reason}"
    if not tools.ffmpeg:
        return f"videos stay as they are: {tools.problem}"
    if "libx264" not in tools.encoders:
        return f"videos in other codecs stay as they are: {tools.ffmpeg} has no libx264, and no GPU serves: {found.reason}"
    where = f" ({found.node})" if found.node and found.status is not GpuStatus.FORCED_CPU else ""
    return f"videos are encoded on the CPU: {found.reason}{where}"
