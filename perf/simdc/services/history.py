"""messages.getHistory."""
from __future__ import annotations

from telethon.tl.functions.messages import GetHistoryRequest

from perf.simdc.call import Call, serves
from perf.simdc.page import COMPLETE, page, peers, vector
from perf.simdc.peer import readable
from perf.simdc.view import View
from perf.simdc.window import Cut, window
from perf.simdc.world import CHANNEL_MARK


@serves(GetHistoryRequest)
def get_history(call: Call, request: GetHistoryRequest) -> bytes:
    """One page of a chat; errors of readable()."""
    marked_id = readable(call, request.peer)
    history = call.world.history(call.account, marked_id)
    if history is None:
        return nothing(call, marked_id)
    between = call.message_range if marked_id > -CHANNEL_MARK else None
    return page(call, marked_id, history, window(history, Cut.of(request), between))


def nothing(call: Call, marked_id: int) -> bytes:
    """messages.messages of a peer without messages."""
    return COMPLETE + vector([]) * 2 + peers(View.of(call.world, call.account), [marked_id])
