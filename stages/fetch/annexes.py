"""What belongs to a chat beside its messages, asked for once its history has come to its end.

Each annex is looked at page after page, by methods with buckets of their own; write keeps where a look is, so one that was
cut short goes on there. What the server refuses, or gives only in part, is said, and the rest goes on
(https://core.telegram.org/api/channel, /api/recent-actions, /api/stories).
"""
from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from telethon import errors, utils
from telethon.tl import functions, types

from tgbulk.engine.error import TgbulkError
from tgbulk.stages.archive.annex import AnnexItem, AnnexName, LookState
from tgbulk.stages.fetch.client import plain
from tgbulk.stages.fetch.error import ChatError, FloodParkedError, TroubledError
from tgbulk.stages.fetch.pipeline import Pipeline
from tgbulk.stages.fetch.reader import Reader
from tgbulk.stages.fetch.resolver import Target
from tgbulk.stages.protocol.annex import AnnexPage, AnnexReply
from tgbulk.stages.protocol.event import Notice
from tgbulk.stages.telegram.peer import PeerLine, digest, is_min, marked_id
from tgbulk.stages.telegram.sparse import sparse

#: Types of chats that have each; the others are passed over without a word.
_CHANNELS = frozenset({"channel", "supergroup", "forum"})
HAVING = {
    AnnexName.INFO: _CHANNELS | {"group", "private", "bot", "saved"},
    AnnexName.MEMBERS: _CHANNELS | {"group"},
    AnnexName.ADMIN_LOG: _CHANNELS,
    AnnexName.STORIES: _CHANNELS | {"private", "bot", "saved"},
}
#: Items of a page.
MEMBERS_PAGE, EVENTS_PAGE, STORIES_PAGE = 200, 100, 100
#: Telegram gives so many members of a channel, and no more, whatever is asked.
MOST_MEMBERS = 10_000
#: Why the server gives nothing of an annex, where its own words say less.
REFUSALS = {
    errors.ChatAdminRequiredError: "only administrators see it",
    errors.ChannelPrivateError: "this account may not read it",
}
#: Requests of a look at one that is nearly empty.
_FEWEST = {AnnexName.INFO: 1, AnnexName.MEMBERS: 1, AnnexName.ADMIN_LOG: 2, AnnexName.STORIES: 3}
#: What one part of a look counts its cursor from.
_PART = 1 << 40


@dataclass(slots=True)
class AnnexAnswer:
    """One page of an annex."""

    items: list[tuple[int, Any]]
    #: users and chats that came along
    named: list[Any] = field(default_factory=list)
    cursor: int = 0
    total: int = -1
    state: str = ""
    reason: str = ""


class AnnexLook:
    """What is asked of one chat."""

    def __init__(self, reader: Reader, target: Target) -> None:
        self.call = reader.caller.call
        self.target = target
        self._full: Any = reader.resolver.full.pop(target.record.marked_id, None)

    @property
    def is_channel(self) -> bool:
        return self.target.record.type in _CHANNELS

    @property
    def channel(self) -> Any:
        return utils.get_input_channel(self.target.peer)

    async def full(self) -> Any:
        """The answer with all that a profile page shows; asked for once."""
        if self._full is None:
            peer = self.target.peer
            if self.is_channel:
                self._full = await self.call(functions.channels.GetFullChannelRequest(self.channel))
            elif isinstance(peer, types.InputPeerChat):
                self._full = await self.call(functions.messages.GetFullChatRequest(peer.chat_id))
            else:
                self._full = await self.call(functions.users.GetFullUserRequest(utils.get_input_user(peer)))
        return self._full


