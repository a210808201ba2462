"""`tgbulk chats`"""
from __future__ import annotations

import asyncio
import dataclasses
import sys
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

import click
import orjson

from scripts.setting import Setting, with_setting
from scripts.table import draw
from stages.fetch.access import Access

if TYPE_CHECKING:
    from stages.fetch.entry import Entry

HEADINGS = ("id", "type", "title", "username", "unread", "last message", "notes")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, times in Unix seconds.")
@with_setting
def chats(setting: Setting, as_json: bool) -> None:
    """List the chats of an account, archived ones too. Times are local."""
    rows: list[tuple[int | str, ...]] = []
    asyncio.run(_walk(setting.access, _write_json if as_json else lambda entry: rows.append(_row(entry))))
    if not as_json:
        draw(HEADINGS, rows)


async def _walk(access: Access, take: Callable[[Entry], None]) -> None:
    from stages.fetch.account import open_account
    from stages.fetch.caller import Caller
    from stages.fetch.dialog import iter_dialogs
    from stages.fetch.entry import describe

    async with open_account(access) as client:
        async for listed in iter_dialogs(Caller(client, access.server_name, _say_wait)):
            take(describe(listed))


def _say_wait(method: str, seconds: int) -> None:
    click.echo(f"tgbulk: Telegram asks to wait {seconds} seconds before the next {method}", err=True)


def _write_json(entry: Entry) -> None:
    sys.stdout.write(orjson.dumps(dataclasses.asdict(entry)).decode() + "\n")


def _row(entry: Entry) -> tuple[int | str, ...]:
    date = "" if entry.date is None else datetime.fromtimestamp(entry.date).strftime("%Y-%m-%d %H:%M")
    username = f"@{entry.usernames[0]}" if entry.usernames else ""
    notes = [name for name in ("pinned", "archived", "forbidden", "left") if getattr(entry, name)]
    if entry.migrated_to is not None:
        notes.append(f"migrated to {entry.migrated_to}")
    return entry.id, entry.type, entry.title, username, entry.unread, date, ", ".join(notes)
