"""messages.getChats, messages.getFullChat: basic groups."""
from __future__ import annotations

from telethon.tl import types
from telethon.tl.functions.messages import GetChatsRequest, GetFullChatRequest

from tgbulk.perf.simdc.call import Call, RpcError, serves
from tgbulk.perf.simdc.peer import is_member
from tgbulk.perf.simdc.view import View


@serves(GetChatsRequest)
def get_chats(call: Call, request: GetChatsRequest) -> types.messages.Chats:
    """Basic groups by id; 400 CHAT_ID_INVALID for one that the account is not in."""
    view = View.of(call.world, call.account)
    return types.messages.Chats([view.chat(_member(call, chat_id)) for chat_id in request.id])


@serves(GetFullChatRequest)
def get_full_chat(call: Call, request: GetFullChatRequest) -> types.messages.ChatFull:
    """A basic group with the members who wrote in it; 400 CHAT_ID_INVALID."""
    marked_id = _member(call, request.chat_id)
    view = View.of(call.world, call.account)
    chat = view.chat(marked_id)
    members = members_of(call, marked_id)
    participants = types.ChatParticipants(
        request.chat_id,
        [types.ChatParticipant(user_id, user_id, getattr(chat, "date", None)) for user_id in members],
        getattr(chat, "version", 0),
    )
    full = types.ChatFull(request.chat_id, f"About {chat.title}", participants, types.PeerNotifySettings())
    return types.messages.ChatFull(full, [chat], [view.user(user_id) for user_id in members])


def members_of(call: Call, marked_id: int, newest: int = 200) -> list[int]:
    """The account and the users whom the newest messages name, ascending."""
    members = {call.account.user_id}
    history = call.world.history(call.account, marked_id)
    if history is not None:
        size = len(history)
        members |= {peer for peer in history.peers(history.ids(max(0, size - newest), size)) if peer > 0}
    return sorted(members)


def _member(call: Call, chat_id: int) -> int:
    if not is_member(call, -chat_id) or -chat_id not in call.world.chats:
        raise RpcError(400, "CHAT_ID_INVALID")
    return -chat_id
