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
from stages.fetch.peer_cache import Links, Peer, PeerCache
from stages.telegram.chat import ChatRecord
from stages.telegram.peer import card as sparse_card
from stages.telegram.sparse import sparse

#: The method that looks up a username.
RESOLVE = "contacts.resolveUsername"
SAVED_TITLE = "Saved Messages"
_CHANNELS = frozenset({"supergroup", "forum", "channel"})

#: error -> (reason, hint)
REASONS: dict[type[errors.RPCError], tuple[str, str]] = {
    errors.ChannelPrivateError: ("this account may not read it: private, or removed from it", "Try another --account."),
    errors.UsernameNotOccupiedError: ("nobody has this username", "Check the spelling; usernames change hands."),
    errors.UsernameInvalidError: ("this cannot be a username", "Check the spelling."),
    errors.InviteHashExpiredError: ("this invite link has expired", ""),
    errors.InviteHashInvalidError: ("this invite link is not valid", ""),
}


@dataclass(slots=True)
class Target:
    """A chat to export."""

    #: as the user named it
    name: str
    record: ChatRecord
    peer: Any
    #: the username it was found by in the cache, which has still to prove itself; None otherwise
    by_username: str | None = None
    #: it was found in the cache: Telegram may not take it
    cached: bool = False


class Resolver:
    """Resolves names for one account: from its cache where it can, walking the dialogs at most once, for an id."""

    def __init__(self, caller: Caller, me: int, cache: PeerCache) -> None:
        """me: the account's user id."""
        self._caller = caller
        self._me = me
        self._cache = cache
        self._walked = False
        self._listed: dict[int, Any] = {}
        self._listing = asyncio.Lock()

    async def resolve(self, name: ChatName, fresh: bool = False) -> Target:
        """ChatError, with the reason, for a chat that is not there or not ours to read. fresh: ask Telegram in any case."""
        if name.way is Way.SELF or (name.way is Way.ID and int(name.value) == self._me):
            return self._saved(name.text)
        try:
            peer = None if fresh else self._remembered(name)
            cached = peer is not None
            target = await self._target(name.text, peer or await self._find(name))
        except errors.RPCError as error:
            raise refusal(name.text, error) from error
        target.cached = cached
        target.by_username = name.value if cached and name.way is Way.USERNAME else None
        return target

    async def older_half(self, target: Target) -> Target | None:
        """The basic group that a supergroup continues, None where Telegram names none; ChatError, with the reason, where
        this account may not read it, as after a later joining."""
        marked = target.record.migrated_from
        if marked is None:
            return None
        peer = self._cache.by_id(marked)
        name = before_migration(target)
        if peer is None or not peer.listed:  # one that a message showed need not be readable
            try:
                peer = await self._ask_group(name, marked)
            except errors.RPCError as error:
                raise refusal(name, error) from error
        record = self._record(peer)
        record.migrated_to = target.record.marked_id
        return Target(name, record, types.InputPeerChat(-marked))

    def learn(self, cards: list[list[Any]]) -> None:
        """Peers of an answer to this account."""
        self._cache.learn(cards)

    def forget(self, target: Target) -> None:
        """Telegram did not take the cached peer."""
        self._cache.forget(target.record.marked_id)

    def proved(self, target: Target) -> bool:
        """Whether the chat, as its first page showed it, has the username by which it was found."""
        return target.by_username is None or self._cache.has_username(target.record.marked_id, target.by_username)

    def _remembered(self, name: ChatName) -> Peer | None:
        if name.way is Way.ID:
            peer = self._cache.by_id(int(name.value))
            return peer if peer is not None and peer.listed else None
        if name.way is Way.USERNAME:
            if self._cache.is_free(name.value):
                raise ChatError(name.text, *REASONS[errors.UsernameNotOccupiedError])
            return self._cache.by_username(name.value)
        return None

    async def _find(self, name: ChatName) -> Peer:
        if name.way is Way.ID:
            return await self._find_id(name)
        if name.way is Way.INVITE:
            answer = await self._caller.call(functions.messages.CheckChatInviteRequest(name.value))
            if not isinstance(answer, types.ChatInviteAlready):
                raise ChatError(name.text, f"this account has not joined {_title(answer)}", "Join it first.")
            return self._learned(name.text, answer.chat)
        try:
            answer = await self._caller.call(functions.contacts.ResolveUsernameRequest(name.value))
        except errors.UsernameNotOccupiedError:
            self._cache.learn_free(name.value)
            raise
        marked = utils.get_peer_id(answer.peer)
        entity = next(e for e in [*answer.users, *answer.chats] if utils.get_peer_id(e) == marked)
        return self._learned(name.text, entity)

    async def _find_id(self, name: ChatName) -> Peer:
        async with self._listing:
            if not self._walked:
                self._walked = True
                self._listed = {listed.marked_id: listed.entity async for listed in iter_dialogs(self._caller)}
                self._cache.learn((made for entity in self._listed.values() if (made := card(entity))), listed=True)
        entity = self._listed.get(int(name.value))
        if entity is None:
            raise ChatError(name.text, "it is not among the dialogs of this account", "See: tgbulk chats")
        return self._learned(name.text, entity)

    async def _ask_group(self, name: str, marked: int) -> Peer:
        answer = await self._caller.call(functions.messages.GetChatsRequest([-marked]))
        return self._learned(name, answer.chats[0])

    def _learned(self, name: str, entity: Any) -> Peer:
        """Keep the entity that Telegram gave; ChatError for one that cannot be read."""
        made = card(entity)
        if made is None:
            raise ChatError(name, "this account may not read it: it was removed from it, or it is gone", "")
        self._cache.learn([made], listed=True)
        return Peer(*made)

    async def _target(self, name: str, peer: Peer) -> Target:
        record = self._record(peer)
        if peer.type in _CHANNELS:
            links = self._cache.links(peer) or await self._ask_links(peer)
            record.migrated_from, record.migrated_from_max_id = links.migrated_from, links.migrated_from_max_id
            record.linked = links.linked
        return Target(name, record, input_peer(peer))

    async def _ask_links(self, peer: Peer) -> Links:
        channel = types.InputChannel(bare(peer), peer.access_hash)
        full = (await self._caller.call(functions.channels.GetFullChannelRequest(channel))).full_chat
        older, linked = full.migrated_from_chat_id, full.linked_chat_id
        links = Links(
            utils.get_peer_id(types.PeerChat(older)) if older else None,
            full.migrated_from_max_id if older else None,
            utils.get_peer_id(types.PeerChannel(linked)) if linked else None,
        )
        self._cache.learn_links(peer.marked_id, links)
        return links

    def _saved(self, name: str) -> Target:
        record = ChatRecord(self._me, "saved", SAVED_TITLE, self._me)
        return Target(name, record, types.InputPeerSelf())

    def _record(self, peer: Peer) -> ChatRecord:
        return ChatRecord(
            peer.marked_id,
            peer.type,
            peer.title,
            self._me,
            usernames=list(peer.usernames),
            migrated_to=peer.migrated_to,
        )


def bare(peer: Peer) -> int:
    """The id without its mark."""
    number: int = utils.resolve_id(peer.marked_id)[0]
    return number


def input_peer(peer: Peer) -> Any:
    """What a request takes."""
    if peer.type in _CHANNELS:
        return types.InputPeerChannel(bare(peer), peer.access_hash)
    if peer.type == "group":
        return types.InputPeerChat(bare(peer))
    return types.InputPeerUser(peer.marked_id, peer.access_hash)


def card(entity: Any) -> list[Any] | None:
    """The card (stages/telegram/peer.py) of a Telethon entity."""
    made: list[Any] | None = sparse_card(sparse(entity))
    return made


def before_migration(target: Target) -> str:
    """A name for the basic group that a supergroup continues."""
    return f"{target.name} (before its migration)"


def _title(invite: Any) -> str:
    chat = getattr(invite, "chat", None)
    return repr(chat.title if chat else invite.title)


def refusal(name: str, error: errors.RPCError) -> ChatError:
    """An answer that is about one chat, in words."""
    return ChatError(name, *REASONS.get(type(error), (plain(error), "")))
