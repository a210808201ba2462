"""What `tgbulk export --dry-run` shows: each chat, the sum, and how long it would take."""
from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tgbulk.cli.annexes import Belongings
from tgbulk.cli.lines import clock, size
from tgbulk.cli.table import draw
from tgbulk.engine.aside import aside
from tgbulk.engine.error import ExitCode
from tgbulk.engine.text import json_line, printable
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.id_range import IdRange
from tgbulk.stages.archive.row import read_journal
from tgbulk.stages.archive.statement import counted
from tgbulk.stages.fetch.access import Access
from tgbulk.stages.fetch.config import MediaConfig, Selection
from tgbulk.stages.protocol.event import Notice, Waiting

if TYPE_CHECKING:
    from tgbulk.stages.fetch.forecast import Forecast, Forecasts

HEADINGS = ("id", "type", "title", "messages", "new", "media (estimated)", "requests")


def show_forecast(
    archive: Path, accesses: Sequence[Access], names: list[str], selection: Selection, media: MediaConfig | None,
    takeout: str, as_json: bool, belongings: Belongings,
) -> None:
    """Ask in a process of its own, which loads Telethon; then a table, or JSON, an object a chat and one for the sum.

    What one account cannot read the next one is asked for; all of them together make the pace.

    Leaves with the code of an export in which the same chats fail.
    """
    place = Archive(archive)
    place.check_place()
    covered = {}
    if place.exists():
        covered = {marked: row.covered for marked, row in read_journal(place).chats.items()}
    found = aside(partial(_ask, accesses, names, selection, media, covered, takeout == "yes", belongings))
    failed = [one for one in found.chats if one.reason]
    looked = [one for one in found.chats if not one.reason]
    total = {
        "chats": len(looked),
        "failed": len(failed),
        "messages": sum(one.messages for one in looked),
        "new": sum(one.new for one in looked),
        "files": sum(kind.files for one in looked for kind in one.media.values()),
        "bytes": sum(kind.bytes for one in looked for kind in one.media.values()),
        "requests": sum(one.requests for one in looked),
    }
    seconds = round(total["requests"] / found.rate)
    if as_json:
        for one in found.chats:
            sys.stdout.buffer.write(json_line({"kind": "chat", **asdict(one)}))
        more = {"seconds": seconds, "rate": found.rate, "rate_learnt": found.learnt}
        sys.stdout.buffer.write(json_line({"kind": "total", **total, **more}))
        sys.stdout.buffer.flush()
    else:
        _draw(found, looked, failed, total, seconds)
    if failed:
        codes = {one.code for one in failed}
        alone = codes.pop() if len(codes) == 1 else ExitCode.NOTHING
        raise click.exceptions.Exit(int(ExitCode.PARTIAL if looked else alone))


def _draw(
    found: Forecasts, looked: list[Forecast], failed: list[Forecast], total: Mapping[str, int], seconds: int
) -> None:
    draw(HEADINGS, [_row(one) for one in looked])
    for one in failed:
        click.echo(printable(f"tgbulk: error: {one.name}: {one.reason}"), err=True)
    pace = "the pace that an earlier run learnt" if found.learnt else "the pace that Telegram allows at least"
    files = f", about {counted(total['files'], 'file')} of {size(total['bytes'])}" if total["files"] else ""
    click.echo(
        f"{counted(total['chats'], 'chat')}: {counted(total['messages'], 'message')}, {total['new']:,} new{files}; "
        f"about {counted(total['requests'], 'request')}, {clock(seconds)} at {found.rate:.3g} a second, {pace}", err=True,
    )


def _row(one: Forecast) -> list[str | int]:
    kinds = ", ".join(f"{category} {kind.files:,} ({size(kind.bytes)})" for category, kind in sorted(one.media.items()))
    return [one.marked_id, one.type, one.title, one.messages, one.new, kinds, one.requests]


def _ask(
    accesses: Sequence[Access], names: list[str], selection: Selection, media: MediaConfig | None,
    covered: Mapping[int, list[IdRange]], takeout: bool, belongings: Belongings,
) -> Forecasts:
    import asyncio

    from tgbulk.stages.fetch.forecast import Forecasts, forecast

    wanted = media.selection if media else None
    found = Forecasts([], 0.0, True)
    left = names
    asked = belongings.annexes, belongings.comments
    for access in accesses:
        more = asyncio.run(forecast(access, left, selection, wanted, covered, takeout, _notify, *asked))
        known = [one for one in found.chats if not one.reason]
        found = Forecasts(known + more.chats, found.rate + more.rate, found.learnt and more.learnt)
        left = [one.name for one in more.chats if one.reason]
    return found


def _notify(event: object) -> None:
    if isinstance(event, Waiting):
        click.echo(f"tgbulk: Telegram asks to wait {event.seconds} seconds before the next {event.method}", err=True)
    elif isinstance(event, Notice):
        click.echo(f"tgbulk: {event.text}", err=True)
