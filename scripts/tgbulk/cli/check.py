"""What `tgbulk doctor` finds: of the account, of the machine, of its videos; one check each."""
from __future__ import annotations

import asyncio
import importlib
import importlib.metadata
import os
import platform
import resource
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import psutil

from tgbulk.cli.setting import VARIABLES, MissingApiError, Setting
from tgbulk.engine.arena import anonymous_file
from tgbulk.engine.error import ExitCode, TgbulkError
from tgbulk.engine.ring import BLOCK_SIZE, FRAME_SIZE, SLOTS
from tgbulk.stages.fetch.access import Access
from tgbulk.stages.fetch.session import Session
from tgbulk.stages.transcode.capability import GpuStatus, VaapiCapabilities
from tgbulk.stages.transcode.config import TranscodeConfig
from tgbulk.stages.transcode.detection import choose, detect
from tgbulk.stages.transcode.ffmpeg import Tools, find_tools
from tgbulk.stages.transcode.main import describe

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
#: Seconds by which the clock may differ from the server's: it ignores what is 30 s early, and 300 s late.
SKEW = 25
_ENCODERS = ("libx264", "h264_vaapi", "aac")
_LOOKED_FOR = {GpuStatus.FORCED_CPU, GpuStatus.NO_DEVICE, GpuStatus.NO_FFMPEG}


class CheckState(StrEnum):
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
    state: CheckState
    text: str
    hint: str = ""
    code: ExitCode = ExitCode.COMPLETE
    facts: dict[str, Any] = field(default_factory=dict)


def check_account(setting: Setting, account: str, online: bool) -> Iterator[Check]:
    """The API id, the session, and on request the server's own word; offline nothing tells whether the login still holds."""
    missing = [name for name in ("api_id", "api_hash") if getattr(setting, name) is None]
    if missing:
        text = f"{' and '.join(VARIABLES[name] for name in missing)} not set"
        yield Check("API id", CheckState.BAD, text, MissingApiError.advice, ExitCode.USAGE)
    else:
        yield Check("API id", CheckState.OK, "set", facts={"server": str(setting.server or "Telegram")})
    session = _session(setting, account)
    yield session
    if online and not missing and session.code is not ExitCode.LOCKED:
        yield _server(setting.access_of(account), session.state is not CheckState.BAD)


def _session(setting: Setting, account: str) -> Check:
    name = f"account {account}"
    try:
        session = Session.of(setting.home, setting.server, account)
        if not session.exists():
            facts = {"path": str(session.path), "present": False}
            text = f"there is no session in {session.folder}"
            return Check(name, CheckState.BAD, text, "tgbulk login", ExitCode.AUTH, facts)
        holder = session.lock.holder()
        user_id, shown = session.user()
    except TgbulkError as error:
        return Check(name, CheckState.BAD, str(error), error.hint, error.exit_code)
    facts = {"path": str(session.path), "present": True, "user_id": user_id, "name": shown, "holder": holder}
    if holder:
        hint = "Wait for it to finish, or stop it."
        return Check(name, CheckState.BAD, f"in use by {holder}", hint, ExitCode.LOCKED, facts)
    who = f"{shown} ({user_id})" if user_id else "a login that no server has confirmed"
    return Check(name, CheckState.OK, f"{who}, {session.path}, closed to others", facts=facts)


def _server(access: Access, logged_in: bool) -> Check:
    through = {"proxy": None if access.proxy is None else str(access.proxy), "ip": access.family}
    try:
        skew, seconds = asyncio.run(_ask(access, logged_in))
    except TgbulkError as error:
        return Check("server", CheckState.BAD, str(error), error.hint, error.exit_code, through)
    facts = {"skew": round(skew, 1), "seconds": round(seconds, 3), **through}
    text = f"{access.route} answers in {seconds * 1000:.0f} ms"
    text += " and knows the login" if logged_in else ""
    if abs(skew) > SKEW:
        text += f"; this machine's clock is {abs(skew):.0f} s {'slow' if skew > 0 else 'fast'}"
        return Check("server", CheckState.NOTE, text, "Set the clock, or let NTP do so.", facts=facts)
    return Check("server", CheckState.OK, f"{text}; the clocks agree within {max(1, round(abs(skew)))} s", facts=facts)


