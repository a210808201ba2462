"""Rows as lines of CSV (RFC 4180): quotes only where needed, lists as JSON in a cell, null and empty text both empty."""
from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import orjson

from tgbulk.stages.render.column import COLUMNS, Column
from tgbulk.stages.render.flat import EMPTY, NO_CHANGE, Row
from tgbulk.stages.render.moment import stamper
from tgbulk.stages.render.selection import picker, times

#: What makes quotes needed.
_SPECIAL = re.compile('[",\r\n]').search
#: A cell that begins like this can be taken for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")

Cell = Callable[[Any], str]


def cell(value: Any) -> str:
    """The text of one cell."""
    if value is None:
        return ""
    if value is True or value is False:
        return "true" if value else "false"
    text: str = value if isinstance(value, str) else orjson.dumps(value).decode() if isinstance(value, list) else repr(value)
    return '"' + text.replace('"', '""') + '"' if _SPECIAL(text) else text


def excel_cell(value: Any) -> str:
    """The same with an apostrophe before what a spreadsheet would compute."""
    text = value if isinstance(value, str) else cell(value)
    return cell("'" + text) if text.startswith(FORMULA) else cell(value)


def csv_line(values: tuple[Any, ...], make: Cell) -> str:
    """One line. A line of one empty cell has quotes, else readers skip it."""
    line = ",".join(map(make, values))
    return f"{line}\n" if line else '""\n'


def csv_lines(columns: tuple[Column, ...], zone: str, excel: bool) -> Callable[[Row], bytes]:
    """A function from a row to its line; for rows of one chat and one pass, since it remembers senders."""
    stamp = stamper(zone)
    if columns == COLUMNS and not excel:
        return _all(stamp)
    make = excel_cell if excel else cell
    pick, moments = picker(columns), times(columns)

    def line(row: Row) -> bytes:
        values = list(pick(row))
        for place in moments:
            if values[place] is not None:
                values[place] = stamp(values[place])
        return csv_line(tuple(values), make).encode()

    return line


def _all(stamp: Callable[[int], str]) -> Callable[[Row], bytes]:
    senders: dict[int, str] = {}
    middle = [(place, values, ",".join(map(cell, values))) for place, values in enumerate(EMPTY[:7]) if values is not None]
    unchanged = ",".join(map(cell, NO_CHANGE))

    def line(row: Row) -> bytes:
        (chat, number, date, edit_date, edit_hidden, kind, action, sender, name, username, sort, out, author, text) = row[0]
        known = senders.get(sender)
        if known is None:
            known = senders[sender] = ",".join(map(cell, (sender, name, username, sort)))
        buttons, members, url = row[7]
        groups = ",".join([
            said if row[place] is values else _group(place, row[place], stamp) for place, values, said in middle
        ])
        change = unchanged if row[8] is NO_CHANGE else _group(8, row[8], stamp)
        return (
            f"{chat},{number},{stamp(date)},{'' if edit_date is None else stamp(edit_date)},"
            f"{'true' if edit_hidden else 'false'},{kind},{action or ''},{known},{'true' if out else 'false'},"
            f"{'' if author is None else cell(author)},{cell(text)},{groups},"
            f"{cell(buttons) if buttons else '[]'},{'' if members is None else cell(members)},"
            f"{cell(url) if url else ''},{change}\n"
        ).encode()

    return line


#: Group -> the places of its times, where that is not the first one.
_TIMES = {3: (2,), 8: (1, 2)}


def _group(number: int, values: tuple[Any, ...], stamp: Callable[[int], str]) -> str:
    times = _TIMES.get(number, ())
    return ",".join(
        cell(stamp(value) if place in times and value is not None else value) for place, value in enumerate(values)
    )
