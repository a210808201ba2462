"""Finding the GPU: every render node is opened, then tried with the arguments that jobs use, and its output is looked at.

Nothing else decides. A list of profiles names encoders that fail, says nothing of rate control, and may come from another
libva than ffmpeg's; vainfo serves to say why a trial failed and what else the driver offers. Why a node cannot be opened is
asked of the kernel, since vainfo and ffmpeg say the same words for a missing node, a forbidden one and a stale one.
"""
from __future__ import annotations

import errno
import grp
import os
import pwd
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tgbulk.engine.arena import nameless_file
from tgbulk.stages.archive.video import VideoFailure
from tgbulk.stages.transcode.capability import GpuStatus, SizeLimit, VaapiCapabilities, read_vainfo
from tgbulk.stages.transcode.config import TranscodeConfig
from tgbulk.stages.transcode.failure import FATAL, classify, last_line, size_limit
from tgbulk.stages.transcode.ffmpeg import TRIAL_FRAMES, TRIAL_SIZE, EncodingWay, FfmpegInput, Picture, Tools, check, encode
from tgbulk.stages.transcode.process import Ended, Limits, Stop, run

#: The ladder of a node: (low power, rate control mode); the first that passes is what jobs use.
LADDER = ((False, "CQP"), (True, "CQP"), (False, ""))
#: The picture in which a trial's output is looked at.
LOOK = (32, 18)
LOOK_BYTES = LOOK[0] * LOOK[1]
#: How far its samples (of 255) may be on average from those of the picture that went in.
FARTHEST = 16
#: A frame without a brighter sample is black.
BLACK = 64
#: An encoder takes no picture so small: asking for one makes ffmpeg name the sizes it takes.
TINY = (16, 16)
#: What keeps a driver from starting when it names another GPU's.
DRIVER_VARIABLE = "LIBVA_DRIVER_NAME"
_MODES = re.compile(r"[Ss]upport(?:s|ed)? (?:RC )?modes:? ((?:[A-Z]+(?:, )?)+)")
_DRIVER = re.compile(r"VAAPI driver: (.*?)\.?$", re.M)
_TOO_LARGE = 1 << 14
#: Failures that no other rung of the ladder would mend.
_ALL_RUNGS = frozenset({*FATAL, VideoFailure.STOPPED, VideoFailure.SPACE, VideoFailure.TOOL})
_VENDORS = {"0x8086": "intel", "0x1002": "amd", "0x10de": "nvidia", "0x1af4": "virtio", "0x15ad": "vmware"}


def detect(config: TranscodeConfig, tools: Tools, stop: Stop | None = None) -> Iterator[VaapiCapabilities]:
    """One answer for each render node, in order, each made when it is asked for; one without a node where none is tried."""
    if config.force_cpu:
        yield VaapiCapabilities(GpuStatus.FORCED_CPU, "FORCE_CPU_TRANSCODE is set")
        return
    if not tools.ffmpeg:
        yield VaapiCapabilities(GpuStatus.NO_FFMPEG, tools.problem, "Install ffmpeg.")
        return
    if not tools.vaapi:
        hint = "Install a build with VA-API; the distributions' packages have it, most static ones have not."
        yield VaapiCapabilities(GpuStatus.NO_FFMPEG, f"{tools.ffmpeg} was built without h264_vaapi", hint)
        return
    paths = [config.device] if config.device else list_nodes(config.dri)
    if not paths:
        hint = "Without a GPU this is as it should be. In a container, give it the device: --device /dev/dri."
        yield VaapiCapabilities(GpuStatus.NO_DEVICE, f"there is no render node in {config.dri}", hint)
    for path in paths:
        yield _try_node(examine(path, config.sysfs), config, tools, stop)


def choose(tried: list[VaapiCapabilities]) -> VaapiCapabilities:
    """The first that works; without one, the nearest to it, with the reasons of all."""
    for one in tried:
        if one.usable:
            return one
    order = [GpuStatus.NO_ENCODER, GpuStatus.ERROR]
    best = min(tried, key=lambda one: order.index(one.status) if one.status in order else len(order))
    if len(tried) == 1:
        return best
    return replace(best, reason="; ".join(f"{one.node}: {one.reason}" for one in tried))


def search(config: TranscodeConfig, tools: Tools, stop: Stop | None = None) -> VaapiCapabilities:
    """What jobs use: the first render node that works."""
    tried = []
    for one in detect(config, tools, stop):
        tried.append(one)
        if one.usable:
            break
    return choose(tried)


