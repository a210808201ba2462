"""One page of a history, as the raw bytes of the answer: fetch moves them, process decodes them."""
from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from telethon.tl import functions, types

#: What a page holds at most; the server cuts larger limits silently.
LIMIT = 100
METHOD = "messages.getHistory"
#: Seconds before a page is asked for again that comes from a replica which is behind.
STALE_SECONDS = (0.5, 1.0, 2.0)
#: What is wrong with it.
STALE_PAGE = "Telegram answers with what was there before the last changes it told of"
#: messages.channelMessages, whose third number is the pts.
_CHANNEL = types.messages.ChannelMessages.CONSTRUCTOR_ID.to_bytes(4, "little")


class RawHistory(functions.messages.GetHistoryRequest):  # type: ignore[misc]
    """getHistory whose result is bytes, by read_result of the outermost request (docs/spec/telethon-hooks.md 1)."""

    #: the range of the account's ids to ask in, in a takeout (docs/spec/history-fetching.md 4)
    message_range: Any = None

    @staticmethod
    def read_result(reader: Any) -> bytes:
        data: bytes = reader.read()
        return data


def box_pts(answer: bytes) -> int:
    """The pts of a channel's box that an answer names, 0 for any other answer (docs/spec/updates.md 2)."""
    return int.from_bytes(answer[8:12], "little", signed=True) if answer[:4] == _CHANNEL else 0


async def fresh(answer: bytes, pts: int, again: Callable[[], Awaitable[bytes]]) -> tuple[bytes, bool]:
    """(page, whether it is stale all the same): one that is older than this pts of the channel's box is asked for again, but
    not for long. Replicas of the server may be behind (docs/spec/updates.md 2)."""
    for pause in STALE_SECONDS:
        if not is_stale(answer, pts):
            break
        await asyncio.sleep(pause)
        answer = await again()
    return answer, is_stale(answer, pts)


def is_stale(answer: bytes, pts: int) -> bool:
    """Whether it was so before this pts of the channel's box."""
    return 0 < box_pts(answer) < pts


def next_page(peer: Any, first_id: int, limit: int = LIMIT) -> RawHistory:
    """The `limit` oldest messages with an id of at least first_id: the window that ends just above it.

    Anchored by id, so nothing that is added or deleted meanwhile can shift it (docs/spec/history-fetching.md 1, 2).
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
