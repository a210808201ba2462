"""channels.getChannels, channels.getFullChannel: channels and supergroups."""
from __future__ import annotations

from random import randrange

from telethon.tl import types
from telethon.tl.functions.channels import GetChannelsRequest, GetFullChannelRequest

from tgbulk.perf.simdc.annex import Annexes
from tgbulk.perf.simdc.call import Call, serves
from tgbulk.perf.simdc.page import channel_pts
from tgbulk.perf.simdc.peer import is_member, known, readable
from tgbulk.perf.simdc.services.chat import members_of
from tgbulk.perf.simdc.view import View
from tgbulk.perf.simdc.world import CHANNEL_MARK


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
    annexes = world.annexes.get(marked_id) or Annexes()
    full = types.ChannelFull(
        id=-CHANNEL_MARK - marked_id,
        about=f"About {chat.title}" if annexes.about is None else annexes.about,
        can_view_participants=call.account.index in annexes.admins or None,
        participants_hidden=annexes.hidden or None,
        available_reactions=_reactions(annexes),
        read_inbox_max_id=0 if history is None else history.top_id(),
        read_outbox_max_id=0,
        unread_count=0,
        online_count=randrange(1 << 20),  # another one at every look
        chat_photo=types.PhotoEmpty(0),
        notify_settings=types.PeerNotifySettings(),
        bot_info=[],
        pts=channel_pts(call, marked_id),
        available_min_id=call.account.cleared.get(marked_id),
        participants_count=chat.participants_count or len(members_of(call, marked_id)),
        migrated_from_chat_id=-migrated or None,
        migrated_from_max_id=last_id or None,
        linked_chat_id=None if linked is None else -CHANNEL_MARK - linked,
    )
    others = [other for other in (linked, migrated) if other and (other == linked or is_member(call, other))]
    return types.messages.ChatFull(full, [chat, *map(view.chat, others)], [])


def _reactions(annexes: Annexes) -> types.ChatReactionsSome | None:
    return types.ChatReactionsSome([types.ReactionCustomEmoji(one) for one in annexes.emoji]) if annexes.emoji else None
