"""Why an ffmpeg failed, from its last words; and when to stop using the GPU for it.

The words are read only after a failure: a run that succeeds can print any of these lines. The exit status says nothing: 1
for nearly all in older versions, the low byte of a negative errno in newer ones.
"""
from __future__ import annotations

import re
import signal
import threading
from collections import Counter
from dataclasses import replace

from tgbulk.stages.archive.video import VideoFailure
from tgbulk.stages.transcode.capability import SizeLimit, VaapiCapabilities
from tgbulk.stages.transcode.ffmpeg import CPU, EncodingWay, Picture
from tgbulk.stages.transcode.media import Video
from tgbulk.stages.transcode.process import Ended, Ending

#: Characters of a reason for people.
REASON_LENGTH = 300
#: Failures in a row that are no accident.
IN_A_ROW = 3
#: The GPU is not tried again in this run after one of these, or after several of the others in a row.
FATAL = frozenset({VideoFailure.DEVICE, VideoFailure.HANG, VideoFailure.CRASH})
_SPACE = (VideoFailure.SPACE, r"No space left on device|Disk quota exceeded|File too large")
_TOOL = (
    VideoFailure.TOOL,
    r"error while loading shared libraries|symbol lookup error|Unknown encoder|No such filter|Unrecognized option"
    r"|Option not found",
)
_HARDWARE = (
    (VideoFailure.SIZE, r"Hardware does not support (encoding at|image) size"),
    (
        VideoFailure.DEVICE,
        r"Failed to initialise VAAPI connection: -?\d+|No VA display found for device|Device creation failed: -?\d+"
        r"|Cannot open a VA display|libva.* init failed|libva.*va_?[Gg]etDriverName\w*\(\) failed"
        r"|No device available for decoder: device type vaapi|Device setup failed for decoder|Invalid hwaccel device"
        r"|Failed to set value '[^']*' for option 'init_hw_device'|undefined symbol: va\w+",
    ),
    (
        VideoFailure.ENCODER,
        r"No usable encoding (profile|entrypoint) found|Driver does not support .*RC mode"
        r"|Failed to create encode pipeline (config|configuration|context)|A hardware device reference is required"
        r"|Encoding (profile|entrypoint) not found|Surface format not supported by hardware",
    ),
    (VideoFailure.HANG, r"GPU HANG|ring \S+ timeout"),
    (
        VideoFailure.RUNTIME,
        r"Failed to (begin|end|render) picture\b|Failed to (upload|sync|map|derive|read|transfer|create VAImage)\b"
        r"|(Encode|Output) failed: -\d+|hardware accelerator failed to decode picture|resource allocation failed"
        r"|hwaccel initialisation returned error|Failed to get HW surface format|No support for codec \w+ profile"
        r"|No decoder surfaces left|The CS has been rejected",
    ),
    (
        VideoFailure.FILTER,
        r"Impossible to convert between the formats supported by the filter"
        r"|Failed to create processing pipeline (config|context)|Hardware does not support scaling to size"
        r"|Query format failed for|Error reinitializing filters",
    ),
)
_INPUT = (
    VideoFailure.INPUT,
    r"moov atom not found|Invalid data found when processing input|matches no streams|Error while opening decoder"
    r"|exceeds specified max pixel count|Format not on whitelist|Protocol '.*' not on whitelist|Picture size .* is invalid"
    r"|does not contain any stream|Decoder .* not found|Could not find codec parameters",
)
_MEMORY = (VideoFailure.MEMORY, r"Cannot allocate memory|bad_alloc|[Oo]ut of memory")
_PERMISSION = (VideoFailure.PERMISSION, r"Permission denied|Read-only file system|No such file or directory")
_CRASHES = {signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE}
_CONSTRAINT = re.compile(
    r"Hardware does not support encoding at size \S+ \(constraints: width (\d+)-(\d+) height (\d+)-(\d+)\)"
)


