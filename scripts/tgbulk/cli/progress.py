"""What a run shows to people while it works: some lines that move on a terminal, plain lines elsewhere."""
from __future__ import annotations

import os
import sys
import time
from typing import Any

import click

from tgbulk.cli.lines import (
    MEASURED_FROM,
    changed,
    clock,
    media_failures,
    media_line,
    size,
    stage_rows,
    video_failures,
    video_line,
)
from tgbulk.cli.stream import steer
from tgbulk.engine.text import printable
from tgbulk.stages.archive.statement import Statement
from tgbulk.stages.archive.video import VideosStated
from tgbulk.stages.collect.status import Status
from tgbulk.stages.protocol.event import (
    ChatEnded,
    ChatFailed,
    ChatProgress,
    ChatStarted,
    ChatStated,
    FollowState,
    Notice,
    Quarantined,
    Ready,
    Restarted,
    TakeoutState,
    Waiting,
)
from tgbulk.stages.protocol.transcode import TranscodeProgress
from tgbulk.stages.telegram.medium import MediaProgress, MediaStated

#: Weight of the newest second in the rate.
SMOOTH = 0.1
#: A video without progress for so long is over, or begins with another attempt.
VIDEO_SECONDS = 3.0


class Progress:
    """For people, on standard error."""

    def __init__(self, quiet: bool) -> None:
        """quiet leaves only what needs attention."""
        self._chats = 0
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
        #: marked ids of chats that came to an end, names of those that were not found
        self._ended: set[int | str] = set()
        self._failed = 0
        #: in chats that have ended
        self._past = 0
        self._waiting: tuple[float, str] = (0.0, "")
        self._media: MediaProgress | None = None
        self._video: tuple[float, TranscodeProgress] | None = None
        self._status: Status | None = None
        self._follow: FollowState | None = None
        #: messages a second, smoothed
        self._rate = 0.0
        #: the lines that are on the screen
        self._drawn: list[str] = []

    def on_start(self, chats: int) -> None:
        self._chats = chats

    def on_event(self, event: Any) -> None:
        match event:
            case ChatStarted():
                self._titles[event.stream] = event.title
                self._totals[event.stream] = max(0, event.total)
            case ChatProgress():
                self._messages[event.stream] = event.messages
            case ChatStated():
                title = printable(event.title)
                statement = Statement.from_document(event.statement)
                self._stated[event.stream] = f"{event.marked_id}  {title}: {statement}"
                if statement.missing:
                    self._print(self._stated.pop(event.stream))
            case ChatEnded():
                self._ended.add(event.marked_id)
                self._past += event.messages
                for said in (self._titles, self._messages, self._totals):
                    said.pop(event.stream, None)
                news = f"{event.new:,} new{changed(event.edited, event.deleted, event.restored)}"
                self._print(f"{self._stated.pop(event.stream)}; {news}", attention=False)
            case ChatFailed():
                self._failed += 1
                self._ended.add(event.marked_id or event.name)
                self._print(f"tgbulk: error: {event.name}: {event.reason}")
                if event.hint:
                    self._print(f"tgbulk: hint: {event.hint}")
            case Waiting():
                self._waiting = (time.monotonic() + event.seconds, f"{event.method} of {event.account}")
                if not self.live:
                    self._print(f"waiting {event.seconds} s for Telegram: {event.method}", attention=False)
            case TakeoutState():
                until = f" until {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(event.until))}" if event.until else ""
                self._print(f"takeout of {event.account}: {event.state}{until}", attention=bool(event.until))
            case Restarted():
                for said in (self._titles, self._stated, self._messages, self._totals):
                    said.clear()
                self._ended.clear()
                self._failed = self._past = 0
            case Notice():
                self._print(f"tgbulk: {event.text}")
            case Quarantined():
                ids = f"id {event.first}" if event.last == event.first else f"ids {event.first} to {event.last or 'the end'}"
                self._print(f"tgbulk: {event.marked_id}: {ids} cannot be decoded, kept as it came: {event.reason}")
            case MediaProgress():
                self._media = event
            case MediaStated():
                for line in media_failures(event):
                    self._print(f"tgbulk: error: {line}")
                self._print(media_line(event), attention=False)
            case TranscodeProgress():
                self._video = time.monotonic(), event
            case VideosStated():
                for line in video_failures(event):
                    self._print(f"tgbulk: {line}")
                self._print(video_line(event), attention=False)
            case FollowState():
                self._follow = event
            case Status():
                self._status = event
                self._rate += SMOOTH * (event.rate - self._rate) if self._rate else event.rate
            case Ready():
                pass

    def tick(self) -> None:
        if not self.live:
            return
        parts = self._parts()
        if not self._movable:
            self._draw([printable("  ".join(text for text, _ in parts))[: _width() - 1]])
            return
        # rich takes its time to import, and is wanted on a terminal alone.
        from tgbulk.cli.screen import progress_lines

        rows = stage_rows(self._status) if self._status and self._seconds >= MEASURED_FROM else []
        done, total = self._done
        self._draw(progress_lines(parts, done / total if total else None, rows, _width() - 1))

    def close(self) -> None:
        """Take the moving lines away."""
        self._draw([])

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self._started

    @property
    def _done(self) -> tuple[int, int]:
        """Messages that came, and those of all chats under way."""
        total = sum(max(self._totals.get(s, 0), self._messages.get(s, 0)) for s in self._totals)
        return self._past + sum(self._messages.values()), self._past + total

    def _parts(self) -> list[tuple[str, str]]:
        """(text, style) of what the first line says."""
        done, total = self._done
        ended = len(self._ended)
        pause = self._waiting[0] - time.monotonic()
        parts = [
            (clock(self._seconds), "bold"),
            (f"{ended} of {max(self._chats, ended)} chats", ""),
            (f"{done:,} messages" + (f" of {total:,}" if total > done else ""), "cyan"),
        ]
        if total > done and self._rate and pause <= 0 and self._seconds >= MEASURED_FROM:
            parts.append((f"{clock((total - done) / self._rate)} left", ""))
        if pause > 0:
            parts.append((f"waiting {pause:.0f} s for Telegram: {self._waiting[1]}", "yellow"))
        if self._media:
            parts.append((f"{self._media.files:,} files, {size(self._media.bytes)}", ""))
        if self._media and self._media.videos:
            parts.append((f"{self._media.videos:,} videos", ""))
        if self._video and time.monotonic() - self._video[0] < VIDEO_SECONDS and self._video[1].done >= 0:
            parts.append((f"a video at {self._video[1].done / 10:.0f} %, {self._video[1].speed:.1f} x", ""))
        if self._failed:
            parts.append((f"{self._failed} failed", "red"))
        if self._follow:
            told = self._follow
            parts[1:3] = [(f"{told.chats} chats", ""), (f"{told.pushes:,} pushes", "cyan")]
            parts.append((f"{told.lag / 1000:.1f} s behind", ""))
            parts.append((f"{told.gaps:,} gaps, {told.differences:,} differences", ""))
        return parts

    def _print(self, line: str, attention: bool = True) -> None:
        if self._quiet and not attention:
            return
        self.close()
        click.echo(printable(line), err=True)

    def _draw(self, lines: list[str]) -> None:
        """Put these, in which nothing steers, in the place of what is drawn; the cursor stays at the end of the last one."""
        if not self._drawn and not lines:
            return
        if self._movable:
            up = f"\x1b[{len(self._drawn) - 1}A" if len(self._drawn) > 1 else ""
            steer(f"\r{up}\x1b[J" + "\n".join(lines))
        else:
            shown, before = "".join(lines), "".join(self._drawn)
            steer("\r" + shown.ljust(len(before)) + ("" if shown else "\r"))
        self._drawn = lines


def _width() -> int:
    """Columns of the terminal that standard error is; get_terminal_size of shutil looks at standard output."""
    columns = os.environ.get("COLUMNS", "")
    return int(columns) if columns.isdigit() and int(columns) else os.get_terminal_size(sys.stderr.fileno()).columns or 80

