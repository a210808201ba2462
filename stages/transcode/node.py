"""Render nodes: which there are, and why one cannot be opened.

vainfo and ffmpeg say the same words for a missing node, a forbidden one and a stale one, so the kernel is asked instead.
"""
from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

_VENDORS = {"0x8086": "intel", "0x1002": "amd", "0x10de": "nvidia", "0x1af4": "virtio", "0x15ad": "vmware"}


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
