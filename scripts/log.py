"""A run's events for programs: one JSON object a line, on a standard stream or in the run's log.jsonl."""
from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import click
import orjson

from engine.durable import make_folder
from scripts.stream import OutputLostError, ReaderGoneError
from stages.event import (
    ChatEnded,
    ChatFailed,
    ChatProgress,
    ChatStarted,
    ChatStated,
    Notice,
    Quarantined,
    Restarted,
    Stopped,
    TakeoutState,
    Waiting,
)
from stages.film import FilmsStated
from stages.medium import MediaProgress, MediaStated

#: What programs get to see: the frame's name in snake case, and how serious it is.
_PUBLIC = {
    ChatStarted: ("chat_started", "info"),
    ChatProgress: ("chat_progress", "info"),
    ChatStated: ("chat_stated", "info"),
    ChatEnded: ("chat_ended", "info"),
    ChatFailed: ("chat_failed", "error"),
    Waiting: ("waiting", "info"),
    TakeoutState: ("takeout", "info"),
    Notice: ("notice", "warning"),
    Quarantined: ("quarantined", "warning"),
    Restarted: ("restarted", "warning"),
    Stopped: ("stopped", "error"),
    MediaProgress: ("media_progress", "info"),
    MediaStated: ("media_stated", "info"),
    FilmsStated: ("films_stated", "info"),
}
#: What comes once a second.
PROGRESS = (ChatProgress, MediaProgress)


class JsonLines:
    """`event` names an event, `level` is info, warning or error, `time` is Unix seconds, `run` the run's id.

    A stream that takes no more of them ends no run.
    """

    name = "the list of events"

    def __init__(self, stream: BinaryIO, run: str) -> None:
        self._stream = stream
        self._run = run
        self._failed = False

    def told(self, frame: Any) -> None:
        """Write a line for an event that is public."""
        if type(frame) in _PUBLIC:
            self.say(*_PUBLIC[type(frame)], asdict(frame))

    def tick(self) -> None:
        pass

    def say(self, event: str, level: str, values: dict[str, Any]) -> None:
        """Write a line."""
        if self._failed:
            return
        head = {"event": event, "level": level, "time": round(time.time(), 3), "run": self._run}
        try:
            self._stream.write(orjson.dumps(head | values, option=orjson.OPT_APPEND_NEWLINE))
            self._stream.flush()
        except ReaderGoneError:
            self._failed = True
        except (OSError, OutputLostError) as error:
            self._failed = True
            reason = error.strerror if isinstance(error, OSError) else error
            click.echo(f"tgbulk: {self.name} is not continued: {reason}", err=True)


class LogFile(JsonLines):
    """log.jsonl in the run's folder, without what comes every second."""

    name = "the run's log.jsonl"

    def __init__(self, folder: Path, run: str) -> None:
        """OSError where it cannot be made."""
        make_folder(folder)
        super().__init__(open(folder / "log.jsonl", "ab", buffering=0), run)  # noqa: SIM115

    def told(self, frame: Any) -> None:
        if not isinstance(frame, PROGRESS):
            super().told(frame)

    def close(self) -> None:
        self._stream.close()
