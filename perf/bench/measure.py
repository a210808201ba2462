"""A program and all its descendants: how long, how much CPU, how much memory."""
from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

#: Seconds between two looks whether a program has ended, and between two samples of its memory.
TICK = 0.01
SAMPLE = 0.1
#: Seconds that what a program leaves running may take after its own end.
LINGER = 10.0

_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, slots=True)
class Launch:
    """A command, as execve takes it."""

    command: Sequence[str]
    environment: Mapping[str, str]
    #: working folder; stdout and stderr are kept in it
    folder: Path
    #: how many programs run one after the other
    programs: int = 1
    #: its standard input
    stdin: Path = Path(os.devnull)


@dataclass(slots=True)
class Usage:
    """What a finished program took."""

    exit_code: int
    #: whether it took too long, or left something running that did
    killed: bool
    seconds: float
    #: user and system seconds of all its processes
    cpu: float
    #: highest sum of the processes' proportional set sizes, in bytes; 0 where memory was not watched
    pss: int
    #: time.monotonic() of its end
    ended: float


def adopt_orphans() -> None:
    """Make this process the parent of what its children leave behind, so that nothing ends uncounted."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


class Running:
    """A running program in a process group of its own.

    The CPU time is that of wait4(2): exact, and complete as long as no process leaves the group.
    """

    def __init__(self, launch: Launch, limit: float, *, watch_memory: bool) -> None:
        """`limit`: seconds after which it is killed. Watching memory takes a tenth of a core."""
        self._limit = limit
        self._watch_memory = watch_memory
        self._cpu = 0.0
        self._pss = 0
        self._sampled = 0.0
        self._leader_ended = 0.0
        self._killed = False
        self.usage: Usage | None = None
        with (
            launch.stdin.open("rb") as given,
            (launch.folder / "stdout").open("wb") as out,
            (launch.folder / "stderr").open("wb") as err,
        ):
            self._started = time.monotonic()
            self._process = subprocess.Popen(
                launch.command, cwd=launch.folder, env=dict(launch.environment), stdin=given, stdout=out,
                stderr=err, start_new_session=True,
            )

    def close(self) -> None:
        """End by force whatever still runs."""
        if self.usage is None:
            self._kill()
            while self._reap():
                time.sleep(TICK)

    def poll(self) -> None:
        """Collect what has ended, and sample what has not; `usage` is there once nothing is left."""
        if not self._reap():
            seconds = self._leader_ended - self._started
            code = self._process.returncode
            self.usage = Usage(code, self._killed, seconds, self._cpu, self._pss, self._leader_ended)
            return
        now = time.monotonic()
        if now - self._started > self._limit or (self._leader_ended and now - self._leader_ended > LINGER):
            self._kill()
        elif self._watch_memory and now - self._sampled >= SAMPLE:
            self._sampled = now
            self._pss = max(self._pss, sum(map(_pss, _members(self._process.pid))))

    def _reap(self) -> bool:
        """Wait for whoever of the group has ended; False once there is nobody left."""
        while True:
            try:
                pid, status, usage = os.wait4(-self._process.pid, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            self._cpu += usage.ru_utime + usage.ru_stime
            if pid == self._process.pid:
                self._leader_ended = time.monotonic()
                self._process.returncode = os.waitstatus_to_exitcode(status)

    def _kill(self) -> None:
        self._killed = True
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it ended by itself


def run(launches: Sequence[Launch], limit: float, *, watch_memory: bool = False) -> list[Usage]:
    """Run programs side by side to their end, at most `limit` seconds."""
    programs: list[Running] = []
    try:
        for launch in launches:
            programs.append(Running(launch, limit, watch_memory=watch_memory))
        while running := [program for program in programs if program.usage is None]:
            for program in running:
                program.poll()
            time.sleep(TICK)
    finally:
        for program in programs:
            program.close()
    return [program.usage for program in programs if program.usage is not None]


def _members(group: int) -> list[int]:
    """The processes of a process group."""
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                if os.getpgid(int(entry.name)) == group:
                    found.append(int(entry.name))
            except ProcessLookupError:
                continue
    return found


def _pss(pid: int) -> int:
    """The proportional set size of a process in bytes; 0 for one that is gone."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            for line in file:
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) * 1024
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0
