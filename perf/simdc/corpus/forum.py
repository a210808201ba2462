"""A forum: topics, their service messages, and messages that belong to them."""
from __future__ import annotations

from random import Random
from typing import Any

from telethon.tl import types

from tgbulk.perf.simdc.corpus.corpus import EPOCH, Corpus, peer_of
from tgbulk.perf.simdc.corpus.message import Message, MessageService, body
from tgbulk.perf.simdc.corpus.wire import encode
from tgbulk.perf.simdc.stored import StoredHistory

FORUM = 1_500_000_010
GENERAL = 1
COLOURS = (7322096, 16766590, 13338331, 9367192, 16749490, 16478047)
TITLES = ("Release 1.0 🚀", "Ideas", "بيت", "Off topic / misc", "A topic nobody wrote in", "x" * 128)
MESSAGES = 320


def assemble(corpus: Corpus) -> None:
    """Add the forum to the world and to the accounts' dialog lists."""
    random = corpus.random("forum")
    peer, founder = types.PeerChannel(FORUM), peer_of(corpus.cast.people[0])
    history = StoredHistory([
        MessageService(1, peer, EPOCH, types.MessageActionChannelCreate("Forum"), from_id=founder)])
    topics: dict[int, list[int]] = {GENERAL: [1]}
    titles = list(TITLES)
    named = {GENERAL: "General"}
    for number in range(2, MESSAGES):
        if number % 17 == 0:
            continue
        if titles and number % 30 == 3:
            named[number] = titles.pop(0)
            history.append(_create(number, founder, named[number]))
            topics[number] = [number]
            continue
        # One topic stays empty.
        topic = random.choice([t for t in topics if t != _silent(topics)])
        history.append(_message(corpus, random, number, topic, topics[topic]))
        topics[topic].append(number)
    _close(history, topics, founder)
    forum = corpus.channel(FORUM, "Forum", history, megagroup=True, forum=True, username="sim_forum")
    corpus.world.topics[forum] = [_topic(number, named[number], ids, founder) for number, ids in topics.items()]
    corpus.join(forum, *corpus.world.accounts)


def _silent(topics: dict[int, list[int]]) -> int:
    made = [t for t in topics if t != GENERAL]
    return made[4] if len(made) > 4 else 0


def _create(number: int, founder: Any, title: str) -> Any:
    action = types.MessageActionTopicCreate(title, COLOURS[number % len(COLOURS)])
    return MessageService(number, types.PeerChannel(FORUM), EPOCH + number * 3_000, action, from_id=founder)


def _message(corpus: Corpus, random: Random, number: int, topic: int, ids: list[int]) -> Any:
    answered = random.choice(ids) if random.random() < 0.3 else topic
    head = None
    if topic != GENERAL:
        head = types.MessageReplyHeader(forum_topic=True, reply_to_msg_id=answered,
                                        reply_to_top_id=None if answered == topic else topic)
    elif answered != GENERAL:
        head = types.MessageReplyHeader(reply_to_msg_id=answered)
    return Message(number, types.PeerChannel(FORUM), EPOCH + number * 3_000, reply_to=head,
                   from_id=peer_of(random.choice(corpus.cast.people[:12])), **body(corpus, random))


def _close(history: StoredHistory, topics: dict[int, list[int]], founder: Any) -> None:
    """Rename, close and open a topic again; hide and show General."""
    second = next(t for t in topics if t != GENERAL)
    edits = (
        (second, types.MessageActionTopicEdit(title="Release 1.1", icon_emoji_id=0)),
        (second, types.MessageActionTopicEdit(closed=True)),
        (second, types.MessageActionTopicEdit(closed=False)),
        (GENERAL, types.MessageActionTopicEdit(hidden=True)),
        (GENERAL, types.MessageActionTopicEdit(hidden=False)),
    )
    for number, (topic, action) in enumerate(edits, MESSAGES):
        head = types.MessageReplyHeader(forum_topic=True, reply_to_msg_id=topic)
        message = MessageService(number, types.PeerChannel(FORUM), EPOCH + number * 3_000, action, from_id=founder,
                                 reply_to=head)
        history.append(message, encode(message))
        topics[topic].append(number)


def _topic(number: int, title: str, ids: list[int], founder: Any) -> types.ForumTopic:
    return types.ForumTopic(
        number, EPOCH + number * 3_000, types.PeerChannel(FORUM), title, COLOURS[number % len(COLOURS)], ids[-1],
        read_inbox_max_id=ids[-1], read_outbox_max_id=0, unread_count=0, unread_mentions_count=0,
        unread_reactions_count=0, unread_poll_votes_count=0, from_id=founder,
        notify_settings=types.PeerNotifySettings(), pinned=number == GENERAL)
