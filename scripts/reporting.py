"""How a run speaks: to people, to programs, to Prometheus, and into its own log."""
from __future__ import annotations

import functools
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from engine.error import StorageError, UsageError
from scripts.log import JsonLines, LogFile
from scripts.outcome import Outcome
from scripts.progress import Progress
from stages.statement import counted

Command = TypeVar("Command", bound=Callable[..., Any])


class PortInUseError(UsageError):
    """port {0} for metrics cannot be had: {1}"""

    advice = "Choose another one; 0 takes any that is free."


@dataclass(frozen=True, slots=True)
class Reporting:
    """Chosen at the command line."""

    #: events as JSON lines on standard output
    events: bool = False
    quiet: bool = False
    #: the log on standard error as JSON lines
    log_json: bool = False
    #: loopback port that serves OpenMetrics, None for none
    port: int | None = None

    def check_port(self) -> None:
        """PortInUseError while it is early enough to say so."""
        if self.port:
            try:
                socket.create_server(("127.0.0.1", self.port)).close()
            except OSError as error:
                raise PortInUseError(self.port, error.strerror) from error


def with_reporting(command: Command) -> Command:
    """Give a click command the options of a Reporting, and the outcome as its `reporting`."""

    @click.option("--json", "events", is_flag=True, help="Events as JSON lines on standard output.")
    @click.option("-q", "--quiet", is_flag=True, help="Show nothing but failures.")
    @click.option("--log-format", type=click.Choice(["text", "json"]), default="text", help="Of standard error.")
    @click.option("--metrics-port", "port", type=click.IntRange(0, 65535), help="Serve metrics for Prometheus on this port.")
    @functools.wraps(command)
    def wrapped(*, events: bool, quiet: bool, log_format: str, port: int | None, **options: Any) -> Any:
        return command(reporting=Reporting(events, quiet, log_format == "json", port), **options)

    return wrapped  # type: ignore[return-value]


class Reporter:
    """Tells everybody who is to know; the last word is `close`."""

    def __init__(self, reporting: Reporting, names: int, folder: Path, run: str) -> None:
        """names: chats that were named; folder: the run's. StorageError."""
        try:
            self._file = LogFile(folder, run)
        except OSError as error:
            raise StorageError(error.filename or folder, error.strerror) from error
        self._quiet = reporting.quiet
        self._lines: list[JsonLines] = [self._file]
        if reporting.events:
            self._lines.append(JsonLines(sys.stdout.buffer, run))
        if reporting.log_json:
            self._lines.append(JsonLines(sys.stderr.buffer, run))
        self._progress = None if reporting.events or reporting.log_json else Progress(names, reporting.quiet)

    @property
    def live(self) -> bool:
        """Whether somebody sees every second how things stand."""
        return self._progress is not None and self._progress.live

    def told(self, frame: Any) -> None:
        for one in self._lines:
            one.told(frame)
        if self._progress:
            self._progress.told(frame)

    def tick(self) -> None:
        if self._progress:
            self._progress.tick()

    def close(self, outcome: Outcome, summary: dict[str, Any], root: Path) -> None:
        """How it ended, and what held it up."""
        for one in self._lines:
            one.say("summary", "info" if summary["exit_code"] == 0 else "error", summary)
        self._file.close()
        if self._progress:
            self._progress.close()
            _say(outcome, summary, root, self._quiet)
            if outcome.bottleneck and not self._quiet:
                click.echo(outcome.bottleneck, err=True)


def _say(outcome: Outcome, summary: dict[str, Any], root: Path, quiet: bool) -> None:
    if outcome.stopped:
        click.echo(f"tgbulk: error: {outcome.stopped.reason}", err=True)
        if outcome.stopped.hint:
            click.echo(f"tgbulk: hint: {outcome.stopped.hint}", err=True)
    if outcome.interrupted and outcome.left:
        left = counted(outcome.left, "chat")
        click.echo(f"tgbulk: interrupted, {left} left; run the same command again to go on.", err=True)
    if not quiet:
        chats = f"{counted(len(outcome.complete), 'chat')} complete, {len(outcome.failed)} failed"
        new = f"{counted(summary['new_messages'], 'new message')} in {summary['seconds']:.1f} s"
        click.echo(f"{outcome.exit_code.name.lower()}: {chats}, {new}: {root}", err=True)
