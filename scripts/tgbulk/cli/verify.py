"""`tgbulk verify`"""
from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path

import click

from tgbulk.cli.choosing import chosen_ids, with_choice
from tgbulk.cli.reporting import Reporter, Reporting
from tgbulk.cli.setting import Setting, with_setting
from tgbulk.cli.signals import end_by
from tgbulk.cli.stream import ReaderGoneError
from tgbulk.engine.error import ExitCode
from tgbulk.engine.text import json_line, printable
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.fetch.access import Access
from tgbulk.stages.fetch.choice import Choice
from tgbulk.stages.protocol.event import Notice, Waiting
from tgbulk.stages.run.export import ExportRequest, require_session, run_export
from tgbulk.stages.verify.archive import check_archive, held
from tgbulk.stages.verify.report import EXIT_CODE, Report, Weight


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("archive")
@with_choice
@click.option("--against-server", "against", is_flag=True, help="Compare with Telegram's current state; needs an account.")
@click.option("--repair", "repairing", is_flag=True,
              help="Move damaged files aside and download them again; needs an account.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: the archive itself, then each chat.")
@with_setting
def verify(
    setting: Setting, archive: str, choice: Choice, against: bool, repairing: bool, as_json: bool
) -> None:
    """Check ARCHIVE, or these CHATS of it, byte by byte against what its journal committed.

    By itself it works offline and changes nothing. Exit code 0: whole; 3: undamaged, but a chat is not complete or could not
    be compared; 12: damaged.
    """
    place = Archive(Path(archive))
    with held(place):
        only = chosen_ids(choice, place)
        found = check_archive(place, only, media=only is None)
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


def _compare(archive: Archive, setting: Setting, reports: list[Report]) -> ExitCode:
    # Telethon takes its time to import.
    from tgbulk.stages.verify.compare import compare_with_server

    return compare_with_server(archive, setting.access, reports, partial(_export, [setting.access]), _notify)


def _repair(archive: Archive, setting: Setting, reports: list[Report], as_json: bool) -> list[Report]:
    """The reports after the repair."""
    from tgbulk.cli.media import CONNECTIONS
    from tgbulk.stages.verify.repair import Repair, Repairs

    repairs = Repairs.of(archive, reports)
    if repairs.beyond:
        click.echo("tgbulk: the archive itself is damaged: restore it from a copy, or export it again", err=True)
    if not repairs:
        return reports
    accesses = setting.accesses
    for access in accesses:
        require_session(access)
    code = Repair(archive, accesses, partial(_export, accesses), CONNECTIONS, _notify).run(repairs)
    if code:
        again = f"tgbulk export --retry-failed -o {archive.root}"
        click.echo(f"tgbulk: hint: export what was moved aside with {again}", err=True)
        raise click.exceptions.Exit(code)
    with held(archive):
        checked = _show(check_archive(archive, list(repairs.chats), media=bool(repairs.lost)), as_json)
    return checked + [report for report in reports if report.marked_id and report.marked_id not in repairs.chats]


def _export(accesses: list[Access], names: Iterable[str], root: Path) -> ExitCode:
    """Get these chats, as part of the check: the code of what ended that before its time."""
    request = ExportRequest(root, accesses, list(dict.fromkeys(names)))
    outcome = run_export(request, Reporter(Reporting(quiet=True), root))
    if outcome.exit_code is ExitCode.INTERRUPTED:
        click.get_current_context().call_on_close(partial(end_by, outcome.signal))
    return outcome.cut_short


def _notify(event: object) -> None:
    """What Telegram keeps us waiting for, and what else is to be said."""
    if isinstance(event, Waiting):
        click.echo(f"tgbulk: Telegram asks to wait {event.seconds} seconds before the next {event.method}", err=True)
    elif isinstance(event, Notice):
        click.echo(f"tgbulk: {event.text}", err=True)


def _show(reports: Iterable[Report], as_json: bool) -> list[Report]:
    """Print each report as it comes; all of them. Without a reader it goes on: there is the exit code, and the repair."""
    shown = []
    for report in reports:
        shown.append(report)
        with suppress(ReaderGoneError):
            if as_json:
                sys.stdout.buffer.write(json_line(report.document()))
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
