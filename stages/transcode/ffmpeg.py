"""ffmpeg: the programs of this machine, what was compiled into them, and the arguments that they get.

One builder serves the trial of a render node and jobs alike, so that a trial proves the jobs.
"""
from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from tgbulk.stages.transcode.capability import VaapiCapabilities
from tgbulk.stages.transcode.config import TranscodeConfig
from tgbulk.stages.transcode.process import Limits, run

#: Containers that are read; what else calls itself a video (a concat script, a playlist) could name other files.
FORMATS = "mov,matroska,avi,mpegts,gif,flv,asf,mpeg,ogg"
#: Files are not to be trusted: these formats, no network, no picture beyond 8K.
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
_VERSION = re.compile(r"^ff(?:mpeg|probe) version (\S+)")
_LISTED = re.compile(r"^ [A-Z.|]{2,6} +(\w+)", re.M)
_NUMBER = re.compile(r"n?(\d+)\.(\d+)")
#: The oldest with -fps_mode; before it the option was -vsync.
FPS_MODE = (5, 1)
_OUTPUT_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class Tools:
    """Paths and versions; empty for a program that is not there or does not run, then `problem` says why for ffmpeg."""

    ffmpeg: str = ""
    version: str = ""
    ffprobe: str = ""
    probe_version: str = ""
    vainfo: str = ""
    encoders: frozenset[str] = frozenset()
    filters: frozenset[str] = frozenset()
    problem: str = ""

    @property
    def vaapi(self) -> bool:
        return "h264_vaapi" in self.encoders

    @property
    def tone_maps(self) -> bool:
        return {"zscale", "tonemap"} <= self.filters

    @property
    def passthrough(self) -> list[str]:
        """The option that keeps each frame's own time. A version without a number is newer than any with one."""
        found = _NUMBER.match(self.version)
        if found and (int(found[1]), int(found[2])) < FPS_MODE:
            return ["-vsync", "0"]
        return ["-fps_mode", "passthrough"]


def find_tools(config: TranscodeConfig) -> Tools:
    """Ask each program what it is. Without an ffmpeg on the PATH, imageio-ffmpeg's is taken where that package is there."""
    ffmpeg = config.ffmpeg or shutil.which("ffmpeg") or _packaged()
    ffprobe = config.ffprobe or shutil.which("ffprobe") or ""
    vainfo = config.vainfo or shutil.which("vainfo") or ""
    probe_version, _ = _version(ffprobe, config) if ffprobe else ("", "")
    others = Tools(ffprobe=ffprobe if probe_version else "", probe_version=probe_version, vainfo=vainfo)
    if not ffmpeg:
        return replace(others, problem="there is no ffmpeg on the PATH")
    version, problem = _version(ffmpeg, config)
    if not version:
        return replace(others, problem=f"{ffmpeg} does not run: {problem}")
    encoders, filters = (_listed(ffmpeg, option, config) for option in ("-encoders", "-filters"))
    return replace(others, ffmpeg=ffmpeg, version=version, encoders=encoders, filters=filters)


def _packaged() -> str:
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        return ""


def _version(program: str, config: TranscodeConfig) -> tuple[str, str]:
    """(version, what went wrong)"""
    ended = run([program, "-version"], Limits(config.probe, term_grace=1.0), keep=_OUTPUT_LIMIT)
    found = _VERSION.match(ended.stdout.decode("utf-8", "replace"))
    if ended.good and found:
        return found[1], ""
    said = ended.stderr.strip().splitlines()
    return "", ended.describe() + (f": {said[-1][:200]}" if said and ended.returncode != 127 else "")


def _listed(ffmpeg: str, option: str, config: TranscodeConfig) -> frozenset[str]:
    ended = run([ffmpeg, "-hide_banner", option], Limits(config.probe, term_grace=1.0), keep=_OUTPUT_LIMIT)
    return frozenset(_LISTED.findall(ended.stdout.decode("utf-8", "replace"))) if ended.good else frozenset()


@dataclass(frozen=True, slots=True)
class FfmpegInput:
    """What ffmpeg reads: a file under guard, or the picture of a trial."""

    arguments: tuple[str, ...]

    @classmethod
    def file(cls, path: Path) -> FfmpegInput:
        return cls((*GUARD, "-i", url(path)))

    @classmethod
    def trial(cls, width: int, height: int) -> FfmpegInput:
        return cls(("-f", "lavfi", "-i", f"testsrc2=s={width}x{height}:r=25:d={TRIAL_FRAMES / 25}"))


@dataclass(frozen=True, slots=True)
class EncodingWay:
    """Which device decodes and which encodes. The default is the CPU."""

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
    def proved(cls, capabilities: VaapiCapabilities) -> EncodingWay:
        """The way that a trial of this node passed."""
        found = capabilities
        return cls(found.node, found.low_power, found.rate, drop=found.ignored)

    def with_decode(self) -> EncodingWay:
        return replace(self, decode=True)


#: Everything on the CPU.
CPU = EncodingWay()


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
    tools: Tools,
    source: FfmpegInput,
    way: EncodingWay,
    picture: Picture,
    sound: Sound | None,
    quality: int,
    threads: int,
    target: Path,
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


def remux(tools: Tools, source: FfmpegInput, stream: int, sound: Sound | None, target: Path) -> list[str]:
    """Put the same pictures into mp4; sound too, unless it has to become AAC."""
    return [
        *_begin(tools), *source.arguments, "-map", f"0:{stream}", "-c:v", "copy", *_sound(sound), *_end(target),
    ]  # fmt: skip


def check(tools: Tools, source: FfmpegInput, width: int, height: int) -> list[str]:
    """Decode on the CPU to grey pictures of that size on standard output."""
    filters = f"scale={width}:{height},format=gray"
    return [*_begin(tools), *source.arguments, "-vf", filters, *tools.passthrough, "-f", "rawvideo", "pipe:1"]


def _begin(tools: Tools, level: str = "error") -> list[str]:
    return [tools.ffmpeg, "-hide_banner", "-nostdin", "-v", level, "-nostats", "-filter_threads", "1"]


def _device(way: EncodingWay) -> list[str]:
    """The device has a name, and filters are given it: -hwaccel_device alone does not reach them since ffmpeg 8."""
    if not way.node:
        return []
    device = ["-init_hw_device", f"vaapi=va:{way.node}", "-filter_hw_device", "va"]
    if way.decode:
        device += ["-hwaccel", "vaapi", "-hwaccel_device", "va", "-hwaccel_output_format", "vaapi"]
    return device


def _filters(way: EncodingWay, picture: Picture) -> list[str]:
    size = f"{picture.width}:{picture.height}"
    if way.decode:
        # Where the GPU does not decode this file, ffmpeg quietly does: its frames are uploaded, the others pass.
        scale = f"scale_vaapi=w={picture.width}:h={picture.height}:format=nv12"
        return ["-vf", f"format=nv12|vaapi,hwupload,{scale}"]
    filters = [_TONE_MAP] if picture.tone_map else []
    filters += [f"scale={size}", "format=nv12,hwupload" if way.node else "format=yuv420p"]
    return ["-vf", ",".join(filters)]


def _encoder(way: EncodingWay, quality: int, threads: int) -> list[str]:
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
    """One video in mp4 that can be played before it is read to its end, and a report of progress on standard output."""
    return [
        "-sn", "-dn", "-map_chapters", "-1", "-movflags", "+faststart", "-max_muxing_queue_size", "1024",
        "-progress", "pipe:1", "-f", "mp4", "-y", url(target),
    ]  # fmt: skip
