from __future__ import annotations

import errno
import fcntl
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.open_files import open_files
from tgbulk.engine import lock as lock_module
from tgbulk.engine.error import ExitCode, LimitError, LockedError, StorageError
from tgbulk.engine.lock import ATTEMPTS, PAUSE_SECONDS, POLL_SECONDS, Lock

OWNER = """
import sys
from pathlib import Path
from tgbulk.engine.lock import Lock
lock = Lock(Path(sys.argv[1]), "the thing").acquire()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _leaks_nothing() -> Iterator[None]:
    before = open_files()
    yield
    assert open_files() == before


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
    second.release()
    assert (first.fileno(), second.fileno(), Lock(path, "the thing").fileno()) == (-1, -1, -1)
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


def test_a_lock_file_that_goes_between_opening_and_locking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is locked is the file that others find, whether it was only removed or another one was made in its place."""
    path = tmp_path / "a.lock"
    flock = fcntl.flock
    spoils = ["removed", "replaced"]

    def late(descriptor: int, operation: int) -> None:
        if spoils:
            path.unlink()
            if spoils.pop() == "replaced":
                path.touch()
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    with Lock(path, "the thing") as lock:
        assert spoils == []
        assert os.path.samestat(os.fstat(lock.fileno()), path.stat())
        with pytest.raises(LockedError):
            Lock(path, "the thing").acquire()


def test_a_lock_file_that_goes_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.lock"
    tries: list[int] = []

    def late(descriptor: int, operation: int) -> None:
        tries.append(operation)
        path.unlink()

    monkeypatch.setattr(fcntl, "flock", late)
    with pytest.raises(LockedError, match="the thing is in use by another process"):
        Lock(path, "the thing").acquire()
    assert len(tries) == ATTEMPTS


@pytest.mark.parametrize("lets_go", [True, False], ids=["who only asks", "who keeps it"])
def test_who_asks_for_an_instant_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lets_go: bool) -> None:
    path = tmp_path / "a.lock"
    path.write_text("7 elsewhere" + "." * 500)
    asking = os.open(path, os.O_RDONLY)
    fcntl.flock(asking, fcntl.LOCK_SH)
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if lets_go:
            fcntl.flock(asking, fcntl.LOCK_UN)

    monkeypatch.setattr(time, "sleep", pause)
    lock = Lock(path, "the thing")
    if lets_go:
        lock.acquire()
        assert (pauses, lock.fileno() >= 0) == ([PAUSE_SECONDS], True)
        assert path.read_text() == f"{os.getpid()} {socket.gethostname()}\n"
        lock.release()
    else:
        with pytest.raises(LockedError, match="by process 7 on elsewhere"):
            lock.acquire()
        assert (pauses, lock.fileno()) == ([PAUSE_SECONDS] * (ATTEMPTS - 1), -1)
    os.close(asking)


@pytest.mark.parametrize("text", ["", "nobody here", "12x host"])
def test_a_text_that_names_nobody(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.lock"
    with Lock(path, "the thing") as lock:
        path.write_text(text)
        assert Lock(path, "the thing").holder() == "another process"
        lock.remove()
        assert lock.fileno() == -1
        lock.remove()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP])
