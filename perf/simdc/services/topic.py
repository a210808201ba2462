"""messages.getForumTopics, messages.getForumTopicsByID."""
from __future__ import annotations

from collections.abc import Sequence
from struct import pack
from typing import Any

from telethon.tl import types
from telethon.tl.functions.messages import GetForumTopicsByIDRequest, GetForumTopicsRequest

from tgbulk.perf.simdc.call import Call, RpcError, serves
from tgbulk.perf.simdc.history import History
from tgbulk.perf.simdc.page import channel_pts, own, peers, vector
from tgbulk.perf.simdc.peer import readable
from tgbulk.perf.simdc.view import View
from tgbulk.perf.simdc.window import PAGE_LIMIT, unix


@serves(GetForumTopicsRequest)
def get_forum_topics(call: Call, request: GetForumTopicsRequest) -> bytes:
    """Topics by their newest message, pinned ones first, behind offset_topic or else older than offset_date."""
    marked_id = _forum(call, request.peer)
    query = (request.q or "").casefold()
    topics = [topic for topic in _topics(call, marked_id) if query in topic.title.casefold()]
    dates = {topic.id: _date(call, marked_id, topic) for topic in topics}
    topics.sort(key=lambda topic: (not topic.pinned, -dates[topic.id], -topic.top_message))
    place = next((i + 1 for i, topic in enumerate(topics) if topic.id == request.offset_topic), 0)
    if not place and request.offset_date and unix(request.offset_date):
        place = sum(1 for topic in topics if dates[topic.id] >= unix(request.offset_date))
    shown = topics[place : place + min(max(request.limit, 1), PAGE_LIMIT)]
    return _answer(call, marked_id, shown, len(topics))


@serves(GetForumTopicsByIDRequest)
def get_forum_topics_by_id(call: Call, request: GetForumTopicsByIDRequest) -> bytes:
    """The named topics; forumTopicDeleted for an id without one."""
    marked_id = _forum(call, request.peer)
    topics = {topic.id: topic for topic in _topics(call, marked_id)}
    shown = [topics.get(topic_id, types.ForumTopicDeleted(topic_id)) for topic_id in request.topics]
    return _answer(call, marked_id, shown, len(topics))


def _forum(call: Call, peer: Any) -> int:
    marked_id = readable(call, peer)
    if marked_id not in call.world.topics:
        raise RpcError(400, "CHANNEL_FORUM_MISSING")
    return marked_id


def _topics(call: Call, marked_id: int) -> list[Any]:
    return [topic for topic in call.world.topics[marked_id] if isinstance(topic, types.ForumTopic)]


def _newest(call: Call, marked_id: int, topic: Any) -> tuple[History, int] | None:
    """Where a topic's newest message is; None if it is gone or the topic deleted."""
    history = call.world.history(call.account, marked_id)
    top_id = getattr(topic, "top_message", 0)
    return (history, top_id) if history is not None and top_id in history else None


def _date(call: Call, marked_id: int, topic: types.ForumTopic) -> int:
    newest = _newest(call, marked_id, topic)
    return unix(topic.date if newest is None else newest[0].object(newest[1]).date)


def _answer(call: Call, marked_id: int, topics: Sequence[Any], count: int) -> bytes:
    newest = [found for topic in topics if (found := _newest(call, marked_id, topic)) is not None]
    named = {marked_id}.union(*(history.peers([top_id]) for history, top_id in newest))
    head = pack("<IIi", types.messages.ForumTopics.CONSTRUCTOR_ID, 0, count)
    messages = own(call, vector([history.message(top_id) for history, top_id in newest]))
    tail = peers(View.of(call.world, call.account), named)
    pts = channel_pts(call, marked_id)
    return head + vector([bytes(topic) for topic in topics]) + messages + tail + pack("<i", pts)
