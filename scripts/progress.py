"""What a run shows to people while it works: some lines that move on a terminal, plain lines elsewhere."""
from __future__ import annotations

import os
import sys
import time
from typing import Any

import click

from scripts.film_line import film_failures, film_line
from scripts.media_line import media_failures, media_line, size
from scripts.stage_line import stage_lines
from scripts.table import printable
from stages.collect.status import Status
from stages.event import (
    ChatEnded,
    ChatFailed,
    ChatProgress,
    ChatStarted,
    ChatStated,
    Notice,
    Quarantined,
    Ready,
    Restarted,
    TakeoutState,
    Waiting,
)
from stages.film import FilmsStated
from stages.medium import MediaProgress, MediaStated
from stages.statement import Statement
from stages.transcode.job import TranscodeProgress

#: Weight of the newest second in the rate.
SMOOTH = 0.1
#: A film that told nothing for so long is over, or begins with another attempt.
FILM_SECONDS = 3.0


class Progress:
    """For people, on standard error."""

    def __init__(self, names: int, quiet: bool) -> None:
        """quiet leaves only what needs attention."""
        self._names = names
        self._quiet = quiet
        self.live = sys.stderr.isatty() and not quiet
        #: whether the cursor can go up
        self._movable = os.environ.get("TERM", "dumb") != "dumb"
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
        self._film: tuple[float, TranscodeProgress] | None = None
        self._status: Status | None = None
        #: messages a second, smoothed
        self._rate = 0.0
        #: the lines that are on the screen
        self._drawn: list[str] = []

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
                if not self.live:
                    self._say(f"waiting {frame.seconds} s for Telegram: {frame.method}", attention=False)
            case TakeoutState():
                until = f" until {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(frame.until))}" if frame.until else ""
                self._say(f"takeout of {frame.account}: {frame.state}{until}", attention=bool(frame.until))
            case Restarted():
                for said in (self._titles, self._stated, self._messages, self._totals):
                    said.clear()
                self._ended = self._failed = 0
            case Notice():
                self._say(f"tgbulk: {frame.text}")
            case Quarantined():
                ids = f"id {frame.first}" if frame.last == frame.first else f"ids {frame.first} to {frame.last or 'the end'}"
                self._say(f"tgbulk: {frame.marked_id}: {ids} cannot be decoded, kept as it came: {frame.reason}")
            case MediaProgress():
                self._media = frame
            case MediaStated():
                for line in media_failures(frame):
                    self._say(f"tgbulk: error: {line}")
                self._say(media_line(frame), attention=False)
            case TranscodeProgress():
                self._film = time.monotonic(), frame
            case FilmsStated():
                for line in film_failures(frame):
                    self._say(f"tgbulk: {line}")
                self._say(film_line(frame), attention=False)
            case Status():
                self._status = frame
                self._rate += SMOOTH * (frame.rate - self._rate) if self._rate else frame.rate
            case Ready():
                pass

    def tick(self) -> None:
        if self.live:
            stages = stage_lines(self._status) if self._status and self._movable else []
            self._draw([self._line(), *stages])

    def close(self) -> None:
        """Take the moving lines away."""
        self._draw([])

    def _line(self) -> str:
        done = sum(self._messages.values())
        ended = self._ended + self._failed
        parts = [f"{ended} of {max(self._names, ended)} chats", f"{done:,} messages"]
        total = sum(max(self._totals.get(s, 0), self._messages.get(s, 0)) for s in self._totals)
        if total > done:
            parts[-1] += f" of {total:,}"
            if self._rate:
                parts.append(f"{_clock((total - done) / self._rate)} left")
        if self._media:
            parts.append(f"{self._media.files:,} files, {size(self._media.bytes)}")
        if self._media and self._media.films:
            parts.append(f"{self._media.films:,} films")
        if self._film and time.monotonic() - self._film[0] < FILM_SECONDS and self._film[1].done >= 0:
            parts.append(f"a film at {self._film[1].done / 10:.0f} %, {self._film[1].speed:.1f} x")
        if self._failed:
            parts.append(f"{self._failed} failed")
        pause = self._waiting[0] - time.monotonic()
        if pause > 0:
            parts.append(f"waiting {pause:.0f} s for Telegram: {self._waiting[1]}")
        return "  ".join([_clock(time.monotonic() - self._started), *parts])

    def _say(self, line: str, attention: bool = True) -> None:
        if self._quiet and not attention:
            return
        self.close()
        click.echo(printable(line), err=True)

    def _draw(self, lines: list[str]) -> None:
        """Put these in the place of what is drawn; the cursor stays at the end of the last one."""
        if not self._drawn and not lines:
            return
        width = _width() - 1
        lines = [line[:width] for line in lines]
        if self._movable:
            up = f"\x1b[{len(self._drawn) - 1}A" if len(self._drawn) > 1 else ""
            click.echo(f"\r{up}\x1b[J" + "\n".join(lines), err=True, nl=False, color=True)
        else:
            shown, before = "".join(lines), "".join(self._drawn)
            click.echo("\r" + shown.ljust(len(before)) + ("" if shown else "\r"), err=True, nl=False)
        self._drawn = lines


def _width() -> int:
    """Columns of the terminal that standard error is; get_terminal_size of shutil looks at standard output."""
    columns = os.environ.get("COLUMNS", "")
    return int(columns) if columns.isdigit() and int(columns) else os.get_terminal_size(sys.stderr.fileno()).columns or 80


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02}"
