"""Rows as JSON objects, a line each. What a message does not have is one constant text for its whole group of columns."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from tgbulk.stages.render.column import COLUMNS, GROUPS, Column
from tgbulk.stages.render.flat import EMPTY, Row
from tgbulk.stages.render.moment import stamper
from tgbulk.stages.render.selection import picker, times

_NAMES = [tuple(one.name for one in group) for group in GROUPS]
#: Group -> the places of its times, where that is not the first one.
_TIMES = {3: (2,), 8: (1, 2)}
#: Of groups without anything, as members.
_EMPTY = [b"" if empty is None else orjson.dumps(dict(zip(names, empty, strict=True)))[1:-1]
          for names, empty in zip(_NAMES, EMPTY, strict=True)]
_LINE = (
    b'{"chat_id":%d,"message_id":%d,"date":"%b","edit_date":%b,"edit_hidden":%b,"type":"%b","action":%b,%b,"out":%b,'
    b'"post_author":%b,"text":%b,%b,%b,%b,%b,%b,%b,"buttons":%b,"members":%b,"url":%b,%b}\n'
)
_BOOL = {False: b"false", True: b"true"}


def json_lines(columns: tuple[Column, ...], zone: str) -> Callable[[Row], bytes]:
    """A function from a row to its line; for rows of one chat and one pass, since it remembers senders."""
    stamp = stamper(zone)
    return _some(columns, stamp) if columns != COLUMNS else _all(stamp)


def _some(columns: tuple[Column, ...], stamp: Callable[[int], str]) -> Callable[[Row], bytes]:
    names, pick, moments = [one.name for one in columns], picker(columns), times(columns)

    def line(row: Row) -> bytes:
        values = dict(zip(names, pick(row), strict=True))
        for place in moments:
            value = values[names[place]]
            values[names[place]] = None if value is None else stamp(value)
        return orjson.dumps(values, option=orjson.OPT_APPEND_NEWLINE)

    return line


def _all(stamp: Callable[[int], str]) -> Callable[[Row], bytes]:
    dumps, empty = orjson.dumps, EMPTY
    senders: dict[int, bytes] = {}

    def group(number: int, values: tuple[Any, ...]) -> bytes:
        if values is empty[number]:
            return _EMPTY[number]
        found = dict(zip(_NAMES[number], values, strict=True))
        for place in _TIMES.get(number, ()):
            if values[place] is not None:
                found[_NAMES[number][place]] = stamp(values[place])
        return dumps(found)[1:-1]

    def line(row: Row) -> bytes:
        core, entities, reply, forward, counts, flags, media, last, change = row
        (chat, number, date, edit_date, edit_hidden, kind, action, sender, name, username, sort, out, author, text) = core
        known = senders.get(sender)
        if known is None:
            known = senders[sender] = dumps(
                {"sender_id": sender, "sender_name": name, "sender_username": username, "sender_type": sort})[1:-1]
        buttons, members, url = last
        return _LINE % (
            chat, number, stamp(date).encode(), b"null" if edit_date is None else b'"%b"' % stamp(edit_date).encode(),
            _BOOL[edit_hidden], kind.encode(), b"null" if action is None else b'"%b"' % action.encode(), known, _BOOL[out],
            b"null" if author is None else dumps(author), dumps(text),
            _EMPTY[1] if entities is empty[1] else group(1, entities),
            _EMPTY[2] if reply is empty[2] else group(2, reply),
            _EMPTY[3] if forward is empty[3] else group(3, forward),
            _EMPTY[4] if counts is empty[4] else group(4, counts),
            _EMPTY[5] if flags is empty[5] else group(5, flags),
            _EMPTY[6] if media is empty[6] else group(6, media),
            dumps(buttons) if buttons else b"[]", b"null" if members is None else dumps(members),
            b"null" if url is None else dumps(url), _EMPTY[8] if change is empty[8] else group(8, change),
        )

    return line
