"""messages.getMessages, channels.getMessages: messages by id."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from telethon.tl import types
from telethon.tl.functions import channels, messages

from tgbulk.perf.simdc.call import Call, RpcError, serves
from tgbulk.perf.simdc.filter import filtered, select
from tgbulk.perf.simdc.history import History
from tgbulk.perf.simdc.page import COMPLETE, answer, own, peers, vector
from tgbulk.perf.simdc.past import as_seen
from tgbulk.perf.simdc.peer import readable
from tgbulk.perf.simdc.view import View
from tgbulk.perf.simdc.window import Window


@serves(messages.GetMessagesRequest)
def get_messages(call: Call, request: messages.GetMessagesRequest) -> bytes:
    """Messages of the account's common id space, messageEmpty for ids that are in none of its chats."""
    histories = [h for marked_id, h in call.account.histories.items() if marked_id not in call.account.private]
    found, named = _collect(histories, request.id)
    return own(call, COMPLETE + vector(found) + vector([]) + peers(View.of(call.world, call.account), named))


@serves(channels.GetMessagesRequest)
def get_channel_messages(call: Call, request: channels.GetMessagesRequest) -> bytes:
    """Messages of a channel, messageEmpty for ids that it has not, or shows to nobody."""
    marked_id = readable(call, request.channel, "CHANNEL_INVALID")
    history = call.world.history(call.account, marked_id)
    if history is None:
        raise RpcError(400, "CHANNEL_INVALID")
    history, pts = as_seen(call, marked_id, history)
    found, named = _collect([history], request.id)
    return answer(call, marked_id, history, Window([], len(found), 0, False), found, named, pts)


def _collect(histories: Sequence[History], asked: Sequence[Any]) -> tuple[list[bytes], set[int]]:
    """The bytes in the order asked for, and the marked ids that they name. 400 MESSAGE_IDS_EMPTY."""
    if not asked:
        raise RpcError(400, "MESSAGE_IDS_EMPTY")
    found: list[bytes] = []
    named: set[int] = set()
    for item in asked:
        message_id = _id_of(histories, item)
        history = _holder(histories, message_id)
        if history is None:
            found.append(bytes(types.MessageEmpty(message_id, None)))
        else:
            found.append(history.message(message_id))
            named |= history.peers([message_id])
    return found, named


def _holder(histories: Sequence[History], message_id: int) -> History | None:
    return next((h for h in histories if message_id in h and not h.withheld(message_id)), None)


def _id_of(histories: Sequence[History], item: Any) -> int:
    """The id that an InputMessage means, 0 for none."""
    if isinstance(item, types.InputMessagePinned):
        newest = [i for h in histories for i in select(h, filtered(types.InputMessagesFilterPinned())).ids(0, len(h))]
        return max(newest, default=0)
    if isinstance(item, types.InputMessageReplyTo):
        history = _holder(histories, item.id)
        reply = None if history is None else history.object(item.id).reply_to
        return int(getattr(reply, "reply_to_msg_id", None) or 0)
    return int(getattr(item, "id", 0))
