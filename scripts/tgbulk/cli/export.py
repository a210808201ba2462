"""`tgbulk export`"""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from tgbulk.cli.annexes import Belongings, with_belongings
from tgbulk.cli.choosing import choose_listed, require_chats, with_choice, with_part
from tgbulk.cli.given import ExportCommand, given
from tgbulk.cli.lease import with_lease
from tgbulk.cli.media import with_media
from tgbulk.cli.recheck import RecheckType
from tgbulk.cli.reporting import Reporter, Reporting, with_reporting
from tgbulk.cli.selection import with_selection
from tgbulk.cli.setting import Setting, with_setting
from tgbulk.cli.signals import end_by
from tgbulk.cli.transcode import with_transcode
from tgbulk.engine.error import ExitCode, NothingError
from tgbulk.engine.lease import Lease
from tgbulk.engine.supervisor import PATIENCE
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.listed import ListedChat
from tgbulk.stages.archive.row import read_journal
from tgbulk.stages.fetch.choice import Choice, Chosen
from tgbulk.stages.fetch.config import MediaConfig, Recheck, Selection
from tgbulk.stages.run.export import IN_FLIGHT, MOST_IN_FLIGHT, ExportRequest, run_export
from tgbulk.stages.run.retry import retry_names
from tgbulk.stages.transcode.config import TranscodeConfig

#: Requests a second with --gentle: what Telegram allows without a takeout.
GENTLE_RATE = 1.0


@click.command(cls=ExportCommand, context_settings={"ignore_unknown_options": True})
@click.option("-o", "--output", "archive", required=True, metavar="ARCHIVE", help="Folder of the archive, new or old.")
@click.option("--retry-failed", "retry", is_flag=True,
              help="Export the chats that failed or were interrupted, instead of CHATS.")
@click.option("--feed", is_flag=True,
              help="Read chats from standard input, one a line, while the run goes on, until that is closed.")
@click.option("--dry-run", is_flag=True, help="Show what would be exported and what it would take; export nothing.")
@click.option("--again", is_flag=True, help="Repeat the archive's last run: its chats and options.")
@click.option("--job", metavar="FILE", help="Read chats and options from this file; options given here win.")
@click.option("--workers", type=click.IntRange(1, 64), default=None, help="Decoding processes (cores - 1).")
@click.option(
    "--max-in-flight",
    "in_flight",
    type=click.IntRange(1, MOST_IN_FLIGHT),
    default=IN_FLIGHT,
    help="History requests of each account at a time, at most (32); as few as its pace and the answer time ask for.",
)
@click.option("--gentle/--no-gentle", default=False, help="One request at a time, one a second at most (off).")
@click.option(
    "--takeout",
    type=click.Choice(["no", "yes", "try"]),
    default="no",
    help="Use Telegram's export mode, ten times faster; try: continue without it if Telegram delays it.",
)
@click.option("--recheck", type=RecheckType(), default=None, metavar="DAYS|all|none",
              help="Look again at messages of so many days where Telegram cannot tell what changed (7).")
@click.option(
    "--hang-after",
    "patience",
    type=click.FloatRange(min=2),
    default=PATIENCE,
    metavar="SECONDS",
    help="Kill a process that does not respond for so long (60); the one that writes has five times as long.",
)
@click.option("--wait-lock", type=click.FloatRange(min=0), default=0.0, metavar="SECONDS",
              help="Wait so long for an account or archive that is in use (0).")
@with_lease
@with_reporting
@with_part
@with_choice
@with_selection
@with_media
@with_belongings
@with_setting
@with_transcode
def export(
    setting: Setting,
    reporting: Reporting,
    selection: Selection,
    media: Callable[[Path, float | None], MediaConfig | None],
    transcode: TranscodeConfig,
    choice: Choice,
    belongings: Belongings,
    archive: str,
    retry: bool,
    feed: bool,
    again: bool,
    dry_run: bool,
    job: str | None,
    workers: int | None,
    in_flight: int,
    gentle: bool,
    takeout: str,
    recheck: Recheck | None,
    patience: float,
    wait_lock: float,
    lease: Lease | None,
) -> None:
    """Export CHATS into an archive, or bring an archive up to date.

    A chat is a marked id, @username, a t.me link, the invite link of a joined chat, or me; a link to a message, topic or
    comment means that part of it. A single - reads them from standard input, one a line. A chat that fails does not stop
    the others.
    """
    if feed and (retry or dry_run or job or choice != Choice()):
        raise click.UsageError("--feed goes without other chats, --job, --retry-failed and --dry-run")
    if dry_run and not retry:
        from tgbulk.cli.forecast import show_forecast

        names = [name.text for name in _chosen(choice, setting, wait_lock).names]
        wanted = media(Path(archive), None)
        show_forecast(Path(archive), setting.accesses, names, selection, wanted, takeout, reporting.events, belongings)
        return
    if not archive:
        raise click.BadParameter("it is empty", param_hint="'--output'")
    reporter = Reporter(reporting, Path(archive))
    with reporter.failures():
        chosen = Chosen() if retry or feed else _chosen(choice, setting, wait_lock)
        names = _retry(choice, Archive(Path(archive))) if retry else [name.text for name in chosen.names]
    if not names and not feed:
        click.echo("nothing to retry: no chat failed or was interrupted", err=True)
        return
    config = media(Path(archive), GENTLE_RATE if gentle else None)
    videos = None if transcode.mode == "off" else transcode
    if videos and not config:
        raise click.UsageError("--transcode needs --media")
    request = ExportRequest(
        Path(archive),
        setting.accesses,
        names,
        selection,
        config,
        videos,
        belongings.annexes,
        belongings.comments,
        in_flight=1 if gentle else in_flight,
        rate=GENTLE_RATE if gentle else None,
        takeout=takeout,
        recheck=recheck or Recheck(),
        feed=0 if feed else None,
        workers=workers,
        patience=patience,
        metrics_port=reporting.port,
        wait_lock=wait_lock,
        lease=lease,
        listed={one.id: ListedChat(one.archived, one.folders) for one in chosen.entries if one.folders is not None},
        options=None if retry else given(click.get_current_context()),
    )
    with reporter.failures():
        outcome = run_export(request, reporter)
    if outcome.limited and takeout == "no":
        reporter.advise("--takeout yes is Telegram's export mode, ten times faster")
    if outcome.exit_code is ExitCode.INTERRUPTED:
        end_by(outcome.signal)
    if outcome.exit_code:
        raise click.exceptions.Exit(outcome.exit_code)


def _chosen(choice: Choice, setting: Setting, wait: float) -> Chosen:
    require_chats(choice)
    chosen = choose_listed(choice, setting.accesses, wait) if choice.needs_list else Chosen(list(choice.names))
    if not chosen.names:
        raise NothingError("no chat that can be read fits")
    return chosen


def _retry(choice: Choice, archive: Archive) -> list[str]:
    if choice != Choice():
        raise click.UsageError("--retry-failed goes without chats")
    return retry_names(archive, read_journal(archive).chats)
