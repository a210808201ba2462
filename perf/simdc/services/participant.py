"""channels.getParticipants: who is in a channel or supergroup, by filter and page."""
from __future__ import annotations

from typing import Any

from telethon.tl import types
from telethon.tl.functions.channels import GetParticipantsRequest

from tgbulk.perf.simdc.annex import MOST_MEMBERS, Annexes
from tgbulk.perf.simdc.call import Call, RpcError, serves
from tgbulk.perf.simdc.peer import readable
from tgbulk.perf.simdc.services.chat import members_of
from tgbulk.perf.simdc.view import View

#: Members of a page.
LIMIT = 200
_ADMINS = (types.ChannelParticipantCreator, types.ChannelParticipantAdmin)


@serves(GetParticipantsRequest)
def get_participants(call: Call, request: GetParticipantsRequest) -> types.channels.ChannelParticipants:
    """The members that the filter lets through, MOST_MEMBERS at most; hidden ones are counted and not shown.

    403 CHAT_ADMIN_REQUIRED for a broadcast channel, unless the account administers it. Of a chat without members of its own,
    those who wrote in it lately.
    """
    marked_id = readable(call, request.channel, "CHANNEL_INVALID")
    view = View.of(call.world, call.account)
    chat = view.chat(marked_id)
    annexes = call.world.annexes.get(marked_id)
    if chat.broadcast and (annexes is None or call.account.index not in annexes.admins):
        raise RpcError(403, "CHAT_ADMIN_REQUIRED")
    found = participants(call, marked_id, chat, annexes)
    if isinstance(request.filter, types.ChannelParticipantsAdmins):
        found = {user: one for user, one in found.items() if isinstance(one, _ADMINS)}
    count = len(found)
    if annexes is not None and annexes.hidden and not isinstance(request.filter, types.ChannelParticipantsAdmins):
        found = {}
    query = (getattr(request.filter, "q", None) or "").casefold()
    users = {user: view.user(user) for user in found} if query else found
    if query:
        found = {
            user: one for user, one in found.items()
            if query in f"{users[user].first_name} {users[user].last_name} {users[user].username}".casefold()
        }
        count = len(found)
    shown = list(found)[request.offset : min(request.offset + min(request.limit, LIMIT), MOST_MEMBERS)]
    named = [view.user(user) for user in shown]
    return types.channels.ChannelParticipants(count, [found[user] for user in shown], [chat], named)


def participants(call: Call, marked_id: int, chat: Any, annexes: Annexes | None) -> dict[int, Any]:
    """User id -> ChannelParticipant."""
    if annexes is not None and annexes.members:
        return annexes.members
    return {user: types.ChannelParticipant(user, chat.date) for user in members_of(call, marked_id)}
