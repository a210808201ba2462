from __future__ import annotations

import errno
import mmap
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.open_files import open_files
from support.small_disk import run_on_small_disk
from tgbulk.engine.arena import Arena, anonymous_file, open_overflow, overflow

NO_ROOM = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
from tgbulk.engine.arena import Arena, overflow
Arena.create("tgbulk-fits", 4, 1 << 18).close()
for make in (lambda: Arena.create("tgbulk-large", 5, 1 << 18), lambda: overflow(bytes((1 << 20) + 1))):
    try:
        make()
    except OSError as error:
        print(error.errno)
"""
FULL_DISK = """
import errno, os, sys, tempfile
from tgbulk.engine.arena import Arena
def refused(*_):
    raise OSError(errno.ENOSYS, "no memfd here")
os.memfd_create = refused
tempfile.tempdir = sys.argv[1]
Arena.create("tgbulk-fits", 2, 1 << 18).close()
try:
    Arena.create("tgbulk-large", 8, 1 << 18)
except OSError as error:
    print(error.errno, os.listdir(sys.argv[1]))
"""


@pytest.fixture(autouse=True)
def _leaks_nothing() -> Iterator[None]:
    before = open_files()
    yield
    assert open_files() == before


@pytest.fixture
def no_memfd(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel without memfd_create: a mock, since no kernel that runs these tests lacks it."""

    def refused(*_: object) -> int:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(os, "memfd_create", refused)


@pytest.fixture
def arena() -> Iterator[Arena]:
    made = Arena.create("tgbulk-test", 3, 100)
    yield made
    made.close()


def test_slots_are_apart(arena: Arena) -> None:
    for slot in range(3):
        arena.write(slot, bytes([slot + 1]) * 100)
    arena.write(1, b"middle", 94)
    assert [arena.read(slot, 100) for slot in range(3)] == [b"\1" * 100, b"\2" * 94 + b"middle", b"\3" * 100]
    arena.write(2, memoryview(b"view"), 10)
    assert arena.read(2, 6, 9) == b"\3view\3"
    assert arena.read(0, 0) == b""


@pytest.mark.parametrize(("slot", "length", "offset"), [(0, 101, 0), (0, 1, 100), (3, 1, 0), (-1, 1, 0), (1, 5, -5)])
def test_nothing_outside_a_slot(arena: Arena, slot: int, length: int, offset: int) -> None:
    with pytest.raises(ValueError, match="not within slot"):
        arena.write(slot, bytes(length), offset)
    with pytest.raises(ValueError, match="not within slot"):
        arena.read(slot, length, offset)


def test_another_process_sees_it_and_the_name_leads_nowhere(arena: Arena) -> None:
    arena.write(2, b"for the child")
    code = "import sys; from engine.arena import Arena; a = Arena(int(sys.argv[1]), 3, 100); a.write(0, a.read(2, 13))"
    subprocess.run([sys.executable, "-c", code, str(arena.fileno())], pass_fds=[arena.fileno()], check=True)
    assert arena.read(0, 13) == b"for the child"
    assert os.readlink(f"/proc/self/fd/{arena.fileno()}") == "/memfd:tgbulk-test (deleted)"
    assert not [name for name in os.listdir("/dev/shm") if "tgbulk" in name]


def test_its_size_is_sealed(arena: Arena) -> None:
    for size in (0, 299, 301, 100_000):
        with pytest.raises(PermissionError):
            os.ftruncate(arena.fileno(), size)
    assert not os.get_inheritable(arena.fileno())


@pytest.mark.parametrize("size", [0, 1, mmap.PAGESIZE, 3_000_001])
def test_a_overflow_comes_back(size: int) -> None:
    data = os.urandom(size)
    descriptor = overflow(data)
    assert open_overflow(descriptor, size) == data
    with pytest.raises(ValueError, match="has only"):
        open_overflow(descriptor, size + 2)
    os.close(descriptor)


def test_no_room_is_an_error_not_a_signal() -> None:
    done = subprocess.run([sys.executable, "-c", NO_ROOM], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{errno.EFBIG}\n" * 2, "")


def test_no_room_for_the_temporary_file_either(tmp_path: Path) -> None:
    assert run_on_small_disk(tmp_path, "1m", FULL_DISK) == f"{errno.ENOSPC} []\n"


@pytest.mark.parametrize("folder", [None, "/dev/shm"], ids=["disk", "tmpfs"])
@pytest.mark.usefixtures("no_memfd")
def test_a_temporary_file_does_where_there_is_no_memfd(
    folder: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tmpfs has seals but refuses them, other file systems have none."""
    monkeypatch.setattr(tempfile, "tempdir", folder or str(tmp_path))
    arena = Arena.create("tgbulk-fallback", 2, 5000)
    arena.write(1, b"x" * 5000)
    assert arena.read(1, 5000) == b"x" * 5000
    assert os.fstat(arena.fileno()).st_nlink == 0
    assert not [name for name in os.listdir(folder or tmp_path) if "tgbulk" in name]
    arena.close()


def test_other_errors_of_memfd_are_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Descriptors run out: a mock, since a real limit would stop pytest as well."""

    def refused(*_: object) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(os, "memfd_create", refused)
    with pytest.raises(OSError, match="Too many open files"):
        anonymous_file("tgbulk-none", 100)
