"""`tgbulk resolve`"""
from __future__ import annotations

import asyncio
import sys

import click

from tgbulk.cli.setting import Setting, with_setting
from tgbulk.cli.table import draw
from tgbulk.engine.error import ExitCode
from tgbulk.engine.text import json_line, printable
from tgbulk.stages.archive.committed import space_of_chat
from tgbulk.stages.fetch.error import ChatError
from tgbulk.stages.fetch.name import ChatName, parse_name
from tgbulk.stages.run.export import require_session
from tgbulk.stages.telegram.chat import ChatRecord


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("names", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each name.")
@click.option("--wait-lock", "wait", type=click.FloatRange(min=0), default=0.0, metavar="SECONDS",
              help="Wait so long for an account that is in use (0).")
@with_setting
def resolve(setting: Setting, names: tuple[str, ...], as_json: bool, wait: float) -> None:
    """Say which chats NAMES mean to an account: id, space in a store, type and title.

    A name is asked for once: then the account's cache knows it, for a day where it is a username. Exit code 0: all; 3: some
    mean nothing; 4: none does.
    """
    require_session(setting.access)
    found = asyncio.run(_resolve(setting, [parse_name(name) for name in names], wait))
    failed = {name: one for name, one in found.items() if isinstance(one, ChatError)}
    records = {name: one for name, one in found.items() if isinstance(one, ChatRecord)}
    if as_json:
        for name, one in found.items():
            sys.stdout.buffer.write(json_line(_document(name, one)))
    else:
        rows = [[name, str(one.marked_id), _space(one), one.type, one.title] for name, one in records.items()]
        draw(("name", "id", "space", "type", "title"), rows)
        for name, error in failed.items():
            click.echo(printable(f"tgbulk: error: {name}: {error}"), err=True)
    if failed:
        raise click.exceptions.Exit(ExitCode.PARTIAL if records else ExitCode.NOTHING)


async def _resolve(setting: Setting, names: list[ChatName], wait: float) -> dict[str, ChatRecord | ChatError]:
    # Telethon takes its time to import.
    from tgbulk.stages.fetch.resolving import resolve_names

    def say(text: str) -> None:
        click.echo(f"tgbulk: {text}", err=True)

    return {name.text: found async for name, found in resolve_names(setting.access, names, say, wait)}


def _space(record: ChatRecord) -> str:
    return space_of_chat(record.marked_id, record.account)


def _document(name: str, found: ChatRecord | ChatError) -> dict[str, object]:
    if isinstance(found, ChatError):
        return {"name": name, "id": None, "reason": str(found), "kind": found.kind}
    return {
        "name": name, "id": found.marked_id, "space": _space(found), "type": found.type, "title": found.title,
        "usernames": found.usernames,
    }
