"""The options that choose messages of a chat: ids, times, the newest."""
from __future__ import annotations

import functools
import re
from collections.abc import Callable
from datetime import UTC, datetime, time
from typing import Any, TypeVar

import click

from stages.fetch.config import Selection

Command = TypeVar("Command", bound=Callable[..., Any])
#: Ids and Unix times are signed 32-bit integers at Telegram.
LARGEST = 2**31 - 1
_IDS = click.IntRange(1, LARGEST)


def with_selection(command: Command) -> Command:
    """Give a click command the options that choose messages, and their outcome as its `selection`."""

    @click.option("--min-id", type=_IDS, metavar="ID", help="From this message on.")
    @click.option("--max-id", type=_IDS, metavar="ID", help="Up to this message.")
    @click.option("--since", callback=_start, metavar="TIME", help="From this date, date-time (UTC) or Unix time on.")
    @click.option("--until", callback=_end, metavar="TIME", help="Up to it; a date means the whole day.")
    @click.option("--last", type=_IDS, metavar="N", help="Only the N newest messages of each chat.")
    @functools.wraps(command)
    def wrapped(
        *, min_id: int | None, max_id: int | None, since: int | None, until: int | None, last: int | None, **options: Any
    ) -> Any:
        return command(selection=Selection(min_id, max_id, since, until, last), **options)

    return wrapped  # type: ignore[return-value]


def _start(context: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    return None if value is None else _seconds(value, time.min)


def _end(context: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    return None if value is None else _seconds(value, time(23, 59, 59))


def _seconds(text: str, of_day: time) -> int:
    """Unix seconds of a Unix time or an ISO 8601 date or date-time, UTC unless it says otherwise."""
    try:
        seconds = int(text) if re.fullmatch(r"\d{9,}", text, re.ASCII) else _read(text, of_day)
    except (ValueError, OverflowError):
        raise click.BadParameter(f"{text!r} is no date (2024-12-31), date-time (2024-12-31T18:30Z) or Unix time") from None
    if not 0 < seconds <= LARGEST:
        raise click.BadParameter(f"Telegram has no messages of {text}")
    return seconds


def _read(text: str, of_day: time) -> int:
    moment = datetime.fromisoformat(text)
    if re.fullmatch(r"\d{4}-?(\d{2}-?\d{2}|W\d{2}(-?\d)?)", text, re.ASCII):
        moment = datetime.combine(moment, of_day)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
