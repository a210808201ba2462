"""`tgbulk follow`"""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from tgbulk.cli.chats_file import read_names
from tgbulk.cli.export import export
from tgbulk.cli.given import ExportCommand
from tgbulk.cli.job import read_job
from tgbulk.cli.media import with_media
from tgbulk.cli.notify import notifying
from tgbulk.cli.recheck import RecheckType
from tgbulk.cli.reporting import Reporter, Reporting, with_reporting
from tgbulk.cli.setting import Setting, with_setting
from tgbulk.engine.error import UsageError
from tgbulk.engine.supervisor import PATIENCE
from tgbulk.stages.fetch.config import MediaConfig, Recheck
from tgbulk.stages.run.export import ExportRequest, run_export


@click.command()
@click.argument("archive", metavar="ARCHIVE")
@click.argument("chats", nargs=-1)
@click.option("--job", metavar="FILE", help="The chats of this job file as well; read again at SIGHUP.")
@click.option("--chats-file", metavar="FILE", help="Names, one a line; read again at SIGHUP.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, help="Decoding processes (1).")
@click.option("--recheck", type=RecheckType(), default=None, metavar="DAYS|all|none",
              help="Look again at messages of so many days where Telegram cannot tell what changed (7).")
@click.option("--hang-after", "patience", type=click.FloatRange(min=2), default=PATIENCE, metavar="SECONDS",
              help="Kill a process that does not respond for so long (60).")
@click.option("--wait-lock", type=click.FloatRange(min=0), default=0.0, metavar="SECONDS",
              help="Wait so long for an account or archive that is in use (0).")
@with_reporting
@with_media
@with_setting
def follow(
    setting: Setting,
    reporting: Reporting,
    media: Callable[[Path, float | None], MediaConfig | None],
    archive: str,
    chats: tuple[str, ...],
    job: str | None,
    chats_file: str | None,
    workers: int,
    recheck: Recheck | None,
    patience: float,
    wait_lock: float,
) -> None:
    """Export CHATS into ARCHIVE, then keep up with every new message, edit and deletion until SIGTERM or Ctrl-C.

    What was missed is asked for: after a pause, however long, after a lost connection, after a kill. SIGHUP reads the job
    and the file of chats again. Under systemd (Type=notify) it says when it is ready, and that it is alive.
    """
    names = _names(chats, job, chats_file)
    root = Path(archive)
    reporter = Reporter(reporting, root)
    request = ExportRequest(
        root,
        setting.accesses,
        names,
        media=media(root, None),
        recheck=recheck or Recheck(),
        follow=True,
        reload=lambda: _names(chats, job, chats_file),
        workers=workers,
        patience=patience,
        metrics_port=reporting.port,
        wait_lock=wait_lock,
    )
    with reporter.failures():
        outcome = run_export(request, notifying(reporter))
    if outcome.exit_code:
        raise click.exceptions.Exit(outcome.exit_code)


def _names(chats: tuple[str, ...], job: str | None, chats_file: str | None) -> list[str]:
    """UsageError for files that cannot be read, and where no chat is named."""
    found = list(chats)
    if job is not None:
        assert isinstance(export, ExportCommand)
        for part in read_job(job, export).parts:
            found += part.get("chats", [])
    if chats_file is not None:
        found += [one.text for one in read_names(chats_file, skip_bad=False)]
    if not found:
        raise UsageError("no chat is named")
    return list(dict.fromkeys(found))
