"""One page of a history, as the raw bytes of the answer: fetch moves them, process decodes them."""
from __future__ import annotations

from typing import Any

from telethon.tl import functions
from telethon.tl.tlobject import TLRequest

#: What a page holds at most; the server cuts larger limits silently.
LIMIT = 100


class RawHistory(functions.messages.GetHistoryRequest):  # type: ignore[misc]
    """getHistory whose result is bytes: Telethon calls read_result of the outermost request (spec/telethon-hooks.md 1)."""

    @staticmethod
    def read_result(reader: Any) -> bytes:
        data: bytes = reader.read()
        return data


def next_page(peer: Any, first_id: int) -> TLRequest:
    """The LIMIT oldest messages with an id of at least first_id: the window that ends just above it.

    Anchored by id, so nothing that is added or deleted meanwhile can shift it (spec/history-fetching.md 1, 2).
    """
    return RawHistory(
        peer=peer, offset_id=first_id, offset_date=None, add_offset=-LIMIT, limit=LIMIT, max_id=0, min_id=0, hash=0
    )
