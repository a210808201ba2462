"""`tgbulk render`: what all formats have in common; each has a file of its own."""
from __future__ import annotations

import functools
import importlib
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from tgbulk.cli.choosing import chosen_ids, with_choice
from tgbulk.cli.lines import MEASURED_FROM, clock
from tgbulk.cli.selection import parse_moment
from tgbulk.cli.signals import stop_in_order
from tgbulk.cli.stream import steer
from tgbulk.engine.error import ExitCode, TgbulkError
from tgbulk.engine.text import printable
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.statement import counted
from tgbulk.stages.fetch.choice import Choice
from tgbulk.stages.render.format import ChatDone, Format
from tgbulk.stages.render.rendering import Rendering, RenderOutcome
from tgbulk.stages.render.view import Filter

Command = TypeVar("Command", bound=Callable[..., Any])
#: name -> (module, its command, what the help says)
FORMATS = {
    "jsonl": ("tgbulk.cli.render_flat", "jsonl", "JSON Lines: one flat object a message."),
    "csv": ("tgbulk.cli.render_flat", "csv", "CSV, also for spreadsheets."),
    "parquet": ("tgbulk.cli.render_flat", "parquet", "Parquet, for DuckDB, pandas, polars and Spark."),
    "sqlite": ("tgbulk.cli.render_flat", "sqlite", "A SQLite database with a full-text search."),
    "desktop": ("tgbulk.cli.render_desktop", "desktop", "Telegram Desktop's result.json and its media."),
    "html": ("tgbulk.cli.render_html", "html", "A site to read in a browser, from files and without the network."),
    "markdown": ("tgbulk.cli.render_markdown", "markdown", "Notes for Obsidian and others, or text for language models."),
}


class Formats(click.Group):
    """Formats whose modules are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(FORMATS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in FORMATS:
            return None
        module, name, _ = FORMATS[cmd_name]
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Formats"):
            formatter.write_dl([(name, summary) for name, (_, _, summary) in FORMATS.items()])


@click.group(cls=Formats, subcommand_metavar="FORMAT ARCHIVE -o OUT [CHATS]...")
def render() -> None:
    """Write what an archive holds in another form.

    Offline, from the archive alone. Rendering into the same folder again does only what changed. CHATS are named as for an
    export, all chats for none; those that the folder has already are brought up to date as well.
    """


@dataclass(frozen=True, slots=True)
class RenderTarget:
    """What every format is asked for."""

    #: one or more, of different chats
    archives: tuple[Path, ...]
    folder: Path
    chats: list[int]
    wanted: Filter
    zone: str
    workers: int
    quiet: bool


def with_target(timezone: str) -> Callable[[Command], Command]:
    """Give a click command the arguments and options of a RenderTarget, and the outcome as its `target`.

    timezone: the default, "local" for the machine's.
    """

    def decorate(command: Command) -> Command:
        @click.argument("archive", type=click.Path(path_type=Path))
        @with_choice
        @click.option("-o", "--output", "folder", required=True, type=click.Path(path_type=Path), metavar="OUT",
                      help="Folder of the render: new, empty, or that of an earlier one.")
        @click.option("--also", multiple=True, type=click.Path(path_type=Path), metavar="ARCHIVE",
                      help="Render the chats of this archive with it; may be given again.")
        @click.option("--since", metavar="TIME", help="Only messages since this date, date-time or Unix time.")
        @click.option("--until", metavar="TIME", help="Only messages until then; a date includes the whole day.")
        @click.option("--topic", type=click.IntRange(1), metavar="ID", help="Only this topic of forums.")
        @click.option("--timezone", "zone", default=timezone, show_default=True, metavar="NAME",
                      help="Of local times, like Europe/Berlin; local is the machine's.")
        @click.option("--workers", type=click.IntRange(1, 64), default=None, help="Processes (one a core).")
        @click.option("-q", "--quiet", is_flag=True, help="Show only failures.")
        @functools.wraps(command)
        def wrapped(
            *, archive: Path, also: tuple[Path, ...], choice: Choice, folder: Path, since: str | None, until: str | None,
            topic: int | None, zone: str, workers: int | None, quiet: bool, **options: Any,
        ) -> Any:
            if str(folder) in ("", "."):
                raise click.BadParameter("it is empty", param_hint="'--output'") if not str(folder) else click.BadParameter(
                    "name a folder", param_hint="'--output'")
            place = _zone(zone)
            wanted = Filter(parse_moment(since, False, place), parse_moment(until, True, place), topic)
            count = workers or len(os.sched_getaffinity(0))
            archives = archive, *also
            chats = chosen_ids(choice, *map(Archive, archives)) or []
            return command(target=RenderTarget(archives, folder, chats, wanted, zone, count, quiet), **options)

        return wrapped  # type: ignore[return-value]

    return decorate


def _zone(name: str) -> ZoneInfo | None:
    """None is the machine's."""
    try:
        return None if name == "local" else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise click.BadParameter(f"{name!r} is no time zone", param_hint="'--timezone'") from None


