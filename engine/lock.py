"""One owner at a time for a file or folder, told apart from a crash.

The lock is flock(2) on a small file, so the kernel drops it when the last process that holds the descriptor ends,
however it ends. The text inside, "PID HOST", is for people and is never trusted.
"""
from __future__ import annotations

import fcntl
import os
import socket
import time
from pathlib import Path

from engine.error import LockedError, StorageError

#: Who asks `holder` has the lock for an instant; an owner that meets it tries again.
ATTEMPTS = 3
PAUSE_SECONDS = 0.02


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

    def acquire(self) -> Lock:
        """Take the lock; LockedError, naming the holder, where another process has it."""
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
                raise StorageError(self.path, f"cannot be locked: {error.strerror}") from error
            if not self._is_current(fd):
                os.close(fd)
                continue
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()} {socket.gethostname()}\n".encode(), 0)
            self._fd = fd
            return self
        raise LockedError(self.what, self._owner() or "another process")

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
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(self.path, error.strerror) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return self._owner() or "another process"
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
            return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise StorageError(self.path, f"cannot be locked: {error.strerror}") from error

    def _is_current(self, fd: int) -> bool:
        """False where the file was removed between our opening and our locking it."""
        try:
            return os.path.samestat(os.fstat(fd), os.stat(self.path))
        except FileNotFoundError:
            return False

    def _owner(self) -> str | None:
        try:
            pid, _, host = self.path.read_text("utf-8", "replace").strip().partition(" ")
        except OSError:
            return None
        if not pid.isdigit():
            return None
        return f"process {pid}" if host == socket.gethostname() else f"process {pid} on {host}"
