"""One job from its question to its answer: look, decide, make, check, rename. The original is never written to."""
from __future__ import annotations

import errno
import hashlib
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from engine.durable import PART, sync_folder
from stages.transcode.box import read_layout
from stages.transcode.breaker import Breaker
from stages.transcode.config import TranscodeConfig
from stages.transcode.failure import Failure
from stages.transcode.job import Outcome, TranscodeJob, TranscodeResult
from stages.transcode.maker import Made, Maker, Task, Trouble
from stages.transcode.media import Media
from stages.transcode.policy import MAYBE_FILMS, NO_FILMS, PIXEL_LIMIT, Action, Plan, decide
from stages.transcode.probe import ProbeError, Prober
from stages.transcode.stop import Stop
from stages.transcode.tool import Tools
from stages.transcode.verify import verify

#: An output of a film that played is kept below this share of the original's size.
WORTH = 0.95


class Refused(Exception):
    """The job ends without an output of this run."""

    def __init__(self, outcome: Outcome, action: Action, reason: str, failure: Failure | None = None) -> None:
        super().__init__(reason)
        self.outcome, self.action, self.reason, self.failure = outcome, action, reason, failure


class Transcoder:
    """For several threads; `tell` takes frames for the supervisor."""

    def __init__(
        self, config: TranscodeConfig, tools: Tools, breaker: Breaker, stop: Stop, tell: Callable[[object], None]
    ) -> None:
        self._config, self._tools, self._stop = config, tools, stop
        self._prober = Prober(config, tools, stop)
        self._maker = Maker(config, tools, breaker, self._prober, stop, tell)
        self._lock = threading.Lock()
        self.outcomes: Counter[str] = Counter()
        self.encoders: Counter[str] = Counter()

    def handle(self, job: TranscodeJob) -> TranscodeResult:
        """Never raises for what a file, ffmpeg, the GPU or the disk does."""
        started = time.monotonic()
        result = TranscodeResult(job.number, job.source, job.sha256, job.size, Outcome.FAILED, Action.LEAVE, "")
        try:
            self._work(job, result)
        except Refused as end:
            result.outcome, result.action, result.reason = end.outcome, end.action, end.reason
            result.failure = end.failure or ""
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            result.outcome, result.failure = Outcome.FAILED, Failure.SPACE if full else Failure.PERMISSION
            result.reason = f"{error.filename or job.target}: {error.strerror}"
        result.outcome, result.action, result.failure = str(result.outcome), str(result.action), str(result.failure)
        result.seconds = round(time.monotonic() - started - result.seconds, 3)
        with self._lock:
            self.outcomes[result.outcome] += 1
            if result.encoder:
                self.encoders[result.encoder] += 1
        return result

    def _work(self, job: TranscodeJob, result: TranscodeResult) -> None:
        source, target = Path(job.source), Path(job.target)
        if self._stop.requested:
            raise Refused(Outcome.STOPPED, Action.LEAVE, "the run was stopped", Failure.STOPPED)
        if job.kind in NO_FILMS:
            raise Refused(Outcome.KEPT, Action.LEAVE, f"is no film but {job.kind}")
        if os.path.abspath(source) == os.path.abspath(target):
            raise Refused(Outcome.FAILED, Action.LEAVE, "the output would overwrite its original", Failure.PERMISSION)
        if not self._tools.ffmpeg:
            raise Refused(Outcome.FAILED, Action.LEAVE, self._tools.problem, Failure.TOOL)
        if not self._find(job, result, source, target):
            return
        media, plan = self._plan(job, source)
        result.action = plan.action
        if plan.action in (Action.LEAVE, Action.SKIP):
            raise Refused(Outcome.KEPT, plan.action, plan.reason)
        if self._made_before(media, plan, target):
            result.reason = f"{plan.reason}; made by an earlier run"
        else:
            self._make(job, result, media, plan)
        self._keep(result, media, target)

    def _find(self, job: TranscodeJob, result: TranscodeResult, source: Path, target: Path) -> bool:
        """True for the source as the job describes it, False for what an earlier run put in its place."""
        try:
            result.size = source.stat().st_size
        except FileNotFoundError:
            if self._config.keep_original or not self._plays(target):
                raise Refused(Outcome.FAILED, Action.LEAVE, "the original is not there", Failure.INPUT) from None
            result.action, result.replaced = Action.TRANSCODE, True
            result.reason = "an earlier run put the output in the original's place"
            self._name(result, target)
            return False
        if job.size not in (-1, result.size):
            reason = f"the original has {result.size} bytes, not {job.size}"
            raise Refused(Outcome.FAILED, Action.LEAVE, reason, Failure.INPUT)
        return True

    def _plays(self, target: Path) -> bool:
        """An output of an earlier run, whose original is gone."""
        try:
            video = self._prober.probe(target).video
        except (ProbeError, OSError):
            return False
        return video is not None and video.codec == "h264"

    def _plan(self, job: TranscodeJob, source: Path) -> tuple[Media, Plan]:
        try:
            media = self._prober.probe(source)
        except ProbeError as error:
            if error.failure is Failure.STOPPED:
                raise Refused(Outcome.STOPPED, Action.LEAVE, error.reason, error.failure) from error
            if error.failure is Failure.INPUT and job.kind in MAYBE_FILMS:
                raise Refused(Outcome.KEPT, Action.LEAVE, f"is no film: {error.reason}") from error
            raise Refused(Outcome.FAILED, Action.LEAVE, error.reason, error.failure) from error
        plan = decide(media, job.kind, read_layout(source), self._config)
        if plan.action in (Action.REMUX, Action.TRANSCODE):
            self._check_picture(media, plan)
        return media, plan

    def _check_picture(self, media: Media, plan: Plan) -> None:
        """Refuse what no way could make."""
        assert media.video is not None
        assert plan.picture is not None
        width, height = media.video.width, media.video.height
        if not 0 < width * height <= PIXEL_LIMIT:
            reason = f"a picture of {width}x{height} is more than 8K" if width * height else "its picture has no size"
            raise Refused(Outcome.FAILED, Action.LEAVE, reason, Failure.INPUT)
        if plan.picture.tone_map and not self._tools.tone_maps:
            reason = f"{plan.reason}, and this ffmpeg has no zscale filter to make it SDR"
            raise Refused(Outcome.FAILED, plan.action, reason, Failure.TOOL)

    def _made_before(self, media: Media, plan: Plan, target: Path) -> bool:
        """A run that ended between the rename and the journal's entry left an output that was checked."""
        try:
            output = self._prober.probe(target)
        except (FileNotFoundError, ProbeError):
            return False
        actions = (Action.REMUX, Action.TRANSCODE) if plan.action is Action.REMUX else (Action.TRANSCODE,)
        return any(verify(media, plan, action, output) is None for action in actions)

    def _make(self, job: TranscodeJob, result: TranscodeResult, media: Media, plan: Plan) -> None:
        part = Path(job.target + PART)
        task = Task(job, media, plan, part, result.size)
        try:
            made = self._maker.make(task)
            result.attempts, result.seconds, result.fallbacks = task.attempts, task.waited, task.failures
            if isinstance(made, Trouble):
                result.fallbacks.pop()
                outcome = Outcome.STOPPED if made.failure is Failure.STOPPED else Outcome.FAILED
                raise Refused(outcome, plan.action, f"{plan.reason}; {made.name}: {made.reason}", made.failure)
            result.action, result.encoder = made.action, made.encoder
            result.reason = "; ".join([plan.reason, *(f"{one.name} failed: {one.reason}" for one in made.troubles)])
            self._finish(result, plan, made, part, Path(job.target))
        finally:
            part.unlink(missing_ok=True)

    def _finish(self, result: TranscodeResult, plan: Plan, made: Made, part: Path, target: Path) -> None:
        """Give a checked output its name, durably; or throw it away where the original serves as well."""
        size = part.stat().st_size
        if plan.playable and made.action is Action.TRANSCODE and size >= WORTH * result.size:
            reason = f"{result.reason}; the output, {size} bytes of {result.size}, saves nothing"
            raise Refused(Outcome.KEPT, Action.DISCARD, reason)
        times = os.stat(result.source)
        os.utime(part, ns=(times.st_atime_ns, times.st_mtime_ns))
        with open(part, "rb") as file:
            os.fsync(file.fileno())
        os.replace(part, target)
        sync_folder(target.parent)

    def _keep(self, result: TranscodeResult, media: Media, target: Path) -> None:
        """Name the output; let the original go where that is asked for and loses nothing."""
        self._name(result, target)
        if self._config.keep_original:
            return
        if media.others:
            result.reason += f"; the original is kept, it has {media.others} more streams"
            return
        result.replaced = True

    def _name(self, result: TranscodeResult, target: Path) -> None:
        result.outcome = Outcome.DONE
        result.output, result.output_size = str(target), target.stat().st_size
        with open(target, "rb") as file:
            result.output_sha256 = hashlib.file_digest(file, "sha256").hexdigest()
