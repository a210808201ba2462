"""What kind of failure an ffmpeg that failed had, from its last words.

Read only after a failure: a run that succeeds can print any of these lines. The exit code says nothing: 1 for nearly all
in older versions, the low byte of a negative errno in newer ones.
"""
from __future__ import annotations

import re
import signal
from enum import StrEnum

from stages.transcode.ending import Ended, Ending

#: Characters of a reason for people.
REASON_LENGTH = 300


class Failure(StrEnum):
    """The GPU's (first group), the file's, the machine's."""

    DEVICE = "device"
    ENCODER = "encoder"
    SIZE = "size"
    RUNTIME = "runtime"
    FILTER = "filter"
    HANG = "hang"
    CRASH = "crash"

    INPUT = "input"
    #: the output is not what the input promised
    DAMAGED = "damaged"

    SPACE = "space"
    MEMORY = "memory"
    PERMISSION = "permission"
    TOOL = "tool"
    STOPPED = "stopped"
    UNKNOWN = "unknown"


#: The GPU is not tried again in this run after one of these, or after several of the others in a row.
FATAL = frozenset({Failure.DEVICE, Failure.HANG, Failure.CRASH})
_SPACE = (Failure.SPACE, r"No space left on device|Disk quota exceeded|File too large")
_TOOL = (
    Failure.TOOL,
    r"error while loading shared libraries|symbol lookup error|Unknown encoder|No such filter|Unrecognized option"
    r"|Option not found",
)
_HARDWARE = (
    (Failure.SIZE, r"Hardware does not support (encoding at|image) size"),
    (
        Failure.DEVICE,
        r"Failed to initialise VAAPI connection: -?\d+|No VA display found for device|Device creation failed: -?\d+"
        r"|Cannot open a VA display|libva.* init failed|libva.*va_?[Gg]etDriverName\w*\(\) failed"
        r"|No device available for decoder: device type vaapi|Device setup failed for decoder|Invalid hwaccel device"
        r"|Failed to set value '[^']*' for option 'init_hw_device'|undefined symbol: va\w+",
    ),
    (
        Failure.ENCODER,
        r"No usable encoding (profile|entrypoint) found|Driver does not support .*RC mode"
        r"|Failed to create encode pipeline (config|configuration|context)|A hardware device reference is required"
        r"|Encoding (profile|entrypoint) not found|Surface format not supported by hardware",
    ),
    (Failure.HANG, r"GPU HANG|ring \S+ timeout"),
    (
        Failure.RUNTIME,
        r"Failed to (begin|end|render) picture\b|Failed to (upload|sync|map|derive|read|transfer|create VAImage)\b"
        r"|(Encode|Output) failed: -\d+|hardware accelerator failed to decode picture|resource allocation failed"
        r"|hwaccel initialisation returned error|Failed to get HW surface format|No support for codec \w+ profile"
        r"|No decoder surfaces left|The CS has been rejected",
    ),
    (
        Failure.FILTER,
        r"Impossible to convert between the formats supported by the filter"
        r"|Failed to create processing pipeline (config|context)|Hardware does not support scaling to size"
        r"|Query format failed for|Error reinitializing filters",
    ),
)
_INPUT = (
    Failure.INPUT,
    r"moov atom not found|Invalid data found when processing input|matches no streams|Error while opening decoder"
    r"|exceeds specified max pixel count|Format not on whitelist|Protocol '.*' not on whitelist|Picture size .* is invalid"
    r"|does not contain any stream|Decoder .* not found|Could not find codec parameters",
)
_MEMORY = (Failure.MEMORY, r"Cannot allocate memory|bad_alloc|[Oo]ut of memory")
_PERMISSION = (Failure.PERMISSION, r"Permission denied|Read-only file system|No such file or directory")
_CRASHES = {signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE}
_CONSTRAINT = re.compile(
    r"Hardware does not support encoding at size \S+ \(constraints: width (\d+)-(\d+) height (\d+)-(\d+)\)"
)


def classify(ended: Ended, hardware: bool) -> tuple[Failure, str]:
    """(kind, the line that tells, shortened) of a run that failed; `hardware`: the GPU was used.

    A broken file under hardware prints hardware lines as well, so a hardware failure is a verdict only once the same file
    went well on the CPU.
    """
    if ended.ending is Ending.STOPPED:
        return Failure.STOPPED, "the run was stopped"
    if ended.ending in (Ending.STALLED, Ending.EXPIRED, Ending.STUCK):
        return Failure.HANG, ended.describe()
    if ended.ending is Ending.MISSING:
        return Failure.TOOL, ended.describe()
    if ended.returncode == -signal.SIGXFSZ:
        return Failure.SPACE, "the output grew beyond its limit"
    if ended.returncode == -signal.SIGKILL:
        return Failure.MEMORY, f"{ended.describe()}, as the system does when memory is short"
    crashed = ended.returncode < 0 and -ended.returncode in _CRASHES
    rows = [_SPACE, *(_HARDWARE if hardware else ()), _TOOL, _INPUT, _PERMISSION, _MEMORY]
    for failure, pattern in rows:
        if line := _line(ended.stderr, pattern):
            return (Failure.CRASH, f"{ended.describe()}: {line}") if crashed else (failure, line)
    if crashed:
        return Failure.CRASH, ended.describe()
    if ended.returncode == 127:
        return Failure.TOOL, f"{ended.describe()}: {last_line(ended.stderr)}"
    return Failure.UNKNOWN, last_line(ended.stderr) or ended.describe()


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
