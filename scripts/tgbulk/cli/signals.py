"""Signals: the first one stops a command in order, and Ctrl-C then ends the process as it would any other."""
from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from tgbulk.cli.stream import flush_output
from tgbulk.engine.error import InterruptedRunError

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def end_by(number: int) -> None:
    """After an orderly stop by SIGINT, end by SIGINT: only then a shell ends its loop as well (the wait-and-cooperative-exit
    rule). Any other number leaves the exit code to the caller."""
    if number == signal.SIGINT:
        flush_output()
        sys.stderr.flush()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)


@contextmanager
def stop_in_order() -> Iterator[None]:
    """Turn the first of them into InterruptedRunError; those that follow do not disturb the cleaning up."""

    def stop(number: int, frame: FrameType | None) -> None:
        for one in _STOPPING:
            signal.signal(one, signal.SIG_IGN)
        raise KeyboardInterrupt if number == signal.SIGINT else InterruptedRunError

    before = {one: signal.signal(one, stop) for one in _STOPPING}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
