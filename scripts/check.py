"""What `tgbulk doctor` finds: one check each, and those of the machine itself."""
from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import resource
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import psutil

from engine.arena import anonymous_file
from engine.error import ExitCode
from engine.ring import BLOCK_SIZE, FRAME_SIZE, SLOTS

#: Descriptors that an export with media needs at most, with room to spare.
DESCRIPTORS = 256
#: Bytes: all processes of an export, and space that is gone before one notices.
MEMORY = 300 << 20
SPACE, NO_SPACE = 1 << 30, 1 << 20
#: A clock that shows less was never set: tgbulk is younger (2025-01-01).
NEVER_SET = 1735689600
#: Seconds for which two clocks are compared, and by which they may part.
CLOCK_SECONDS, CLOCK_PARTING = 0.05, 0.5
SHARED_MEMORY = Path("/dev/shm")
CGROUP = Path("/sys/fs/cgroup")
GIB = 1 << 30


class State(StrEnum):
    """What a finding means for an export."""

    OK = "ok"
    #: it runs, and something is missing or slower than it could be
    NOTE = "note"
    #: it cannot run
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Check:
    """`code`: what an export would end with, for a bad one. `facts`: for programs."""

    name: str
    state: State
    text: str
    hint: str = ""
    code: ExitCode = ExitCode.COMPLETE
    facts: dict[str, Any] = field(default_factory=dict)


def check_machine(output: Path) -> Iterator[Check]:
    """Everything that no setting changes. output: where an archive would be made."""
    yield _versions()
    yield _cryptg()
    yield _cores()
    yield _memory()
    yield _arenas()
    yield _descriptors()
    yield _space(output)
    yield _clock()


def _versions() -> Check:
    facts = {"python": platform.python_version(), "system": f"{platform.system()} {platform.release()}"}
    for package in ("tgbulk", "telethon"):
        facts[package] = importlib.metadata.version(package)
    text = ", ".join(f"{name} {version}" for name, version in sorted(facts.items(), reverse=True))
    return Check("versions", State.OK, text, facts=facts)


def _cryptg() -> Check:
    """Telethon falls back to Python without a word."""
    try:
        cryptg = importlib.import_module("cryptg")
        key, iv = bytes(range(32)), bytes(range(32, 64))
        right = cryptg.decrypt_ige(cryptg.encrypt_ige(b"16 bytes of text", key, iv), key, iv) == b"16 bytes of text"
    except (ImportError, AttributeError, OSError) as error:
        hint = "pip install cryptg"
        return Check("cryptg", State.NOTE, f"encryption is slow: {error}", hint, facts={"present": False})
    if not right:
        return Check("cryptg", State.BAD, "it does not decrypt what it encrypted", "Reinstall cryptg.", ExitCode.INTERNAL)
    version = importlib.metadata.version("cryptg")
    return Check("cryptg", State.OK, version, facts={"present": True, "version": version})


def _cores() -> Check:
    usable, all_of_them = len(os.sched_getaffinity(0)), os.cpu_count() or 1
    facts: dict[str, Any] = {"cores": all_of_them, "usable": usable, "quota": _quota()}
    text = f"{usable} of {all_of_them}"
    if facts["quota"] is not None:
        text += f", of which the container gives {facts['quota']:g}"
    return Check("cores", State.OK, text, facts=facts)


def _quota() -> float | None:
    """Cores that a control group of version 2 grants."""
    try:
        granted, period = (CGROUP / "cpu.max").read_text().split()
        return None if granted == "max" else int(granted) / int(period)
    except (OSError, ValueError):
        return None


def _memory() -> Check:
    memory = psutil.virtual_memory()
    facts = {"total": memory.total, "available": memory.available}
    text = f"{memory.available / GIB:.1f} GiB of {memory.total / GIB:.1f} GiB are free"
    if memory.available < MEMORY:
        return Check("memory", State.NOTE, text, "An export needs up to 300 MiB.", facts=facts)
    return Check("memory", State.OK, text, facts=facts)


def _arenas() -> Check:
    """The very allocation that an export begins with."""
    size = SLOTS * (FRAME_SIZE + BLOCK_SIZE)
    facts: dict[str, Any] = {"bytes": size, "memfd": _has_memfd()}
    if SHARED_MEMORY.is_dir():
        facts["dev_shm"] = shutil.disk_usage(SHARED_MEMORY).total
    try:
        os.close(anonymous_file("tgbulk-doctor", size))
    except OSError as error:
        return Check("shared memory", State.BAD, f"{size >> 20} MiB cannot be had: {error.strerror}",
                     "Allow the container or user more memory.", ExitCode.LIMIT, facts)  # fmt: skip
    if not facts["memfd"]:
        return Check("shared memory", State.NOTE, "in an unlinked temporary file, since memfd is forbidden here",
                     "Allow memfd_create in the container's seccomp profile.", facts=facts)  # fmt: skip
    text = f"memfd gives {size >> 20} MiB; the size of /dev/shm does not matter"
    return Check("shared memory", State.OK, text, facts=facts)


def _has_memfd() -> bool:
    try:
        os.close(os.memfd_create("tgbulk-doctor", os.MFD_CLOEXEC))
    except OSError:
        return False
    return True


def _descriptors() -> Check:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    facts = {"soft": soft, "hard": hard}
    if soft == resource.RLIM_INFINITY:
        return Check("open files", State.OK, "any number is allowed", facts=facts)
    if soft < DESCRIPTORS:
        hint = f"ulimit -n {DESCRIPTORS} (at most {hard})"
        return Check("open files", State.NOTE, f"only {soft} are allowed", hint, facts=facts)
    return Check("open files", State.OK, f"{soft} are allowed", facts=facts)


def _space(output: Path) -> Check:
    folder = output.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    facts: dict[str, Any] = {"folder": str(folder)}
    try:
        facts["free"] = free = shutil.disk_usage(folder).free
    except OSError as error:
        return Check("disk", State.BAD, f"{folder}: {error.strerror}", "", ExitCode.STORAGE, facts)
    if not folder.is_dir():
        return Check("disk", State.BAD, f"{folder} is no folder", "", ExitCode.STORAGE, facts)
    if not os.access(folder, os.W_OK | os.X_OK):
        return Check("disk", State.BAD, f"{folder} cannot be written to", "", ExitCode.STORAGE, facts)
    text = f"{free / GIB:.1f} GiB are free in {folder}"
    if free < NO_SPACE:
        return Check("disk", State.BAD, f"{folder} is full", "Make room, or name another folder with --output.",
                     ExitCode.STORAGE, facts)  # fmt: skip
    return Check("disk", State.NOTE if free < SPACE else State.OK, text, facts=facts)


def _clock() -> Check:
    """Telegram refuses messages from the wrong time; whether this one is right only a server can tell (--online)."""
    real, steady = time.time(), time.monotonic()
    time.sleep(CLOCK_SECONDS)
    parted = abs((time.time() - real) - (time.monotonic() - steady))
    facts = {"realtime": round(real, 3), "parting": round(parted, 3)}
    shown = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(real))
    if real < NEVER_SET:
        return Check("clock", State.NOTE, f"it shows {shown}, which is past", "Set it, or let NTP do so.", facts=facts)
    if parted > CLOCK_PARTING:
        return Check("clock", State.NOTE, f"it jumped by {parted:.1f} s just now", "See what sets it.", facts=facts)
    return Check("clock", State.OK, f"{shown}, steady", facts=facts)
