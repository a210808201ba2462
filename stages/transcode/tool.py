"""The programs on this machine: ffmpeg, ffprobe and vainfo, their versions, and what was compiled into them."""
from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, replace

from stages.transcode.config import TranscodeConfig
from stages.transcode.process import Clock, run

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
    ended = run([program, "-version"], Clock(config.probe, term_grace=1.0), keep=_OUTPUT_LIMIT)
    found = _VERSION.match(ended.stdout.decode("utf-8", "replace"))
    if ended.good and found:
        return found[1], ""
    said = ended.stderr.strip().splitlines()
    return "", ended.describe() + (f": {said[-1][:200]}" if said and ended.returncode != 127 else "")


def _listed(ffmpeg: str, option: str, config: TranscodeConfig) -> frozenset[str]:
    ended = run([ffmpeg, "-hide_banner", option], Clock(config.probe, term_grace=1.0), keep=_OUTPUT_LIMIT)
    return frozenset(_LISTED.findall(ended.stdout.decode("utf-8", "replace"))) if ended.good else frozenset()
