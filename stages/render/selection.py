"""Which columns of the flat record a render has."""
from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from operator import itemgetter
from typing import Any

from tgbulk.engine.error import UsageError
from tgbulk.stages.render.column import COLUMNS, Column, Kind
from tgbulk.stages.render.flat import Row


class UnknownColumnError(UsageError):
    """there is no column {0}"""

    advice = "The columns are: {1}"


def choose(names: tuple[str, ...] | None) -> tuple[Column, ...]:
    """The columns of these names, in their order, all for None. UnknownColumnError, UsageError."""
    if names is None:
        return COLUMNS
    known = {one.name: one for one in COLUMNS}
    for name in names:
        if name not in known:
            raise UnknownColumnError(repr(name), ", ".join(known))
    if not names or len(set(names)) < len(names):
        raise UsageError("--columns names no column, or one twice")
    return tuple(known[name] for name in names)


def picker(columns: tuple[Column, ...]) -> Callable[[Row], tuple[Any, ...]]:
    """A function from a row to the values of these columns."""
    if columns == COLUMNS:
        return lambda row: (*row[0], *row[1], *row[2], *row[3], *row[4], *row[5], *row[6], *row[7], *row[8])
    places = [COLUMNS.index(one) for one in columns]
    if len(places) == 1:
        return lambda row: (tuple(chain.from_iterable(row))[places[0]],)
    get = itemgetter(*places)
    return lambda row: get((*row[0], *row[1], *row[2], *row[3], *row[4], *row[5], *row[6], *row[7], *row[8]))


def times(columns: tuple[Column, ...]) -> list[int]:
    """The places of the columns that hold a time."""
    return [place for place, one in enumerate(columns) if one.kind == Kind.TIME]
