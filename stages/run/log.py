"""A run's events for programs: one JSON object a line, on a standard stream or in the run's log.jsonl."""
from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, BinaryIO

from tgbulk.engine.durable import make_folder
from tgbulk.engine.error import TgbulkError
from tgbulk.engine.text import json_line
from tgbulk.stages.archive.folder import RunFolder
from tgbulk.stages.archive.summary import RunSummary
from tgbulk.stages.archive.video import VideosStated
from tgbulk.stages.protocol.event import (
    ChatChanged,
    ChatEnded,
    ChatFailed,
    ChatProgress,
    ChatStarted,
    ChatStated,
    NameEnded,
    Notice,
    Quarantined,
    Restarted,
    Stopped,
    TakeoutState,
    Waiting,
)
from tgbulk.stages.run.outcome import Outcome
from tgbulk.stages.telegram.medium import MediaProgress, MediaStated

#: What programs get to see: the frame's name in snake case, and how serious it is.
PUBLIC = {
    ChatStarted: ("chat_started", "info"),
    ChatProgress: ("chat_progress", "info"),
    ChatChanged: ("chat_changed", "info"),
    ChatStated: ("chat_stated", "info"),
    ChatEnded: ("chat_ended", "info"),
    ChatFailed: ("chat_failed", "error"),
    NameEnded: ("name_ended", "info"),
    Waiting: ("waiting", "info"),
    TakeoutState: ("takeout", "info"),
    Notice: ("notice", "warning"),
    Quarantined: ("quarantined", "warning"),
    Restarted: ("restarted", "warning"),
    Stopped: ("stopped", "error"),
    MediaProgress: ("media_progress", "info"),
    MediaStated: ("media_stated", "info"),
    VideosStated: ("videos_stated", "info"),
}
#: What comes once a second.
PROGRESS = (ChatProgress, MediaProgress)


class JsonLines:
    """A Watcher that writes. `event` names an event, `level` is info, warning or error, `time` is Unix seconds, `run` the
    run's id.

    A stream that takes no more of them ends no run.
    """

    name = "the list of events"
    live = False

    def __init__(self, stream: BinaryIO, notify: Callable[[str], None]) -> None:
        """notify: gets a sentence when the stream takes no more."""
        self._stream = stream
        self._notify = notify
        self._run = ""
        self._failed = False

    def on_start(self, run: str, chats: int) -> None:
        self._run = run

    def on_event(self, event: Any) -> None:
        """Write a line for an event that is public."""
        if type(event) in PUBLIC:
            self._write(*PUBLIC[type(event)], asdict(event))

    def tick(self) -> None:
        pass

    def on_end(self, outcome: Outcome, summary: RunSummary) -> None:
        self._write("summary", "info" if summary.exit_code == 0 else "error", summary.document())

    def on_lost(self, error: OSError | TgbulkError) -> None:
        """The stream takes no more."""
        reason = error.strerror if isinstance(error, OSError) else error
        self._notify(f"{self.name} is not continued: {reason}")

    def _write(self, event: str, level: str, values: dict[str, Any]) -> None:
        if self._failed:
            return
        head = {"event": event, "level": level, "time": round(time.time(), 3), "run": self._run}
        try:
            self._stream.write(json_line(head | values))
            self._stream.flush()
        except (OSError, TgbulkError) as error:
            self._failed = True
            self.on_lost(error)


class LogFile(JsonLines):
    """log.jsonl in the run's folder, without what comes every second."""

    name = "the run's log.jsonl"

    def __init__(self, folder: RunFolder, notify: Callable[[str], None]) -> None:
        """OSError where it cannot be made."""
        make_folder(folder.path)
        descriptor = folder.log.open(os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        super().__init__(os.fdopen(descriptor, "ab", buffering=0), notify)

    def on_event(self, event: Any) -> None:
        if not isinstance(event, PROGRESS):
            super().on_event(event)

    def close(self) -> None:
        self._stream.close()