def _try_node(node: Node, config: TranscodeConfig, tools: Tools, stop: Stop | None) -> VaapiCapabilities:
    start = VaapiCapabilities(GpuStatus.ERROR, node=str(node.path), vendor=node.vendor)
    if node.problem:
        return replace(start, reason=node.problem, hint=node.hint, error_class=node.error_class)
    # No path leads to the trial's output but this process's own, so that whoever is killed leaves nothing behind.
    output = nameless_file("tgbulk-trial")
    try:
        trial = _Trial(Path(f"/proc/{os.getpid()}/fd/{output}"), str(node.path), config, tools, stop)
        found = trial.climb(start)
        name = os.environ.get(DRIVER_VARIABLE)
        if name and found.error_class in (VideoFailure.DEVICE, VideoFailure.ENCODER):
            # An image that names one driver for every machine: once without.
            trial.drop = (DRIVER_VARIABLE,)
            again = trial.climb(start)
            if again.usable:
                said = f"{again.reason}, without {DRIVER_VARIABLE}={name}, with which it fails"
                return trial.describe(replace(again, reason=said, ignored=trial.drop))
            trial.drop = ()
        return trial.describe(found)
    finally:
        os.close(output)


class _Trial:
    """Trial encodes on one node."""

    def __init__(self, output: Path, node: str, config: TranscodeConfig, tools: Tools, stop: Stop | None) -> None:
        self._output, self._node, self._config, self._tools, self._stop = output, node, config, tools, stop
        self._clock = Limits(config.trial, term_grace=min(1.0, config.term_grace), kill_grace=config.kill_grace)
        self.drop: tuple[str, ...] = ()

    def climb(self, start: VaapiCapabilities) -> VaapiCapabilities:
        """The first rung that holds; without one, the reason of the first, which says most."""
        first: VaapiCapabilities | None = None
        for low_power, rate in LADDER:
            way = EncodingWay(self._node, low_power, rate, drop=self.drop)
            ended = self._encode(way, *TRIAL_SIZE)
            said = replace(start, driver=_found(_DRIVER, ended), rate_modes=tuple(_found(_MODES, ended).split(", ")[:16]))
            said = replace(said, rate_modes=tuple(mode for mode in said.rate_modes if mode))
            problem, failure = self._judge(ended)
            if not problem:
                reason = f"a trial encode passed ({rate or 'default'} rate control{', low power' if low_power else ''})"
                alone = "EncSliceLP" in ended.stderr and not low_power
                return self._measure(
                    replace(said, status=GpuStatus.AVAILABLE, reason=reason, rate=rate, low_power=low_power,
                            low_power_only=alone or low_power, encoders=("h264",))
                )  # fmt: skip
            status = GpuStatus.ERROR if failure is VideoFailure.DEVICE else GpuStatus.NO_ENCODER
            first = first or replace(said, status=status, reason=problem, error_class=str(failure))
            if failure in _ALL_RUNGS:
                break
        assert first is not None
        return first

    def _encode(self, way: EncodingWay, width: int, height: int) -> Ended:
        source, picture = FfmpegInput.trial(width, height), Picture(width, height)
        argv = encode(self._tools, source, way, picture, None, self._config.quality, 1, self._output)
        argv[argv.index("-v") + 1] = "debug"  # names the driver, its entry point and its rate control modes
        return run(argv, self._clock, stop=self._stop, drop=way.drop)

    def _judge(self, ended: Ended) -> tuple[str, VideoFailure]:
        """(what is wrong, its kind); empty when the output decodes without a complaint to the pictures that went in."""
        if not ended.good:
            failure, line = classify(ended, hardware=True)
            return f"the trial encode failed: {line}", failure
        looked = self._look(FfmpegInput.file(self._output))
        if not looked.good or looked.stderr:
            line = last_line(looked.stderr) or looked.describe()
            return f"the trial's output does not decode: {line}", VideoFailure.RUNTIME
        frames = len(looked.stdout) // LOOK_BYTES
        if len(looked.stdout) != LOOK_BYTES * TRIAL_FRAMES:
            return f"the trial's output has {frames} frames, not {TRIAL_FRAMES}", VideoFailure.RUNTIME
        wanted = self._look(FfmpegInput.trial(*TRIAL_SIZE)).stdout
        for at in range(0, len(wanted), LOOK_BYTES):
            made, meant = looked.stdout[at : at + LOOK_BYTES], wanted[at : at + LOOK_BYTES]
            if sum(abs(a - b) for a, b in zip(made, meant, strict=True)) > FARTHEST * LOOK_BYTES:
                what = "black" if max(made) < BLACK else "not the picture that went in"
                return f"the trial's output is {what}", VideoFailure.RUNTIME
        return "", VideoFailure.UNKNOWN

    def _look(self, source: FfmpegInput) -> Ended:
        """Small grey pictures of what a source shows."""
        return run(check(self._tools, source, *LOOK), self._clock, stop=self._stop, keep=LOOK_BYTES * (TRIAL_FRAMES + 1))

    def _measure(self, found: VaapiCapabilities) -> VaapiCapabilities:
        """Ask for the sizes that the encoder takes."""
        limits = size_limit(self._encode(EncodingWay.proved(replace(found, ignored=self.drop)), *TINY).stderr)
        if not limits:
            return found
        least_w, most_w, least_h, most_h = limits
        return replace(found, size=SizeLimit(least_w, min(most_w, _TOO_LARGE), least_h, min(most_h, _TOO_LARGE)))

    def describe(self, found: VaapiCapabilities) -> VaapiCapabilities:
        """Add what vainfo knows, where it is there: other codecs, the driver's name, a better reason."""
        if not self._tools.vainfo:
            return found
        argv = [self._tools.vainfo, "--display", "drm", "--device", self._node]
        ended = run(argv, self._clock, stop=self._stop, keep=1 << 20, drop=self.drop)
        read = read_vainfo(ended.stdout.decode("utf-8", "replace") + "\n" + ended.stderr, ended.returncode)
        encoders = read.encoders if found.usable else tuple(codec for codec in read.encoders if codec != "h264")
        reason = found.reason
        if not found.usable:
            reason += f"; vainfo: {read.reason}"
        return replace(
            found,
            reason=reason,
            vendor=found.vendor or read.vendor,
            driver=found.driver or read.driver,
            driver_name=read.driver_name,
            encoders=tuple(sorted({*found.encoders, *encoders})),
            decoders=read.decoders,
            low_power_only=found.low_power_only or read.low_power_only,
        )


