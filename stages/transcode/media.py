"""What a file holds, as ffprobe or ffmpeg tells."""
from __future__ import annotations

from dataclasses import dataclass

#: Transfer functions of HDR: HDR10 and HLG.
HDR_TRANSFERS = ("smpte2084", "arib-std-b67")


@dataclass(frozen=True, slots=True)
class Video:
    """The stream that shows moving pictures. width and height are as they are displayed, after rotation."""

    stream: int
    codec: str
    width: int
    height: int
    profile: str = ""
    #: ten times the level of H.264; 0 unknown
    level: int = 0
    pix_fmt: str = ""
    #: degrees by which a player turns the picture
    rotation: int = 0
    transfer: str = ""
    #: part of the picture is transparent
    alpha: bool = False
    #: 0 unknown
    seconds: float = 0.0

    @property
    def hdr(self) -> bool:
        return self.transfer in HDR_TRANSFERS


@dataclass(frozen=True, slots=True)
class Audio:
    """The first stream of sound that can be decoded."""

    stream: int
    codec: str
    channels: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Media:
    """One file."""

    #: the names of its container's demuxer
    formats: tuple[str, ...]
    #: of the container; 0 unknown
    container_seconds: float = 0.0
    #: bit/s; 0 unknown
    bit_rate: int = 0
    video: Video | None = None
    audio: Audio | None = None
    #: further films, sounds, subtitles and attachments, which an output does not have; covers do not count
    others: int = 0

    @property
    def lengths(self) -> tuple[float, ...]:
        """How long it plays, by the container and by the streams that are taken from it; what is unknown is left out.

        The container counts the streams that are not taken. mp4 adds up decoding times, which end early where frames
        come at odd times. So either may be wrong.
        """
        taken = [stream.seconds for stream in (self.video, self.audio) if stream]
        found = (self.container_seconds, max(taken) if taken and all(taken) else 0.0)
        return tuple(seconds for seconds in found if seconds > 0)

    @property
    def seconds(self) -> float:
        """How long it plays; 0 unknown."""
        return max(self.lengths, default=0.0)
