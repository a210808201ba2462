"""messages.getHistory."""
from __future__ import annotations

from datetime import datetime
from typing import Any

from telethon.tl.functions.messages import GetHistoryRequest

from perf.simdc.call import Call, serves
from perf.simdc.page import COMPLETE, page, peers, vector
from perf.simdc.peer import readable
from perf.simdc.view import View
from perf.simdc.window import DEFAULT_LIMIT, Cut, window
from perf.simdc.world import CHANNEL_MARK


@serves(GetHistoryRequest)
def get_history(call: Call, request: GetHistoryRequest) -> bytes:
    """One page of a chat; errors of readable()."""
    marked_id = readable(call, request.peer)
    history = call.world.history(call.account, marked_id)
    if history is None:
        return nothing(call, marked_id)
    between = call.message_range if marked_id > -CHANNEL_MARK else None
    return page(call, marked_id, history, window(history, cut_of(request), between))


def cut_of(request: Any, default_limit: int = DEFAULT_LIMIT) -> Cut:
    """The window that a request with getHistory's fields asks for."""
    return Cut(
        request.offset_id,
        unix(request.offset_date),
        request.add_offset,
        request.limit if request.limit > 0 else default_limit,
        request.max_id,
        request.min_id,
    )


def unix(date: datetime | None) -> int:
    """A date of a request in Unix time, 0 for none."""
    return 0 if date is None else int(date.timestamp())


def nothing(call: Call, marked_id: int) -> bytes:
    """messages.messages of a peer without messages."""
    return COMPLETE + vector([]) * 2 + peers(View.of(call.world, call.account), [marked_id])
