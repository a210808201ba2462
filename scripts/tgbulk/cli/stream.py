"""The standard streams as shells may hand them over: closed, full, in another encoding, or with nobody at the other end."""
from __future__ import annotations

import contextlib
import io
import os
import sys
import time
from typing import Any, TextIO

from tgbulk.engine.error import StorageError, TgbulkError
from tgbulk.engine.text import harmless, json_line, printable


class OutputLostError(StorageError):
    """standard output: {0}"""

    advice = "Redirect it to a place with enough room."


class ReaderGoneError(TgbulkError):
    """standard output was closed by its reader"""


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


def log_as_json(on: bool) -> None:
    """Whether what is written to standard error, by whomever, goes out as lines of JSON, as the events of a run do."""
    if isinstance(sys.stderr, _HarmlessText):
        sys.stderr.as_json = on


def flush_output() -> None:
    """Let go of what standard output still holds, whatever becomes of it."""
    with contextlib.suppress(TgbulkError):
        sys.stdout.flush()


def steer(text: str, stream: TextIO | None = None) -> None:
    """Write to standard error, or another stream, what moves the cursor of a terminal and colours it: our own sequences,
    around text that is printable()."""
    stream = stream or sys.stderr
    stream.steer(text) if isinstance(stream, _HarmlessText) else stream.write(text)
    stream.flush()


class _HarmlessText(io.TextIOWrapper):
    """Whoever writes to it, a traceback for one: nothing that came from outside steers the terminal."""

    #: see log_as_json
    as_json = False

    def write(self, text: str, /) -> int:
        if not self.as_json:
            return super().write(harmless(text))
        for line in filter(str.strip, harmless(text).splitlines()):
            level, said = "warning", printable(line).removeprefix("tgbulk: ")
            if said.startswith("error: "):
                level, said = "error", said.removeprefix("error: ")
            notice = {"event": "notice", "level": level, "time": round(time.time(), 3), "run": "", "text": said}
            self.buffer.write(json_line(notice))
        self.buffer.flush()
        return len(text)

    def steer(self, text: str) -> None:
        super().write(text)


def _text(raw: io.RawIOBase, encoding: str | None, errors: str, by_line: bool) -> io.TextIOWrapper:
    return _HarmlessText(io.BufferedWriter(raw), encoding, errors, line_buffering=by_line)
