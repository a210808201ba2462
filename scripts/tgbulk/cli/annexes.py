"""The options that ask for what belongs to a chat beside its messages."""
from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from tgbulk.stages.archive.annex import AnnexName

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Belongings:
    """What is asked for."""

    annexes: tuple[AnnexName, ...]
    #: the groups in which channels are discussed
    comments: bool


def with_belongings(command: Command) -> Command:
    """Give a click command these options, and their outcome as its `belongings`."""

    @click.option("--info", is_flag=True, help="Also keep what each chat's profile shows.")
    @click.option("--comments", is_flag=True, help="Also export the groups in which channels are discussed.")
    @click.option("--members", is_flag=True, help="Also keep who is in each group and channel, as far as Telegram shows it.")
    @click.option("--admin-log", is_flag=True, help="Also keep what administrators did in the last 48 hours.")
    @click.option("--stories", is_flag=True, help="Also keep stories: active and pinned ones, and your own archive.")
    @functools.wraps(command)
    def wrapped(*, info: bool, comments: bool, members: bool, admin_log: bool, stories: bool, **options: Any) -> Any:
        asked = {
            AnnexName.INFO: info, AnnexName.MEMBERS: members, AnnexName.ADMIN_LOG: admin_log, AnnexName.STORIES: stories,
        }
        return command(belongings=Belongings(tuple(name for name, on in asked.items() if on), comments), **options)

    return wrapped  # type: ignore[return-value]
