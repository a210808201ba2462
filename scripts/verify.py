"""`tgbulk verify`"""
from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import click
import orjson

from engine.error import UsageError
from scripts.table import printable
from stages.verify.archive import check_archive, held
from stages.verify.finding import EXIT_CODE, Report, Weight
from stages.write.archive import Archive


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("archive")
@click.argument("chats", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: the archive itself, then each chat.")
def verify(archive: str, chats: tuple[str, ...], as_json: bool) -> None:
    """Check ARCHIVE, or these CHATS of it (marked ids), byte by byte against what its journal committed.

    Works offline and changes nothing. Exit code 0: whole; 3: as it should be, but not every chat is complete; 12: damaged.
    """
    with held(Archive(Path(archive))):
        reports = show(check_archive(Archive(Path(archive)), parse_ids(chats)), as_json)
    code = EXIT_CODE[max(report.worst for report in reports)]
    if code:
        raise click.exceptions.Exit(code)


def parse_ids(chats: tuple[str, ...]) -> list[int]:
    """Marked ids, each once; UsageError."""
    for chat in chats:
        if not chat.removeprefix("-").isdecimal():
            raise UsageError(f"{chat!r} is no marked id")
    return list(dict.fromkeys(map(int, chats)))


def show(reports: Iterable[Report], as_json: bool) -> list[Report]:
    """Print each report as it comes; all of them."""
    shown = []
    for report in reports:
        shown.append(report)
        if as_json:
            sys.stdout.buffer.write(orjson.dumps(report.document(), option=orjson.OPT_APPEND_NEWLINE))
            sys.stdout.buffer.flush()
        elif report.marked_id is not None or report.findings:
            _print(report)
    verdicts = Counter(report.verdict for report in shown if report.marked_id is not None)
    click.echo(f"{sum(verdicts.values())} chats: " + (_counted(verdicts) or "none"), err=True)
    return shown


def _print(report: Report) -> None:
    subject = "the archive itself" if report.marked_id is None else f"{report.marked_id}  {printable(report.title)}"
    said = f"{report.messages:,} messages" if report.marked_id is not None else ""
    if report.statement and report.worst < Weight.DAMAGE:
        said = str(report.statement)
    click.echo(f"{report.verdict:<10}  {subject}" + (f": {said}" if said else ""))
    for one in report.findings:
        weight = "" if one.weight == Weight.DAMAGE else f"{one.weight.name.lower()}: "
        click.echo(f"{'':<10}  {weight}{printable(one.file)}: {printable(one.text)}")
    if report.more:
        click.echo(f"{'':<10}  and {report.more:,} more")


def _counted(verdicts: Counter[str]) -> str:
    return ", ".join(f"{verdicts[name]} {name}" for name in ("whole", "unfinished", "damaged") if verdicts[name])
