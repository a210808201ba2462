"""A system that gives little: descriptors, memory, shared memory, system calls."""
from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import without_memfd
from support.rig import CHATS, PATIENCE, Rig, differences

MIDDLE, SMALL = -1003000000002, -1003000000003
FEW = CHATS[1:]


@pytest.mark.parametrize("number", [9, 14, 18, 22, 26, 30])
def test_few_descriptors(rig: Rig, archive: Path, reference: dict[str, Any], number: int) -> None:
    """Too few are named as what they are, and nothing is broken by them."""
    done = rig.export(archive, chats=FEW, before=("prlimit", f"--nofile={number}"))
    assert done.returncode in (0, 13), (done.returncode, done.stderr)
    if done.returncode:
        assert "too many open files" in done.stderr
        assert "ulimit -n" in done.stderr
        assert rig.export(archive, chats=FEW).returncode == 0
    assert differences(archive, reference, MIDDLE, SMALL) == []


@pytest.mark.parametrize("megabytes", [60, 80, 100, 120, 150])
def test_little_memory(rig: Rig, archive: Path, reference: dict[str, Any], megabytes: int) -> None:
    done = rig.export(archive, chats=FEW, before=("prlimit", f"--as={megabytes << 20}"))
    assert done.returncode in (0, 13), (done.returncode, done.stderr)
    if done.returncode:
        assert "memory" in done.stderr
        assert rig.export(archive, chats=FEW).returncode == 0
    assert differences(archive, reference, MIDDLE, SMALL) == []


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group of our own, whose memory can be limited."""
    root = Path("/sys/fs/cgroup")
    where = root / "memory" if (root / "memory").is_dir() else root
    made = where / f"tgbulk-{os.getpid()}"
    try:
        made.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    try:
        yield made
    finally:
        made.rmdir()


@pytest.mark.parametrize("megabytes", [30, 60, 120])
def test_memory_of_a_control_group(
    rig: Rig, archive: Path, reference: dict[str, Any], group: Path, megabytes: int
) -> None:
    """As of a container: the kernel kills whom it chooses. What was committed stays, and the next run goes on."""
    names = ("memory.limit_in_bytes", "memory.max")
    limit = next((group / name for name in names if (group / name).exists()), None)
    if limit is None:
        pytest.skip("the memory of control groups cannot be limited here")
    limit.write_text(str(megabytes << 20))
    enter = f'echo $$ > {group}/cgroup.procs && exec "$@"'
    done = rig.export(archive, chats=FEW, before=("sh", "-c", enter, "sh"))
    assert done.returncode in (0, 1, 13, -signal.SIGKILL), (done.returncode, done.stderr)
    assert "Traceback" not in done.stderr
    until = time.monotonic() + PATIENCE
    while (group / "cgroup.procs").read_text() and time.monotonic() < until:
        time.sleep(0.05)
    if done.returncode:
        assert rig.export(archive, chats=FEW).returncode == 0
    assert differences(archive, reference, MIDDLE, SMALL) == []


def test_shared_memory_of_one_megabyte(rig: Rig, archive: Path, reference: dict[str, Any]) -> None:
    """As in a container: nothing of ours lies in /dev/shm."""
    mount = "mount -t tmpfs -o size=1m none /dev/shm"
    if subprocess.run(["unshare", "-rm", "sh", "-c", mount], capture_output=True).returncode:
        pytest.skip("unshare or mount is not allowed here")
    done = rig.export(archive, chats=FEW, before=("unshare", "-rm", "sh", "-c", f'{mount} && exec "$@"', "sh"))
    assert done.returncode == 0, done.stderr
    assert differences(archive, reference, MIDDLE, SMALL) == []


def test_a_kernel_without_memfd(rig: Rig, archive: Path, reference: dict[str, Any]) -> None:
    if platform.machine() not in without_memfd.NUMBERS:
        pytest.skip("the number of memfd_create is not known here")
    done = rig.export(archive, chats=FEW, before=(sys.executable, without_memfd.__file__))
    assert done.returncode == 0, done.stderr
    assert differences(archive, reference, MIDDLE, SMALL) == []
