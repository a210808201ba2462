"""Encoding one output: each way in turn, until the output is right."""
from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from tgbulk.stages.archive.video import VideoAction, VideoFailure
from tgbulk.stages.protocol.event import Notice
from tgbulk.stages.protocol.transcode import TranscodeJob, TranscodeProgress
from tgbulk.stages.transcode.config import TranscodeConfig
from tgbulk.stages.transcode.failure import Breaker, classify, size_limit
from tgbulk.stages.transcode.ffmpeg import CPU, EncodingWay, FfmpegInput, Tools, encode, remux
from tgbulk.stages.transcode.media import MediaInfo
from tgbulk.stages.transcode.policy import TranscodePlan, verify
from tgbulk.stages.transcode.probe import ProbeError, Prober, without_paths
from tgbulk.stages.transcode.process import Ended, Ending, Limits, Stop, run

#: What stands for an encoder where the pictures stay as they are.
COPY = "copy"
#: An output may have so many times the bytes of its original, and these on top.
OUTPUT_FACTOR, OUTPUT_LEAST = 8, 256 << 20
#: Seconds of ffmpeg for a video whose length is not known.
UNKNOWN_TOTAL = 3600.0
#: Seconds between two reports of progress.
REPORT = 1.0
#: Bytes of a line that does not end; what is longer is no progress.
LINE_LIMIT = 4096
_GROWING = ("frame", "out_time_us", "total_size")


@dataclass(slots=True)
class EncodingTask:
    """One output to make, of a file with that many bytes."""

    job: TranscodeJob
    media: MediaInfo
    plan: TranscodePlan
    source: Path
    part: Path
    size: int
    #: runs of ffmpeg so far, and seconds that others' encoding took before ours
    attempts: int = 0
    waited: float = 0.0
    #: kinds of the failures so far
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """A way that failed; `name` is what people call it."""

    way: EncodingWay
    name: str
    failure: VideoFailure
    reason: str


@dataclass(frozen=True, slots=True)
class Encoded:
    """A right output; `troubles` are of the ways before."""

    action: VideoAction
    encoder: str
    troubles: list[FailedAttempt]


