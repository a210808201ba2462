"""A lease that somebody else keeps alive: a byte on a descriptor now and then. Where none comes in time, or the other end
is closed, it is over, for good."""
from __future__ import annotations

import os
import time

from tgbulk.engine.error import ExitCode, TgbulkError

_READ = 4096


class LostLeaseError(TgbulkError):
    """the lease is over: no sign of its keeper for {0:g} seconds, or the keeper is gone"""

    kind = "lost"
    exit_code = ExitCode.LOST
    retryable = True
    advice = "What was exported is kept. Whoever started this has to start it again, if the work is still theirs."


class Lease:
    """The time in which this process was stopped counts, also where the whole machine slept."""

    def __init__(self, descriptor: int, seconds: float) -> None:
        """It begins now. OSError for what is no descriptor."""
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self.seconds = seconds
        self._last = _now()
        self._lost = False

    def fileno(self) -> int:
        return self._descriptor

    def held(self) -> bool:
        """Whether it is alive. Bytes that lie there since longer than it lasts do not bring it back."""
        now = _now()
        if self._lost or now - self._last > self.seconds:
            self._lost = True
            return False
        try:
            while data := os.read(self._descriptor, _READ):
                self._last = now
                if len(data) < _READ:
                    return True
        except BlockingIOError:
            return True
        except OSError:
            pass
        self._lost = True
        return False


def _now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
