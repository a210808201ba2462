"""Death with the parent process, for who is started by a program that may be killed."""
from __future__ import annotations

import os
import signal

#: Of prctl(2).
_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int | None = None) -> None:
    """SIGKILL when the process, or the thread of it, that started this one ends. OSError.

    parent: the process id that this should be; None: of the parent that it has now.
    """
    import ctypes

    parent = os.getppid() if parent is None else parent
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    if os.getppid() != parent:  # it ended before that was asked for
        os.kill(os.getpid(), signal.SIGKILL)
