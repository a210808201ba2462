"""ffmpeg's arguments: one builder, for the trial of a render node and for jobs alike, so that a trial proves the jobs."""
from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from stages.transcode.capability import VaapiCapabilities
from stages.transcode.tool import Tools

#: Containers that are read; what else calls itself a film (a concat script, a playlist) could name other files.
FORMATS = "mov,matroska,avi,mpegts,gif,flv,asf,mpeg,ogg"
#: Files from strangers: these formats, no network, no picture beyond 8K.
GUARD = ("-protocol_whitelist", "file,pipe", "-format_whitelist", FORMATS, "-max_pixels", "33177600")
#: The picture of a trial: AMD refuses less than 256 x 128, an AV1 unit less than 512 wide.
TRIAL_SIZE = (640, 360)
TRIAL_FRAMES = 10
#: Frames from one that can be sought to to the next.
GOP = 250
#: What VA-API's QP is above the CRF that looks alike.
QP_OFFSET = 1
#: kbit/s of AAC: a channel's, and the least
AUDIO_CHANNEL, AUDIO_LEAST = 64, 128
#: Hable's curve, after light was made linear; from HDR10 or HLG to BT.709.
_TONE_MAP = (
    "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,tonemap=tonemap=hable:desat=0,zscale=t=bt709:m=bt709:r=tv"
)


@dataclass(frozen=True, slots=True)
class Source:
    """What ffmpeg reads: a file under guard, or the picture of a trial."""

    arguments: tuple[str, ...]

    @classmethod
    def file(cls, path: Path) -> Source:
        return cls((*GUARD, "-i", url(path)))

    @classmethod
    def trial(cls, width: int, height: int) -> Source:
        return cls(("-f", "lavfi", "-i", f"testsrc2=s={width}x{height}:r=25:d={TRIAL_FRAMES / 25}"))


@dataclass(frozen=True, slots=True)
class Way:
    """Who decodes and who encodes. The default is the CPU."""

    #: the render node; empty is the CPU
    node: str = ""
    low_power: bool = False
    #: rate control mode; empty is the driver's choice
    rate: str = "CQP"
    #: the GPU decodes as well
    decode: bool = False
    #: environment variables to leave out
    drop: tuple[str, ...] = ()

    @property
    def hardware(self) -> bool:
        return bool(self.node)

    @property
    def encoder(self) -> str:
        return "h264_vaapi" if self.node else "libx264"

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.encoder} with hardware decoding" if self.decode else self.encoder

    @classmethod
    def proved(cls, capabilities: VaapiCapabilities) -> Way:
        """The way that a trial of this node passed."""
        found = capabilities
        return cls(found.node, found.low_power, found.rate, drop=found.ignored)

    def with_decode(self) -> Way:
        return replace(self, decode=True)


#: Everything on the CPU.
CPU = Way()


@dataclass(frozen=True, slots=True)
class Picture:
    """The video stream to take and what it becomes; the size is even."""

    width: int
    height: int
    stream: int = 0
    tone_map: bool = False


@dataclass(frozen=True, slots=True)
class Sound:
    """The audio stream to take, as it is or made AAC."""

    stream: int
    channels: int = 2
    copy: bool = False


def url(path: Path) -> str:
    """A path that ffmpeg takes for a file and nothing else."""
    return f"file:{os.path.abspath(path)}"


def encode(
    tools: Tools, source: Source, way: Way, picture: Picture, sound: Sound | None, quality: int, threads: int, target: Path
) -> list[str]:
    """Make H.264 in mp4. quality: libx264's CRF. threads: of a decoder or encoder on the CPU."""
    return [
        *_begin(tools),
        *_device(way),
        "-threads", str(threads),
        *source.arguments,
        "-map", f"0:{picture.stream}",
        *_filters(way, picture),
        *_encoder(way, quality, threads),
        *tools.passthrough,
        *_sound(sound),
        *_end(target),
    ]  # fmt: skip


def remux(tools: Tools, source: Source, stream: int, sound: Sound | None, target: Path) -> list[str]:
    """Put the same pictures into mp4; sound too, unless it has to become AAC."""
    return [
        *_begin(tools), *source.arguments, "-map", f"0:{stream}", "-c:v", "copy", *_sound(sound), *_end(target),
    ]  # fmt: skip


def check(tools: Tools, source: Source, width: int, height: int) -> list[str]:
    """Decode on the CPU to grey pictures of that size on standard output."""
    filters = f"scale={width}:{height},format=gray"
    return [*_begin(tools), *source.arguments, "-vf", filters, *tools.passthrough, "-f", "rawvideo", "pipe:1"]


def _begin(tools: Tools, level: str = "error") -> list[str]:
    return [tools.ffmpeg, "-hide_banner", "-nostdin", "-v", level, "-nostats", "-filter_threads", "1"]


def _device(way: Way) -> list[str]:
    """The device has a name, and filters are told: -hwaccel_device alone does not reach them since ffmpeg 8."""
    if not way.node:
        return []
    device = ["-init_hw_device", f"vaapi=va:{way.node}", "-filter_hw_device", "va"]
    if way.decode:
        device += ["-hwaccel", "vaapi", "-hwaccel_device", "va", "-hwaccel_output_format", "vaapi"]
    return device


def _filters(way: Way, picture: Picture) -> list[str]:
    size = f"{picture.width}:{picture.height}"
    if way.decode:
        # Where the GPU does not decode this file, ffmpeg quietly does: its frames are uploaded, the others pass.
        scale = f"scale_vaapi=w={picture.width}:h={picture.height}:format=nv12"
        return ["-vf", f"format=nv12|vaapi,hwupload,{scale}"]
    filters = [_TONE_MAP] if picture.tone_map else []
    filters += [f"scale={size}", "format=nv12,hwupload" if way.node else "format=yuv420p"]
    return ["-vf", ",".join(filters)]


def _encoder(way: Way, quality: int, threads: int) -> list[str]:
    if not way.node:
        return [
            "-c:v", "libx264", "-preset", "veryfast", "-crf", str(quality), "-profile:v", "high", "-g", str(GOP),
            "-threads:v", str(threads),
        ]  # fmt: skip
    # A QP would force CQP; the driver's own choice gets a quality for all its modes.
    value = str(quality + QP_OFFSET)
    rate = ["-rc_mode", way.rate, "-qp", value] if way.rate else ["-global_quality", value]
    power = ["-low_power", "1"] if way.low_power else []
    return ["-c:v", "h264_vaapi", *power, *rate, "-g", str(GOP)]


def _sound(sound: Sound | None) -> list[str]:
    if sound is None:
        return ["-an"]
    chosen = ["-map", f"0:{sound.stream}", "-c:a"]
    if sound.copy:
        return [*chosen, "copy"]
    channels = sound.channels if 0 < sound.channels <= 6 else 2
    bitrate = max(AUDIO_LEAST, AUDIO_CHANNEL * channels)
    return [*chosen, "aac", "-b:a", f"{bitrate}k", "-ac", str(channels)]


def _end(target: Path) -> list[str]:
    """One film in mp4 that can be played before it is read to its end, and a report of progress on standard output."""
    return [
        "-sn", "-dn", "-map_chapters", "-1", "-movflags", "+faststart", "-max_muxing_queue_size", "1024",
        "-progress", "pipe:1", "-f", "mp4", "-y", url(target),
    ]  # fmt: skip