async def _ask(access: Access, logged_in: bool) -> tuple[float, float]:
    """(server's clock minus ours, seconds of one request); as nobody where there is no login."""
    from telethon.tl.functions.help import GetConfigRequest

    from tgbulk.stages.fetch.account import open_account
    from tgbulk.stages.fetch.client import connect

    with tempfile.TemporaryDirectory() as folder:
        opening = open_account(access) if logged_in else connect(access, Path(folder, "nobody.session"))
        return await _measure(opening, GetConfigRequest())


async def _measure(opening: AbstractAsyncContextManager[Any], request: Any) -> tuple[float, float]:
    async with opening as client:
        began = time.monotonic()
        config = await client(request)
        seconds = time.monotonic() - began
    return config.date.timestamp() - time.time(), seconds


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
    return Check("versions", CheckState.OK, text, facts=facts)


def _cryptg() -> Check:
    """Telethon falls back to Python without a word."""
    try:
        cryptg = importlib.import_module("cryptg")
        key, iv = bytes(range(32)), bytes(range(32, 64))
        right = cryptg.decrypt_ige(cryptg.encrypt_ige(b"16 bytes of text", key, iv), key, iv) == b"16 bytes of text"
    except (ImportError, AttributeError, OSError) as error:
        hint = "pip install cryptg"
        return Check("cryptg", CheckState.NOTE, f"encryption is slow: {error}", hint, facts={"present": False})
    if not right:
        text = "it does not decrypt what it encrypted"
        return Check("cryptg", CheckState.BAD, text, "Reinstall cryptg.", ExitCode.INTERNAL)
    version = importlib.metadata.version("cryptg")
    return Check("cryptg", CheckState.OK, version, facts={"present": True, "version": version})


def _cores() -> Check:
    usable, all_of_them = len(os.sched_getaffinity(0)), os.cpu_count() or 1
    facts: dict[str, Any] = {"cores": all_of_them, "usable": usable, "quota": _quota()}
    text = f"{usable} of {all_of_them}"
    if facts["quota"] is not None:
        text += f", of which the container gives {facts['quota']:g}"
    return Check("cores", CheckState.OK, text, facts=facts)


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
        return Check("memory", CheckState.NOTE, text, "An export needs up to 300 MiB.", facts=facts)
    return Check("memory", CheckState.OK, text, facts=facts)


def _arenas() -> Check:
    """The very allocation that an export begins with."""
    size = SLOTS * (FRAME_SIZE + BLOCK_SIZE)
    facts: dict[str, Any] = {"bytes": size, "memfd": _has_memfd()}
    if SHARED_MEMORY.is_dir():
        facts["dev_shm"] = shutil.disk_usage(SHARED_MEMORY).total
    try:
        os.close(anonymous_file("tgbulk-doctor", size))
    except OSError as error:
        return Check("shared memory", CheckState.BAD, f"{size >> 20} MiB cannot be had: {error.strerror}",
                     "Allow the container or user more memory.", ExitCode.LIMIT, facts)  # fmt: skip
    if not facts["memfd"]:
        return Check("shared memory", CheckState.NOTE, "in an unlinked temporary file, since memfd is forbidden here",
                     "Allow memfd_create in the container's seccomp profile.", facts=facts)  # fmt: skip
    text = f"memfd gives {size >> 20} MiB; the size of /dev/shm does not matter"
    return Check("shared memory", CheckState.OK, text, facts=facts)


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
        return Check("open files", CheckState.OK, "any number is allowed", facts=facts)
    if soft < DESCRIPTORS:
        hint = f"ulimit -n {DESCRIPTORS} (at most {hard})"
        return Check("open files", CheckState.NOTE, f"only {soft} are allowed", hint, facts=facts)
    return Check("open files", CheckState.OK, f"{soft} are allowed", facts=facts)


def _space(output: Path) -> Check:
    folder = output.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    facts: dict[str, Any] = {"folder": str(folder)}
    try:
        facts["free"] = free = shutil.disk_usage(folder).free
    except OSError as error:
        return Check("disk", CheckState.BAD, f"{folder}: {error.strerror}", "", ExitCode.STORAGE, facts)
    if not folder.is_dir():
        return Check("disk", CheckState.BAD, f"{folder} is no folder", "", ExitCode.STORAGE, facts)
    if not os.access(folder, os.W_OK | os.X_OK):
        return Check("disk", CheckState.BAD, f"{folder} cannot be written to", "", ExitCode.STORAGE, facts)
    text = f"{free / GIB:.1f} GiB are free in {folder}"
    if free < NO_SPACE:
        return Check("disk", CheckState.BAD, f"{folder} is full", "Make room, or name another folder with --output.",
                     ExitCode.STORAGE, facts)  # fmt: skip
    return Check("disk", CheckState.NOTE if free < SPACE else CheckState.OK, text, facts=facts)


