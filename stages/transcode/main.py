"""The transcode process: finds the GPU once, then answers jobs. Nothing else in a run opens a render node."""
from __future__ import annotations

import os
import queue
import selectors
import threading
from collections.abc import Callable
from functools import partial

from engine.channel import Channel, ChannelClosed
from engine.metric import Meter, Outlet
from engine.pulse import BEAT_SECONDS, beat
from stages.event import Finish, Notice, Ready, report_failure
from stages.transcode.breaker import Breaker
from stages.transcode.capability import Status, VaapiCapabilities
from stages.transcode.config import TranscodeConfig
from stages.transcode.detect import search
from stages.transcode.job import Begun, Outcome, TranscodeJob, TranscodeResult, TranscodeSummary
from stages.transcode.stop import Stop
from stages.transcode.tool import Tools, find_tools
from stages.transcode.transcoder import Transcoder

#: Jobs under way at a time: one encodes, meanwhile another is probed, skipped or put into another container.
LANES = 2
#: Seconds beyond the grace of ffmpeg that a stop may take.
LEAVE = 5.0


def main(
    control: Channel, config: TranscodeConfig, jobs: Channel, results: Channel, outlet: Outlet | None = None
) -> None:
    """Answer until `jobs` is closed and all are answered; after Finish, or when the supervisor is gone, at once.

    Both channels have CONTROL_LIMIT. Says on control: one Notice about who encodes, Ready, then TranscodeProgress and
    Notice as they come, and last a TranscodeSummary. Measures `job` by encoder (by action where there is none), and counts
    `job_errors` and `fallbacks` by failure.
    """
    with report_failure(control), Meter(outlet) as meter:
        service = Service(control, config, results, meter)
        try:
            service.serve(jobs)
        finally:
            service.close()


class Service:
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
        for _ in range(LANES):
            self._waiting.put(None)

    def _guard(self, work: Callable[[], None]) -> None:
        """A thread that raises ends the process; one that cannot be heard any more leaves in silence."""
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
        self._meter.set("jobs_at_once", LANES)
        work = partial(self._lane, transcoder)
        lanes = [threading.Thread(target=self._guard, args=(work,), daemon=True) for _ in range(LANES)]
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
        if result.outcome == Outcome.FAILED:
            self._meter.count("job_errors", label=result.failure)
        for failure in result.fallbacks:
            self._meter.count("fallbacks", label=failure)


def describe(found: VaapiCapabilities, tools: Tools) -> str:
    """One line: who encodes, and why."""
    if found.usable:
        driver = f" ({found.driver})" if found.driver else ""
        return f"films are encoded by h264_vaapi on {found.node}{driver}: {found.reason}"
    if not tools.ffmpeg:
        return f"films stay as they are: {tools.problem}"
    if "libx264" not in tools.encoders:
        return f"films in other codecs stay as they are: {tools.ffmpeg} has no libx264, and no GPU serves: {found.reason}"
    where = f" ({found.node})" if found.node and found.status is not Status.FORCED_CPU else ""
    return f"films are encoded on the CPU: {found.reason}{where}"
