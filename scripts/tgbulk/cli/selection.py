"""The options that choose messages of a chat: ids, times, the newest."""
from __future__ import annotations

import functools
import re
from collections.abc import Callable
from datetime import UTC, datetime, time, tzinfo
from time import time as now
from typing import Any, TypeVar

import click

from tgbulk.stages.fetch.config import Selection

Command = TypeVar("Command", bound=Callable[..., Any])
#: Ids and Unix times are signed 32-bit integers at Telegram.
LARGEST = 2**31 - 1
#: Seconds of what a time ago is counted in.
_AGO = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_IDS = click.IntRange(1, LARGEST)


def with_selection(command: Command) -> Command:
    """Give a click command the options that choose messages, and their outcome as its `selection`."""

    @click.option("--min-id", type=_IDS, metavar="ID", help="Only messages with this id or a higher one.")
    @click.option("--max-id", type=_IDS, metavar="ID", help="Only messages with this id or a lower one.")
    @click.option("--since", callback=_start, metavar="TIME",
                  help="Only messages since this date, date-time (UTC), Unix time or time ago (7d).")
    @click.option("--until", callback=_end, metavar="TIME", help="Only messages until then; a date includes the whole day.")
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


def parse_moment(text: str | None, end: bool, zone: tzinfo | None) -> int | None:
    """Unix seconds of a time on the command line; a date alone is its first second, or its last one.

    zone: of times that name none, None for the machine's. click.BadParameter.
    """
    return None if text is None else _seconds(text, time(23, 59, 59) if end else time.min, zone)


def _seconds(text: str, of_day: time, zone: tzinfo | None = UTC) -> int:
    """Unix seconds of a Unix time or an ISO 8601 date or date-time, in this zone unless it says otherwise."""
    if ago := re.fullmatch(r"(\d{1,6})([smhdw])", text, re.ASCII):
        text = str(int(now()) - int(ago[1]) * _AGO[ago[2]])
    try:
        seconds = int(text) if re.fullmatch(r"\d{9,}", text, re.ASCII) else _read(text, of_day, zone)
    except (ValueError, OverflowError):
        forms = "date (2024-12-31), date-time (2024-12-31T18:30Z), Unix time or time ago (7d)"
        raise click.BadParameter(f"{text!r} is no {forms}") from None
    if not 0 < seconds <= LARGEST:
        raise click.BadParameter(f"Telegram has no messages of {text}")
    return seconds


def _read(text: str, of_day: time, zone: tzinfo | None) -> int:
    moment = datetime.fromisoformat(text)
    if re.fullmatch(r"\d{4}-?(\d{2}-?\d{2}|W\d{2}(-?\d)?)", text, re.ASCII):
        moment = datetime.combine(moment, of_day)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp())
