"""Times as texts: RFC 3339, in UTC or another zone."""
from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = 86_400
#: Days kept as texts.
_KEPT = 4096


def zone_of(name: str) -> tzinfo | None:
    """Of an IANA name; None for "local", which means the machine's."""
    return None if name == "local" else UTC if name == "UTC" else ZoneInfo(name)


def stamper(zone: str) -> Callable[[int], str]:
    """A function from Unix seconds to text: 2024-05-06T07:08:09Z, or with the offset of another zone."""
    place = zone_of(zone)
    if place is UTC:
        return _utc
    return lambda seconds: _at(seconds, place).isoformat()


def month_of(zone: str) -> Callable[[int], str]:
    """A function from Unix seconds to the month there: 2024-05."""
    place = zone_of(zone)

    @lru_cache(_KEPT)
    def of_hour(quarter: int) -> str:
        return _at(quarter * 900, place).strftime("%Y-%m")

    return lambda seconds: of_hour(seconds // 900)


def _at(seconds: int, place: tzinfo | None) -> datetime:
    moment = _EPOCH + timedelta(seconds=seconds)
    return moment.astimezone(place)


def _utc(seconds: int) -> str:
    day, second = divmod(seconds, _DAY)
    return _day(day) + _clock()[second]


@lru_cache(_KEPT)
def _day(number: int) -> str:
    return (_EPOCH + timedelta(days=number)).strftime("%Y-%m-%dT")


@cache
def _clock() -> list[str]:
    """Every second of a day."""
    return [f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z" for second in range(_DAY)]
