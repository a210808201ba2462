"""One page of a history, as the raw bytes of the answer: fetch moves them, process decodes them."""
from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from telethon.tl import functions

#: What a page holds at most; the server cuts larger limits silently.
LIMIT = 100
METHOD = "messages.getHistory"


class RawHistory(functions.messages.GetHistoryRequest):  # type: ignore[misc]
    """getHistory whose result is bytes: Telethon calls read_result of the outermost request (spec/telethon-hooks.md 1)."""

    #: the range of the account's ids to ask in, in a takeout (spec/history-fetching.md 4)
    message_range: Any = None

    @staticmethod
    def read_result(reader: Any) -> bytes:
        data: bytes = reader.read()
        return data


def next_page(peer: Any, first_id: int, limit: int = LIMIT) -> RawHistory:
    """The `limit` oldest messages with an id of at least first_id: the window that ends just above it.

    Anchored by id, so nothing that is added or deleted meanwhile can shift it (spec/history-fetching.md 1, 2).
    """
    return _request(peer, offset_id=first_id, add_offset=-limit, limit=limit)


def behind(peer: Any, first_id: int, skip: int) -> RawHistory:
    """The message that comes after the `skip` oldest ones with an id of at least first_id, alone."""
    return _request(peer, offset_id=first_id, add_offset=-skip - 1, limit=1)


def newest(peer: Any, rank: int = 0) -> RawHistory:
    """The message of this rank from the newest, alone."""
    return _request(peer, add_offset=rank, limit=1)


def at_or_below(peer: Any, message_id: int) -> RawHistory:
    """The LIMIT newest messages with an id of at most message_id."""
    return _request(peer, offset_id=message_id + 1, limit=LIMIT)


def before_date(peer: Any, date: int) -> RawHistory:
    """The newest message older than a Unix time, alone."""
    return _request(peer, offset_date=date, limit=1)


def _request(
    peer: Any, *, offset_id: int = 0, offset_date: int | None = None, add_offset: int = 0, limit: int
) -> RawHistory:
    when = None if offset_date is None else datetime.fromtimestamp(offset_date, UTC)
    return RawHistory(
        peer=peer,
        offset_id=offset_id,
        offset_date=when,
        add_offset=add_offset,
        limit=limit,
        max_id=0,
        min_id=0,
        hash=0,
    )
