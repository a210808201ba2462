"""What a file holds, read from the answer of ffprobe or, where there is none, from what `ffmpeg -i` prints.

ffmpeg's words tell no level of H.264, and less of durations.
"""
from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

#: Transfer functions of HDR: HDR10 and HLG.
HDR_TRANSFERS = ("smpte2084", "arib-std-b67")
_INPUT = re.compile(r"^Input #0, ([\w,]+), from ", re.M)
_DURATION = re.compile(r"^  Duration: (?:N/A|(\d+):(\d+):([\d.]+)).*?(?:bitrate: (\d+) kb/s)?$", re.M)
_STREAM = re.compile(r"^  Stream #0:(\d+)(?:\[0x\w+\])?(?:\(\w+\))?: (\w+): (.*)$", re.M)
_VIDEO = re.compile(r"^(\w+)(?: \(([^/)]+)\))?.*?, (\w+)(?:\(([^)]*)\))?.*?, (\d+)x(\d+)")
_ROTATION = re.compile(r"displaymatrix: rotation of (-?[\d.]+) degrees")
_CHANNELS = {"mono": 1, "stereo": 2, "2.1": 3, "quad": 4, "4.0": 4, "5.0": 5, "5.1": 6, "6.1": 7, "7.1": 8}
_ALPHA = re.compile(r"^      alpha_mode +: 1$", re.M)


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
class MediaInfo:
    """One file."""

    #: the names of its container's demuxer
    formats: tuple[str, ...]
    #: of the container; 0 unknown
    container_seconds: float = 0.0
    #: bit/s; 0 unknown
    bit_rate: int = 0
    video: Video | None = None
    audio: Audio | None = None
    #: further videos, sounds, subtitles and attachments, which an output does not have; covers do not count
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


def read_ffprobe(answer: dict[str, Any]) -> MediaInfo:
    """What `ffprobe -of json -show_format -show_streams` prints; KeyError, TypeError, ValueError, AttributeError."""
    container = answer["format"]
    video: Video | None = None
    audio: Audio | None = None
    others = 0
    for stream in answer.get("streams", []):
        kind, known = stream.get("codec_type"), stream.get("codec_name", "unknown") != "unknown"
        if kind == "video" and stream.get("disposition", {}).get("attached_pic"):
            continue
        if kind == "video" and video is None:
            video = _ffprobe_video(stream)
        elif kind == "audio" and audio is None and known:
            audio = Audio(stream["index"], stream["codec_name"], int(stream.get("channels", 0)), _seconds(stream))
        else:
            others += kind != "data"
    return MediaInfo(
        tuple(container["format_name"].split(",")),
        _number(container.get("duration")),
        int(_number(container.get("bit_rate"))),
        video,
        audio,
        others,
    )


def _ffprobe_video(stream: dict[str, Any]) -> Video:
    tags = stream.get("tags", {})
    turns = [side["rotation"] for side in stream.get("side_data_list", []) if "rotation" in side]
    rotation = round(_number(turns[0] if turns else tags.get("rotate")))
    width, height = int(stream.get("width", 0)), int(stream.get("height", 0))
    if rotation % 180:
        width, height = height, width
    pix_fmt = stream.get("pix_fmt", "")
    return Video(
        stream=stream["index"],
        codec=stream.get("codec_name", "unknown"),
        width=width,
        height=height,
        profile=str(stream.get("profile", "")),
        level=max(0, int(stream.get("level", 0))),
        pix_fmt=pix_fmt,
        rotation=rotation,
        transfer=stream.get("color_transfer", ""),
        alpha=tags.get("alpha_mode", tags.get("ALPHA_MODE")) == "1" or "yuva" in pix_fmt or "rgba" in pix_fmt,
        seconds=_seconds(stream),
    )


def _seconds(stream: dict[str, Any]) -> float:
    """Matroska keeps a stream's duration in a tag, HH:MM:SS.fraction."""
    if "duration" in stream:
        return _number(stream["duration"])
    hours, _, rest = str(stream.get("tags", {}).get("DURATION", "")).partition(":")
    minutes, _, seconds = rest.partition(":")
    return _number(hours) * 3600 + _number(minutes) * 60 + _number(seconds)


def _number(value: Any) -> float:
    """Numbers are strings, "N/A" or absent."""
    try:
        return max(-1e12, min(float(value), 1e12))
    except (TypeError, ValueError):
        return 0.0


def read_banner(stderr: str) -> MediaInfo | None:
    """None where ffmpeg could not open the file."""
    found = _INPUT.search(stderr)
    if not found:
        return None
    duration = _DURATION.search(stderr)
    seconds, bit_rate = 0.0, 0
    if duration:
        if duration[1]:
            seconds = int(duration[1]) * 3600 + int(duration[2]) * 60 + float(duration[3])
        bit_rate = int(duration[4] or 0) * 1000
    video: Video | None = None
    audio: Audio | None = None
    others = 0
    streams = list(_STREAM.finditer(stderr))
    for stream, following in zip(streams, [*streams[1:], None], strict=True):
        details = stderr[stream.end() : following.start() if following else None]
        number, kind, text = int(stream[1]), stream[2], stream[3]
        if kind == "Video" and "(attached pic)" in text:
            continue
        if kind == "Video" and video is None:
            video = _banner_video(number, text, details)
            continue
        if kind == "Audio" and audio is None and not text.startswith("none"):
            audio = Audio(number, text.split(" ")[0].rstrip(","), _channels(text))
            continue
        others += kind != "Data"
    return MediaInfo(tuple(found[1].split(",")), seconds, bit_rate, video, audio, others)


def _banner_video(number: int, text: str, details: str) -> Video:
    """Without a size where ffmpeg found none that it takes."""
    found = _VIDEO.search(text)
    if not found:
        return Video(number, text.split(" ")[0].rstrip(","), 0, 0)
    codec, profile, pix_fmt, colours, width, height = found.groups()
    turned = _ROTATION.search(details)
    rotation = round(float(turned[1])) if turned else 0
    if rotation % 180:
        width, height = height, width
    transfer = (colours or "").replace(" ", "").split(",")
    names = [name for part in transfer for name in part.split("/")]
    hdr = next((name for name in names if name in ("smpte2084", "arib-std-b67")), "")
    alpha = bool(_ALPHA.search(details)) or "yuva" in pix_fmt
    return Video(number, codec, int(width), int(height), profile or "", 0, pix_fmt, rotation, hdr, alpha)


def _channels(text: str) -> int:
    words = text.split(", ")
    layout = words[2] if len(words) > 2 else ""
    if found := re.match(r"(\d+) channels", layout):
        return int(found[1])
    return _CHANNELS.get(layout.partition("(")[0], 2)
