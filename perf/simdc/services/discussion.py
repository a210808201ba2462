"""messages.getDiscussionMessage: where the comments on a channel's post begin."""
from __future__ import annotations

from struct import pack

from telethon.tl import types
from telethon.tl.functions.messages import GetDiscussionMessageRequest

from tgbulk.perf.simdc.call import Call, serves
from tgbulk.perf.simdc.filter import in_thread, select
from tgbulk.perf.simdc.page import own, peers, vector
from tgbulk.perf.simdc.peer import readable
from tgbulk.perf.simdc.services.reply import thread_of
from tgbulk.perf.simdc.view import View

#: The flag of max_id.
_MAX_ID = 1


@serves(GetDiscussionMessageRequest)
def get_discussion_message(call: Call, request: GetDiscussionMessageRequest) -> bytes:
    """The post's forward in the discussion group, and the newest comment below it. 400 MSG_ID_INVALID."""
    marked_id, top_id = thread_of(call, readable(call, request.peer), request.msg_id)
    history = call.world.history(call.account, marked_id)
    assert history is not None
    below = select(history, in_thread(top_id, forum=marked_id in call.world.topics))
    newest = below.ids(len(below) - 1, len(below))[0] if len(below) else top_id
    head = pack("<II", types.messages.DiscussionMessage.CONSTRUCTOR_ID, _MAX_ID)
    named = history.peers([top_id]) | {marked_id}
    tail = peers(View.of(call.world, call.account), named, short=True)
    return head + own(call, vector([history.message(top_id)])) + pack("<ii", newest, 0) + tail
