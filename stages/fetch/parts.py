"""From the part of a chat that a link means to the chat and the ids to walk: one question at most."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from telethon.tl import functions, types

from tgbulk.stages.archive.id_range import EVERYTHING, IdRange, merge
from tgbulk.stages.fetch.caller import Caller
from tgbulk.stages.fetch.error import ChatError
from tgbulk.stages.fetch.name import ChatName, Way, part_of
from tgbulk.stages.fetch.part import ChatPart, at_most
from tgbulk.stages.fetch.resolver import Resolver, Target

#: Topics that are asked for at a time.
TOPICS = 100


@dataclass(slots=True)
class Located:
    """The chat that holds the part, which is another one for comments, and where in it."""

    target: Target
    #: ascending and apart
    ids: list[IdRange] = field(default_factory=lambda: [EVERYTHING])
    #: what a person has to know: other messages lie between
    remarks: list[str] = field(default_factory=list)


def unite(parts: Iterable[Located]) -> list[Located]:
    """One for each chat, with the ids of all its parts; where they are several, it is named by these."""
    by_chat: dict[int, Located] = {}
    for one in parts:
        marked = one.target.record.marked_id
        known = by_chat.setdefault(marked, one)
        if known is not one:
            known.ids = at_most([*known.ids, *one.ids])
            if known.ids != [EVERYTHING]:
                public = known.target.record.usernames
                chat = ChatName("", Way.USERNAME, public[0]) if public else ChatName("", Way.ID, str(marked))
                known.target.name = part_of(chat, ChatPart(tuple(known.ids))).text
    return list(by_chat.values())


async def locate(part: ChatPart | None, target: Target, caller: Caller, resolver: Resolver) -> Located:
    """ChatError where the part is not there; errors.RPCError."""
    if part is None:
        return Located(target)
    if part.post:
        return await _comments(part, target, caller, resolver)
    if target.record.type == "forum":
        return await _of_forum(part, target, caller)
    if part.topic:
        answer = await caller.call(functions.messages.GetRepliesRequest(target.peer, part.topic, 0, None, 0, 1, 0, 0, 0))
        newest = max((message.id for message in answer.messages), default=part.topic)
        return _thread(target, part.topic, newest, f"the thread of message {part.topic}")
    return Located(target, merge(part.ids))


async def _of_forum(part: ChatPart, target: Target, caller: Caller) -> Located:
    """A message that is named alone may be the first one of a topic, which is then meant."""
    alone = [one.lo for one in part.ids if one.hi == one.lo + 1]
    asked = [part.topic] if part.topic else alone
    found: dict[int, int] = {}
    for place in range(0, len(asked), TOPICS):
        request = functions.messages.GetForumTopicsByIDRequest(target.peer, asked[place : place + TOPICS])
        answer = await caller.call(request)
        found |= {one.id: one.top_message for one in answer.topics if isinstance(one, types.ForumTopic)}
    if part.topic and part.topic not in found:
        raise ChatError(target.name, f"there is no topic {part.topic}", "", "not_found")
    topics = [_thread(target, topic, found[topic], f"topic {topic}") for topic in asked if topic in found]
    ids = merge([*part.ids, *(one for topic in topics for one in topic.ids)])
    return Located(target, ids, [remark for topic in topics for remark in topic.remarks])


def _thread(target: Target, first: int, last: int, what: str) -> Located:
    remark = f"{what} lies among the other messages {first} to {last}, which come along"
    if first == 1:  # General began with the group
        return Located(target, remarks=[f"{what} lies among all other messages, which come along"])
    return Located(target, [IdRange(first, max(first, last) + 1)], [remark])


async def _comments(part: ChatPart, target: Target, caller: Caller, resolver: Resolver) -> Located:
    answer = await caller.call(functions.messages.GetDiscussionMessageRequest(target.peer, part.post))
    root = next(iter(answer.messages), None)
    if root is None:
        raise ChatError(target.name, f"post {part.post} has no comments", "", "not_found")
    found = _chat_of(root, answer.chats)
    if found is None:
        raise ChatError(target.name, f"Telegram does not say in which group the comments of post {part.post} are", "")
    group = await resolver.adopt(target.name, found)
    if part.comment:
        return Located(group, [IdRange(part.comment, part.comment + 1)])
    newest = max(answer.max_id or 0, root.id)
    return _thread(group, root.id, newest, f"the discussion of post {part.post}")


def _chat_of(message: Any, chats: list[Any]) -> Any:
    """The supergroup of a message, None where it is not among these."""
    number = getattr(message.peer_id, "channel_id", None)
    return next((chat for chat in chats if chat.id == number), None)
