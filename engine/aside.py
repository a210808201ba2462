"""One piece of work in a process of its own: what it imports and allocates leaves with it."""
from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Callable
from typing import Any, TypeVar

from tgbulk.engine.forkserver import GRACE, die_with_parent, has_ended

Result = TypeVar("Result")
#: Exit status of a child whose parent takes its result no more.
UNHEARD = 1


class AsideEndedError(RuntimeError):
    """The process ended without a result: it was killed."""


def aside(work: Callable[[], Result]) -> Result:
    """Call `work` in a forked child; return what it returns, raise what it raises (both must pickle).

    Call it while there are no other threads. It waits as long as the work takes, which has to have an end. Ctrl-C and
    SIGTERM reach the child as well; it never outlives its parent.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _serve(work, writer)
    os.close(writer)
    try:
        with open(reader, "rb") as stream:
            data = stream.read()
    finally:
        if not has_ended(child, 0.0):  # it ends by itself once its result is read
            os.kill(child, signal.SIGTERM)
            has_ended(child, GRACE)
    if not data:
        raise AsideEndedError("a process was killed before it had its result")
    done, value = pickle.loads(data)
    if done:
        result: Result = value
        return result
    raise value


def _serve(work: Callable[[], Any], writer: int) -> None:
    """The child's whole life."""
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        die_with_parent(signal.SIGKILL)
        try:
            answer = True, work()
        except KeyboardInterrupt:
            os._exit(128 + signal.SIGINT)  # the parent has met it too
        except BaseException as error:
            answer = False, error
        with open(writer, "wb") as stream:
            stream.write(pickle.dumps(answer))
        os._exit(0)
    finally:
        os._exit(UNHEARD)
