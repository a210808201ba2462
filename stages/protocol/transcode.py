"""Messages between the transcode process, fetch and the supervisor.

Paths are longer than a frame of the data way, so its channels have CONTROL_LIMIT.
"""
from __future__ import annotations

from dataclasses import dataclass, field

from tgbulk.engine.channel import Channel
from tgbulk.engine.frame import frame


@dataclass(frozen=True, slots=True)
class TranscodeChannels:
    """Fetch's ends of the two channels."""

    jobs: Channel
    results: Channel


@frame
@dataclass(slots=True)
class TranscodeAttached:
    """supervisor -> fetch: a process transcodes; its jobs and results come along. Without them: none will any more."""

    #: how the one before it ended, as the end of a sentence; empty for the first
    exit_status: str = ""


@frame
@dataclass(slots=True)
class Begun:
    """transcode -> fetch: this job is under way."""

    number: int


@frame
@dataclass(slots=True)
class TranscodeJob:
    """fetch -> transcode: look at this file. Answered by Begun and one TranscodeResult, in no order."""

    number: int
    #: absolute paths; the target is not the source, ends in .mp4, and no other unanswered job has it
    source: str
    target: str
    #: its category (stages/telegram/medium.py): video, animation, round, document, sticker ...
    kind: str
    #: what the source must have, -1 unknown
    size: int = -1
    #: of the source, returned unread; hexadecimal
    sha256: str = ""
    #: both lie below it, and no link between is followed; empty: the paths are the user's own
    folder: str = ""


@frame
@dataclass(slots=True)
class TranscodeProgress:
    """transcode -> supervisor, about once a second a video."""

    number: int
    source: str
    encoder: str
    #: thousandths of the video; -1 unknown
    done: int
    #: times real time
    speed: float


@frame
@dataclass(slots=True)
class TranscodeSummary:
    """transcode -> supervisor, its last frame: jobs by outcome, outputs by encoder, failures of ways by kind."""

    outcomes: dict[str, int] = field(default_factory=dict)
    encoders: dict[str, int] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)
    #: why the GPU is not used, or not any more; empty while it is
    reason: str = ""