def test_a_file_system_without_locks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """No file system here is without flock; its answer is. tests/disaster/test_odd_disk.py has the whole command."""

    def refused(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    (tmp_path / "a.lock").touch()
    monkeypatch.setattr(fcntl, "flock", refused)
    for call in (Lock.acquire, Lock.holder):
        with pytest.raises(StorageError, match="cannot be locked: its file system has no locks") as failure:
            call(Lock(tmp_path / "a.lock", "the thing"))
        assert "another disk" in failure.value.hint


def test_who_may_not_look(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(StorageError, match="Too many levels of symbolic links"):
        Lock(tmp_path / "loop", "the thing").holder()


def test_a_file_that_is_removed_under_its_owner_is_made_again(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "lock", "it")
    assert not lock.renew()
    with lock:
        assert not lock.renew()
        lock.path.unlink()
        assert lock.renew()
        assert not lock.renew()
        with pytest.raises(LockedError):
            Lock(lock.path, "it").acquire()
        lock.path.unlink()
        with Lock(lock.path, "it"), pytest.raises(LockedError):
            lock.renew()


@pytest.mark.parametrize("thing", ["pipe", "folder", "link"])
def test_what_is_no_plain_file_is_no_lock(tmp_path: Path, thing: str) -> None:
    """Who opens a pipe waits for somebody else."""
    path = tmp_path / "lock"
    if thing == "pipe":
        os.mkfifo(path)
    elif thing == "folder":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / "outside")
        (tmp_path / "outside").touch()
    lock = Lock(path, "the archive")
    for ask in (lock.acquire, lock.holder):
        with pytest.raises(StorageError, match=str(path)):
            ask()


class Clock:
    """Seconds that pass only where somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.mark.parametrize("wait", [0.0, 0.125, 2.0])
def test_who_waits_for_a_lock_looks_now_and_then_until_its_time_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait: float
) -> None:
    clock = Clock()
    monkeypatch.setattr(lock_module, "time", clock)
    path = tmp_path / "a.lock"
    with Lock(path, "the thing"):
        with pytest.raises(LockedError):
            Lock(path, "the thing").acquire(wait)
    pauses = [one for one in clock.slept if one != PAUSE_SECONDS]
    assert set(pauses) <= {min(POLL_SECONDS, wait)}
    assert wait <= clock.now - 100.0 < wait + POLL_SECONDS + ATTEMPTS * PAUSE_SECONDS
    assert clock.slept.count(PAUSE_SECONDS) == (len(pauses) + 1) * (ATTEMPTS - 1)


def test_who_waits_for_a_lock_gets_it_as_soon_as_it_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.lock"
    held = Lock(path, "the thing").acquire()

    class Owner(Clock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            if self.now > 101.0:
                held.release()

    clock = Owner()
    monkeypatch.setattr(lock_module, "time", clock)
    with Lock(path, "the thing").acquire(60.0) as lock:
        assert lock.fileno() >= 0
    assert 101.0 < clock.now < 102.0


@pytest.mark.parametrize("call", ["ftruncate", "pwrite"])
def test_a_lock_file_that_has_no_room_for_its_owner_is_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "a.lock"
    lock = Lock(path, "the thing")
    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        with pytest.raises(StorageError, match="No space left on device"):
            lock.acquire()
    assert lock.fileno() == -1
    with Lock(path, "the thing"):
        pass


@pytest.mark.parametrize("call", ["acquire", "holder"])
@pytest.mark.parametrize("number", [errno.EMFILE, errno.EACCES])
def test_a_lock_file_that_cannot_be_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, call: str
) -> None:
    """Where the system has no more of what it takes, that is no matter of the file."""
    def refused(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    path = tmp_path / "a.lock"
    path.touch()
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refused)
        with pytest.raises(LimitError if number == errno.EMFILE else StorageError) as caught:
            getattr(Lock(path, "the thing"), call)()
    said = "too many open files" if number == errno.EMFILE else "Permission denied"
    assert said in str(caught.value)
    assert ("cannot be locked: " in str(caught.value)) == (number == errno.EACCES and call == "acquire")


def test_a_lock_that_the_system_refuses_for_another_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(descriptor: int, operation: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    (tmp_path / "a.lock").touch()
    monkeypatch.setattr(fcntl, "flock", refused)
    for call in (Lock.acquire, Lock.holder):
        with pytest.raises(StorageError, match="cannot be locked: Input/output error") as caught:
            call(Lock(tmp_path / "a.lock", "the thing"))
        assert "no locks" not in str(caught.value)


@pytest.mark.parametrize(("text", "named"), [
    (b"7 elsewhere\n", "process 7 on elsewhere"), (b"7 a host\n", "process 7 on a host"), (b"7 \xff", "process 7 on \ufffd"),
    (b" 7  \n", "process 7 on "), (b"x" * 2000, "another process"), (b"7 " + b"x" * 2000, "process 7 on " + "x" * 1022),
])
def test_what_stands_in_a_lock_file_names_its_owner(tmp_path: Path, text: bytes, named: str) -> None:
    path = tmp_path / "a.lock"
    with Lock(path, "the thing"):
        path.write_bytes(text)
        assert Lock(path, "the thing").holder() == named
        with pytest.raises(LockedError) as caught:
            Lock(path, "the thing").acquire()
        assert str(caught.value) == f"the thing is in use by {named}"


def test_who_enters_a_lock_that_it_has_keeps_it(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "a.lock", "the thing").acquire()
    before = lock.fileno()
    with lock as entered:
        assert (entered is lock, lock.fileno()) == (True, before)
    assert lock.fileno() == -1


def test_an_owner_whose_text_cannot_be_read_is_another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have removed the file meanwhile."""
    path = tmp_path / "a.lock"
    flock = fcntl.flock

    def late(descriptor: int, operation: int) -> None:
        try:
            flock(descriptor, operation)
        except BlockingIOError:
            path.unlink()
            raise

    with Lock(path, "the thing"):
        monkeypatch.setattr(fcntl, "flock", late)
        assert Lock(path, "the thing").holder() == "another process"
        monkeypatch.undo()


def test_a_lock_that_was_made_again_is_the_new_file_s_and_the_old_one_is_let_go(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "lock", "it").acquire()
    before = open_files()
    lock.path.unlink()
    assert lock.renew()
    assert os.path.samestat(os.fstat(lock.fileno()), lock.path.stat())
    assert len(open_files()) == len(before)
    assert lock.path.read_text() == f"{os.getpid()} {socket.gethostname()}\n"
    lock.release()
