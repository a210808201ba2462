"""What a run shows while it works: a line that moves on a terminal, plain lines elsewhere, JSON lines for programs."""
from __future__ import annotations

import shutil
import sys
import time
from dataclasses import asdict
from typing import Any

import click
import orjson

from scripts.media_line import media_failures, media_line, size
from scripts.table import printable
from stages.event import (
    ChatEnded,
    ChatFailed,
    ChatProgress,
    ChatStarted,
    ChatStated,
    Notice,
    Ready,
    Stopped,
    TakeoutState,
    Waiting,
)
from stages.medium import MediaProgress, MediaStated
from stages.statement import Statement

#: What programs get to see, by the frame's name in snake case.
_PUBLIC = {
    ChatStarted: "chat_started",
    ChatProgress: "chat_progress",
    ChatStated: "chat_stated",
    ChatEnded: "chat_ended",
    ChatFailed: "chat_failed",
    Waiting: "waiting",
    TakeoutState: "takeout",
    Notice: "notice",
    Stopped: "stopped",
    MediaProgress: "media_progress",
    MediaStated: "media_stated",
}


class JsonLines:
    """Every event as one JSON object a line on standard output: `event` names it, `time` is Unix seconds."""

    def told(self, frame: Any) -> None:
        name = _PUBLIC.get(type(frame))
        if name is not None:
            self.say(name, asdict(frame))

    def tick(self) -> None:
        pass

    @staticmethod
    def say(name: str, values: dict[str, Any]) -> None:
        line = orjson.dumps({"event": name, "time": round(time.time(), 3)} | values, option=orjson.OPT_APPEND_NEWLINE)
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()


class Progress:
    """For people, on standard error."""

    def __init__(self, names: int, quiet: bool) -> None:
        """quiet leaves only what needs attention."""
        self._names = names
        self._quiet = quiet
        self._live = sys.stderr.isatty() and not quiet
        self._started = time.monotonic()
        self._titles: dict[int, str] = {}
        #: of chats that have just ended: the line that says how complete they are
        self._stated: dict[int, str] = {}
        self._messages: dict[int, int] = {}
        self._totals: dict[int, int] = {}
        self._ended = 0
        self._failed = 0
        self._waiting: tuple[float, str] = (0.0, "")
        self._media: MediaProgress | None = None
        self._drawn = ""

    def told(self, frame: Any) -> None:
        match frame:
            case ChatStarted():
                self._titles[frame.stream] = frame.title
                self._totals[frame.stream] = max(0, frame.total)
            case ChatProgress():
                self._messages[frame.stream] = frame.messages
            case ChatStated():
                title = printable(self._titles.get(frame.stream, ""))
                self._stated[frame.stream] = f"{frame.marked_id}  {title}: {Statement(**frame.statement)}"
                if frame.statement["missing"]:
                    self._say(self._stated.pop(frame.stream))
            case ChatEnded():
                self._ended += 1
                self._say(f"{self._stated.pop(frame.stream)}; {frame.new:,} new", attention=False)
            case ChatFailed():
                self._failed += 1
                self._say(f"tgbulk: error: {frame.name}: {frame.reason}")
                if frame.hint:
                    self._say(f"tgbulk: hint: {frame.hint}")
            case Waiting():
                self._waiting = (time.monotonic() + frame.seconds, f"{frame.method} of {frame.account}")
                if not self._live:
                    self._say(f"waiting {frame.seconds} s for Telegram: {frame.method}", attention=False)
            case TakeoutState():
                until = f" until {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(frame.until))}" if frame.until else ""
                self._say(f"takeout of {frame.account}: {frame.state}{until}", attention=bool(frame.until))
            case Notice():
                self._say(f"tgbulk: {frame.text}")
            case MediaProgress():
                self._media = frame
            case MediaStated():
                for line in media_failures(frame):
                    self._say(f"tgbulk: error: {line}")
                self._say(media_line(frame), attention=False)
            case Ready():
                pass

    def tick(self) -> None:
        if self._live:
            self._draw(self._line())

    def close(self) -> None:
        """Take the moving line away."""
        if self._drawn:
            self._draw("")

    def _line(self) -> str:
        done = sum(self._messages.values())
        ended = self._ended + self._failed
        parts = [f"{ended} of {max(self._names, ended)} chats", f"{done:,} messages"]
        total = sum(max(self._totals.get(s, 0), self._messages.get(s, 0)) for s in self._totals)
        if total > done:
            parts[-1] += f" of {total:,}"
        if self._media:
            parts.append(f"{self._media.files:,} files, {size(self._media.bytes)}")
        if self._failed:
            parts.append(f"{self._failed} failed")
        pause = self._waiting[0] - time.monotonic()
        if pause > 0:
            parts.append(f"waiting {pause:.0f} s for Telegram: {self._waiting[1]}")
        minutes, seconds = divmod(int(time.monotonic() - self._started), 60)
        return "  ".join([f"{minutes}:{seconds:02}", *parts])

    def _say(self, line: str, attention: bool = True) -> None:
        if self._quiet and not attention:
            return
        self.close()
        click.echo(line, err=True)

    def _draw(self, line: str) -> None:
        line = line[: shutil.get_terminal_size().columns - 1]
        click.echo("\r" + line.ljust(len(self._drawn)) + ("" if line else "\r"), err=True, nl=False)
        self._drawn = line
