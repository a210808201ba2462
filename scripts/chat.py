"""`tgbulk chats`"""
from __future__ import annotations

import asyncio
import dataclasses
import sys
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
    entries = asyncio.run(_list(setting.access))
    if as_json:
        sys.stdout.writelines(orjson.dumps(dataclasses.asdict(entry)).decode() + "\n" for entry in entries)
    else:
        draw(HEADINGS, [_row(entry) for entry in entries])


async def _list(access: Access) -> list[Entry]:
    from stages.fetch.account import open_account
    from stages.fetch.caller import Caller
    from stages.fetch.dialog import iter_dialogs
    from stages.fetch.entry import describe

    async with open_account(access) as client:
        return [describe(listed) async for listed in iter_dialogs(Caller(client, access, _say_wait))]


def _say_wait(method: str, seconds: int) -> None:
    click.echo(f"tgbulk: Telegram asks to wait {seconds} seconds before the next {method}", err=True)


def _row(entry: Entry) -> tuple[int | str, ...]:
    date = "" if entry.date is None else datetime.fromtimestamp(entry.date).strftime("%Y-%m-%d %H:%M")
    username = f"@{entry.usernames[0]}" if entry.usernames else ""
    notes = [name for name in ("pinned", "archived", "forbidden", "left") if getattr(entry, name)]
    if entry.migrated_to is not None:
        notes.append(f"migrated to {entry.migrated_to}")
    return entry.id, entry.type, entry.title, username, entry.unread, date, ", ".join(notes)
