"""From a chat's name to the peer to ask and the record to keep."""
from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from telethon import errors, utils
from telethon.tl import functions, types

from tgbulk.stages.fetch.caller import Caller
from tgbulk.stages.fetch.client import plain, telegram_text
from tgbulk.stages.fetch.dialog import iter_dialogs
from tgbulk.stages.fetch.error import ChatError, DialogListError
from tgbulk.stages.fetch.name import ChatName, Way, marked_forms
from tgbulk.stages.fetch.peer_cache import Links, Peer, PeerCache
from tgbulk.stages.telegram.chat import ChatRecord
from tgbulk.stages.telegram.peer import PeerSummary
from tgbulk.stages.telegram.peer import peer_summary as summary_of_sparse
from tgbulk.stages.telegram.sparse import sparse

#: The method that looks up a username.
RESOLVE = "contacts.resolveUsername"
SAVED_TITLE = "Saved Messages"
#: Types of chats that have a box of their own.
CHANNELS = frozenset({"supergroup", "forum", "channel"})

#: error -> (reason, hint, kind)
REASONS: dict[type[errors.RPCError], tuple[str, str, str]] = {
    errors.ChannelPrivateError: (
        "this account may not read it: private, or removed from it", "Try another --account.", "forbidden",
    ),
    errors.UsernameNotOccupiedError: (
        "nobody has this username", "Check the spelling; usernames change hands.", "not_found",
    ),
    errors.UsernameInvalidError: ("this cannot be a username", "Check the spelling.", "not_found"),
    errors.InviteHashExpiredError: ("this invite link has expired", "", "not_found"),
    errors.InviteHashInvalidError: ("this invite link is not valid", "", "not_found"),
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

    def __init__(self, caller: Caller, me: int, cache: PeerCache, keep_full: bool = False) -> None:
        """me: the account's user id; keep_full: keep the answers about channels until somebody takes them."""
        self._caller = caller
        self._me = me
        self._cache = cache
        self._walked = False
        self._listed: dict[int, Any] = {}
        self._listing = asyncio.Lock()
        #: marked id -> answers with all that Telegram tells of a channel, of which the run keeps more than links
        self.full: dict[int, Any] = {}
        self._keep_full = keep_full
        #: marked ids of chats of which it is known that nothing changed
        self.settled: set[int] = set()

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
        return await self._successor(target, fresh) if target.record.migrated_to else target

    async def _successor(self, group: Target, fresh: bool) -> Target:
        """The supergroup that continues a basic group, and brings its messages along; the group where it cannot be read."""
        marked = group.record.migrated_to
        title = group.record.title
        try:
            target = await self.resolve(ChatName(group.name, Way.ID, str(marked)), fresh)
        except ChatError as error:
            self._caller.notify(f"{group.name}: the group {title} went on as the supergroup {marked}, of which {error}")
            return group
        self._caller.notify(f"{group.name}: the group {title} goes on as its supergroup {marked}")
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

    async def discussion(self, target: Target) -> Target | None:
        """The group in which a channel's posts are discussed, None where it has none; ChatError."""
        marked = target.record.linked
        if target.record.type != "channel" or marked is None:
            return None
        peer = self._cache.by_id(marked)
        name = str(marked)
        try:
            if peer is None or not peer.listed:
                answer = self.full.get(target.record.marked_id) or await self._caller.call(
                    functions.channels.GetFullChannelRequest(utils.get_input_channel(target.peer))
                )
                peer = self._learned(name, _among(name, answer.chats, marked))
            return await self._target(name, peer)
        except errors.RPCError as error:
            raise refusal(name, error) from error

    async def adopt(self, name: str, entity: Any) -> Target:
        """The target of a chat that came along with an answer; ChatError, with the reason."""
        try:
            return await self._target(name, self._learned(name, entity))
        except errors.RPCError as error:
            raise refusal(name, error) from error

    def walk_again(self) -> None:
        """The list of dialogs may have grown since it was walked."""
        self._walked = False

    def learn(self, summaries: list[PeerSummary]) -> None:
        """Peers of an answer to this account."""
        self._cache.learn(summaries)

    def forget(self, target: Target) -> None:
        """Telegram did not take the cached peer."""
        self._cache.forget(target.record.marked_id)

    def proved(self, target: Target) -> bool:
        """Whether the chat, as its first page showed it, has the username by which it was found."""
        return target.by_username is None or self._cache.has_username(target.record.marked_id, target.by_username)

    def recall(self, name: ChatName) -> Peer | None:
        """The peer that was meant by the name when it was seen last, however long ago; None where nobody knows."""
        if name.way is Way.ID:
            return self._cache.known(int(name.value))
        return self._cache.last_with(name.value) if name.way is Way.USERNAME else None

    def _remembered(self, name: ChatName) -> Peer | None:
        if name.way is Way.ID:
            peer = self._cache.by_id(int(name.value))
            return peer if peer is not None and peer.listed else None
        if name.way is Way.USERNAME:
            if self._cache.is_free(name.value):
                raise ChatError(name.text, *REASONS[errors.UsernameNotOccupiedError], telegram="USERNAME_NOT_OCCUPIED")
            return self._cache.by_username(name.value)
        return None

    async def _find(self, name: ChatName) -> Peer:
        if name.way is Way.ID:
            return await self._find_id(name)
        if name.way is Way.INVITE:
            answer = await self._caller.call(functions.messages.CheckChatInviteRequest(name.value))
            if not isinstance(answer, types.ChatInviteAlready):
                raise ChatError(name.text, f"this account has not joined {_title(answer)}", "Join it first.", "forbidden")
            return self._learned(name.text, answer.chat)
        try:
            answer = await self._caller.call(functions.contacts.ResolveUsernameRequest(name.value))
        except errors.UsernameNotOccupiedError:
            self._cache.learn_free(name.value)
            raise
        return self._learned(name.text, _among(name.text, [*answer.users, *answer.chats], utils.get_peer_id(answer.peer)))

    async def _find_id(self, name: ChatName) -> Peer:
        async with self._listing:
            if not self._walked:
                self._walked = True
                try:
                    async for listed in iter_dialogs(self._caller):
                        self._listed[listed.marked_id] = listed.entity
                except DialogListError as error:
                    self._caller.notify(str(error))
                self._cache.learn((made for entity in self._listed.values() if (made := peer_summary(entity))), listed=True)
        number = int(name.value)
        found = [number] if number in self._listed else [form for form in marked_forms(number) if form in self._listed]
        if not found:
            raise ChatError(name.text, "it is not among the dialogs of this account", "See: tgbulk chats", "not_found")
        if len(found) > 1:
            forms = " or ".join(map(str, found))
            raise ChatError(name.text, f"it may be {forms}", "Give one of these marked ids.", "not_found")
        peer = self._learned(name.text, self._listed[found[0]])
        if found[0] != number:
            self._caller.notify(f"{name.text} is no marked id; {found[0]} is meant: {peer.title}")
        return peer

    async def _ask_group(self, name: str, marked: int) -> Peer:
        answer = await self._caller.call(functions.messages.GetChatsRequest([-marked]))
        return self._learned(name, _among(name, answer.chats, marked))

    def _learned(self, name: str, entity: Any) -> Peer:
        """Keep the entity that Telegram gave; ChatError for one that cannot be read."""
        made = peer_summary(entity)
        if made is None:
            raise ChatError(name, "this account may not read it: it was removed from it, or it is gone", "", "forbidden")
        self._cache.learn([made], listed=True)
        return Peer.of(made)

    async def _target(self, name: str, peer: Peer) -> Target:
        record = self._record(peer)
        if peer.type in CHANNELS:
            links = self._cache.links(peer, peer.marked_id in self.settled) or await self._ask_links(peer)
            record.migrated_from, record.migrated_from_max_id = links.migrated_from, links.migrated_from_max_id
            record.linked = links.linked
        return Target(name, record, input_peer(peer))

    async def _ask_links(self, peer: Peer) -> Links:
        channel = types.InputChannel(bare(peer), peer.access_hash)
        answer = await self._caller.call(functions.channels.GetFullChannelRequest(channel))
        if self._keep_full:
            self.full[peer.marked_id] = answer
        full = answer.full_chat
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


def _among(name: str, entities: list[Any], marked: int) -> Any:
    """The user or chat that an answer is about; ChatError where it does not come along."""
    for one in entities:
        if utils.get_peer_id(one) == marked:
            return one
    raise ChatError(name, f"Telegram names {marked} and does not say what it is", "Try again later.", "not_found")


def bare(peer: Peer) -> int:
    """The id without its mark."""
    number: int = utils.resolve_id(peer.marked_id)[0]
    return number


def input_peer(peer: Peer) -> Any:
    """What a request takes."""
    if peer.type in CHANNELS:
        return types.InputPeerChannel(bare(peer), peer.access_hash)
    if peer.type == "group":
        return types.InputPeerChat(bare(peer))
    return types.InputPeerUser(peer.marked_id, peer.access_hash)


def peer_summary(entity: Any) -> PeerSummary | None:
    """Of a Telethon entity."""
    return summary_of_sparse(sparse(entity))


def before_migration(target: Target) -> str:
    """A name for the basic group that a supergroup continues."""
    return f"{target.name} (before its migration)"


def _title(invite: Any) -> str:
    chat = getattr(invite, "chat", None)
    return repr(chat.title if chat else invite.title)


def refusal(name: str, error: errors.RPCError) -> ChatError:
    """An answer that is about one chat, in words."""
    unknown = plain(error), "", "forbidden" if error.code == 403 else "refused"
    return ChatError(name, *REASONS.get(type(error), unknown), telegram=telegram_text(error))
