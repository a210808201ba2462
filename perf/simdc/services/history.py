"""messages.getHistory."""
from __future__ import annotations

from telethon.tl.functions.messages import GetHistoryRequest

from tgbulk.perf.simdc.call import Call, serves
from tgbulk.perf.simdc.page import COMPLETE, page, peers, vector
from tgbulk.perf.simdc.past import as_seen
from tgbulk.perf.simdc.peer import readable
from tgbulk.perf.simdc.view import View
from tgbulk.perf.simdc.window import Cut, window
from tgbulk.perf.simdc.world import CHANNEL_MARK


@serves(GetHistoryRequest)
def get_history(call: Call, request: GetHistoryRequest) -> bytes:
    """One page of a chat; errors of readable()."""
    marked_id = readable(call, request.peer)
    history = call.world.history(call.account, marked_id)
    if history is None:
        return nothing(call, marked_id)
    if marked_id > -CHANNEL_MARK:
        return page(call, marked_id, history, window(history, Cut.of(request), call.message_range))
    history, pts = as_seen(call, marked_id, history)
    return page(call, marked_id, history, window(history, Cut.of(request)), pts)


def nothing(call: Call, marked_id: int) -> bytes:
    """messages.messages of a peer without messages."""
    return COMPLETE + vector([]) * 2 + peers(View.of(call.world, call.account), [marked_id])
