"""One child process with clocks, bounded output and a certain end: whatever happens, nothing of its group is left.

The child leads a session of its own, so that TERM and KILL reach what it started; the kernel kills it when the thread that
started it ends (PR_SET_PDEATHSIG), so a killed owner leaves no orphan. Threads that start one must outlive it.
"""
from __future__ import annotations

import ctypes
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import psutil

#: Bytes of standard error that are kept of its beginning and of its end.
STDERR_HEAD = 32768
STDERR_TAIL = 32768
#: How much lower than ours the child's priority is (nice).
NICENESS = 10
_CHUNK = 65536
#: prctl(2): the signal that a process gets when its parent ends. Looked up here, since little may be done after a fork.
_PR_SET_PDEATHSIG = 1
_prctl = ctypes.CDLL(None).prctl
_ARGUMENTS = (ctypes.c_int(_PR_SET_PDEATHSIG), ctypes.c_ulong(signal.SIGKILL))
_RESET = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Stop:
    """A request to stop that every thread's selector can wait for."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        self._lock = threading.Lock()
        self.requested = False
        #: nobody waits for children to leave by themselves
        self.at_once = False

    def request(self, at_once: bool = False) -> None:
        """Ask; for good."""
        with self._lock:
            self.at_once = self.at_once or at_once
            if not self.requested:
                self.requested = True
                os.close(self._writer)  # the reading end is readable from now on

    def fileno(self) -> int:
        return self._reader


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds; `stall` 0 means none."""

    total: float
    stall: float = 0.0
    term_grace: float = 5.0
    kill_grace: float = 10.0


class Ending(StrEnum):
    """Why a child ended."""

    EXITED = "exited"
    #: no progress for the stall clock's time
    STALLED = "stalled"
    #: the total clock
    EXPIRED = "expired"
    STOPPED = "stopped"
    #: it did not even die of SIGKILL: the kernel holds it in a driver. Not waited for.
    STUCK = "stuck"
    #: it could not be started
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Ended:
    """`returncode` is minus the signal where one ended it. `stderr`: its beginning and its end."""

    program: str
    ending: Ending
    returncode: int
    stdout: bytes
    stderr: str
    seconds: float

    @property
    def good(self) -> bool:
        return self.ending is Ending.EXITED and self.returncode == 0

    def describe(self) -> str:
        """Why it ended, in words."""
        match self.ending:
            case Ending.STALLED:
                return f"{self.program} made no progress and was stopped after {self.seconds:.0f} s"
            case Ending.EXPIRED:
                return f"{self.program} was stopped after {self.seconds:.0f} s"
            case Ending.STOPPED:
                return f"{self.program} was stopped on request"
            case Ending.STUCK:
                return f"{self.program} hangs in the kernel and cannot be killed"
            case Ending.MISSING:
                return f"{self.program} cannot be started: {self.stderr}"
        if self.returncode < 0:
            return f"{self.program} was ended by {signal.Signals(-self.returncode).name}"
        return f"{self.program} ended with status {self.returncode}"


class _Tail:
    """The beginning and the end of a stream."""

    def __init__(self, head: int, tail: int) -> None:
        self._head_size, self._tail_size = head, tail
        self._head, self._tail = bytearray(), bytearray()

    def add(self, data: bytes) -> None:
        room = self._head_size - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        del self._tail[: -self._tail_size]

    def text(self) -> str:
        return bytes(self._head + self._tail).decode("utf-8", "replace")


class ChildProcess:
    """A running child; use `run`."""

    def __init__(self, argv: Sequence[str], drop: Sequence[str], file_limit: int) -> None:
        owner = os.getpid()

        def become() -> None:
            _prctl(*_ARGUMENTS)
            if os.getppid() != owner:
                os._exit(127)
            for number in _RESET:
                signal.signal(number, signal.SIG_DFL)

        environment = {name: value for name, value in os.environ.items() if name not in drop}
        self.argv = argv
        self.popen = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
            preexec_fn=become,
        )
        self.started = time.monotonic()
        try:
            self.pidfd = os.pidfd_open(self.popen.pid)
        except OSError:
            self.reap()
            raise
        self._calm(file_limit)

    def _calm(self, file_limit: int) -> None:
        """Let it stand back for others, and write no file larger than that (bytes, 0 is no limit)."""
        try:
            os.setpriority(os.PRIO_PROCESS, self.popen.pid, min(19, os.getpriority(os.PRIO_PROCESS, 0) + NICENESS))
            process = psutil.Process(self.popen.pid)
            process.ionice(psutil.IOPRIO_CLASS_IDLE)
            if file_limit:
                process.rlimit(psutil.RLIMIT_FSIZE, (file_limit, file_limit))
        except (ProcessLookupError, psutil.Error, OSError):
            pass  # it has ended already, or the kernel forbids these to everyone

    def signal(self, number: int) -> None:
        """To the whole group; it is not reaped yet, so the number is still its own."""
        try:
            os.killpg(self.popen.pid, number)
        except ProcessLookupError:
            pass

    def reap(self) -> int:
        """Kill what is left of the group, then take the exit code: after this the group is gone."""
        self.signal(signal.SIGKILL)
        return self.popen.wait()

    def close(self) -> None:
        os.close(self.pidfd)
        for pipe in (self.popen.stdout, self.popen.stderr):
            assert pipe is not None
            pipe.close()


