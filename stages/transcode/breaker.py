"""When to stop using the GPU: after one failure that says it is gone, or three of the others in a row."""
from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace

from stages.transcode.argument import CPU, Picture, Way
from stages.transcode.capability import SizeLimit, VaapiCapabilities
from stages.transcode.failure import FATAL, Failure
from stages.transcode.media import Video

#: Failures in a row that are no accident.
IN_A_ROW = 3


class Breaker:
    """The ways that are open in this run, for several threads. Hardware decoding and encoding are judged apart."""

    def __init__(self, found: VaapiCapabilities, hardware_decode: bool) -> None:
        self._found = found
        self._decode = hardware_decode
        self._encode = found.usable
        self._size = found.size
        self._row: Counter[bool] = Counter()
        self._lock = threading.Lock()
        self.failures: Counter[str] = Counter()
        #: why the GPU is not used; empty while it is
        self.reason = "" if found.usable else found.reason

    def ways(self, video: Video, picture: Picture) -> list[Way]:
        """What to try for a film, in order; the CPU is always last.

        The GPU decodes only what it need not turn or tone-map, which are the CPU's filters. Without vainfo nobody knows what
        it can decode, and ffmpeg does the rest on the CPU.
        """
        with self._lock:
            if not self._encode or not self._size.admits(picture.width, picture.height):
                return [CPU]
            way = Way.proved(self._found)
            plain = not video.rotation and not video.hdr and self._size.admits(video.width, video.height)
            known = not self._found.decoders or video.codec in self._found.decoders
            if self._decode and plain and known:
                return [way.with_decode(), way, CPU]
            return [way, CPU]

    def succeeded(self, way: Way) -> None:
        with self._lock:
            if way.hardware:
                self._row[way.decode] = 0

    def failed(self, way: Way, failure: Failure, reason: str) -> str:
        """Count a failure of a film that another way made good; a line for people when it ends the use of the GPU."""
        with self._lock:
            self.failures[failure] += 1
            if failure is Failure.SIZE:
                return ""
            self._row[way.decode] += 1
            if failure not in FATAL and self._row[way.decode] < IN_A_ROW:
                return ""
            if way.decode:
                if self._decode:
                    self._decode = False
                    return f"the GPU does not decode any more in this run: {reason}"
            elif self._encode:
                self._encode = False
                self.reason = reason
                return f"films are encoded on the CPU from now on: {reason}"
            return ""

    def learn(self, limits: tuple[int, int, int, int]) -> None:
        """The driver named the sizes that it takes: (least width, largest width, least height, largest height)."""
        with self._lock:
            self._size = replace(SizeLimit(), **dict(zip(SizeLimit.__slots__, limits, strict=True)))
