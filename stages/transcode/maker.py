"""Making one output: each way in turn, until what came out is right."""
from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from stages.event import Notice
from stages.transcode.argument import CPU, Source, Way, encode, remux
from stages.transcode.breaker import Breaker
from stages.transcode.config import TranscodeConfig
from stages.transcode.ending import Ended, Ending
from stages.transcode.failure import Failure, classify, size_limit
from stages.transcode.job import TranscodeJob, TranscodeProgress
from stages.transcode.media import Media
from stages.transcode.policy import Action, Plan
from stages.transcode.probe import ProbeError, Prober, without_paths
from stages.transcode.process import Clock, run
from stages.transcode.progress import Progress
from stages.transcode.stop import Stop
from stages.transcode.tool import Tools
from stages.transcode.verify import verify

#: What stands for an encoder where the pictures stay as they are.
COPY = "copy"
#: An output may have so many times the bytes of its original, and these on top.
OUTPUT_FACTOR, OUTPUT_LEAST = 8, 256 << 20
#: Seconds of ffmpeg for a film whose length is not known.
UNKNOWN_TOTAL = 3600.0
#: Seconds between two reports of progress.
REPORT = 1.0


@dataclass(slots=True)
class Task:
    """One output to make, of a file with that many bytes."""

    job: TranscodeJob
    media: Media
    plan: Plan
    part: Path
    size: int
    #: runs of ffmpeg so far, and seconds that others' encoding took before ours
    attempts: int = 0
    waited: float = 0.0
    #: kinds of the failures so far
    failures: list[str] = field(default_factory=list)

    @property
    def source(self) -> Path:
        return Path(self.job.source)


@dataclass(frozen=True, slots=True)
class Trouble:
    """A way that failed; `name` is what people call it."""

    way: Way
    name: str
    failure: Failure
    reason: str


@dataclass(frozen=True, slots=True)
class Made:
    """A right output; `troubles` are of the ways before."""

    action: Action
    encoder: str
    troubles: list[Trouble]


class Maker:
    """For several threads, of which one encodes at a time."""

    def __init__(
        self,
        config: TranscodeConfig,
        tools: Tools,
        breaker: Breaker,
        prober: Prober,
        stop: Stop,
        tell: Callable[[object], None],
    ) -> None:
        self._config, self._tools, self._breaker, self._prober = config, tools, breaker, prober
        self._stop, self._tell = stop, tell
        self._threads = config.threads or max(1, (os.cpu_count() or 1) // 2)
        self._encoding = threading.Lock()

    def make(self, task: Task) -> Made | Trouble:
        """The output in task.part, or the trouble of the last way. OSError."""
        troubles: list[Trouble] = []
        if task.plan.action is Action.REMUX:
            trouble = self._remux(task)
            if trouble is None:
                return Made(Action.REMUX, COPY, troubles)
            if trouble.failure in (Failure.STOPPED, Failure.SPACE):
                return trouble
            troubles.append(trouble)
        began = time.monotonic()
        with self._encoding:
            task.waited = time.monotonic() - began
            return self._encode(task, troubles)

    def _encode(self, task: Task, before: list[Trouble]) -> Made | Trouble:
        assert task.media.video is not None
        assert task.plan.picture is not None
        tried: list[Trouble] = []
        for way in self._breaker.ways(task.media.video, task.plan.picture):
            argv = encode(
                self._tools, Source.file(task.source), way, task.plan.picture, task.plan.sound,
                self._config.quality, self._threads, task.part,
            )  # fmt: skip
            trouble = self._attempt(task, Action.TRANSCODE, way, argv)
            if trouble is None:
                self._breaker.succeeded(way)
                self._judge(tried)
                return Made(Action.TRANSCODE, way.encoder, before + tried)
            tried.append(trouble)
            if trouble.failure in (Failure.STOPPED, Failure.SPACE):
                break
        if tried[-1].failure is not Failure.STOPPED:
            # The CPU failed as well: only a device that would not open is the GPU's own failure.
            self._judge([trouble for trouble in tried if trouble.failure is Failure.DEVICE])
        return tried[-1]

    def _judge(self, troubles: list[Trouble]) -> None:
        """The same file went well on another way, so these were the GPU's."""
        for trouble in troubles:
            if line := self._breaker.failed(trouble.way, trouble.failure, trouble.reason):
                self._tell(Notice(line))

    def _remux(self, task: Task) -> Trouble | None:
        assert task.plan.picture is not None
        argv = remux(self._tools, Source.file(task.source), task.plan.picture.stream, task.plan.sound, task.part)
        return self._attempt(task, Action.REMUX, CPU, argv)

    def _attempt(self, task: Task, action: Action, way: Way, argv: list[str]) -> Trouble | None:
        """Run ffmpeg once and look at what it made."""
        trouble = self._try(task, action, way, argv)
        if trouble is not None:
            task.failures.append(str(trouble.failure))
        return trouble

    def _try(self, task: Task, action: Action, way: Way, argv: list[str]) -> Trouble | None:
        task.attempts += 1
        name, encoder = (COPY, COPY) if action is Action.REMUX else (way.name, way.encoder)
        ended = self._run(task, way, argv, encoder)
        if not ended.good:
            if ended.ending is Ending.STUCK and way.hardware:
                self._judge([Trouble(way, name, Failure.HANG, ended.describe())])
            ended = replace(ended, stderr=without_paths(ended.stderr, task.part, task.source))
            if limits := size_limit(ended.stderr):
                self._breaker.learn(limits)
            return Trouble(way, name, *classify(ended, way.hardware))
        fault: tuple[Failure, str] | None
        try:
            fault = verify(task.media, task.plan, action, self._prober.probe(task.part))
        except ProbeError as error:
            stopped = error.failure is Failure.STOPPED
            fault = Failure.STOPPED if stopped else Failure.RUNTIME, f"the output cannot be read: {error.reason}"
        except FileNotFoundError:
            fault = Failure.RUNTIME, f"{ended.program} made no output"
        return Trouble(way, name, *fault) if fault else None

    def _run(self, task: Task, way: Way, argv: list[str], encoder: str) -> Ended:
        progress = Progress()
        reported = time.monotonic()
        seconds = task.media.seconds

        def hear(data: bytes) -> bool:
            nonlocal reported
            grew = progress.hear(data)
            now = time.monotonic()
            if now - reported >= REPORT:
                reported = now
                done = min(1000, int(1000 * progress.seconds / seconds)) if seconds > 0 else -1
                self._tell(TranscodeProgress(task.job.number, task.job.source, encoder, done, progress.speed))
            return grew

        config = self._config
        total = max(config.total, config.total_factor * seconds) if seconds > 0 else UNKNOWN_TOTAL
        stall = config.stall if way.hardware else config.cpu_stall
        clock = Clock(total, stall, config.term_grace, config.kill_grace)
        limit = OUTPUT_FACTOR * task.size + OUTPUT_LEAST
        # Putting the index at the front writes the whole output once more, and ffmpeg says nothing of it.
        return run(argv, clock, stop=self._stop, hear=hear, writes=task.part, drop=way.drop, file_limit=limit)