def classify(ended: Ended, hardware: bool) -> tuple[VideoFailure, str]:
    """(kind, the line that says so, shortened) of a run that failed; `hardware`: the GPU was used.

    A broken file under hardware prints hardware lines as well, so a hardware failure is a verdict only once the same file
    went well on the CPU.
    """
    if ended.ending is Ending.STOPPED:
        return VideoFailure.STOPPED, "the run was stopped"
    if ended.ending in (Ending.STALLED, Ending.EXPIRED, Ending.STUCK):
        return VideoFailure.HANG, ended.describe()
    if ended.ending is Ending.MISSING:
        return VideoFailure.TOOL, ended.describe()
    if ended.returncode == -signal.SIGXFSZ:
        return VideoFailure.SPACE, "the output grew beyond its limit"
    if ended.returncode == -signal.SIGKILL:
        return VideoFailure.MEMORY, f"{ended.describe()}, as the system does when memory is short"
    crashed = ended.returncode < 0 and -ended.returncode in _CRASHES
    rows = [_SPACE, *(_HARDWARE if hardware else ()), _TOOL, _INPUT, _PERMISSION, _MEMORY]
    for failure, pattern in rows:
        if line := _line(ended.stderr, pattern):
            return (VideoFailure.CRASH, f"{ended.describe()}: {line}") if crashed else (failure, line)
    if crashed:
        return VideoFailure.CRASH, ended.describe()
    if ended.returncode == 127:
        return VideoFailure.TOOL, f"{ended.describe()}: {last_line(ended.stderr)}"
    return VideoFailure.UNKNOWN, last_line(ended.stderr) or ended.describe()


def size_limit(stderr: str) -> tuple[int, int, int, int] | None:
    """(least width, largest width, least height, largest height) that the driver takes, where ffmpeg says it."""
    found = _CONSTRAINT.search(stderr)
    if not found:
        return None
    width, max_width, height, max_height = (int(number) for number in found.groups())
    return width, max_width, height, max_height


def last_line(stderr: str) -> str:
    """The last line that says something."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    return _short(lines[-1]) if lines else ""


def _line(stderr: str, pattern: str) -> str:
    found = re.search(f"^.*?(?:{pattern}).*$", stderr, re.M)
    return _short(found[0].strip()) if found else ""


def _short(line: str) -> str:
    line = re.sub(r"^(?:\[[^\]\n]* @ 0x[0-9a-f]+\] ?)+", "", line)
    line = "".join(c if c.isprintable() else "\ufffd" for c in line)
    return line if len(line) <= REASON_LENGTH else line[: REASON_LENGTH - 1] + "\u2026"


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

    def ways(self, video: Video, picture: Picture) -> list[EncodingWay]:
        """What to try for a video, in order; the CPU is always last.

        The GPU decodes only what it need not turn or tone-map, which are the CPU's filters. Without vainfo nobody knows what
        it can decode, and ffmpeg does the rest on the CPU.
        """
        with self._lock:
            if not self._encode or not self._size.admits(picture.width, picture.height):
                return [CPU]
            way = EncodingWay.proved(self._found)
            plain = not video.rotation and not video.hdr and self._size.admits(video.width, video.height)
            known = not self._found.decoders or video.codec in self._found.decoders
            if self._decode and plain and known:
                return [way.with_decode(), way, CPU]
            return [way, CPU]

    def succeeded(self, way: EncodingWay) -> None:
        with self._lock:
            if way.hardware:
                self._row[way.decode] = 0

    def failed(self, way: EncodingWay, failure: VideoFailure, reason: str) -> str:
        """Count a failure of a video that another way made good; a line for people when it ends the use of the GPU."""
        with self._lock:
            self.failures[failure] += 1
            if failure is VideoFailure.SIZE:
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
                return f"videos are encoded on the CPU from now on: {reason}"
            return ""

    def learn(self, limits: tuple[int, int, int, int]) -> None:
        """The driver named the sizes that it takes: (least width, largest width, least height, largest height)."""
        with self._lock:
            self._size = replace(SizeLimit(), **dict(zip(SizeLimit.__slots__, limits, strict=True)))
