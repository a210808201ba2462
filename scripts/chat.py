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
    from stages.fetch.dialog import Dialog

HEADINGS = ("id", "type", "title", "username", "unread", "last message", "notes")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, times in Unix seconds.")
@with_setting
def chats(setting: Setting, as_json: bool) -> None:
    """List the chats of an account, archived ones too. Times are local."""
    rows: list[tuple[int | str, ...]] = []
    asyncio.run(_walk(setting.access, _write_json if as_json else lambda dialog: rows.append(_row(dialog))))
    if not as_json:
        draw(HEADINGS, rows)


async def _walk(access: Access, take: Callable[[Dialog], None]) -> None:
    from stages.fetch.account import open_account
    from stages.fetch.dialog import walk_dialogs

    async with open_account(access) as client:
        async for dialog in walk_dialogs(client):
            take(dialog)


def _write_json(dialog: Dialog) -> None:
    sys.stdout.write(orjson.dumps(dataclasses.asdict(dialog)).decode() + "\n")


def _row(dialog: Dialog) -> tuple[int | str, ...]:
    date = "" if dialog.date is None else datetime.fromtimestamp(dialog.date).strftime("%Y-%m-%d %H:%M")
    username = f"@{dialog.usernames[0]}" if dialog.usernames else ""
    notes = [name for name in ("pinned", "archived", "forbidden", "left") if getattr(dialog, name)]
    if dialog.migrated_to is not None:
        notes.append(f"migrated to {dialog.migrated_to}")
    return dialog.id, dialog.type, dialog.title, username, dialog.unread, date, ", ".join(notes)
