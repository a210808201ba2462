"""channels.getChannels, channels.getFullChannel, channels.getParticipants: channels and supergroups."""
from __future__ import annotations

from telethon.tl import types
from telethon.tl.functions.channels import GetChannelsRequest, GetFullChannelRequest, GetParticipantsRequest

from perf.simdc.call import Call, RpcError, serves
from perf.simdc.page import channel_pts
from perf.simdc.peer import is_member, known, readable
from perf.simdc.services.chat import members_of
from perf.simdc.view import View
from perf.simdc.window import PAGE_LIMIT
from perf.simdc.world import CHANNEL_MARK


@serves(GetChannelsRequest)
def get_channels(call: Call, request: GetChannelsRequest) -> types.messages.Chats:
    """Channels by id and access hash, closed ones as channelForbidden; 400 CHANNEL_INVALID."""
    view = View.of(call.world, call.account)
    return types.messages.Chats([view.chat(known(call, peer, "CHANNEL_INVALID")) for peer in request.id])


@serves(GetFullChannelRequest)
def get_full_channel(call: Call, request: GetFullChannelRequest) -> types.messages.ChatFull:
    """The channel with its linked chat, and the basic group that it was; that one's chat comes along for its members."""
    marked_id = readable(call, request.channel, "CHANNEL_INVALID")
    world, view = call.world, View.of(call.world, call.account)
    history = world.history(call.account, marked_id)
    chat = view.chat(marked_id)
    linked = world.linked.get(marked_id)
    migrated, last_id = world.migrations.get(marked_id, (0, 0))
    full = types.ChannelFull(
        id=-CHANNEL_MARK - marked_id,
        about=f"About {chat.title}",
        read_inbox_max_id=0 if history is None else history.top_id(),
        read_outbox_max_id=0,
        unread_count=0,
        chat_photo=types.PhotoEmpty(0),
        notify_settings=types.PeerNotifySettings(),
        bot_info=[],
        pts=channel_pts(history),
        participants_count=chat.participants_count or len(members_of(call, marked_id)),
        migrated_from_chat_id=-migrated or None,
        migrated_from_max_id=last_id or None,
        linked_chat_id=None if linked is None else -CHANNEL_MARK - linked,
    )
    others = [other for other in (linked, migrated) if other and (other == linked or is_member(call, other))]
    return types.messages.ChatFull(full, [chat, *map(view.chat, others)], [])


@serves(GetParticipantsRequest)
def get_participants(call: Call, request: GetParticipantsRequest) -> types.channels.ChannelParticipants:
    """Those who wrote in a supergroup lately, 100 at a time; 403 CHAT_ADMIN_REQUIRED for a broadcast channel."""
    marked_id = readable(call, request.channel, "CHANNEL_INVALID")
    view = View.of(call.world, call.account)
    chat = view.chat(marked_id)
    if chat.broadcast:
        raise RpcError(403, "CHAT_ADMIN_REQUIRED")
    users = [view.user(user_id) for user_id in members_of(call, marked_id)]
    query = (getattr(request.filter, "q", None) or "").casefold()
    users = [u for u in users if query in f"{u.first_name} {u.last_name} {u.username}".casefold()]
    shown = users[request.offset : request.offset + min(request.limit, PAGE_LIMIT)]
    members = [types.ChannelParticipant(user.id, chat.date) for user in shown]
    return types.channels.ChannelParticipants(len(users), members, [chat], shown)
