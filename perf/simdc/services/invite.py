"""messages.checkChatInvite."""
from __future__ import annotations

from typing import Any

from telethon.tl import types
from telethon.tl.functions.messages import CheckChatInviteRequest

from tgbulk.perf.simdc.call import Call, RpcError, serves
from tgbulk.perf.simdc.peer import is_member, is_readable
from tgbulk.perf.simdc.view import View


@serves(CheckChatInviteRequest)
def check_chat_invite(call: Call, request: CheckChatInviteRequest) -> Any:
    """What a link leads to: chatInviteAlready for members, chatInvitePeek for what anybody may read, else chatInvite.

    400 INVITE_HASH_INVALID for an unknown hash, INVITE_HASH_EXPIRED for a chat that is closed to the account.
    """
    marked_id = call.world.invites.get(request.hash)
    if marked_id is None:
        raise RpcError(400, "INVITE_HASH_INVALID")
    if marked_id in call.account.private:
        raise RpcError(400, "INVITE_HASH_EXPIRED")
    chat = View.of(call.world, call.account).chat(marked_id)
    if is_member(call, marked_id):
        return types.ChatInviteAlready(chat)
    if is_readable(call, marked_id) and isinstance(chat, types.Channel):
        return types.ChatInvitePeek(chat, None)
    channel = isinstance(chat, types.Channel)
    return types.ChatInvite(
        title=chat.title,
        photo=types.PhotoEmpty(0),
        participants_count=chat.participants_count or 1,
        color=0,
        channel=channel or None,
        broadcast=chat.broadcast if channel else None,
        megagroup=chat.megagroup if channel else None,
    )
