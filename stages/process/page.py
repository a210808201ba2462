"""One page: TL bytes in, its receipt and its lines out."""
from __future__ import annotations

from typing import Any

import msgpack
import orjson

from stages.medium import Absent
from stages.process.acquaintance import Acquaintance
from stages.receipt import Receipt
from stages.telegram.decoder import page
from stages.telegram.media import find, pictures
from stages.telegram.sparse import REFERENCES
from stages.telegram.wire import DecodeError

_NO_CEILING = 1 << 62
#: The constructor of an answer that is the whole list.
_WHOLE = "messages.messages"
_NO_MESSAGE = "messageEmpty"
_SERVICE = "messageService"


def transform(
    data: bytes, stream: int, mark: int, ceiling: int, met: Acquaintance, with_media: bool = False
) -> tuple[Receipt, bytes]:
    """(receipt, body) of one getHistory answer; messages with an id below mark, or from ceiling on (0: none), are left out.

    The body is msgpack: [[[marked id, is min, digest, line], ...] of the peers that the stream has not had from this worker,
    lines of the messages ascending by id], and with media two lists more: rows of Medium, rows of Absent (stages/medium.py).
    A page that cannot be decoded gives a receipt with `error` and an empty body.
    """
    try:
        decoded = page(data)
    except DecodeError as error:
        return Receipt(error=str(error)), pack_body([], b"")
    answer = decoded.answer
    messages, receipt = _ascending(answer.get("messages", []), range(mark, ceiling or _NO_CEILING))
    receipt.form = answer["_"]
    receipt.total = answer.get("count", -1)
    receipt.slow = repr(decoded.error) if decoded.error else ""
    receipt.next = _next(receipt, mark, ceiling)
    found = [*answer.get("users", []), *answer.get("chats", [])]
    peers, receipt.peers = met.news(stream, found)
    lines = [orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE) for message in messages]
    media = _media(messages, found, {row[0] for row in peers}) if with_media else ()
    receipt.media = len(media[0]) if media else 0
    return receipt, pack_body(peers, b"".join(lines), *media)


def pack_body(peers: list[Any], lines: bytes, *media: list[Any]) -> bytes:
    body: bytes = msgpack.packb([peers, lines, *media])
    return body


def _media(messages: list[dict[str, Any]], peers: list[dict[str, Any]], fresh: set[int]) -> tuple[list[Any], list[Any]]:
    media = [one.row() for one in pictures(peers) if one.peer in fresh]
    absent: list[Any] = []
    for message in messages:
        for one in find(message, REFERENCES):
            (absent if isinstance(one, Absent) else media).append(one.row())
    return media, absent


def _next(receipt: Receipt, mark: int, ceiling: int) -> int:
    """An empty page, or the whole list, says that nothing lies above; a page past the ceiling, that the range is done."""
    if ceiling and (not receipt.high or receipt.form == _WHOLE):
        return ceiling
    return max(mark, min(receipt.high + 1, ceiling or _NO_CEILING))


def _ascending(found: list[dict[str, Any]], wanted: range) -> tuple[list[dict[str, Any]], Receipt]:
    """The messages to keep, and a receipt that counts what was there."""
    ids = [message["id"] for message in found]
    empty = [message["id"] for message in found if message["_"] == _NO_MESSAGE]
    # backwards, so that of two with one id the first stays
    by_id = {one["id"]: one for one in reversed(found) if one["_"] != _NO_MESSAGE and one["id"] in wanted}
    messages = [by_id[key] for key in sorted(by_id)]
    receipt = Receipt(
        low=min(ids, default=0),
        high=max(ids, default=0),
        messages=len(messages),
        services=[message["_"] for message in messages].count(_SERVICE),
        empty=sorted({one for one in empty if one in wanted}),
        repeated=len(found) - len(messages) - len(empty),
    )
    return messages, receipt
