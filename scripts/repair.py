"""`tgbulk verify --repair`: what is damaged is moved aside, never deleted, and comes again: chats and single media."""
from __future__ import annotations

import asyncio
import time
from contextlib import closing
from pathlib import Path

import click

from engine.durable import sync_folder
from scripts.compare import tell
from scripts.export import export_for, require_session
from scripts.media import CONNECTIONS
from scripts.retry import name_of
from scripts.setting import Setting
from stages.fetch.access import Access
from stages.fetch.media.config import MediaConfig
from stages.medium import MediaSelection
from stages.statement import EVERYTHING
from stages.verify.download import download
from stages.verify.finding import Report, Weight
from stages.verify.state import read_about, read_state
from stages.write.archive import Archive
from stages.write.hole import open_holes
from stages.write.index import MediaIndex
from stages.write.media import OPEN
from stages.write.scan import without

#: Holes in a chat that are filled one by one; beyond them the whole chat is asked for again.
HOLES = 50
NOTHING = MediaSelection(frozenset())


def repair(archive: Archive, setting: Setting, reports: list[Report]) -> list[int] | None:
    """Export the chats with damage or holes again, download lost media again. The marked ids of the chats, None where there
    was nothing to do. What keeps it from beginning is raised, and click's Exit where the export is ended before its time."""
    chats = {one.marked_id: one for one in reports if one.marked_id and (one.worst == Weight.DAMAGE or one.missing)}
    own = reports[0]
    if any(not one.file.startswith("media/") for one in own.findings if one.weight == Weight.DAMAGE):
        click.echo("tgbulk: what is wrong with the archive itself stays: restore it from a copy, or export anew", err=True)
    if not chats and not own.lost:
        return None
    accesses = setting.accesses
    for access in accesses:
        require_session(access)
    if chats:
        names = [name_of(archive, marked_id) for marked_id in chats]
        with archive.open():
            for report in chats.values():
                _make_room(archive, report)
        if code := export_for(accesses, names, archive.root):
            again = f"tgbulk export --retry-failed -o {archive.root}"
            click.echo(f"tgbulk: hint: what was moved aside comes with {again}", err=True)
            raise click.exceptions.Exit(code)
    if own.lost:
        _download(archive, accesses, own.lost)
    return list(chats)


def _make_room(archive: Archive, report: Report) -> None:
    """Let the next export ask for what is missing: for a few holes alone, or for the chat from its beginning."""
    assert report.marked_id is not None
    gone = [[one, one + 1] for one in report.missing]
    if report.worst == Weight.DAMAGE or not _open_holes(archive, report):
        _move_aside(archive.chat(report.marked_id))
        gone = [[1, OPEN]]
    if archive.media.exists():
        with closing(MediaIndex(archive.media, NOTHING, damaged=True)) as index:
            index.keep_scanned(report.marked_id, without(index.scanned(report.marked_id), gone))
            index.commit()


def _open_holes(archive: Archive, report: Report) -> bool:
    assert report.marked_id is not None
    progress = read_state(archive).chats[report.marked_id]
    asked = read_about(archive, report.marked_id).get("asked") or EVERYTHING
    return asked == EVERYTHING and open_holes(archive, progress, report.missing, HOLES)


def _download(archive: Archive, accesses: list[Access], lost: list[str]) -> None:
    with archive.open(), closing(MediaIndex(archive.media, NOTHING, damaged=True)) as index:
        for path in lost:
            _move_aside(archive.root / "media" / path)
            index.take_back(path)
        index.commit()
        config = MediaConfig(archive.root, NOTHING, CONNECTIONS)
        asyncio.run(download(accesses, archive, name_of, index, config, tell))
        for path in lost:
            state, reason = index.fate(path)
            if not state:
                click.echo(f"tgbulk: media/{path}: the next export with --transcode makes it again", err=True)
            elif state != "done":
                click.echo(f"tgbulk: media/{path}: {reason or 'it could not be asked for'}", err=True)
            if state == "failed":
                index.take_back(path)
        index.commit()
        click.echo(f"tgbulk: media that came again: {index.files:,}", err=True)


def _move_aside(path: Path) -> None:
    if not path.is_symlink() and not path.exists():
        return
    aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    path.rename(aside)
    sync_folder(path.parent)
    click.echo(f"tgbulk: {'chat ' if aside.is_dir() else ''}{path.name}: moved to {aside}", err=True)
