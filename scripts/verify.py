"""`tgbulk verify`"""
from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import click
import orjson

from engine.error import ExitCode, UsageError
from scripts.setting import Setting, with_setting
from scripts.stream import ReaderGoneError
from scripts.table import printable
from stages.verify.archive import check_archive, held
from stages.verify.finding import EXIT_CODE, Report, Weight
from stages.write.archive import Archive


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("archive")
@click.argument("chats", nargs=-1)
@click.option("--against-server", "against", is_flag=True, help="Compare with what Telegram has now; needs an account.")
@click.option("--repair", "repairing", is_flag=True, help="Move aside what is damaged and get it again; needs an account.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: the archive itself, then each chat.")
@with_setting
def verify(
    setting: Setting, archive: str, chats: tuple[str, ...], against: bool, repairing: bool, as_json: bool
) -> None:
    """Check ARCHIVE, or these CHATS of it (marked ids), byte by byte against what its journal committed.

    By itself it works offline and changes nothing. Exit code 0: whole; 3: undamaged, but a chat is not complete or could not
    be compared; 12: damaged.
    """
    place = Archive(Path(archive))
    only = parse_ids(chats)
    with held(place):
        found = check_archive(place, only or None, media=not only)
        if against:
            reports = list(found)
            ended = _compare(place, setting, reports)
            _show(reports, as_json)
            if ended:
                raise click.exceptions.Exit(ended)
        else:
            reports = _show(found, as_json)
    if repairing:
        reports = _repair(place, setting, reports, as_json)
    code = EXIT_CODE[max(report.worst for report in reports)]
    if code:
        raise click.exceptions.Exit(code)


def parse_ids(chats: tuple[str, ...]) -> list[int]:
    """Marked ids, each once; UsageError."""
    for chat in chats:
        if chat.startswith("--"):
            raise click.NoSuchOption(chat)
        if not chat.removeprefix("-").isdecimal():
            raise UsageError(f"{chat!r} is no marked id")
    return list(dict.fromkeys(map(int, chats)))


def _compare(archive: Archive, setting: Setting, reports: list[Report]) -> ExitCode:
    # Telethon takes its time to import.
    from scripts.compare import compare_with_server

    return compare_with_server(archive, setting, reports)


def _repair(archive: Archive, setting: Setting, reports: list[Report], as_json: bool) -> list[Report]:
    """The reports after the repair."""
    from scripts.repair import repair

    repaired = repair(archive, setting, reports)
    if repaired is None:
        return reports
    with held(archive):
        again = _show(check_archive(archive, repaired, media=bool(reports[0].lost)), as_json)
    return again + [report for report in reports if report.marked_id and report.marked_id not in repaired]


def _show(reports: Iterable[Report], as_json: bool) -> list[Report]:
    """Print each report as it comes; all of them. Without a reader it goes on: there is the exit code, and the repair."""
    shown = []
    for report in reports:
        shown.append(report)
        with suppress(ReaderGoneError):
            if as_json:
                sys.stdout.buffer.write(orjson.dumps(report.document(), option=orjson.OPT_APPEND_NEWLINE))
                sys.stdout.buffer.flush()
            elif report.marked_id is not None or report.findings:
                _print(report)
    verdicts = Counter(report.verdict for report in shown if report.marked_id is not None)
    counted = ", ".join(f"{verdicts[name]} {name}" for name in ("whole", "unfinished", "damaged") if verdicts[name])
    click.echo(f"{sum(verdicts.values())} chats: {counted or 'none'}", err=True)
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
