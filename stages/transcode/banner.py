"""What `ffmpeg -i` prints about a file, read where there is no ffprobe. It knows no level, and less of durations."""
from __future__ import annotations

import re

from stages.transcode.media import Audio, Media, Video

_INPUT = re.compile(r"^Input #0, ([\w,]+), from ", re.M)
_DURATION = re.compile(r"^  Duration: (?:N/A|(\d+):(\d+):([\d.]+)).*?(?:bitrate: (\d+) kb/s)?$", re.M)
_STREAM = re.compile(r"^  Stream #0:(\d+)(?:\[0x\w+\])?(?:\(\w+\))?: (\w+): (.*)$", re.M)
_VIDEO = re.compile(r"^(\w+)(?: \(([^/)]+)\))?.*?, (\w+)(?:\(([^)]*)\))?.*?, (\d+)x(\d+)")
_ROTATION = re.compile(r"displaymatrix: rotation of (-?[\d.]+) degrees")
_CHANNELS = {"mono": 1, "stereo": 2, "2.1": 3, "quad": 4, "4.0": 4, "5.0": 5, "5.1": 6, "6.1": 7, "7.1": 8}
_ALPHA = re.compile(r"^      alpha_mode +: 1$", re.M)


def read_banner(stderr: str) -> Media | None:
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
            video = _video(number, text, details)
            continue
        if kind == "Audio" and audio is None and not text.startswith("none"):
            audio = Audio(number, text.split(" ")[0].rstrip(","), _channels(text))
            continue
        others += kind != "Data"
    return Media(tuple(found[1].split(",")), seconds, bit_rate, video, audio, others)


def _video(number: int, text: str, details: str) -> Video:
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
