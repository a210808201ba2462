"""Cutting one page out of a list of message ids, as messages.getHistory does (docs/spec/history-fetching.md 1)."""
from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

#: The most messages in one page, whatever the request asks for.
PAGE_LIMIT = 100
#: What limit=0 means in a history.
DEFAULT_LIMIT = 20


class Ranked(Protocol):
    """Message ids in ascending order: a History, or a Selection of one."""

    def __len__(self) -> int: ...

    def rank(self, message_id: int) -> int: ...

    def ids(self, start: int, stop: int) -> Sequence[int]: ...

    def rank_of_date(self, date: int) -> int: ...


class Selection:
    """The ids that a filter left over, with the dates of their messages."""

    def __init__(self, ids: Sequence[int], dates: Sequence[int]) -> None:
        self._ids = ids
        self._dates = dates

    def __len__(self) -> int:
        return len(self._ids)

    def rank(self, message_id: int) -> int:
        return bisect_left(self._ids, message_id)

    def ids(self, start: int, stop: int) -> Sequence[int]:
        return self._ids[start:stop]

    def rank_of_date(self, date: int) -> int:
        return sum(1 for other in self._dates if other < date)


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a request wants its window; the fields are those of messages.getHistory, dates in Unix time."""

    offset_id: int = 0
    offset_date: int = 0
    add_offset: int = 0
    limit: int = PAGE_LIMIT
    max_id: int = 0
    min_id: int = 0

    @classmethod
    def of(cls, request: Any, default_limit: int = DEFAULT_LIMIT) -> Cut:
        """The window of a request with getHistory's fields; a limit of 0 or less stands for `default_limit`."""
        return cls(
            request.offset_id,
            unix(getattr(request, "offset_date", None)),
            request.add_offset,
            request.limit if request.limit > 0 else default_limit,
            request.max_id,
            request.min_id,
        )


def unix(date: datetime | None) -> int:
    """A date in Unix time, 0 for none."""
    return 0 if date is None else int(date.timestamp())


@dataclass(frozen=True, slots=True)
class Window:
    """What a page shows of a list."""

    #: descending
    ids: list[int]
    #: length of the whole list
    count: int
    #: rank of the window's first place, counted from the newest message
    offset: int
    #: True if the list has nothing outside this window
    complete: bool


def window(ranked: Ranked, cut: Cut, between: tuple[int, int] | None = None) -> Window:
    """H[pos(offset_id) + add_offset : + limit] of the ids in descending order.

    pos(x) is the number of ids >= x and pos(0) is 0. The part of the window above the newest id is empty. offset_id
    wins over offset_date; min_id and max_id are exclusive and drop ids after the cut. `between` (inclusive ids)
    makes the list end there, as invokeWithMessagesRange does.
    """
    bottom, top = 0, len(ranked)
    if between is not None:
        bottom, top = ranked.rank(between[0]), ranked.rank(between[1] + 1)
    count = max(0, top - bottom)
    first = _position(ranked, cut, bottom, top) + cut.add_offset
    newest, oldest = max(0, first), min(count, first + min(cut.limit, PAGE_LIMIT))
    ids = list(ranked.ids(top - oldest, top - newest)) if oldest > newest else []
    ids.reverse()
    shown = len(ids)
    if cut.max_id:
        ids = [i for i in ids if i < cut.max_id]
    if cut.min_id:
        ids = [i for i in ids if i > cut.min_id]
    return Window(ids, count, min(newest, count), len(ids) == shown == count)


def _position(ranked: Ranked, cut: Cut, bottom: int, top: int) -> int:
    if cut.offset_id:
        rank = ranked.rank(cut.offset_id)
    elif cut.offset_date:
        rank = ranked.rank_of_date(cut.offset_date)
    else:
        return 0
    return top - min(max(rank, bottom), top)
