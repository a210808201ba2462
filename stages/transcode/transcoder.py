"""One job from its question to its answer: look, decide, make, check, rename. The original is never written to."""
from __future__ import annotations

import errno
import hashlib
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from tgbulk.engine.durable import PART, sync_folder
from tgbulk.engine.folder import LinkError, Place
from tgbulk.stages.archive.video import TranscodeResult, VideoAction, VideoFailure, VideoOutcome
from tgbulk.stages.protocol.transcode import TranscodeJob
from tgbulk.stages.transcode.config import TranscodeConfig
from tgbulk.stages.transcode.encoder import Encoded, EncodingTask, FailedAttempt, VideoEncoder
from tgbulk.stages.transcode.failure import Breaker
from tgbulk.stages.transcode.ffmpeg import Tools
from tgbulk.stages.transcode.media import MediaInfo
from tgbulk.stages.transcode.opened import OpenedFile, place_in
from tgbulk.stages.transcode.policy import MAYBE_VIDEOS, NO_VIDEOS, PIXEL_LIMIT, TranscodePlan, decide, verify
from tgbulk.stages.transcode.probe import ProbeError, Prober, read_layout
from tgbulk.stages.transcode.process import Stop

#: An output of a video that played is kept below this share of the original's size.
WORTH = 0.95


class Refused(Exception):
    """The job ends without an output of this run."""

    def __init__(self, outcome: VideoOutcome, action: VideoAction, reason: str, failure: VideoFailure | None = None) -> None:
        super().__init__(reason)
        self.outcome, self.action, self.reason, self.failure = outcome, action, reason, failure