class Annexes:
    """Looks at the annexes of chats, those of them that the run asks for."""

    def __init__(self, pipeline: Pipeline, notify: Callable[[object], None], wanted: Sequence[AnnexName]) -> None:
        self._pipeline = pipeline
        self._notify = notify
        self._wanted = wanted

    async def look(
        self, reader: Reader, target: Target, stream: int, looked: dict[AnnexName, TgbulkError | None]
    ) -> None:
        """Bring those up to date that nobody has looked at yet, and say in `looked` why the server, or the disk, failed.
        Halted, AuthNeededError."""
        look = AnnexLook(reader, target)
        for name in self.of(target):
            if name in looked:
                continue
            try:
                await self._one(look, reader, stream, name)
            except (FloodParkedError, TroubledError) as error:
                looked[name] = error
                self._say(look, name, str(error))
                await self._pipeline.annex(stream, AnnexPage(name, reason=str(error)))
            except ChatError as error:
                looked[name] = error
                self._say(look, name, str(error))
            else:
                looked[name] = None

    def of(self, target: Target) -> list[AnnexName]:
        """Those of them that a chat has."""
        kind, migrated = target.record.type, target.record.migrated_to is not None
        return [name for name in self._wanted if kind in HAVING[name] and not migrated]

    async def _one(self, look: AnnexLook, reader: Reader, stream: int, name: AnnexName) -> None:
        async def give(page: AnnexPage) -> AnnexReply:
            page.account, page.now = reader.me, int(time.time())
            return await self._pipeline.annex(stream, page)

        reply = await give(AnnexPage(name))
        if reply.refusal:
            raise ChatError(look.target.name, reply.refusal, "Move the chat's folder away, or export into another archive.")
        try:
            async for one in _ASKED[name](look, reply.cursor, reply.top):
                if one.state == LookState.INCOMPLETE:
                    self._say(look, name, one.reason)
                items = [AnnexItem(key, orjson.dumps(sparse(found))) for key, found in one.items]
                await give(AnnexPage(name, 0, 0, items, _peers(one.named), one.cursor, one.total, one.state, one.reason))
        except errors.RPCError as error:
            reason = REFUSALS.get(type(error)) or plain(error)
            self._say(look, name, f"Telegram refuses it: {reason}")
            await give(AnnexPage(name, state=LookState.REFUSED, reason=reason))

    def _say(self, look: AnnexLook, name: AnnexName, text: str) -> None:
        self._notify(Notice(f"{look.target.name}: {title(name)}: {text}"))


