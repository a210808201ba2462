"""From a chat's name to the peer to ask and the record to keep."""
from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from telethon import errors, utils
from telethon.tl import functions, types

from stages.fetch.caller import Caller
from stages.fetch.client import plain
from stages.fetch.dialog import iter_dialogs
from stages.fetch.error import ChatError
from stages.fetch.name import ChatName, Way
from stages.telegram.chat import ChatRecord


@dataclass(slots=True)
class Target:
    """A chat to export."""

    name: str
    record: ChatRecord
    peer: Any


class Resolver:
    """Resolves names for one account. Walks the dialogs at most once, and only when an id asks for it."""

    def __init__(self, caller: Caller, me: types.User) -> None:
        self._caller = caller
        self._me = me
        self._dialogs: dict[int, Any] | None = None
        self._listing = asyncio.Lock()

    async def resolve(self, name: ChatName) -> Target:
        """ChatError, with the reason, for a chat that is not there or not ours to read."""
        try:
            entity = await self._find(name)
            return await self._target(name.text, entity)
        except errors.RPCError as error:
            raise refusal(name.text, error) from error

    async def older_half(self, target: Target) -> Target | None:
        """The basic group that a supergroup continues, where this account can still read it."""
        marked = target.record.migrated_from
        if marked is None:
            return None
        answer = await self._caller.call(functions.messages.GetChatsRequest([-marked]))
        record = self._record(answer.chats[0])
        record.migrated_to = target.record.marked_id
        return Target(f"{target.name} (before its migration)", record, types.InputPeerChat(-marked))

    async def _find(self, name: ChatName) -> Any:
        if name.way is Way.SELF:
            return self._me
        if name.way is Way.ID:
            return await self._find_id(name)
        if name.way is Way.INVITE:
            return await self._find_invite(name)
        answer = await self._caller.call(functions.contacts.ResolveUsernameRequest(name.value))
        marked = utils.get_peer_id(answer.peer)
        return next(e for e in [*answer.users, *answer.chats] if utils.get_peer_id(e) == marked)

    async def _find_id(self, name: ChatName) -> Any:
        marked = int(name.value)
        if marked == self._me.id:
            return self._me
        async with self._listing:
            if self._dialogs is None:
                self._dialogs = {listed.marked_id: listed.entity async for listed in iter_dialogs(self._caller)}
        entity = self._dialogs.get(marked)
        if entity is None:
            raise ChatError(name.text, "it is not among the dialogs of this account", "See: tgbulk chats")
        return entity

    async def _find_invite(self, name: ChatName) -> Any:
        answer = await self._caller.call(functions.messages.CheckChatInviteRequest(name.value))
        if not isinstance(answer, types.ChatInviteAlready):
            raise ChatError(name.text, f"this account has not joined {answer_title(answer)}", "Join it first.")
        return answer.chat

    async def _target(self, name: str, entity: Any) -> Target:
        if isinstance(entity, types.ChannelForbidden | types.ChatForbidden | types.UserEmpty | types.ChatEmpty):
            raise ChatError(name, "this account may not read it: it was removed from it, or it is gone", "")
        record = self._record(entity)
        if isinstance(entity, types.Channel):
            await self._add_links(record, entity)
        elif isinstance(entity, types.Chat) and isinstance(entity.migrated_to, types.InputChannel):
            record.migrated_to = utils.get_peer_id(types.PeerChannel(entity.migrated_to.channel_id))
        if record.type == "saved":
            return Target(name, record, types.InputPeerSelf())
        return Target(name, record, utils.get_input_peer(entity, allow_self=False))

    async def _add_links(self, record: ChatRecord, channel: types.Channel) -> None:
        answer = await self._caller.call(functions.channels.GetFullChannelRequest(utils.get_input_channel(channel)))
        full = answer.full_chat
        if full.migrated_from_chat_id:
            record.migrated_from = utils.get_peer_id(types.PeerChat(full.migrated_from_chat_id))
            record.migrated_from_max_id = full.migrated_from_max_id
        if full.linked_chat_id:
            record.linked = utils.get_peer_id(types.PeerChannel(full.linked_chat_id))

    def _record(self, entity: Any) -> ChatRecord:
        return ChatRecord(
            marked_id=utils.get_peer_id(entity),
            type=chat_type(entity),
            title=utils.get_display_name(entity),
            account=self._me.id,
            usernames=usernames(entity),
        )


def chat_type(entity: Any) -> str:
    """The record's word for a user or chat."""
    if isinstance(entity, types.User | types.UserEmpty):
        if getattr(entity, "is_self", False):
            return "saved"
        return "bot" if getattr(entity, "bot", False) else "private"
    if isinstance(entity, types.Channel | types.ChannelForbidden):
        if getattr(entity, "forum", False):
            return "forum"
        return "channel" if entity.broadcast else "supergroup"
    return "group"


def usernames(entity: Any) -> list[str]:
    """Every active username, the main one first."""
    names = [entity.username] if getattr(entity, "username", None) else []
    names += [one.username for one in getattr(entity, "usernames", None) or [] if one.active]
    return list(dict.fromkeys(names))


def answer_title(invite: Any) -> str:
    chat = getattr(invite, "chat", None)
    return repr(chat.title if chat else invite.title)


def refusal(name: str, error: errors.RPCError) -> ChatError:
    """An answer that is about one chat, in words."""
    known = {
        "CHANNEL_PRIVATE": ("this account may not read it: private, or removed from it", "Try another --account."),
        "USERNAME_NOT_OCCUPIED": ("nobody has this username", "Check the spelling; usernames change hands."),
        "USERNAME_INVALID": ("this cannot be a username", "Check the spelling."),
        "INVITE_HASH_EXPIRED": ("this invite link has expired", ""),
        "INVITE_HASH_INVALID": ("this invite link is not valid", ""),
    }
    reason, hint = known.get(error.message, (plain(error), ""))
    return ChatError(name, reason, hint)