def run(
    argv: Sequence[str],
    clock: Limits,
    *,
    stop: Stop | None = None,
    receive: Callable[[bytes], bool] | None = None,
    writes: Path | None = None,
    keep: int = 0,
    drop: Sequence[str] = (),
    file_limit: int = 0,
) -> Ended:
    """Run a program to whichever end it comes.

    receive: gets standard output as it comes, True means progress. writes: a file; a change of it is progress as well.
    keep: bytes of standard output to keep, of the beginning.
    drop: environment variables it does not get. Raises nothing for what the program does or fails to do.
    """
    name = os.path.basename(argv[0])
    try:
        process = ChildProcess(argv, drop, file_limit)
    except (OSError, subprocess.SubprocessError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return Ended(name, Ending.MISSING, 127, b"", reason, 0.0)
    try:
        return _Watch(name, process, clock, stop, receive, writes, keep).to_the_end()
    finally:
        process.close()


class _Watch:
    """The life of one process."""

    def __init__(
        self,
        name: str,
        process: ChildProcess,
        clock: Limits,
        stop: Stop | None,
        receive: Callable[[bytes], bool] | None,
        writes: Path | None,
        keep: int,
    ) -> None:
        self._name, self._process, self._clock, self._stop, self._receive = name, process, clock, stop, receive
        self._writes = writes
        self._written = 0
        self._wrote()
        self._stdout = _Tail(keep, 0)
        self._stderr = _Tail(STDERR_HEAD, STDERR_TAIL)
        self._output = bytearray()
        self._keep = keep
        self._moved = process.started
        self._selector = selectors.DefaultSelector()
        for pipe in (process.popen.stdout, process.popen.stderr):
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)
            self._selector.register(pipe, selectors.EVENT_READ, pipe is process.popen.stdout)
        self._selector.register(process.pidfd, selectors.EVENT_READ, None)
        if stop is not None:
            self._selector.register(stop, selectors.EVENT_READ, None)

    def to_the_end(self) -> Ended:
        try:
            ending = self._wait()
            if ending is not Ending.EXITED and not self._end():
                return self._ended(Ending.STUCK, -signal.SIGKILL)
            code = self._process.reap()
            self._pump(0.0, streams_only=True)
            return self._ended(ending, code)
        finally:
            self._selector.close()

    def _ended(self, ending: Ending, code: int) -> Ended:
        seconds = time.monotonic() - self._process.started
        return Ended(self._name, ending, code, bytes(self._output), self._stderr.text(), seconds)

    def _wait(self) -> Ending:
        """Until it exits, or until there is a reason to end it."""
        while True:
            now = time.monotonic()
            until = self._process.started + self._clock.total
            stalled = self._moved + self._clock.stall if self._clock.stall else until
            if self._stop is not None and self._stop.requested:
                return Ending.STOPPED
            if self._pump(max(0.0, min(until, stalled) - now)):
                return Ending.EXITED
            now = time.monotonic()
            if now >= until:
                return Ending.EXPIRED
            if self._clock.stall and now >= self._moved + self._clock.stall:
                if not self._wrote():
                    return Ending.STALLED
                self._moved = now

    def _wrote(self) -> bool:
        """Whether the file that it writes has changed since this was last asked."""
        before = self._written
        try:
            self._written = self._writes.stat().st_mtime_ns if self._writes else 0
        except OSError:
            pass  # not there yet
        return self._written != before

    def _end(self) -> bool:
        """TERM, then KILL, the whole group; False when it survives both."""
        if self._stop is not None:
            self._selector.unregister(self._stop)
        for number, grace in ((signal.SIGTERM, self._clock.term_grace), (signal.SIGKILL, self._clock.kill_grace)):
            if number == signal.SIGTERM and self._stop is not None and self._stop.at_once:
                continue
            self._process.signal(number)
            until = time.monotonic() + grace
            while (left := until - time.monotonic()) > 0:
                if self._pump(left):
                    return True
        return False

    def _pump(self, timeout: float, streams_only: bool = False) -> bool:
        """Read what is there, waiting that long for something; True when the process has exited."""
        exited = False
        for key, _ in self._selector.select(timeout):
            if key.data is None:
                exited = exited or key.fd == self._process.pidfd
                continue
            while data := self._read(key.fd):
                self._take(data, key.data)
                if not streams_only:
                    break  # the clocks come first
            if data == b"":
                self._selector.unregister(key.fileobj)
        return exited

    @staticmethod
    def _read(descriptor: int) -> bytes | None:
        """None: nothing is there now; empty: the end."""
        try:
            return os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return None

    def _take(self, data: bytes, is_stdout: bool) -> None:
        if not is_stdout:
            self._stderr.add(data)
            return
        self._output += data[: self._keep - len(self._output)]
        if self._receive is None or self._receive(data):
            self._moved = time.monotonic()
            self._wrote()
