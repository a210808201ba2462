"""Asking what a file holds: by ffprobe, or by `ffmpeg -i` where there is none; once for each state of a file."""
from __future__ import annotations

import os
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

import orjson

from stages.transcode.argument import GUARD, url
from stages.transcode.banner import read_banner
from stages.transcode.config import TranscodeConfig
from stages.transcode.ending import Ended
from stages.transcode.failure import Failure, classify
from stages.transcode.media import Audio, Media, Video
from stages.transcode.process import Clock, run
from stages.transcode.stop import Stop
from stages.transcode.tool import Tools

#: Answers that are remembered.
CACHE_SIZE = 1024
#: Bytes that an answer may have; a stranger's file decides how much there is to say about it.
ANSWER_LIMIT = 4 << 20


class ProbeError(Exception):
    """The file cannot be read as a film; (failure, why)."""

    def __init__(self, failure: Failure, reason: str) -> None:
        super().__init__(reason)
        self.failure = failure
        self.reason = reason


class Prober:
    """For several threads."""

    def __init__(self, config: TranscodeConfig, tools: Tools, stop: Stop | None = None) -> None:
        self._tools, self._stop = tools, stop
        self._clock = Clock(config.probe, term_grace=min(1.0, config.term_grace), kill_grace=config.kill_grace)
        self._cache: OrderedDict[tuple[str, int, int], Media | ProbeError] = OrderedDict()
        self._lock = threading.Lock()

    def probe(self, path: Path) -> Media:
        """What the file holds; ProbeError, OSError. The same file, by size and time, is asked about once."""
        status = path.stat()
        key = (os.path.abspath(path), status.st_size, status.st_mtime_ns)
        with self._lock:
            found = self._cache.get(key)
        if found is None:
            try:
                found = self._ask(path, status.st_size)
            except ProbeError as error:
                if error.failure is Failure.STOPPED:
                    raise
                found = error
            with self._lock:
                self._cache[key] = found
                while len(self._cache) > CACHE_SIZE:
                    self._cache.popitem(last=False)
        if isinstance(found, ProbeError):
            raise found
        return found

    def _ask(self, path: Path, size: int) -> Media:
        if size == 0:
            raise ProbeError(Failure.INPUT, "the file is empty")
        if self._tools.ffprobe:
            return self._ask_ffprobe(path)
        argv = [self._tools.ffmpeg, "-hide_banner", "-nostdin", *GUARD, "-i", url(path)]
        ended = run(argv, self._clock, stop=self._stop)
        media = read_banner(ended.stderr)
        if media is None or ended.returncode < 0:
            raise ProbeError(*_reason(ended, path))
        return media

    def _ask_ffprobe(self, path: Path) -> Media:
        argv = [self._tools.ffprobe, "-v", "error", *GUARD, "-of", "json", "-show_format", "-show_streams", url(path)]
        ended = run(argv, self._clock, stop=self._stop, keep=ANSWER_LIMIT)
        if not ended.good:
            raise ProbeError(*_reason(ended, path))
        try:
            return _read(orjson.loads(ended.stdout.decode("utf-8", "replace")))
        except (orjson.JSONDecodeError, TypeError, ValueError, KeyError, AttributeError) as error:
            raise ProbeError(Failure.INPUT, f"ffprobe's answer cannot be read: {error}") from error


def without_paths(stderr: str, *paths: Path) -> str:
    """A file's name must not be taken for ffmpeg's own words."""
    for path in paths:
        stderr = stderr.replace(url(path), "the file").replace(os.path.abspath(path), "the file")
    return stderr


def _reason(ended: Ended, path: Path) -> tuple[Failure, str]:
    if ended.stderr:
        ended = Ended(ended.program, ended.ending, ended.returncode, b"", without_paths(ended.stderr, path), ended.seconds)
    failure, reason = classify(ended, hardware=False)
    return (Failure.INPUT if failure is Failure.UNKNOWN else failure), reason


def _read(answer: dict[str, Any]) -> Media:
    container = answer["format"]
    video: Video | None = None
    audio: Audio | None = None
    others = 0
    for stream in answer.get("streams", []):
        kind, known = stream.get("codec_type"), stream.get("codec_name", "unknown") != "unknown"
        if kind == "video" and stream.get("disposition", {}).get("attached_pic"):
            continue
        if kind == "video" and video is None:
            video = _video(stream)
        elif kind == "audio" and audio is None and known:
            audio = Audio(stream["index"], stream["codec_name"], int(stream.get("channels", 0)), _seconds(stream))
        else:
            others += kind != "data"
    return Media(
        tuple(container["format_name"].split(",")),
        _number(container.get("duration")),
        int(_number(container.get("bit_rate"))),
        video,
        audio,
        others,
    )


def _video(stream: dict[str, Any]) -> Video:
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