def _clock() -> Check:
    """Telegram refuses messages from the wrong time; whether this one is right only a server can tell (--online)."""
    real, steady = time.time(), time.monotonic()
    time.sleep(CLOCK_SECONDS)
    parted = abs((time.time() - real) - (time.monotonic() - steady))
    facts = {"realtime": round(real, 3), "parting": round(parted, 3)}
    shown = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(real))
    if real < NEVER_SET:
        return Check("clock", CheckState.NOTE, f"it shows {shown}, which is past", "Set it, or let NTP do so.", facts=facts)
    if parted > CLOCK_PARTING:
        return Check("clock", CheckState.NOTE, f"it jumped by {parted:.1f} s just now", "See what sets it.", facts=facts)
    return Check("clock", CheckState.OK, f"{shown}, steady", facts=facts)


def check_videos(config: TranscodeConfig) -> Iterator[Check]:
    """ffmpeg and each render node. None of this keeps an export from running: videos stay as they are."""
    tools = find_tools(config)
    yield _ffmpeg(tools)
    yield _ffprobe(tools)
    tried = list(detect(config, tools))
    for one in tried:
        yield _node(one)
    chosen = choose(tried)
    facts = {"encoder": "h264_vaapi" if chosen.usable else "libx264" if "libx264" in tools.encoders else None}
    line = describe(chosen, tools)
    yield Check("videos", CheckState.OK if facts["encoder"] else CheckState.NOTE, line.removeprefix("videos "), facts=facts)


def _ffmpeg(tools: Tools) -> Check:
    if not tools.ffmpeg:
        return Check("ffmpeg", CheckState.NOTE, tools.problem, "Install ffmpeg.", facts={"path": None})
    encoders = [name for name in _ENCODERS if name in tools.encoders]
    missing = [name for name in _ENCODERS if name not in tools.encoders]
    facts = {"path": tools.ffmpeg, "version": tools.version, "encoders": encoders, "tone_maps": tools.tone_maps}
    text = f"{tools.version} ({tools.ffmpeg}) with {', '.join(encoders) or 'no encoder of use'}"
    if missing:
        text += f", without {', '.join(missing)}"
    if not tools.tone_maps:
        text += ", without zscale, so that HDR videos stay as they are"
    right = {"libx264", "aac"} <= set(encoders) and tools.tone_maps
    hint = "" if right else "Install a build with libx264 and zscale; the distributions' packages have both as a rule."
    return Check("ffmpeg", CheckState.OK if right else CheckState.NOTE, text, hint, facts=facts)


def _ffprobe(tools: Tools) -> Check:
    facts = {"path": tools.ffprobe or None, "version": tools.probe_version or None}
    if tools.ffprobe:
        return Check("ffprobe", CheckState.OK, f"{tools.probe_version} ({tools.ffprobe})", facts=facts)
    text = "it is missing; ffmpeg's own words serve instead, which leave out levels and streams' durations"
    return Check("ffprobe", CheckState.NOTE, text, "Install ffprobe; it comes with ffmpeg's package.", facts=facts)


def _node(found: VaapiCapabilities) -> Check:
    facts = asdict(found) | {"status": str(found.status), "error_class": str(found.error_class)}
    if found.status in _LOOKED_FOR:
        # No GPU is what most servers have; one that is forbidden or not built in may be a mistake.
        state = CheckState.NOTE if found.status is GpuStatus.NO_FFMPEG else CheckState.OK
        return Check("GPU", state, f"none is used: {found.reason}", found.hint, facts=facts)
    words = [found.driver or found.driver_name or found.vendor, found.reason]
    if found.usable:
        size = found.size
        words.append(f"{size.min_width}x{size.min_height} to {size.max_width}x{size.max_height}")
        words += [f"rate control {', '.join(found.rate_modes)}"] if found.rate_modes else []
        words += ["low power only"] if found.low_power_only else []
    text = "; ".join(word for word in words if word)
    return Check(f"GPU {found.node}", CheckState.OK if found.usable else CheckState.NOTE, text, found.hint, facts=facts)