async def forecast_requests(reader: Reader, target: Target, wanted: Sequence[AnnexName]) -> dict[str, int]:
    """Annex -> requests that a look at it takes, at least."""
    names = [name for name in wanted if target.record.type in HAVING[name] and target.record.migrated_to is None]
    found = {str(name): _FEWEST[name] for name in names}
    if AnnexName.MEMBERS in names and target.record.type in _CHANNELS:
        full = (await AnnexLook(reader, target).full()).full_chat
        found[AnnexName.MEMBERS.value] = max(1, -(-min(full.participants_count or 0, MOST_MEMBERS) // MEMBERS_PAGE))
    return found


def title(name: AnnexName) -> str:
    """For people."""
    return name.replace("_", " ")


def _peers(found: list[Any]) -> list[PeerLine]:
    lines = []
    for one in found:
        peer = sparse(one)
        line = orjson.dumps(peer, option=orjson.OPT_APPEND_NEWLINE)
        lines.append(PeerLine(marked_id(peer), is_min(peer), digest(peer), line))
    return lines


async def _info(look: AnnexLook, cursor: int, top: int) -> AsyncIterator[AnnexAnswer]:
    """The profile, and the custom emoji that it names."""
    answer = await look.full()
    full = getattr(answer, "full_chat", None) or answer.full_user
    named = [*answer.users, *answer.chats]
    emoji = [one.document_id for one in getattr(getattr(full, "available_reactions", None), "reactions", None) or ()
             if isinstance(one, types.ReactionCustomEmoji)]  # fmt: skip
    documents = await look.call(functions.messages.GetCustomEmojiDocumentsRequest(emoji)) if emoji else []
    items = [(look.target.record.marked_id, full), *((one.id, one) for one in documents)]
    yield AnnexAnswer(items, named, total=len(items), state=LookState.COMPLETE)


async def _members(look: AnnexLook, cursor: int, top: int) -> AsyncIterator[AnnexAnswer]:
    if not look.is_channel:
        answer = await look.full()
        listed = answer.full_chat.participants
        if isinstance(listed, types.ChatParticipantsForbidden):
            yield AnnexAnswer([], state=LookState.REFUSED, reason="this account may not see them")
            return
        items = [(one.user_id, one) for one in listed.participants]
        yield AnnexAnswer(items, answer.users, total=len(items), state=LookState.COMPLETE)
        return
    # All that Telegram lists, then the administrators, whom it shows where it hides the others.
    parts = (types.ChannelParticipantsRecent(), types.ChannelParticipantsAdmins())
    part, offset = divmod(cursor, _PART)
    total, found = -1, offset
    for number in range(part, len(parts)):
        while True:
            request = functions.channels.GetParticipantsRequest(look.channel, parts[number], offset, MEMBERS_PAGE, 0)
            answer = await look.call(request)
            if number == 0:
                total = answer.count
            offset += len(answer.participants)
            items = [(_member(one), one) for one in answer.participants]
            over = not items or offset >= min(answer.count, MOST_MEMBERS)
            whole = over and number == 0 and offset >= total
            state = LookState.COMPLETE if whole else LookState.INCOMPLETE if over and number else ""
            found = offset if number == 0 else found
            reason = "" if whole or not state else _short(found, total)
            after = (number + 1) * _PART if over else number * _PART + offset
            yield AnnexAnswer(items, [*answer.users, *answer.chats], after, total, state, reason)
            if whole:
                return
            if over:
                break
        offset = 0


def _short(found: int, total: int) -> str:
    if found >= MOST_MEMBERS:
        return f"Telegram gives {MOST_MEMBERS:,} at most, of {total:,}"
    return f"Telegram gives {found:,} of {total:,}, and the administrators; it hides the others"


def _member(one: Any) -> int:
    return int(utils.get_peer_id(one.peer)) if hasattr(one, "peer") else int(one.user_id)


async def _admin_log(look: AnnexLook, cursor: int, top: int) -> AsyncIterator[AnnexAnswer]:
    """From the newest event, or where the last look stopped, down to what is there; Telegram keeps 48 hours of it."""
    below = cursor
    while True:
        answer = await look.call(functions.channels.GetAdminLogRequest(look.channel, "", below, top, EVENTS_PAGE))
        events = [one for one in answer.events if one.id > top and (not below or one.id < below)]
        below = min((one.id for one in events), default=below)
        over = not events or below <= top + 1
        items = [(one.id, one) for one in events]
        yield AnnexAnswer(items, [*answer.users, *answer.chats], below, state=LookState.COMPLETE if over else "")
        if over:
            return


async def _stories(look: AnnexLook, cursor: int, top: int) -> AsyncIterator[AnnexAnswer]:
    """The active ones, those that are pinned, and where this account may see them, those of the archive."""
    peer = look.target.peer
    part, below = divmod(cursor, _PART)
    owner = look.target.record.type == "saved"
    if part == 0:
        answer = await look.call(functions.stories.GetPeerStoriesRequest(peer))
        listed = answer.stories.stories
        short = [one.id for one in listed if isinstance(one, types.StoryItemSkipped)]
        found = [one for one in listed if isinstance(one, types.StoryItem)]
        named = [*answer.users, *answer.chats]
        if short:
            whole = await look.call(functions.stories.GetStoriesByIDRequest(peer, short))
            found += [one for one in whole.stories if isinstance(one, types.StoryItem)]
            named += [*whole.users, *whole.chats]
        yield AnnexAnswer([(one.id, one) for one in found], named, _PART)
        part, below = 1, 0
    if look.is_channel:
        chat = next((one for one in (await look.full()).chats if one.id == look.channel.channel_id), None)
        owner = bool(chat and (chat.creator or (chat.admin_rights and chat.admin_rights.edit_stories)))
    asks = [functions.stories.GetPinnedStoriesRequest, functions.stories.GetStoriesArchiveRequest][: 1 + owner]
    for number, ask in enumerate(asks, 1):
        if number < part:
            continue
        while True:
            answer = await look.call(ask(peer, below, STORIES_PAGE))
            found = [one for one in answer.stories if isinstance(one, types.StoryItem)]
            lowest = min((one.id for one in answer.stories), default=0)
            over = not answer.stories or (below and lowest >= below)
            below = lowest or below
            last = over and number == len(asks)
            after = (number + 1) * _PART if over else number * _PART + below
            items = [(one.id, one) for one in found]
            yield AnnexAnswer(items, [*answer.users, *answer.chats], after, state=LookState.COMPLETE if last else "")
            if over:
                break
        below = 0


_ASKED: dict[AnnexName, Callable[[AnnexLook, int, int], AsyncIterator[AnnexAnswer]]] = {
    AnnexName.INFO: _info,
    AnnexName.MEMBERS: _members,
    AnnexName.ADMIN_LOG: _admin_log,
    AnnexName.STORIES: _stories,
}
