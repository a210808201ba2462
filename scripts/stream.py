"""The standard streams as shells may hand them over: closed, full, in another encoding, or with nobody at the other end."""
from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import Any

from engine.error import StorageError, TgbulkError


class OutputLostError(StorageError):
    """standard output: {0}"""

    advice = "Give it a place that takes everything."


class ReaderGoneError(TgbulkError):
    """nobody reads standard output any more"""


class _Output(io.FileIO):
    """Raises OutputLostError or ReaderGoneError, once: what is left then goes nowhere."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
            raise (ReaderGoneError() if isinstance(error, BrokenPipeError) else OutputLostError(error.strerror)) from error


class _Remarks(io.FileIO):
    """Standard error: a run does not end because nobody can hear of it."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data) or len(data)
        except OSError:
            return len(data)


def mend_streams() -> None:
    """Make all three usable. Where one is closed, the null device takes its number before another file gets it."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115
    encoding = sys.stdout.encoding if sys.stdout else None
    by_line = sys.stdout.line_buffering if isinstance(sys.stdout, io.TextIOWrapper) else False
    sys.stdout = _text(_Output(1, "w", closefd=False), encoding, "replace", by_line)
    encoding = sys.stderr.encoding if sys.stderr else None
    sys.stderr = _text(_Remarks(2, "w", closefd=False), encoding, "backslashreplace", True)


def flush_output() -> None:
    """Let go of what standard output still holds, whatever becomes of it."""
    with contextlib.suppress(TgbulkError):
        sys.stdout.flush()


def _text(raw: io.RawIOBase, encoding: str | None, errors: str, by_line: bool) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors, line_buffering=by_line)
