"""A broadcast channel and the group in which its posts are discussed."""
from __future__ import annotations

from random import Random
from typing import Any

from telethon.tl import types

from tgbulk.perf.simdc.corpus.corpus import DAY, EPOCH, Corpus, peer_of
from tgbulk.perf.simdc.corpus.message import Message, MessageService, body, photo
from tgbulk.perf.simdc.stored import StoredHistory

BROADCAST, DISCUSSION = 1_500_000_004, 2_400_000_005
POSTS = 300
#: The channel's posts of an album, in ids.
ALBUM = range(50, 54)


def assemble(corpus: Corpus) -> None:
    """Add both to the world and to the accounts' dialog lists."""
    random = corpus.random("channel")
    posts, talk = StoredHistory(), StoredHistory()
    _create(corpus, posts, talk)
    comment = 2
    for number in range(2, POSTS + 2):
        if number % 23 == 0:
            continue
        date = EPOCH + number * DAY // 2
        fields = _post(corpus, random, number)
        thread = [] if number in ALBUM[1:] else _thread(corpus, random, number, comment, date, fields)
        replies = None
        if thread:
            comment = thread[-1].id + random.choice((1, 1, 2))
            replies = types.MessageReplies(len(thread) - 1, 1, comments=True, channel_id=DISCUSSION, max_id=thread[-1].id)
        posts.append(Message(number, types.PeerChannel(BROADCAST), date, post=True, replies=replies, **fields))
        for message in thread:
            talk.append(message)
    channel = corpus.channel(BROADCAST, "Канал новостей", posts, broadcast=True, has_link=True, verified=True,
                             signatures=True, username="sim_channel", participants_count=51_234)
    group = corpus.channel(DISCUSSION, "Канал новостей: chat", talk, megagroup=True, has_link=True, join_to_send=True)
    corpus.world.linked |= {channel: group, group: channel}
    corpus.join(channel, *corpus.world.accounts)
    corpus.join(group, corpus.world.accounts[0], folder_id=1)


def _create(corpus: Corpus, posts: StoredHistory, talk: StoredHistory) -> None:
    action = types.MessageActionChannelCreate("Канал новостей")
    posts.append(MessageService(1, types.PeerChannel(BROADCAST), EPOCH, action, post=True))
    talk.append(MessageService(1, types.PeerChannel(DISCUSSION), EPOCH, action,
                               from_id=peer_of(corpus.cast.people[0])))


def _post(corpus: Corpus, random: Random, number: int) -> dict[str, Any]:
    fields = body(corpus, random) | {"views": number * 37, "forwards": number % 12}
    if number % 5 == 0:
        fields["post_author"] = "Редактор"
    if number % 41 == 0:
        fields["fwd_from"] = types.MessageFwdHeader(EPOCH, from_id=types.PeerChannel(1_500_000_009), channel_post=3)
    if number in ALBUM:
        fields = {"message": "", "media": photo(random.choice(corpus.shelf.photos)), "grouped_id": 13_000_000_000_002,
                  "views": 1, "forwards": 0}
    return fields


def _thread(corpus: Corpus, random: Random, post: int, first: int, date: int, fields: dict[str, Any]) -> list[Any]:
    """The automatic forward of a post and its comments, the later ones at times answers to earlier ones."""
    peer, channel = types.PeerChannel(DISCUSSION), types.PeerChannel(BROADCAST)
    header = types.MessageFwdHeader(date, from_id=channel, channel_post=post, saved_from_peer=channel,
                                    saved_from_msg_id=post, post_author=fields.get("post_author"))
    copied = {k: v for k, v in fields.items() if k in ("message", "entities", "media", "grouped_id")}
    thread = [Message(first, peer, date + 1, from_id=channel, fwd_from=header, pinned=True, **copied)]
    for number in range(first + 1, first + 1 + random.randrange(4)):
        answered = random.choice(thread).id
        head = types.MessageReplyHeader(
            reply_to_msg_id=answered, reply_to_top_id=None if answered == first else first)
        sender = peer_of(random.choice(corpus.cast.people))
        thread.append(Message(number, peer, date + 60 * (number - first), from_id=sender, reply_to=head,
                              **body(corpus, random)))
    return thread
