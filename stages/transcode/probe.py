"""Asking what a file holds: by ffprobe, or by `ffmpeg -i` where there is none; once for each state of a file.

Neither says whether an mp4 plays before it is whole: its outermost boxes do (ISO/IEC 14496-12, 4.2).
"""
from __future__ import annotations

import os
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import orjson

from tgbulk.stages.archive.video import VideoFailure
from tgbulk.stages.transcode.config import TranscodeConfig
from tgbulk.stages.transcode.failure import classify
from tgbulk.stages.transcode.ffmpeg import GUARD, Tools, url
from tgbulk.stages.transcode.media import MediaInfo, read_banner, read_ffprobe
from tgbulk.stages.transcode.process import Ended, Limits, Stop, run

#: Answers that are remembered.
CACHE_SIZE = 1024
#: Bytes that an answer may have; the file decides how much there is to say about it.
ANSWER_LIMIT = 4 << 20
#: Boxes that are looked at.
BOX_LIMIT = 64
QUICKTIME = b"qt  "


class ProbeError(Exception):
    """The file cannot be read as a video; (failure, why)."""

    def __init__(self, failure: VideoFailure, reason: str) -> None:
        super().__init__(reason)
        self.failure = failure
        self.reason = reason


class Prober:
    """For several threads."""

    def __init__(self, config: TranscodeConfig, tools: Tools, stop: Stop | None = None) -> None:
        self._tools, self._stop = tools, stop
        self._clock = Limits(config.probe, term_grace=min(1.0, config.term_grace), kill_grace=config.kill_grace)
        self._cache: OrderedDict[tuple[int, int, int, int], MediaInfo | ProbeError] = OrderedDict()
        self._lock = threading.Lock()

    def probe(self, path: Path) -> MediaInfo:
        """What the file holds; ProbeError, OSError. The same file, by size and time, is asked about once."""
        status = path.stat()
        key = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        with self._lock:
            found = self._cache.get(key)
        if found is None:
            try:
                found = self._ask(path, status.st_size)
            except ProbeError as error:
                if error.failure is VideoFailure.STOPPED:
                    raise
                found = error
            with self._lock:
                self._cache[key] = found
                while len(self._cache) > CACHE_SIZE:
                    self._cache.popitem(last=False)
        if isinstance(found, ProbeError):
            raise found
        return found

    def _ask(self, path: Path, size: int) -> MediaInfo:
        if size == 0:
            raise ProbeError(VideoFailure.INPUT, "the file is empty")
        if self._tools.ffprobe:
            return self._ask_ffprobe(path)
        argv = [self._tools.ffmpeg, "-hide_banner", "-nostdin", *GUARD, "-i", url(path)]
        ended = run(argv, self._clock, stop=self._stop)
        media = read_banner(ended.stderr)
        if media is None or ended.returncode < 0:
            raise ProbeError(*_reason(ended, path))
        return media

    def _ask_ffprobe(self, path: Path) -> MediaInfo:
        argv = [self._tools.ffprobe, "-v", "error", *GUARD, "-of", "json", "-show_format", "-show_streams", url(path)]
        ended = run(argv, self._clock, stop=self._stop, keep=ANSWER_LIMIT)
        if not ended.good:
            raise ProbeError(*_reason(ended, path))
        try:
            return read_ffprobe(orjson.loads(ended.stdout.decode("utf-8", "replace")))
        except (orjson.JSONDecodeError, TypeError, ValueError, KeyError, AttributeError) as error:
            raise ProbeError(VideoFailure.INPUT, f"ffprobe's answer cannot be read: {error}") from error


def without_paths(stderr: str, *paths: Path) -> str:
    """A file's name must not be taken for ffmpeg's own words."""
    for path in paths:
        stderr = stderr.replace(url(path), "the file").replace(os.path.abspath(path), "the file")
    return stderr


def _reason(ended: Ended, path: Path) -> tuple[VideoFailure, str]:
    if ended.stderr:
        ended = Ended(ended.program, ended.ending, ended.returncode, b"", without_paths(ended.stderr, path), ended.seconds)
    failure, reason = classify(ended, hardware=False)
    return (VideoFailure.INPUT if failure is VideoFailure.UNKNOWN else failure), reason


@dataclass(frozen=True, slots=True)
class BoxLayout:
    """`brand`: four bytes of ftyp; empty in files that are older than it, which QuickTime wrote."""

    brand: bytes
    #: the index (moov) comes before the pictures (mdat)
    index_first: bool


def read_layout(path: Path) -> BoxLayout:
    """OSError; a file that is no mp4 has no brand and no index."""
    brand = b""
    with open(path, "rb") as file:
        end = os.fstat(file.fileno()).st_size
        for _ in range(BOX_LIMIT):
            start = file.tell()
            header = file.read(16)
            size, kind = int.from_bytes(header[:4]), header[4:8]
            if size == 1:
                size = int.from_bytes(header[8:16])
            if kind == b"ftyp":
                brand = header[8:12]
            elif kind in (b"moov", b"mdat"):
                return BoxLayout(brand, kind == b"moov")
            if size < 8 or start + size >= end:
                break
            file.seek(start + size)
    return BoxLayout(brand, False)
