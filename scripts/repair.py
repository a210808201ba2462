"""`tgbulk verify --repair`: damaged chats are moved aside, never deleted, and exported again."""
from __future__ import annotations

import time
from pathlib import Path

import click

from engine.durable import sync_folder
from scripts.export import IN_FLIGHT, export_chats, require_session
from scripts.reporting import Reporting
from scripts.retry import name_of
from scripts.setting import Setting
from stages.fetch.config import FetchConfig
from stages.fetch.name import parse_name
from stages.verify.finding import Report, Weight
from stages.write.archive import Archive


def repair(archive: Archive, setting: Setting, reports: list[Report]) -> list[int]:
    """Export the chats with damage or holes again; their marked ids. What keeps the export from beginning is raised."""
    chats = [one.marked_id for one in reports if one.marked_id and (one.worst == Weight.DAMAGE or one.holes)]
    if any(one.marked_id is None and one.worst == Weight.DAMAGE for one in reports):
        click.echo("tgbulk: what is wrong with the archive itself stays: restore it from a copy, or export anew", err=True)
    if not chats:
        return []
    accesses = setting.accesses
    for access in accesses:
        require_session(access)
    names = [parse_name(name) for name in dict.fromkeys(name_of(archive, marked_id) for marked_id in chats)]
    with archive.open():
        for marked_id in chats:
            _move_aside(archive.chat(marked_id))
    export_chats(FetchConfig(accesses, names, IN_FLIGHT), archive.root, Reporting(quiet=True))
    return chats


def _move_aside(folder: Path) -> None:
    if folder.is_dir():
        aside = folder.with_name(f"{folder.name}.damaged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
        folder.rename(aside)
        sync_folder(folder.parent)
        click.echo(f"tgbulk: chat {folder.name}: moved to {aside}", err=True)
