"""messages.getReplies: a thread, a forum topic, or the comments under a channel post."""
from __future__ import annotations

from typing import Any

from telethon.tl.functions.messages import GetRepliesRequest
from telethon.utils import get_peer_id

from tgbulk.perf.simdc.call import Call, RpcError, serves
from tgbulk.perf.simdc.filter import in_thread, select
from tgbulk.perf.simdc.page import page
from tgbulk.perf.simdc.peer import readable
from tgbulk.perf.simdc.window import Cut, window


@serves(GetRepliesRequest)
def get_replies(call: Call, request: GetRepliesRequest) -> bytes:
    """One page of a thread, newest first. 400 MSG_ID_INVALID where no thread begins."""
    marked_id, top_id = thread_of(call, readable(call, request.peer), request.msg_id)
    history = call.world.history(call.account, marked_id)
    assert history is not None
    found = select(history, in_thread(top_id, forum=marked_id in call.world.topics))
    return page(call, marked_id, history, window(found, Cut.of(request)))


def thread_of(call: Call, marked_id: int, message_id: int) -> tuple[int, int]:
    """Where the thread lives and its top id: a post's comments are in the discussion group, below its forward."""
    history = call.world.history(call.account, marked_id)
    if history is None or message_id not in history:
        raise RpcError(400, "MSG_ID_INVALID")
    chat = call.world.chats.get(marked_id)
    if not getattr(chat, "broadcast", None):
        return marked_id, message_id
    group = call.world.linked.get(marked_id)
    discussion = None if group is None else call.world.history(call.account, group)
    if group is None or discussion is None:
        raise RpcError(400, "MSG_ID_INVALID")
    forwards = select(discussion, lambda message: _is_forward_of(message, marked_id, message_id))
    if not len(forwards):
        raise RpcError(400, "MSG_ID_INVALID")
    return group, forwards.ids(0, 1)[0]


def _is_forward_of(message: Any, marked_id: int, message_id: int) -> bool:
    origin = getattr(message, "fwd_from", None)
    return (
        origin is not None
        and origin.saved_from_peer is not None
        and origin.saved_from_msg_id == message_id
        and get_peer_id(origin.saved_from_peer) == marked_id
    )
