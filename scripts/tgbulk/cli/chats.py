"""`tgbulk chats`"""
from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import datetime

import click

from tgbulk.cli.choosing import remarks, with_choice
from tgbulk.cli.setting import Setting, with_setting
from tgbulk.cli.table import draw
from tgbulk.engine.error import TgbulkError
from tgbulk.engine.text import json_line
from tgbulk.stages.fetch.access import Access
from tgbulk.stages.fetch.choice import Choice, Chosen, Entry, choose, find

HEADINGS = ("id", "type", "title", "username", "unread", "last message", "notes")
#: What --sort takes -> the key, and whether the largest comes first.
ORDERS: dict[str, tuple[Callable[[Entry], tuple[object, ...]], bool]] = {
    "title": (lambda entry: (entry.title.casefold(), entry.id), False),
    "type": (lambda entry: (entry.type, entry.title.casefold()), False),
    "date": (lambda entry: (entry.date or 0,), True),
    "unread": (lambda entry: (entry.unread,), True),
    "id": (lambda entry: (entry.id,), False),
}


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, times in Unix seconds.")
@click.option("--sort", "order", type=click.Choice(list(ORDERS)), help="Not in the order of Telegram.")
@click.option("--counts", is_flag=True, help="Ask for the number of messages of each: one request a chat.")
@with_choice
@with_setting
def chats(setting: Setting, choice: Choice, as_json: bool, order: str | None, counts: bool) -> None:
    """List the chats of an account, or those of them that are chosen, as an export would take them. Times are local.

    Without CHATS and options that choose, every chat is listed, those that cannot be read too.
    """
    chosen, numbers, problem = asyncio.run(_list(setting.access, choice, counts))
    entries = chosen.entries
    if order:
        key, descending = ORDERS[order]
        entries = sorted(entries, key=key, reverse=descending)
    if as_json:
        rows = [_document(entry, numbers if counts else None) for entry in entries]
        sys.stdout.writelines(json_line(row).decode() for row in rows)
    else:
        more = ("messages",) if counts else ()
        draw((*HEADINGS, *more), [_row(entry) + ((numbers[entry.id],) if counts else ()) for entry in entries])
    for line in remarks(chosen):
        _say(line)
    for name in chosen.names:
        if find(name, entries) is None:
            _say(f"{name.text} is not in the list of this account; an export looks it up")
    if problem is not None:
        raise problem


async def _list(access: Access, choice: Choice, counts: bool) -> tuple[Chosen, dict[int, int | None], TgbulkError | None]:
    """The chats, the number of messages of each, and why they are not all, None where they are."""
    from tgbulk.stages.fetch.listing import count_messages, list_with, open_caller

    async with open_caller(access, _say) as caller:
        listing = await list_with(caller, bool(choice.folders))
        choice.check_folders(listing.folders)
        if choice == Choice():
            chosen = Chosen(entries=listing.entries)
        else:
            chosen = choose(choice if choice.names or choice.selects else replace(choice, everything=True), listing.entries)
        numbers = await count_messages(caller, listing, chosen.entries) if counts else {}
    return chosen, numbers, listing.problem


def _document(entry: Entry, numbers: dict[int, int | None] | None) -> dict[str, object]:
    document = asdict(entry)
    if entry.folders is None:
        document.pop("folders")
    return document if numbers is None else document | {"messages": numbers[entry.id]}


def _say(text: str) -> None:
    click.echo(f"tgbulk: {text}", err=True)


def _row(entry: Entry) -> tuple[int | str | None, ...]:
    date = "" if entry.date is None else datetime.fromtimestamp(entry.date).strftime("%Y-%m-%d %H:%M")
    username = f"@{entry.usernames[0]}" if entry.usernames else ""
    notes = [name for name in ("pinned", "archived", "forbidden", "left") if getattr(entry, name)]
    if entry.migrated_to is not None:
        notes.append(f"migrated to {entry.migrated_to}")
    return entry.id, entry.type, entry.title, username, entry.unread, date, ", ".join(notes)