def _found(pattern: re.Pattern[str], ended: Ended) -> str:
    found = pattern.search(ended.stderr)
    return found[1].strip() if found else ""


@dataclass(frozen=True, slots=True)
class Node:
    """`problem` and `hint` are empty for a node that opens."""

    path: Path
    #: intel, amd, nvidia, virtio, vmware, or the number; empty when the kernel does not say
    vendor: str = ""
    #: "root:render 0660"
    access: str = ""
    #: permission, no_device, stale, device_filter, or the name of the errno
    error_class: str = ""
    problem: str = ""
    hint: str = ""


def list_nodes(folder: Path) -> list[Path]:
    """/dev/dri/renderD128, renderD129 ... by number."""
    nodes = [path for path in folder.glob("renderD*") if path.name[7:].isdecimal()]
    return sorted(nodes, key=lambda path: int(path.name[7:]))


def examine(path: Path, sysfs: Path) -> Node:
    """Open the node as ffmpeg would, close it again, and explain a refusal."""
    vendor = _vendor(path, sysfs)
    try:
        status = path.stat()
        access = f"{_owner(status.st_uid)}:{_group(status.st_gid)} {stat.S_IMODE(status.st_mode):04o}"
    except OSError:
        status, access = None, ""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return Node(path, vendor, access, *_explain(path, error, status))
    return Node(path, vendor, access)


def _explain(path: Path, error: OSError, status: os.stat_result | None) -> tuple[str, str, str]:
    """(error class, problem, hint)"""
    match error.errno:
        case errno.ENOENT:
            hint = "Is there a GPU, and its driver loaded? In a container, give it the device: --device /dev/dri."
            return "no_device", "there is no such device (ENOENT)", hint
        case errno.EACCES if status is not None:
            return "permission", *_forbidden(path, status)
        case errno.EACCES:
            return "permission", "its folder is closed to this user (EACCES)", f"Check the modes of {path.parent}."
        case errno.ENXIO | errno.ENODEV:
            hint = "The node is left over from another kernel or container; remove it, or load the driver of the GPU."
            return "stale", f"there is no hardware behind it ({_name(error)})", hint
        case errno.EPERM:
            hint = "Allow the device to the container: --device, or a device plugin in Kubernetes; a hostPath is not enough."
            return "device_filter", "the device filter of the container (cgroup) forbids it (EPERM)", hint
    return _name(error), f"it cannot be opened: {error.strerror} ({_name(error)})", ""


def _forbidden(path: Path, status: os.stat_result) -> tuple[str, str]:
    group, number = _group(status.st_gid), status.st_gid
    user = _owner(os.geteuid())
    problem = f"user {user} may not open it (EACCES); group {group} ({number}) may, mode {stat.S_IMODE(status.st_mode):04o}"
    if not status.st_mode & stat.S_IRGRP or not status.st_mode & stat.S_IWGRP:
        return problem.replace("may, mode", "may not either, mode"), f"chmod g+rw {path}, then join group {group}."
    if number in os.getgroups() or number == os.getegid():
        return problem, "This process is in the group; an access list or a security module forbids it."
    if user in _members(number):
        return problem, f"{user} is in group {group} since this session began: log in again."
    if group == str(number):
        return problem, f"The group has no name here, as in containers: run with --group-add {number} (group_add)."
    return problem, f"sudo usermod -aG {group} {user}, then log in again; in a container: --group-add {number}."


def _vendor(path: Path, sysfs: Path) -> str:
    try:
        number = (sysfs / path.name / "device" / "vendor").read_text().strip()
    except OSError:
        return ""
    return _VENDORS.get(number, number)


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _members(number: int) -> list[str]:
    try:
        return grp.getgrgid(number).gr_mem
    except KeyError:
        return []


def _owner(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _name(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, str(error.errno))