class Transcoder:
    """For several threads; `notify` takes frames for the supervisor."""

    def __init__(
        self, config: TranscodeConfig, tools: Tools, breaker: Breaker, stop: Stop, notify: Callable[[object], None]
    ) -> None:
        self._config, self._tools, self._stop = config, tools, stop
        self._prober = Prober(config, tools, stop)
        self._encoder = VideoEncoder(config, tools, breaker, self._prober, stop, notify)
        self._lock = threading.Lock()
        self.outcomes: Counter[str] = Counter()
        self.encoders: Counter[str] = Counter()

    def handle(self, job: TranscodeJob) -> TranscodeResult:
        """Never raises for what a file, ffmpeg, the GPU or the disk does."""
        started = time.monotonic()
        result = TranscodeResult(job.number, job.source, job.sha256, job.size, VideoOutcome.FAILED, VideoAction.LEAVE, "")
        try:
            self._work(job, result)
        except Refused as end:
            result.outcome, result.action, result.reason = end.outcome, end.action, end.reason
            result.failure = end.failure or ""
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            result.outcome, result.failure = VideoOutcome.FAILED, VideoFailure.SPACE if full else VideoFailure.PERMISSION
            result.reason = f"{error.filename or job.target}: {error.strerror}"
        result.outcome, result.action, result.failure = str(result.outcome), str(result.action), str(result.failure)
        result.seconds = round(time.monotonic() - started - result.seconds, 3)
        with self._lock:
            self.outcomes[result.outcome] += 1
            if result.encoder:
                self.encoders[result.encoder] += 1
        return result

    def _work(self, job: TranscodeJob, result: TranscodeResult) -> None:
        if self._stop.requested:
            raise Refused(VideoOutcome.STOPPED, VideoAction.LEAVE, "the run was stopped", VideoFailure.STOPPED)
        if job.kind in NO_VIDEOS:
            raise Refused(VideoOutcome.KEPT, VideoAction.LEAVE, f"is not a video ({job.kind})")
        if os.path.abspath(job.source) == os.path.abspath(job.target):
            reason = "the output would overwrite its original"
            raise Refused(VideoOutcome.FAILED, VideoAction.LEAVE, reason, VideoFailure.PERMISSION)
        if not self._tools.ffmpeg:
            raise Refused(VideoOutcome.FAILED, VideoAction.LEAVE, self._tools.problem, VideoFailure.TOOL)
        target = place_in(job.folder, job.target)
        source = self._find(job, result, target)
        if source is None:
            return
        with source:
            media, plan = self._plan(job, source)
            result.action = plan.action
            if plan.action in (VideoAction.LEAVE, VideoAction.SKIP):
                raise Refused(VideoOutcome.KEPT, plan.action, plan.reason)
            if self._made_before(media, plan, target):
                result.reason = f"{plan.reason}; done by an earlier run"
            else:
                self._make(job, result, media, plan, source, target)
        self._keep(result, media, target)

    def _find(self, job: TranscodeJob, result: TranscodeResult, target: Place) -> OpenedFile | None:
        """The source as the job describes it, None for what an earlier run put in its place."""
        try:
            source = OpenedFile(place_in(job.folder, job.source))
        except LinkError:
            reason = "the original is no file"
            raise Refused(VideoOutcome.FAILED, VideoAction.LEAVE, reason, VideoFailure.INPUT) from None
        except FileNotFoundError:
            if self._config.keep_original or not self._plays(target):
                reason = "the original is not there"
                raise Refused(VideoOutcome.FAILED, VideoAction.LEAVE, reason, VideoFailure.INPUT) from None
            result.action, result.replaced = VideoAction.TRANSCODE, True
            result.reason = "an earlier run put the output in the original's place"
            self._name(result, target)
            return None
        result.size = source.status.st_size
        if job.size not in (-1, result.size):
            with source:
                reason = f"the original has {result.size} bytes, not {job.size}"
                raise Refused(VideoOutcome.FAILED, VideoAction.LEAVE, reason, VideoFailure.INPUT)
        return source

    def _plays(self, target: Place) -> bool:
        """An output of an earlier run, whose original is gone."""
        try:
            with OpenedFile(target) as output:
                video = self._prober.probe(output.path).video
        except (ProbeError, OSError):
            return False
        return video is not None and video.codec == "h264"

    def _plan(self, job: TranscodeJob, source: OpenedFile) -> tuple[MediaInfo, TranscodePlan]:
        try:
            media = self._prober.probe(source.path)
        except ProbeError as error:
            if error.failure is VideoFailure.STOPPED:
                raise Refused(VideoOutcome.STOPPED, VideoAction.LEAVE, error.reason, error.failure) from error
            if error.failure is VideoFailure.INPUT and job.kind in MAYBE_VIDEOS:
                raise Refused(VideoOutcome.KEPT, VideoAction.LEAVE, f"is not a video: {error.reason}") from error
            raise Refused(VideoOutcome.FAILED, VideoAction.LEAVE, error.reason, error.failure) from error
        plan = decide(media, job.kind, read_layout(source.path), self._config)
        if plan.action in (VideoAction.REMUX, VideoAction.TRANSCODE):
            self._check_picture(media, plan)
        return media, plan

    def _check_picture(self, media: MediaInfo, plan: TranscodePlan) -> None:
        """Refuse what no way could make."""
        assert media.video is not None
        assert plan.picture is not None
        width, height = media.video.width, media.video.height
        if not 0 < width * height <= PIXEL_LIMIT:
            reason = f"a picture of {width}x{height} is more than 8K" if width * height else "its picture has no size"
            raise Refused(VideoOutcome.FAILED, VideoAction.LEAVE, reason, VideoFailure.INPUT)
        if plan.picture.tone_map and not self._tools.tone_maps:
            reason = f"{plan.reason}, and this ffmpeg has no zscale filter to make it SDR"
            raise Refused(VideoOutcome.FAILED, plan.action, reason, VideoFailure.TOOL)

    def _made_before(self, media: MediaInfo, plan: TranscodePlan, target: Place) -> bool:
        """A run that ended between the rename and the journal's entry left an output that was checked."""
        try:
            with OpenedFile(target) as opened:
                output = self._prober.probe(opened.path)
        except (FileNotFoundError, LinkError, ProbeError):
            return False
        actions = {plan.action, VideoAction.TRANSCODE}
        return any(verify(media, plan, action, output) is None for action in actions)

    def _make(
        self, job: TranscodeJob, result: TranscodeResult, media: MediaInfo, plan: TranscodePlan, source: OpenedFile,
        target: Place,
    ) -> None:
        part = target.with_name(target.name + PART)
        try:
            with OpenedFile(part, new=True) as output:
                task = EncodingTask(job, media, plan, source.path, output.path, result.size)
                made = self._encoder.make(task)
                result.attempts, result.seconds, result.fallbacks = task.attempts, task.waited, task.failures
                if isinstance(made, FailedAttempt):
                    result.fallbacks.pop()
                    outcome = VideoOutcome.STOPPED if made.failure is VideoFailure.STOPPED else VideoOutcome.FAILED
                    raise Refused(outcome, plan.action, f"{plan.reason}; {made.name}: {made.reason}", made.failure)
                result.action, result.encoder = made.action, made.encoder
                result.reason = "; ".join([plan.reason, *(f"{one.name} failed: {one.reason}" for one in made.troubles)])
                self._finish(result, plan, made, source, output)
                if not os.path.samestat(part.stat(), output.status):
                    raise LinkError(errno.ELOOP, "it was replaced while it was written", str(part))
                part.rename(target.name)
                sync_folder(target.parent)
        finally:
            part.unlink(missing_ok=True)

    def _finish(
        self, result: TranscodeResult, plan: TranscodePlan, made: Encoded, source: OpenedFile, output: OpenedFile
    ) -> None:
        """Make a checked output durable; or throw it away where the original serves as well."""
        size = output.status.st_size
        if plan.playable and made.action is VideoAction.TRANSCODE and size >= WORTH * result.size:
            reason = f"{result.reason}; the output, {size} bytes of {result.size}, saves nothing"
            raise Refused(VideoOutcome.KEPT, VideoAction.DISCARD, reason)
        times = source.status
        with suppress(OSError):  # some file systems let nobody set a time
            os.utime(output.descriptor, ns=(times.st_atime_ns, times.st_mtime_ns))
        os.fsync(output.descriptor)

    def _keep(self, result: TranscodeResult, media: MediaInfo, target: Place) -> None:
        """Name the output; let the original go where that is asked for and loses nothing."""
        self._name(result, target)
        if self._config.keep_original:
            return
        if media.others:
            result.reason += f"; the original is kept, it has {media.others} more streams"
            return
        result.replaced = True

    def _name(self, result: TranscodeResult, target: Place) -> None:
        result.outcome = VideoOutcome.DONE
        with open(target.open(), "rb") as file:
            result.output, result.output_size = str(target), os.fstat(file.fileno()).st_size
            result.output_sha256 = hashlib.file_digest(file, "sha256").hexdigest()