def render_format(format: Format, target: RenderTarget) -> None:
    """Render, tell how it goes, and leave with the exit code where that is not 0."""
    progress = RenderProgress(target.quiet)
    rendering = Rendering(
        target.archives[0], format, target.wanted, target.folder, target.workers, progress, target.archives[1:]
    )
    with stop_in_order():
        outcome = rendering.execute(target.chats)
    progress.close(outcome, target.folder)
    code = ExitCode.COMPLETE if not outcome.failed else ExitCode.PARTIAL if outcome.done else ExitCode.NOTHING
    if code:
        raise click.exceptions.Exit(code)


class RenderProgress:
    """For people, on standard error: a line that moves on a terminal, plain lines elsewhere."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._live = sys.stderr.isatty() and not quiet
        self._began = self._drawn_at = time.monotonic()
        self._titles: dict[int, str] = {}
        self._messages = self._total = 0
        self._drawn = 0

    def started(self, marked_id: int, title: str, messages: int) -> None:
        self._titles[marked_id] = title
        self._total += messages

    def rendered(self, marked_id: int, messages: int) -> None:
        self._messages += messages

    def ended(self, chat: ChatDone) -> None:
        about, holes = chat.snapshot.about, chat.snapshot.statement
        fresh = sum(part.messages for part in chat.parts if part.fresh)
        line = f"{chat.marked_id}  {about.title or ''}: {counted(fresh, 'message')} rendered"
        incomplete = bool(holes.missing or holes.quarantined)
        line += (f"; the archive has not all: {holes}" if incomplete else "") + "".join(f"; {one}" for one in chat.remarks)
        self._print(line, incomplete or bool(chat.remarks))

    def failed(self, marked_id: int, error: TgbulkError) -> None:
        self._print(f"{marked_id}  failed: {error}" + (f" ({error.hint})" if error.hint else ""), True)

    def tick(self) -> None:
        now = time.monotonic()
        if self._live and now - self._drawn_at > 0.2:
            self._drawn_at = now
            seconds = now - self._began
            line = f"{clock(seconds)}  {self._messages:,} of {self._total:,} messages"
            if seconds >= MEASURED_FROM:
                line += f", {self._messages / seconds:,.0f} a second"
            steer("\r" + printable(line).ljust(self._drawn))
            self._drawn = len(line)

    def close(self, outcome: RenderOutcome, folder: Path) -> None:
        self._clear()
        if not self._quiet:
            changed = counted(outcome.changed, "chat")
            failed = f", {len(outcome.failed)} failed" if outcome.failed else ""
            seconds = time.monotonic() - self._began
            same = len(outcome.done) - outcome.changed
            click.echo(f"{changed} rendered, {same} unchanged{failed}, {seconds:.1f} s: {printable(str(folder))}", err=True)

    def _print(self, line: str, attention: bool) -> None:
        if attention or not self._quiet:
            self._clear()
            click.echo(f"tgbulk: {printable(line)}", err=True)

    def _clear(self) -> None:
        if self._drawn:
            steer("\r" + " " * self._drawn + "\r")
            self._drawn = 0
