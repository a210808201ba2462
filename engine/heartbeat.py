"""Signs of life: a counter of each process in one piece of shared memory, and the stack of one that stopped counting.

A process counts with beat(), wherever it goes round a loop: one addition, no system call. Where it counts belongs to the
process, like its signal handlers, so it is set once by the fork server (`share`, `count_at`) and no loop has to be handed
anything. A process nobody watches counts in its own memory.

What hangs is asked for the stack of its main thread, which counts, by STACK_SIGNAL: faulthandler answers even out of blocked
C code. Other threads leave the signal to it: one that answered in its place would walk over a stack that moves.
"""
from __future__ import annotations

import faulthandler
import mmap
import os
import select
import signal
import time
from dataclasses import dataclass, field

from tgbulk.engine.arena import anonymous_file

#: Processes that are told apart; with more, two may share a counter, and a hang of one shows only when both hang.
PLACES = 4096
#: Seconds between two beats of a process that has nothing to do.
BEAT_SECONDS = 0.5
#: Seconds for a process to write its stack, and of silence after which it has (a busy machine makes it pause).
STACK_SECONDS, SILENT_SECONDS = 1.0, 0.2
#: Seconds between two looks after which it was the looker who stood still (Ctrl-Z, a suspended machine).
LATE_SECONDS = 2.0
STACK_SIGNAL = signal.SIGUSR1

_SIZE = PLACES * 8
#: Bytes of a stack read at a time.
_CHUNK = 1 << 16
_shared = _own = memoryview(bytearray(8)).cast("Q")


def beat() -> None:
    """Show that this process is alive."""
    _own[0] += 1


def share(counters: int, stacks: int) -> None:
    """Take over the descriptors of the counters and of the pipe for stacks, for this process and all that it forks."""
    global _shared
    _shared = memoryview(mmap.mmap(counters, _SIZE)).cast("Q")
    os.close(counters)
    faulthandler.register(STACK_SIGNAL, stacks, all_threads=False)


def leave_stack_to_main() -> None:
    """To be called first in every thread but the main one."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {STACK_SIGNAL})


def count_at(place: int) -> None:
    """From now on this process counts at this place."""
    global _own
    place %= len(_shared)
    _own = _shared[place : place + 1]


@dataclass(slots=True)
class _Life:
    """What is known of one process."""

    patience: float
    pid: int
    count: int
    #: monotonic time of the last beat that was seen
    seen: float = field(default_factory=time.monotonic)


class Watch:
    """The supervisor's side: who has not counted for longer than its patience."""

    def __init__(self) -> None:
        """OSError when there is no memory or no descriptor for it."""
        self.counters = anonymous_file("tgbulk-heartbeat", _SIZE)
        self._map = mmap.mmap(self.counters, _SIZE)
        self._counts = memoryview(self._map).cast("Q")
        self._read, self.stacks = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._lives: dict[int, _Life] = {}
        self._looked = time.monotonic()

    def add(self, place: int, pid: int, patience: float) -> None:
        """Watch the process that counts at this place; patience: seconds without a beat."""
        self._lives[place] = _Life(patience, pid, self._counts[place % PLACES])

    def remove(self, place: int) -> None:
        self._lives.pop(place, None)

    def look(self) -> list[tuple[int, str]]:
        """(place, stack or "") of each process that hangs, once. To be called often; kill it at once, for one that had been
        stopped goes on now."""
        now = time.monotonic()
        late = now - self._looked > LATE_SECONDS
        self._looked = now
        hung = [place for place, life in self._lives.items() if self._is_silent(place, life, now, late)]
        return [(place, self._stack(self._lives.pop(place).pid)) for place in hung[:1]]

    def close(self) -> None:
        self._counts.release()
        self._map.close()
        for descriptor in (self.counters, self._read, self.stacks):
            os.close(descriptor)

    def _is_silent(self, place: int, life: _Life, now: float, late: bool) -> bool:
        count = self._counts[place % PLACES]
        if count != life.count or late:
            life.count, life.seen = count, now
        return now - life.seen > life.patience

    def _stack(self, pid: int) -> str:
        try:
            for number in (STACK_SIGNAL, signal.SIGCONT):  # a stopped process writes nothing before it goes on
                os.kill(pid, number)
        except ProcessLookupError:
            return ""  # reaped a moment ago; its death is on the way
        stack, end = b"", time.monotonic() + STACK_SECONDS
        while left := max(0.0, end - time.monotonic()):
            if not select.select([self._read], [], [], min(left, SILENT_SECONDS) if stack else left)[0]:
                break
            stack += os.read(self._read, _CHUNK)
        return stack.decode("utf-8", "replace")