class VideoEncoder:
    """For several threads, of which one encodes at a time."""

    def __init__(
        self,
        config: TranscodeConfig,
        tools: Tools,
        breaker: Breaker,
        prober: Prober,
        stop: Stop,
        notify: Callable[[object], None],
    ) -> None:
        self._config, self._tools, self._breaker, self._prober = config, tools, breaker, prober
        self._stop, self._notify = stop, notify
        self._threads = config.threads or max(1, (os.cpu_count() or 1) // 2)
        self._encoding = threading.Lock()

    def make(self, task: EncodingTask) -> Encoded | FailedAttempt:
        """The output in task.part, or the trouble of the last way. OSError."""
        troubles: list[FailedAttempt] = []
        if task.plan.action is VideoAction.REMUX:
            trouble = self._remux(task)
            if trouble is None:
                return Encoded(VideoAction.REMUX, COPY, troubles)
            if trouble.failure in (VideoFailure.STOPPED, VideoFailure.SPACE):
                return trouble
            troubles.append(trouble)
        began = time.monotonic()
        with self._encoding:
            task.waited = time.monotonic() - began
            return self._encode(task, troubles)

    def _encode(self, task: EncodingTask, before: list[FailedAttempt]) -> Encoded | FailedAttempt:
        assert task.media.video is not None
        assert task.plan.picture is not None
        tried: list[FailedAttempt] = []
        for way in self._breaker.ways(task.media.video, task.plan.picture):
            argv = encode(
                self._tools, FfmpegInput.file(task.source), way, task.plan.picture, task.plan.sound,
                self._config.quality, self._threads, task.part,
            )  # fmt: skip
            trouble = self._attempt(task, VideoAction.TRANSCODE, way, argv)
            if trouble is None:
                self._breaker.succeeded(way)
                self._judge(tried)
                return Encoded(VideoAction.TRANSCODE, way.encoder, before + tried)
            tried.append(trouble)
            if trouble.failure in (VideoFailure.STOPPED, VideoFailure.SPACE):
                break
        if tried[-1].failure is not VideoFailure.STOPPED:
            # The CPU failed as well: only a device that would not open is the GPU's own failure.
            self._judge([trouble for trouble in tried if trouble.failure is VideoFailure.DEVICE])
        return tried[-1]

    def _judge(self, troubles: list[FailedAttempt]) -> None:
        """The same file went well on another way, so these were the GPU's."""
        for trouble in troubles:
            if line := self._breaker.failed(trouble.way, trouble.failure, trouble.reason):
                self._notify(Notice(line))

    def _remux(self, task: EncodingTask) -> FailedAttempt | None:
        assert task.plan.picture is not None
        argv = remux(self._tools, FfmpegInput.file(task.source), task.plan.picture.stream, task.plan.sound, task.part)
        return self._attempt(task, VideoAction.REMUX, CPU, argv)

    def _attempt(self, task: EncodingTask, action: VideoAction, way: EncodingWay, argv: list[str]) -> FailedAttempt | None:
        """Run ffmpeg once and look at what it made."""
        trouble = self._try(task, action, way, argv)
        if trouble is not None:
            task.failures.append(str(trouble.failure))
        return trouble

    def _try(self, task: EncodingTask, action: VideoAction, way: EncodingWay, argv: list[str]) -> FailedAttempt | None:
        task.attempts += 1
        name, encoder = (COPY, COPY) if action is VideoAction.REMUX else (way.name, way.encoder)
        ended = self._run(task, way, argv, encoder)
        if not ended.good:
            if ended.ending is Ending.STUCK and way.hardware:
                self._judge([FailedAttempt(way, name, VideoFailure.HANG, ended.describe())])
            ended = replace(ended, stderr=without_paths(ended.stderr, task.part, task.source))
            if limits := size_limit(ended.stderr):
                self._breaker.learn(limits)
            return FailedAttempt(way, name, *classify(ended, way.hardware))
        fault: tuple[VideoFailure, str] | None
        if not task.part.stat().st_size:
            return FailedAttempt(way, name, VideoFailure.RUNTIME, f"{ended.program} made no output")
        try:
            fault = verify(task.media, task.plan, action, self._prober.probe(task.part))
        except ProbeError as error:
            stopped = error.failure is VideoFailure.STOPPED
            fault = VideoFailure.STOPPED if stopped else VideoFailure.RUNTIME, f"the output cannot be read: {error.reason}"
        return FailedAttempt(way, name, *fault) if fault else None

    def _run(self, task: EncodingTask, way: EncodingWay, argv: list[str], encoder: str) -> Ended:
        progress = FfmpegProgress()
        reported = time.monotonic()
        seconds = task.media.seconds

        def receive(data: bytes) -> bool:
            nonlocal reported
            grew = progress.receive(data)
            now = time.monotonic()
            if now - reported >= REPORT:
                reported = now
                done = min(1000, int(1000 * progress.seconds / seconds)) if seconds > 0 else -1
                self._notify(TranscodeProgress(task.job.number, task.job.source, encoder, done, progress.speed))
            return grew

        config = self._config
        total = max(config.total, config.total_factor * seconds) if seconds > 0 else UNKNOWN_TOTAL
        stall = config.stall if way.hardware else config.cpu_stall
        clock = Limits(total, stall, config.term_grace, config.kill_grace)
        limit = OUTPUT_FACTOR * task.size + OUTPUT_LEAST
        # Putting the index at the front writes the whole output once more, and ffmpeg says nothing of it.
        return run(argv, clock, stop=self._stop, receive=receive, writes=task.part, drop=way.drop, file_limit=limit)


class FfmpegProgress:
    """Feed it standard output; it knows whether anything grew."""

    def __init__(self) -> None:
        self._rest = b""
        self._values: dict[str, int] = {}
        #: times real time, 0 unknown
        self.speed = 0.0

    @property
    def seconds(self) -> float:
        """How much of the video is written."""
        return self._values.get("out_time_us", 0) / 1e6

    def receive(self, data: bytes) -> bool:
        """Take some bytes; True when a frame, a time or a size in them is larger than before."""
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[:LINE_LIMIT]
        grew = False
        for line in lines:
            key, _, value = line.decode("ascii", "replace").partition("=")
            if key in _GROWING and value.strip().isdecimal():  # N/A before the first frame
                number = int(value)
                grew = grew or number > self._values.get(key, 0)
                self._values[key] = max(number, self._values.get(key, 0))
            elif key == "speed":
                try:
                    self.speed = float(value.strip().rstrip("x"))
                except ValueError:
                    self.speed = 0.0
        return grew
