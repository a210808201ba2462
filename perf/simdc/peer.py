"""From the input peers of requests to marked ids, with the checks of access hash and membership."""
from __future__ import annotations

from typing import Any

from telethon.tl import types

from tgbulk.perf.simdc.call import Call, RpcError
from tgbulk.perf.simdc.view import View
from tgbulk.perf.simdc.world import CHANNEL_MARK

_USER = (types.InputPeerUser, types.InputUser)
_CHANNEL = (types.InputPeerChannel, types.InputChannel)
_SELF = (types.InputPeerSelf, types.InputUserSelf)
_USER_SEEN = (types.InputPeerUserFromMessage, types.InputUserFromMessage)
_CHANNEL_SEEN = (types.InputPeerChannelFromMessage, types.InputChannelFromMessage)


def known(call: Call, peer: Any, wrong: str = "PEER_ID_INVALID") -> int:
    """The marked id of an input peer, user or channel that this account may name.

    RpcError 400: `wrong` for users and basic groups, CHANNEL_INVALID for channels, MSG_ID_INVALID for a peer that
    the named message does not show.
    """
    account, world = call.account, call.world
    if isinstance(peer, _SELF):
        return account.user_id
    if isinstance(peer, _USER):
        trusted = peer.access_hash == 0 and (peer.user_id in account.contacts or peer.user_id == account.user_id)
        if peer.user_id not in world.users or not (
            trusted or peer.access_hash == world.access_hash(account, peer.user_id)
        ):
            raise RpcError(400, wrong)
        return int(peer.user_id)
    if isinstance(peer, types.InputPeerChat):
        if not is_member(call, -peer.chat_id):
            raise RpcError(400, wrong)
        return -int(peer.chat_id)
    if isinstance(peer, _CHANNEL):
        marked_id = -CHANNEL_MARK - int(peer.channel_id)
        if marked_id not in world.chats or peer.access_hash != world.access_hash(account, marked_id):
            raise RpcError(400, "CHANNEL_INVALID")
        return marked_id
    if isinstance(peer, _USER_SEEN):
        return _seen(call, peer.peer, peer.msg_id, peer.user_id)
    if isinstance(peer, _CHANNEL_SEEN):
        return _seen(call, peer.peer, peer.msg_id, -CHANNEL_MARK - peer.channel_id)
    raise RpcError(400, wrong)


def readable(call: Call, peer: Any, wrong: str = "PEER_ID_INVALID") -> int:
    """The marked id of a peer whose messages this account may read; 400 CHANNEL_PRIVATE where it may not."""
    marked_id = known(call, peer, wrong)
    if not is_readable(call, marked_id):
        raise RpcError(400, "CHANNEL_PRIVATE")
    return marked_id


def is_member(call: Call, marked_id: int) -> bool:
    """Whether the chat is in the account's dialog list or has a history in the account's id space."""
    return marked_id in call.account.histories or marked_id in View.of(call.world, call.account).joined


def is_readable(call: Call, marked_id: int) -> bool:
    """Whether the account may read it: not closed to it, and joined, public, or linked to such a chat."""
    closed = isinstance(call.world.chats.get(marked_id), types.ChannelForbidden)
    if closed or marked_id in call.account.private:
        return False
    if marked_id > -CHANNEL_MARK:
        return True
    return _is_open(call, marked_id) or _is_open(call, call.world.linked.get(marked_id, 0))


def _is_open(call: Call, marked_id: int) -> bool:
    if marked_id in View.of(call.world, call.account).joined:
        return True
    chat = call.world.chats.get(marked_id)
    return isinstance(chat, types.Channel) and bool(chat.username or chat.usernames)


def _seen(call: Call, where: Any, message_id: int, marked_id: int) -> int:
    history = call.world.history(call.account, readable(call, where))
    if history is None or message_id not in history or marked_id not in history.peers([message_id]):
        raise RpcError(400, "MSG_ID_INVALID")
    return marked_id
