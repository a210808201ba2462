"""How a child process ended."""
from __future__ import annotations

import signal
from dataclasses import dataclass
from enum import StrEnum


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
