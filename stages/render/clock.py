"""Unix time as the clock on a wall shows it, for millions of messages: offsets and days are computed once and kept."""
from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple

#: Seconds within which an offset is looked up once; where it changes within, it is looked up each time.
_BLOCK = 6 * 3600
_DAY = 86_400
#: Days and blocks kept; more than most chats have.
_KEPT = 20_000
_MINUTES = tuple(f"{minute // 60:02}:{minute % 60:02}" for minute in range(1440))
_SECONDS = tuple(f"{second:02}" for second in range(60))
_ISO_MINUTES = tuple(f"{minute}:".encode() for minute in _MINUTES)
_ISO_SECONDS = tuple(second.encode() for second in _SECONDS)
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
           "November", "December")
_EPOCH = datetime(1970, 1, 1)


class Day(NamedTuple):
    """A day in the forms in which pages write it."""

    #: days since 1970
    number: int
    #: 2020-01-31
    iso: str
    #: 31.01.2020
    dotted: str
    #: 31 January 2020, in English whatever the locale
    words: str


class Moment(NamedTuple):
    """A time of a day."""

    day: Day
    #: 23:59
    minute: str
    #: 59
    second: str
    #: UTC+02:00
    zone: str

    @property
    def full(self) -> str:
        """As Telegram Desktop's pages have it, with the offset of that day: 31.01.2020 23:59:59 UTC+01:00."""
        day, minute, second, zone = self
        return f"{day.dotted} {minute}:{second} {zone}"

    @property
    def words(self) -> str:
        return f"{self.day.words}, {self.minute}"


class Clock:
    """Times of one zone."""

    def __init__(self, zone: tzinfo | None) -> None:
        """`zone`: None is the machine's own."""
        self._zone = zone
        self._offsets: dict[int, tuple[int, str] | None] = {}
        self._days: dict[int, Day] = {}
        #: of the last question
        self._asked: tuple[int, Moment] | None = None
        self._iso_days: dict[int, bytes] = {}

    def at(self, unix: int) -> Moment:
        """The local time of Unix seconds."""
        if self._asked is not None and self._asked[0] == unix:
            return self._asked[1]
        block = unix // _BLOCK
        if block not in self._offsets:
            self._offsets[block] = self._common(block)
        offset = self._offsets[block] or self._offset(unix)
        number, second = divmod(unix + offset[0], _DAY)
        day = self._days.get(number) or self._day(number)
        moment = Moment(day, _MINUTES[second // 60], _SECONDS[second % 60], offset[1])
        self._asked = unix, moment
        return moment

    def shown(self, unix: int) -> tuple[Day, str, str]:
        """(the day, 23:59, the whole as `Moment.full` has it) of Unix seconds."""
        block = unix // _BLOCK
        offset = self._offsets.get(block)
        if offset is None:
            if block not in self._offsets:
                self._offsets[block] = self._common(block)
            offset = self._offsets[block] or self._offset(unix)
        number, second = divmod(unix + offset[0], _DAY)
        day = self._days.get(number) or self._day(number)
        minute = _MINUTES[second // 60]
        return day, minute, f"{day.dotted} {minute}:{_SECONDS[second % 60]} {offset[1]}"

    def iso(self, unix: int) -> bytes:
        """2020-01-31T23:59:59, without the offset."""
        block = unix // _BLOCK
        if block not in self._offsets:
            self._offsets[block] = self._common(block)
        offset = self._offsets[block] or self._offset(unix)
        number, second = divmod(unix + offset[0], _DAY)
        day = self._iso_days.get(number)
        if day is None:
            day = (self._days.get(number) or self._day(number)).iso.encode() + b"T"
            self._iso_days[number] = day
        return day + _ISO_MINUTES[second // 60] + _ISO_SECONDS[second % 60]

    def _common(self, block: int) -> tuple[int, str] | None:
        """The offset of a whole block, None where it changes within."""
        if len(self._offsets) > _KEPT:
            self._offsets.clear()
        first, last = self._offset(block * _BLOCK), self._offset((block + 1) * _BLOCK)
        return first if first == last else None

    def _offset(self, unix: int) -> tuple[int, str]:
        """(seconds east of UTC, the offset in words)"""
        try:
            moment = datetime.fromtimestamp(unix, UTC).astimezone(self._zone)
        except OSError as error:
            raise OverflowError(f"{unix} is no time") from error
        offset = int((moment.utcoffset() or timedelta()).total_seconds())
        minutes = abs(offset) // 60
        return offset, f"UTC{'-' if offset < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}"

    def _day(self, number: int) -> Day:
        if len(self._days) > _KEPT:
            self._days.clear()
            self._iso_days.clear()
        date = _EPOCH + timedelta(number)
        day = Day(number, f"{date:%Y-%m-%d}", f"{date:%d.%m.%Y}", f"{date.day} {_MONTHS[date.month - 1]} {date.year}")
        self._days[number] = day
        return day
