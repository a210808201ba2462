"""What became of a video: a row of the index, and the account of a run's videos at its end."""
from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from tgbulk.engine.frame import frame


class VideoOutcome(StrEnum):
    """How a job ended. The original is whole in every case."""

    #: the output is there, checked and durable
    DONE = "done"
    #: the original stays, as it should
    KEPT = "kept"
    #: it could not be transcoded; asking again gives the same unless something changes
    FAILED = "failed"
    #: the run ended before; to be asked again
    STOPPED = "stopped"


class VideoAction(StrEnum):
    """What a file needs."""

    #: it is not a video
    LEAVE = "leave"
    #: it plays everywhere as it is
    SKIP = "skip"
    REMUX = "remux"
    TRANSCODE = "transcode"
    #: it was transcoded, and the original is better
    DISCARD = "discard"


class VideoFailure(StrEnum):
    """The GPU's (first group), the file's, the machine's."""

    DEVICE = "device"
    ENCODER = "encoder"
    SIZE = "size"
    RUNTIME = "runtime"
    FILTER = "filter"
    HANG = "hang"
    CRASH = "crash"

    INPUT = "input"
    #: the output is not what the input promised
    DAMAGED = "damaged"

    SPACE = "space"
    MEMORY = "memory"
    PERMISSION = "permission"
    TOOL = "tool"
    STOPPED = "stopped"
    UNKNOWN = "unknown"


@frame
@dataclass(slots=True)
class TranscodeResult:
    """transcode -> fetch: what became of a job; what the journal needs to ask for it never again."""

    number: int
    source: str
    sha256: str
    #: bytes of the source
    size: int
    #: a VideoOutcome, and a VideoAction
    outcome: str
    action: str
    #: one line
    reason: str
    #: a VideoFailure, empty unless the outcome is failed or stopped
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
class VideosStated:
    """What became of the videos among the media of this run's chats, at its end."""

    #: transcoded by this run: how many by which encoder (copy: put into another container), their bytes before and after,
    #: and the originals that went
    encoders: dict[str, int] = field(default_factory=dict)
    bytes_before: int = 0
    bytes_after: int = 0
    replaced: int = 0
    #: kinds of the failures of ways after which another way succeeded, in this run
    fallbacks: dict[str, int] = field(default_factory=dict)
    #: transcoded by this run and by earlier ones
    done: int = 0
    #: VideoAction -> files that stay as they are
    kept: dict[str, int] = field(default_factory=dict)
    #: VideoFailure -> videos that could not be transcoded; they stay as they are
    failed: dict[str, int] = field(default_factory=dict)
    #: for the next run
    waiting: int = 0
    #: [path, reason] of the first that failed in this run
    examples: list[list[str]] = field(default_factory=list)


def video_policy(mode: str, height: int, quality: int, max_bitrate: int, replace: bool) -> str:
    """The settings by which videos are transcoded, as a row has them: with others they are looked at again."""
    return f"{mode} {height} {quality} {max_bitrate}" + (" replace" if replace else "")


def target_of(source: Path) -> Path:
    """Where the output of a video belongs: beside it, NAME.h264.mp4. The same for each run."""
    return source.with_name(f"{source.stem}.h264.mp4")
