"""messages.getSavedDialogs, messages.getSavedHistory: the sublists of Saved Messages."""
from __future__ import annotations

from struct import pack

from telethon.tl import types
from telethon.tl.functions.messages import GetSavedDialogsRequest, GetSavedHistoryRequest
from telethon.utils import get_peer, get_peer_id

from tgbulk.perf.simdc.call import Call, serves
from tgbulk.perf.simdc.filter import select
from tgbulk.perf.simdc.history import History
from tgbulk.perf.simdc.page import own, page, peers, vector
from tgbulk.perf.simdc.peer import known
from tgbulk.perf.simdc.services.history import nothing
from tgbulk.perf.simdc.view import View
from tgbulk.perf.simdc.window import PAGE_LIMIT, Cut, window


@serves(GetSavedDialogsRequest)
def get_saved_dialogs(call: Call, request: GetSavedDialogsRequest) -> bytes:
    """messages.savedDialogs for all sublists, else savedDialogsSlice: newest first, below offset_id."""
    history = call.account.histories.get(call.account.user_id)
    newest = {} if history is None else _newest(history)
    order = sorted(newest.items(), key=lambda item: item[1], reverse=True)
    below = [item for item in order if not request.offset_id or item[1] < request.offset_id]
    shown = below[: min(max(request.limit, 1), PAGE_LIMIT)]
    messages, named = [], {marked_id for marked_id, _ in shown}
    for _, top_id in shown:
        assert history is not None
        messages.append(history.message(top_id))
        named |= history.peers([top_id])
    if len(shown) == len(order):
        head = pack("<I", types.messages.SavedDialogs.CONSTRUCTOR_ID)
    else:
        head = pack("<Ii", types.messages.SavedDialogsSlice.CONSTRUCTOR_ID, len(order))
    dialogs = vector([bytes(types.SavedDialog(get_peer(marked_id), top_id)) for marked_id, top_id in shown])
    return head + dialogs + own(call, vector(messages)) + peers(View.of(call.world, call.account), named)


@serves(GetSavedHistoryRequest)
def get_saved_history(call: Call, request: GetSavedHistoryRequest) -> bytes:
    """One page of a sublist."""
    sublist, me = known(call, request.peer), call.account.user_id
    history = call.account.histories.get(me)
    if history is None:
        return nothing(call, me)
    found = select(history, lambda m: m.saved_peer_id is not None and get_peer_id(m.saved_peer_id) == sublist)
    return page(call, me, history, window(found, Cut.of(request)))


def _newest(history: History) -> dict[int, int]:
    """Every sublist's marked id and newest message id."""
    saved = (history.object(message_id) for message_id in history.ids(0, len(history)))
    return {get_peer_id(m.saved_peer_id): m.id for m in saved if getattr(m, "saved_peer_id", None) is not None}
