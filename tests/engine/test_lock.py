from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.error import ExitCode, LockedError, StorageError
from engine.lock import Lock

OWNER = """
import sys
from pathlib import Path
from engine.lock import Lock
lock = Lock(Path(sys.argv[1]), "the thing").acquire()
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def owner(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock until its standard input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.stdin.close()


def test_second_owner_is_told_who_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with owner(path) as process:
        with pytest.raises(LockedError) as caught:
            Lock(path, "the thing").acquire()
        assert str(caught.value) == f"the thing is in use by process {process.pid}"
        assert caught.value.exit_code == ExitCode.LOCKED
        assert Lock(path, "the thing").holder() == f"process {process.pid}"
    with Lock(path, "the thing"):
        assert Lock(path, "the thing").holder() == f"process {os.getpid()}"
    assert Lock(path, "the thing").holder() is None


def test_a_killed_owner_leaves_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with owner(path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        with Lock(path, "the thing"):
            assert path.read_text().split()[0] == str(os.getpid())


def test_the_lock_lasts_as_long_as_either_holder(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    first = Lock(path, "the thing").acquire()
    second = Lock.adopt(path, "the thing", os.dup(first.fileno()))
    first.release()
    with pytest.raises(LockedError):
        Lock(path, "the thing").acquire()
    second.release()
    Lock(path, "the thing").acquire().release()


def test_a_removed_lock_file_does_not_make_two_owners(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with Lock(path, "the thing") as lock:
        lock.remove()
        assert not path.exists()
    with Lock(path, "the thing"):
        with pytest.raises(LockedError):
            Lock(path, "the thing").acquire()


def test_the_file_is_private_and_asking_creates_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    assert Lock(path, "the thing").holder() is None
    assert not path.exists()
    with Lock(path, "the thing"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_lock_that_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be locked: No such file or directory"):
        Lock(tmp_path / "missing" / "a.lock", "the thing").acquire()
    (tmp_path / "link.lock").symlink_to(tmp_path / "target")
    with pytest.raises(StorageError, match="cannot be locked"):
        Lock(tmp_path / "link.lock", "the thing").acquire()
