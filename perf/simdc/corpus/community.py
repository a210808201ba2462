"""A channel of any size with all that belongs to it: comments in a linked group, members, admin log, stories."""
from __future__ import annotations

from random import Random
from typing import Any

from telethon.tl import types

from tgbulk.perf.simdc.annex import Annexes
from tgbulk.perf.simdc.corpus.corpus import DAY, EPOCH, Corpus
from tgbulk.perf.simdc.corpus.message import Message
from tgbulk.perf.simdc.stored import StoredHistory

#: Bare ids of channels from here on, each with its group behind it; user ids of members likewise.
FIRST = 1_600_000_001
FIRST_MEMBER = 7_000_000_000
EVENTS, STORIES = 230, 120
#: Every so many posts have no comments allowed.
SILENT = 11


def assemble(corpus: Corpus, number: int, name: str, posts: int, comments: int, members: int) -> None:
    """Add sim_<name> and its group, of which the first account is an administrator."""
    random = corpus.random(f"community {name}")
    bare, group = FIRST + 2 * number, FIRST + 2 * number + 1
    told, talk = _histories(random, bare, group, posts, comments, members)
    channel_id = corpus.channel(
        bare, f"Community {name}", told, broadcast=True, has_link=True, username=f"sim_{name}", participants_count=members
    )
    group_id = corpus.channel(group, f"Community {name}: chat", talk, megagroup=True, has_link=True)
    corpus.world.linked |= {channel_id: group_id, group_id: channel_id}
    account = corpus.world.accounts[0]
    corpus.join(channel_id, account)
    corpus.world.chats[channel_id].admin_rights = types.ChatAdminRights(edit_stories=True, ban_users=True)
    users = [
        corpus.cast.add(FIRST_MEMBER + one, first_name=f"Member {one}", last_name=None) for one in range(members)
    ]
    annexes = corpus.world.annexes[channel_id] = Annexes(admins={account.index})
    annexes.members = {user: _participant(user, place) for place, user in enumerate(users)}
    annexes.events = [_event(random, users or [account.user_id], 1_000_000 + 7 * one) for one in range(EVENTS)]
    annexes.stories = [_story(one) for one in range(1, STORIES + 1)]
    annexes.active = set(range(STORIES - 3, STORIES + 1))


def _histories(
    random: Random, channel: int, group: int, posts: int, comments: int, members: int
) -> tuple[StoredHistory, StoredHistory]:
    told, talk = StoredHistory(), StoredHistory()
    home, place = types.PeerChannel(channel), types.PeerChannel(group)
    open_posts = [one for one in range(1, posts + 1) if one % SILENT]
    shares = [0] * (posts + 1)
    for number in range(comments):
        shares[open_posts[number * 7919 % len(open_posts)]] += 1
    at = 0
    for post in range(1, posts + 1):
        date = EPOCH + post * 600
        replies = None
        if post % SILENT:
            at += 1 + (post % 5 == 0)  # some are gone
            root = at
            head = types.MessageFwdHeader(
                date, from_id=home, channel_post=post, saved_from_peer=home, saved_from_msg_id=post)
            talk.append(Message(root, place, date + 1, f"Post {post}", from_id=home, fwd_from=head, pinned=True))
            for number in range(shares[post]):
                at += 1
                sender = types.PeerUser(FIRST_MEMBER + random.randrange(members)) if members else home
                reply = types.MessageReplyHeader(
                    reply_to_msg_id=root if number % 3 else random.randint(root, at - 1),
                    reply_to_top_id=root if number % 3 == 0 else None,
                )
                talk.append(Message(at, place, date + 2 + number, f"Comment {number}", from_id=sender, reply_to=reply))
            replies = types.MessageReplies(shares[post], 1, comments=True, channel_id=group, max_id=at)
        told.append(Message(post, home, date, f"Post {post}", post=True, views=post, forwards=0, replies=replies))
    return told, talk


def _participant(user: int, place: int) -> Any:
    if place == 0:
        return types.ChannelParticipantCreator(user, types.ChatAdminRights(ban_users=True))
    if place < 4:
        return types.ChannelParticipantAdmin(user, FIRST_MEMBER, EPOCH, types.ChatAdminRights(ban_users=True))
    return types.ChannelParticipant(user, EPOCH + place)


def _event(random: Random, users: list[int], number: int) -> types.ChannelAdminLogEvent:
    user = random.choice(users)
    actions = (
        types.ChannelAdminLogEventActionChangeTitle(f"Old {number}", f"New {number}"),
        types.ChannelAdminLogEventActionParticipantJoin(),
        types.ChannelAdminLogEventActionToggleSlowMode(0, number % 60),
    )
    return types.ChannelAdminLogEvent(number, EPOCH + number, user, actions[number % len(actions)])


def _story(number: int) -> types.StoryItem:
    date = EPOCH + number * DAY
    return types.StoryItem(
        number, date, date + DAY, types.MessageMediaUnsupported(), pinned=number % 2 == 0, public=True,
        caption=f"Story {number}",
    )
