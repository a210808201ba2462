"""A system that gives little: descriptors, memory, shared memory, system calls."""
from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import without_memfd
from rig import CHATS, Rig, differences

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
