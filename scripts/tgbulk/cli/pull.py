"""`tgbulk pull`"""
from __future__ import annotations

import sys
from pathlib import Path

import click

from tgbulk.cli.signals import stop_in_order
from tgbulk.cli.store import opened_store, report_failed, with_store
from tgbulk.engine.error import ExitCode, TgbulkError, UsageError, file_error
from tgbulk.engine.text import json_line, printable
from tgbulk.stages.archive.account import is_common
from tgbulk.stages.archive.committed import PUBLIC
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.statement import counted
from tgbulk.stages.fleet.head import claim_chat
from tgbulk.stages.fleet.puller import Puller, chats_of, chosen_spaces
from tgbulk.stages.fleet.store import ObjectStore


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("chats", nargs=-1, type=int, metavar="[CHATS]...")
@click.option("-o", "--archive", required=True, metavar="ARCHIVE",
              help="Archive to put them into; made where it is missing.")
@with_store
@click.option("--space", metavar="ACCOUNT", help="Id of the account whose private chats are meant; `public`: none of them.")
@click.option("--claim", is_flag=True, help="Become the one who publishes these CHATS; whoever did so before cannot go on.")
@click.option("--replace", "anyway", is_flag=True,
              help="Put the store's state of a chat in the place of another one that the archive has.")
@click.option("--wait-lock", "wait", type=click.FloatRange(min=0), default=0.0, metavar="SECONDS",
              help="Wait so long for an archive that is in use (0).")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each chat.")
def pull(
    chats: tuple[int, ...], archive: str, url: str, space: str | None, claim: bool, anyway: bool, wait: float, as_json: bool
) -> None:
    """Make CHATS of a store, given by their ids, or all of them, into chats of an archive, which `tgbulk export` continues.

    Exit code 0: they are there; 3: some could not be had.
    """
    if claim and not chats:
        raise UsageError("--claim wants to know which CHATS")
    if space not in (None, PUBLIC) and not str(space).isdecimal():
        raise UsageError(f"--space is the id of an account, or public, not {space!r}")
    store = opened_store(url, make=claim)
    place = Archive(Path(archive))
    failed: dict[int, Exception] = {}
    pulled = unchanged = 0
    with stop_in_order(), place.open(wait):
        try:
            puller = Puller(store, place, anyway)
            try:
                for one, chat in _wanted(store, space, chats):
                    try:
                        epoch = claim_chat(store, one, chat).epoch if claim else None
                        head = puller.pull_chat(one, chat)
                    except (TgbulkError, OSError) as error:
                        failed[chat] = error
                        report_failed({chat: error})
                        continue
                    pulled, unchanged = pulled + (head is not None), unchanged + (head is None)
                    if as_json:
                        line = {"chat": chat, "space": one, "pulled": head is not None, "epoch": epoch}
                        sys.stdout.buffer.write(json_line(line))
            finally:
                puller.close()
        except OSError as error:
            raise file_error(error, error.filename or place.root) from error
    if not as_json:
        click.echo(f"{counted(pulled, 'chat')} pulled, {unchanged} unchanged: {printable(archive)}", err=True)
    if failed:
        raise click.exceptions.Exit(ExitCode.PARTIAL)


def _wanted(store: ObjectStore, space: str | None, chats: tuple[int, ...]) -> list[tuple[str, int]]:
    """(space, chat) of each."""
    if not chats:
        return [(one, chat) for one in chosen_spaces(store, space) for chat in chats_of(store, one)]
    found = []
    for chat in chats:
        if not is_common(chat):
            found.append((PUBLIC, chat))
            continue
        private = [one for one in chosen_spaces(store, space) if one != PUBLIC] if space is None else [space]
        if not private:
            raise UsageError(f"whose chat is {chat}? give the id of the account with --space")
        found.append((private[0], chat))
    return found
