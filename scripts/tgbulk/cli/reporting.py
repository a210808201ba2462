"""How a run speaks: to people, to programs, to Prometheus, and into its own log."""
from __future__ import annotations

import functools
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from tgbulk.cli.lines import MEASURED_FROM, changed
from tgbulk.cli.progress import Progress
from tgbulk.cli.stream import ReaderGoneError, log_as_json
from tgbulk.engine.durable import write_whole
from tgbulk.engine.error import TgbulkError
from tgbulk.engine.text import json_line, printable
from tgbulk.stages.archive.statement import counted
from tgbulk.stages.archive.summary import RunSummary
from tgbulk.stages.protocol.event import Stopped
from tgbulk.stages.run.log import JsonLines
from tgbulk.stages.run.outcome import Outcome

Command = TypeVar("Command", bound=Callable[..., Any])

_PATH = click.Path(path_type=Path, dir_okay=False)
#: Failed chats that are named again at the end.
SHOWN = 20


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
    #: where the summary goes beside the archive, and the metrics of the run's end; None nowhere
    summary: Path | None = None
    textfile: Path | None = None


def with_reporting(command: Command) -> Command:
    """Give a click command the options of a Reporting, and the outcome as its `reporting`."""

    @click.option("--json", "events", is_flag=True, help="Events as JSON lines on standard output.")
    @click.option("-q", "--quiet", is_flag=True, help="Show only failures.")
    @click.option("--log-format", type=click.Choice(["text", "json"]), default="text",
                  help="Format of the log on standard error (text).")
    @click.option("--metrics-port", "port", type=click.IntRange(0, 65535), help="Serve metrics for Prometheus on this port.")
    @click.option("--summary", type=_PATH, metavar="FILE", help="Write how it ended there as well, as JSON.")
    @click.option("--metrics-textfile", "textfile", type=_PATH, metavar="FILE",
                  help="Write how it ended there for node_exporter's textfile collector.")
    @functools.wraps(command)
    def wrapped(
        *, events: bool, quiet: bool, log_format: str, port: int | None, summary: Path | None, textfile: Path | None,
        **options: Any,
    ) -> Any:
        log_as_json(log_format == "json")
        return command(reporting=Reporting(events, quiet, log_format == "json", port, summary, textfile), **options)

    return wrapped  # type: ignore[return-value]


class EventLines(JsonLines):
    """On a standard stream, whose reader may leave when it has seen enough."""

    def on_lost(self, error: OSError | TgbulkError) -> None:
        if not isinstance(error, ReaderGoneError):
            super().on_lost(error)


class Reporter:
    """The watcher of a run that the command line shows."""

    def __init__(self, reporting: Reporting, root: Path) -> None:
        self._root = root
        self._reporting = reporting
        self._quiet = reporting.quiet
        streams = [sys.stdout] if reporting.events else []
        streams += [sys.stderr] if reporting.log_json else []
        self._lines = [EventLines(stream.buffer, _notify) for stream in streams]
        self._progress = None if streams else Progress(reporting.quiet)

    @property
    def live(self) -> bool:
        return self._progress is not None and self._progress.live

    def on_start(self, run: str, chats: int) -> None:
        for one in self._lines:
            one.on_start(run, chats)
        if self._progress:
            self._progress.on_start(chats)
            if not self._quiet:
                click.echo(f"tgbulk: run {run}", err=True)

    def on_event(self, event: Any) -> None:
        for one in self._lines:
            one.on_event(event)
        if self._progress:
            self._progress.on_event(event)

    def tick(self) -> None:
        if self._progress:
            self._progress.tick()

    def on_end(self, outcome: Outcome, summary: RunSummary) -> None:
        """How it ended, and what held it up."""
        for one in self._lines:
            one.on_end(outcome, summary)
        if self._progress:
            self._progress.close()
            _print_end(outcome, summary, self._root, self._quiet)
        self.keep(int(outcome.exit_code), summary.document(), summary)

    def advise(self, hint: str) -> None:
        """A hint about a run that has ended; programs have its metrics."""
        if self._progress and not self._quiet:
            click.echo(f"tgbulk: hint: {hint}", err=True)

    @contextmanager
    def failures(self) -> Iterator[None]:
        """What keeps the run from beginning goes on to the caller; programs learn it from the same files."""
        try:
            yield
        except TgbulkError as error:
            stopped = asdict(Stopped.of(error))
            code, result = int(error.exit_code), error.exit_code.name.lower()
            self.keep(code, {"exit_code": code, "result": result, "complete": [], "failed": [], "stopped": stopped}, None)
            raise

    def keep(self, code: int, document: dict[str, Any], summary: RunSummary | None) -> None:
        """Write the files that were asked for; that one cannot be written costs no run its exit code."""
        try:
            if self._reporting.summary is not None:
                write_whole(self._reporting.summary, json_line(document))
            if self._reporting.textfile is not None:
                # prometheus_client takes its time to import.
                from tgbulk.cli.textfile import write_textfile

                write_textfile(self._reporting.textfile, self._root, code, summary)
        except OSError as error:
            _notify(f"error: {error.filename}: {error.strerror}")
        except TgbulkError as error:
            _notify(f"error: {error}")


def _notify(text: str) -> None:
    click.echo(printable(f"tgbulk: {text}"), err=True)


def _print_end(outcome: Outcome, summary: RunSummary, root: Path, quiet: bool) -> None:
    if outcome.stopped:
        click.echo(printable(f"tgbulk: error: {outcome.stopped.reason}"), err=True)
        if outcome.stopped.hint:
            click.echo(printable(f"tgbulk: hint: {outcome.stopped.hint}"), err=True)
    if outcome.failed:
        for failure in outcome.failed[:SHOWN]:
            click.echo(printable(f"tgbulk: failed: {failure.name}: {failure.reason}"), err=True)
        if summary.all_failed > SHOWN:
            click.echo(f"tgbulk: failed: {summary.all_failed - SHOWN} more; summary.json has them", err=True)
        click.echo(f"tgbulk: hint: to try them again: tgbulk export --retry-failed -o {shlex.quote(str(root))}", err=True)
    if outcome.interrupted and outcome.left:
        left = counted(outcome.left, "chat")
        click.echo(f"tgbulk: interrupted, {left} left; run the same command again to continue.", err=True)
    elif outcome.interrupted and outcome.open:
        click.echo("tgbulk: interrupted; every chat that was named is done.", err=True)
    if quiet:
        return
    chats = f"{counted(summary.all_complete, 'chat')} complete, {summary.all_failed} failed"
    told = counted(summary.new_messages, "new message") + changed(summary.edited, summary.deleted, summary.restored)
    new = f"{told} in {summary.seconds:.1f} s"
    click.echo(f"{outcome.exit_code.name.lower()}: {chats}, {new}: {root}", err=True)
    if outcome.bottleneck and summary.seconds >= MEASURED_FROM:
        click.echo(outcome.bottleneck, err=True)
