"""`tgbulk export`"""
from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

import click

from engine.error import ExitCode
from engine.supervisor import PATIENCE
from scripts.media import with_media
from scripts.reporting import Reporter, Reporting, with_reporting
from scripts.request import keep_request, settle
from scripts.retry import retry_names
from scripts.run import Run
from scripts.selection import with_selection
from scripts.setting import Setting, with_setting
from scripts.summary import keep_metrics, keep_summary, make_run_id, make_summary
from scripts.transcode import with_transcode
from stages.collect.config import CollectConfig
from stages.fetch.access import Access
from stages.fetch.config import FetchConfig, Selection
from stages.fetch.error import AuthNeededError
from stages.fetch.media.config import MediaConfig
from stages.fetch.name import ChatName, parse_name
from stages.fetch.session import Session
from stages.transcode.config import TranscodeConfig
from stages.verify.state import read_state
from stages.write.archive import Archive
from stages.write.config import WriteConfig

#: Requests on the way to Telegram at a time, at most; it begins with fewer (stages/fetch/bucket.py).
IN_FLIGHT = 16
#: Requests a second with --gentle: what Telegram allows without a takeout.
GENTLE_RATE = 1.0


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("chats", nargs=-1)
@click.option("-o", "--output", "archive", required=True, metavar="ARCHIVE", help="Folder of the archive, new or old.")
@click.option("--retry-failed", "retry", is_flag=True, help="Instead of CHATS: those that failed or were cut short.")
@click.option("--workers", type=click.IntRange(1, 64), default=None, help="Decoding processes (cores - 1).")
@click.option("--max-in-flight", "in_flight", type=click.IntRange(1, 28), default=IN_FLIGHT, help="Requests at a time (16).")
@click.option("--gentle", is_flag=True, help="One request at a time, one a second at most.")
@click.option(
    "--takeout",
    type=click.Choice(["no", "yes", "try"]),
    default="no",
    help="Use Telegram's export mode, ten times faster; try: go on without where Telegram delays it.",
)
@click.option(
    "--hang-after",
    "patience",
    type=click.FloatRange(min=2),
    default=PATIENCE,
    metavar="SECONDS",
    help="Kill a process that gives no sign of life for so long (60); the one that writes has five times as long.",
)
@with_reporting
@with_selection
@with_media
@with_setting
@with_transcode
def export(
    setting: Setting,
    reporting: Reporting,
    selection: Selection,
    media: Callable[[Path, float | None], MediaConfig | None],
    transcode: TranscodeConfig,
    chats: tuple[str, ...],
    archive: str,
    retry: bool,
    workers: int | None,
    in_flight: int,
    gentle: bool,
    takeout: str,
    patience: float,
) -> None:
    """Export CHATS into an archive, or bring an archive up to date.

    A chat is a marked id, @username, a t.me link, the invite link of a joined chat, or me. A single - reads them from
    standard input, one a line. One that fails does not stop the others.
    """
    if not archive:
        raise click.BadParameter("it is empty", param_hint="'--output'")
    names = _retry(chats, Archive(Path(archive))) if retry else _parse(chats)
    if not names:
        click.echo("nothing failed and nothing was cut short", err=True)
        return
    config = FetchConfig(
        setting.accesses,
        names,
        in_flight=1 if gentle else in_flight,
        rate=GENTLE_RATE if gentle else None,
        takeout=takeout,
        selection=selection,
        media=media(Path(archive), GENTLE_RATE if gentle else None),
    )
    films = None if transcode.mode == "off" else transcode
    if films and not config.media:
        raise click.UsageError("--transcode needs --media")
    code = export_chats(config, Path(archive), reporting, workers, patience, films)
    if code:
        raise click.exceptions.Exit(code)


def export_chats(
    config: FetchConfig,
    root: Path,
    reporting: Reporting,
    workers: int | None = None,
    patience: float = PATIENCE,
    films: TranscodeConfig | None = None,
) -> ExitCode:
    """One export from here to its summary. Raises what is wrong before it begins; everything later is in the code."""
    reporting.check_port()
    sessions = [require_session(access) for access in config.accesses]
    archive = Archive(root)
    with ExitStack() as stack:
        session_locks = [stack.enter_context(session.lock) for session in sessions]
        archive_lock = stack.enter_context(archive.open())
        started, began = time.time(), time.monotonic()
        run_id = make_run_id(started)
        folder = archive.runs / run_id
        names = [chat.text for chat in config.chats]
        keep_request(folder, names)
        reporter = Reporter(reporting, len(config.chats), folder, run_id)
        collect = CollectConfig(run_id, folder, started, began, os.getpid(), reporting.port, reporter.live)
        count = workers or max(1, (os.cpu_count() or 1) - 1)
        write = WriteConfig(root, config.media.selection if config.media else None, films)
        outcome = Run(config, write, collect, session_locks, archive_lock, count, reporter, patience, films).execute()
        summary = make_summary(outcome, collect, archive)
        keep_summary(folder, summary)
        if outcome.unmeasured:
            keep_metrics(collect, outcome)
        if not outcome.left and not outcome.stopped:
            settle(archive, names)
        archive_lock.remove()
    reporter.close(outcome, summary, root)
    return outcome.exit_code


def export_for(accesses: list[Access], names: Iterable[str], root: Path) -> ExitCode:
    """An export that another command needs: the code of what ended it before its time; COMPLETE where only chats failed."""
    chats = [parse_name(name) for name in dict.fromkeys(names)]
    code = export_chats(FetchConfig(accesses, chats, IN_FLIGHT), root, Reporting(quiet=True))
    return ExitCode.COMPLETE if code in (ExitCode.PARTIAL, ExitCode.NOTHING) else code


def _parse(chats: tuple[str, ...]) -> list[ChatName]:
    names: list[str] = []
    for chat in chats:
        names += sys.stdin.read().split("\n") if chat == "-" else [chat]
    names = [name for name in names if name.strip()]
    if not names:
        raise click.UsageError("no chats were named")
    for name in names:
        if name.startswith("--"):
            raise click.NoSuchOption(name)
    return [parse_name(name) for name in names]


def _retry(chats: tuple[str, ...], archive: Archive) -> list[ChatName]:
    if chats:
        raise click.UsageError("--retry-failed goes without chats")
    return [parse_name(name) for name in retry_names(archive, read_state(archive).chats)]


def require_session(access: Access) -> Session:
    """The account's session; AuthNeededError where there is none."""
    session = Session.of(access.home, access.server, access.account)
    if not session.exists():
        raise AuthNeededError(access.account, f"there is no session for {access.server_name}")
    return session
