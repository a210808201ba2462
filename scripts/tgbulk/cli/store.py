"""`tgbulk store`, and what all commands say of a store."""
from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from tgbulk.cli.setting import read_setting
from tgbulk.engine.error import TgbulkError, UsageError
from tgbulk.engine.text import printable
from tgbulk.stages.fleet.check import UnfitStoreError, check_store
from tgbulk.stages.fleet.pruner import Pruned, prune_chat
from tgbulk.stages.fleet.puller import chats_of, spaces
from tgbulk.stages.fleet.store import ObjectStore

Command = TypeVar("Command", bound=Callable[..., Any])
#: Seconds of a day.
_DAY = 86400


def with_store(command: Command) -> Command:
    """Give a click command --store, as its `url`; the setting stands for it. UsageError without either."""

    @click.option("--store", "url", metavar="URL", help="file:///FOLDER or s3://BUCKET/PREFIX (TGBULK_STORE).")
    @functools.wraps(command)
    def wrapped(*, url: str | None, **options: Any) -> Any:
        url = url or read_setting().store
        if url is None:
            raise UsageError("which store? give --store URL, or set TGBULK_STORE")
        return command(url=url, **options)

    return wrapped  # type: ignore[return-value]


def opened_store(url: str, make: bool = False) -> ObjectStore:
    """TgbulkError."""
    return ObjectStore(url, make)


def report_failed(failed: Mapping[int, Exception]) -> None:
    """One line a chat, and what to do next."""
    for chat, error in failed.items():
        said = str(error) if str(chat) in str(error) else f"chat {chat}: {error}"
        click.echo(printable(f"tgbulk: error: {said}"), err=True)
        if isinstance(error, TgbulkError) and error.hint:
            click.echo(printable(f"tgbulk: hint: {error.hint}"), err=True)


@click.group()
def store() -> None:
    """Check or prune a store of archives."""


@store.command()
@click.argument("url")
def check(url: str) -> None:
    """Try whether the store at URL does what publishing rests on.

    It writes below check/ and removes that again. Exit code 0: it does; 8: it does not, and the line says what.
    """
    wrong = []
    for condition, found in check_store(opened_store(url, make=True)):
        click.echo(f"{'FAILS' if found else 'ok':<6} {condition}")
        wrong += [found] if found else []
    if wrong:
        raise UnfitStoreError(url, "; ".join(wrong))


@store.command()
@click.argument("url")
@click.option("--older-than", "days", type=click.IntRange(min=1), default=30, show_default=True, metavar="DAYS",
              help="Remove states of chats that are older, never the newest one.")
def prune(url: str, days: int) -> None:
    """Remove older states of chats from the store at URL, and what only they spoke of."""
    opened = opened_store(url)
    total = Pruned()
    for space in spaces(opened):
        for chat in chats_of(opened, space):
            done = prune_chat(opened, space, chat, days * _DAY)
            total.heads += done.heads
            total.objects += done.objects
            total.bytes += done.bytes
    click.echo(f"{total.heads:,} states and {total.objects:,} objects removed, {total.bytes:,} bytes", err=True)
