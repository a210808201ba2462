"""One owner at a time for a file or folder, told apart from a crash.

The lock is flock(2) on a small file, so the kernel drops it when the last process that holds the descriptor ends,
however it ends. The text inside, "PID HOST", is for people and is never trusted.
"""
from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
import time
from pathlib import Path

from tgbulk.engine.error import LockedError, StorageError, TgbulkError, file_error, shortage

#: Who asks `holder` has the lock for an instant; an owner that meets it tries again.
ATTEMPTS = 3
PAUSE_SECONDS = 0.02
#: How a file system says that it has no locks.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EINVAL)
#: Bytes of the text inside.
OWNER_BYTES = 1024
#: Seconds between two looks of one who waits for a lock.
POLL_SECONDS = 0.2


class Lock:
    """A lock on behalf of `path`: the lock file itself, mode 0600, made where it is missing.

    `what` names the locked thing in errors. The descriptor may be given to a child process (by fork, SCM_RIGHTS, or
    `pass_fds`), who takes it over with `adopt`; the lock then lasts until both have let go.
    """

    def __init__(self, path: Path, what: str) -> None:
        self.path = path
        self.what = what
        self._fd = -1

    @classmethod
    def adopt(cls, path: Path, what: str, fd: int) -> Lock:
        """The lock that another process acquired and handed over as descriptor `fd`."""
        lock = cls(path, what)
        lock._fd = fd
        return lock

    def acquire(self, wait: float = 0.0) -> Lock:
        """Take the lock; LockedError, naming the holder, where another process has it, and has not let go after `wait`
        seconds."""
        deadline = time.monotonic() + wait
        while True:
            try:
                return self._acquire()
            except LockedError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(min(POLL_SECONDS, wait))

    def _acquire(self) -> Lock:
        for attempt in range(ATTEMPTS):
            fd = self._open()
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
                if attempt + 1 < ATTEMPTS:
                    time.sleep(PAUSE_SECONDS)
                continue
            except OSError as error:
                os.close(fd)
                raise _lockless(self.path, error) from error
            if not self._is_current(fd):
                os.close(fd)
                continue
            try:
                os.ftruncate(fd, 0)
                os.pwrite(fd, f"{os.getpid()} {socket.gethostname()}\n".encode(), 0)
            except OSError as error:  # of a full disk
                os.close(fd)
                raise file_error(error, self.path) from error
            self._fd = fd
            return self
        raise LockedError(self.what, self._owner() or "another process")

    def renew(self) -> bool:
        """Make the file again where it was removed while we hold it; whether that was so. LockedError where somebody else
        has locked another one by now. Whoever was given the descriptor has the old one, which keeps nobody out."""
        if self._fd < 0 or self._is_current(self._fd):
            return False
        before = self._fd
        self._acquire()
        os.close(before)
        return True

    def release(self) -> None:
        """Let go. The file stays, since removing it would race with the next owner; `remove` is for the last one."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def remove(self) -> None:
        """Remove the lock file and let go, when the locked thing itself is gone."""
        self.path.unlink(missing_ok=True)
        self.release()

    def holder(self) -> str | None:
        """Who has the lock, "process PID on HOST", or None; never blocks and creates nothing."""
        try:
            fd = _plain(self.path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise shortage(error) or StorageError(self.path, error.strerror) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return self._owner() or "another process"
        except OSError as error:
            raise _lockless(self.path, error) from error
        finally:
            os.close(fd)
        return None

    def fileno(self) -> int:
        """The descriptor that keeps the lock, -1 when it is not held."""
        return self._fd

    def __enter__(self) -> Lock:
        return self if self._fd >= 0 else self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def _open(self) -> int:
        try:
            return _plain(self.path, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise _unlockable(self.path, error) from error

    def _is_current(self, fd: int) -> bool:
        """False where the file was removed between our opening and our locking it."""
        try:
            return os.path.samestat(os.fstat(fd), os.stat(self.path))
        except FileNotFoundError:
            return False

    def _owner(self) -> str | None:
        try:
            fd = _plain(self.path, os.O_RDONLY)
        except OSError:
            return None
        try:
            pid, _, host = os.pread(fd, OWNER_BYTES, 0).decode("utf-8", "replace").strip().partition(" ")
        finally:
            os.close(fd)
        if not pid.isdigit():
            return None
        return f"process {pid}" if host == socket.gethostname() else f"process {pid} on {host}"


def _plain(path: Path, flags: int) -> int:
    """A descriptor of a plain file: who opens a pipe waits for somebody else. OSError."""
    fd = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "it is not a file of its own")
    return fd


class NoLocksError(StorageError):
    """{0} cannot be locked: its file system has no locks (flock: {1})"""

    advice = "Use a folder on another disk, or mount this one with locks."


def _lockless(path: Path, error: OSError) -> TgbulkError:
    """Of flock: EINVAL has another meaning when a file is opened."""
    return NoLocksError(path, error.strerror) if error.errno in _NO_LOCKS else _unlockable(path, error)


def _unlockable(path: Path, error: OSError) -> TgbulkError:
    return shortage(error) or StorageError(path, f"cannot be locked: {error.strerror}")
