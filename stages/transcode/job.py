"""The frames of the transcode process. Paths are longer than a frame of the data way, so its channels have CONTROL_LIMIT."""
from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from engine.channel import Channel
from engine.frame import frame


@dataclass(frozen=True, slots=True)
class Desk:
    """Fetch's ends of the two channels."""

    jobs: Channel
    results: Channel


class Outcome(StrEnum):
    """How a job ended. The original is whole in every case."""

    #: the output is there, checked and durable
    DONE = "done"
    #: nothing was made, and that is right
    KEPT = "kept"
    #: it could not be made; asking again gives the same unless something changes
    FAILED = "failed"
    #: the run ended before; to be asked again
    STOPPED = "stopped"


@frame
@dataclass(slots=True)
class Staffed:
    """supervisor -> fetch: a process makes films; its jobs and results come along. Without them: none will any more."""

    #: how the one before it ended, as the end of a sentence; empty for the first
    fate: str = ""


@frame
@dataclass(slots=True)
class Begun:
    """transcode -> fetch: this job is under way."""

    number: int


@frame
@dataclass(slots=True)
class TranscodeJob:
    """fetch -> transcode: see to this file. Answered by Begun and one TranscodeResult, in no order."""

    number: int
    #: absolute paths; the target is not the source, ends in .mp4, and no other unanswered job has it
    source: str
    target: str
    #: its category (stages/medium.py): video, animation, round, document, sticker ...
    kind: str
    #: what the source must have, -1 unknown
    size: int = -1
    #: of the source, returned unread; hexadecimal
    sha256: str = ""


@frame
@dataclass(slots=True)
class TranscodeResult:
    """transcode -> fetch: what became of a job; what the journal needs to ask for it never again."""

    number: int
    source: str
    sha256: str
    #: bytes of the source
    size: int
    #: an Outcome, and a policy.Action
    outcome: str
    action: str
    #: one line
    reason: str
    #: a failure.Failure, empty unless the outcome is failed or stopped
    failure: str = ""
    #: what made the output in this run: h264_vaapi, libx264, copy; the outcome kept with it is one that was discarded
    encoder: str = ""
    output: str = ""
    output_size: int = 0
    output_sha256: str = ""
    #: the output stands for the source, as --replace asks: whoever keeps this result durably deletes the source then
    replaced: bool = False
    #: runs of ffmpeg that made or tried it
    attempts: int = 0
    #: kinds of the failures that came before the end, one for each way that was left
    fallbacks: list[str] = field(default_factory=list)
    #: wall time in this process, without waiting for another job's encoding
    seconds: float = 0.0


@frame
@dataclass(slots=True)
class TranscodeProgress:
    """transcode -> supervisor, about once a second a film."""

    number: int
    source: str
    encoder: str
    #: thousandths of the film; -1 unknown
    done: int
    #: times real time
    speed: float


@frame
@dataclass(slots=True)
class TranscodeSummary:
    """transcode -> supervisor, its last words: jobs by outcome, outputs by encoder, failures of ways by kind."""

    outcomes: dict[str, int] = field(default_factory=dict)
    encoders: dict[str, int] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)
    #: why the GPU is not used, or not any more; empty while it is
    reason: str = ""


def target_of(source: Path) -> Path:
    """Where the film made of a file belongs: beside it, NAME.h264.mp4. The same for each run."""
    return source.with_name(f"{source.stem}.h264.mp4")
