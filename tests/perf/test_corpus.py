"""The world that every test server starts with."""
import time
from itertools import pairwise

import pytest
from telethon.tl import types

from perf.simdc.corpus import channel, forum, group, private
from perf.simdc.corpus.build import build_world
from perf.simdc.corpus.mention import mentioned
from perf.simdc.corpus.message import MessageEmpty, MessageService
from perf.simdc.stored import StoredHistory
from perf.simdc.world import CHANNEL_MARK

SEED = 11


@pytest.fixture(scope="module")
def world():
    return build_world(SEED)


def channel_id(number):
    return -CHANNEL_MARK - number


def histories(world):
    for account in world.accounts:
        yield from account.histories.items()
    yield from world.histories.items()


def test_two_builds_are_equal(world):
    again = build_world(SEED)
    assert {m: bytes(u) for m, u in again.users.items()} == {m: bytes(u) for m, u in world.users.items()}
    assert {m: bytes(c) for m, c in again.chats.items()} == {m: bytes(c) for m, c in world.chats.items()}
    assert [a.dialogs for a in again.accounts] == [a.dialogs for a in world.accounts]
    for (marked_id, left), (_, right) in zip(histories(world), histories(again), strict=True):
        ids = left.ids(0, len(left))
        assert ids == right.ids(0, len(right)), marked_id
        assert [left.message(i) for i in ids] == [right.message(i) for i in ids]
    assert {k: f.size for k, f in again.files.items()} == {k: f.size for k, f in world.files.items()}


def test_another_seed_is_another_world(world):
    other = build_world(SEED + 1)
    marked_id = channel_id(group.BUSY)
    assert other.histories[marked_id].ids(0, 500) != world.histories[marked_id].ids(0, 500)


def test_building_is_quick(world):
    start = time.process_time()
    build_world(SEED + 2)
    assert time.process_time() - start < 5


def test_every_named_peer_exists(world):
    for marked_id, history in histories(world):
        named = history.peers(history.ids(0, len(history)))
        assert named <= world.users.keys() | world.chats.keys(), marked_id


def test_messages_are_of_their_chat(world):
    for marked_id, history in histories(world):
        for message_id in history.ids(0, len(history)):
            message = history.object(message_id)
            assert message.id == message_id > 0
            if message.peer_id is not None:
                assert {marked_id} == set(mentioned(message.peer_id))


def test_own_ids_are_unique_and_sparse(world):
    for account in world.accounts:
        ids = [i for h in account.histories.values() for i in h.ids(0, len(h))]
        assert len(ids) == len(set(ids))
        assert max(ids) - min(ids) > 1.5 * len(ids)


def test_dialogs(world):
    first, second = world.accounts
    assert len(first.dialogs) > 100
    assert len({d.marked_id for d in first.dialogs}) == len(first.dialogs)
    assert any(d.pinned for d in first.dialogs)
    assert any(d.folder_id == 1 for d in first.dialogs)
    assert second.phone == "9996622222"
    assert second.password == "correct horse"
    assert len(first.histories[world.accounts[0].user_id]) == 60


def test_private_chats_of_two_accounts_mirror_each_other(world):
    first, second = world.accounts
    left, right = first.histories[second.user_id], second.histories[first.user_id]
    pairs = zip(left.ids(0, 99), right.ids(0, 99), strict=True)
    for a, b in ((left.object(i), right.object(j)) for i, j in pairs):
        assert (a.message, a.date, a.out) == (b.message, b.date, not b.out)


def test_a_long_private_chat_and_one_with_one_message(world):
    sizes = sorted(len(h) for m, h in world.accounts[0].histories.items() if m > 0)
    assert sizes[-1] > 350
    assert 0 in sizes
    assert 1 in sizes


def test_migration(world):
    upgraded = channel_id(private.UPGRADED)
    old, top = world.migrations[upgraded]
    history = world.accounts[0].histories[old]
    assert history.top_id() == top
    assert history.object(top).action.channel_id == private.UPGRADED
    assert world.histories[upgraded].object(1).action.chat_id == private.MIGRATED
    assert world.chats[old].migrated_to.channel_id == private.UPGRADED
    assert old not in {d.marked_id for d in world.accounts[0].dialogs}


def test_busy_group_has_every_sort_of_hole(world):
    history = world.histories[channel_id(group.BUSY)]
    ids = history.ids(0, len(history))
    assert 1_150 < len(ids) < 1_350
    assert max(b - a for a, b in pairwise(ids)) > 300
    pages = [ids[max(0, stop - 100):stop] for stop in range(len(ids), 0, -100)]
    short = [sum(history.withheld(i) for i in page) for page in pages]
    assert any(short)
    assert all(count < len(page) for count, page in zip(short, pages, strict=True))
    dates = [m.date for m in map(history.object, ids) if not isinstance(m, MessageEmpty)]
    assert dates != sorted(dates)
    senders = {type(history.object(i).from_id) for i in ids if not isinstance(history.object(i), MessageEmpty)}
    assert senders == {types.PeerUser, types.PeerChannel}


def test_hollow_group_has_pages_of_nothing(world):
    history = world.histories[channel_id(group.HOLLOW)]
    for shift in range(100):
        pages = [history.ids(max(0, stop - 100), stop) for stop in range(len(history) - shift, 0, -100)]
        assert any(all(isinstance(history.object(i), MessageEmpty) for i in page) for page in pages)


def test_comments_hang_on_their_posts(world):
    posts, talk = (world.histories[channel_id(n)] for n in (channel.BROADCAST, channel.DISCUSSION))
    roots = {}
    for message in map(talk.object, talk.ids(1, len(talk))):
        if message.fwd_from and message.fwd_from.saved_from_msg_id:
            roots[message.id] = message.fwd_from.saved_from_msg_id
            assert posts.object(message.fwd_from.saved_from_msg_id).message == message.message
        else:
            assert (message.reply_to.reply_to_top_id or message.reply_to.reply_to_msg_id) in roots
    counted = {p.id: p.replies.replies for p in map(posts.object, posts.ids(0, 999)) if getattr(p, "replies", None)}
    assert set(counted) == set(roots.values())


def test_forum_topics(world):
    marked_id = channel_id(forum.FORUM)
    history = world.histories[marked_id]
    topics = {t.id: t for t in world.topics[marked_id]}
    created = {m.id for m in map(history.object, history.ids(0, 999))
               if isinstance(m, MessageService) and isinstance(m.action, types.MessageActionTopicCreate)}
    assert created == set(topics) - {1}
    for message in map(history.object, history.ids(0, 999)):
        if message.reply_to and message.reply_to.forum_topic:
            assert (message.reply_to.reply_to_top_id or message.reply_to.reply_to_msg_id) in topics
    assert all(t.top_message in history.ids(0, 999) for t in topics.values())


def test_ways_to_a_chat(world):
    assert world.usernames["sim_named"] == world.usernames["sim_alias"] == channel_id(group.NAMED)
    assert "sim_retired" not in world.usernames
    assert world.usernames["sim_busy"] == channel_id(group.BUSY)
    assert world.invites[group.INVITE] == channel_id(private.UPGRADED)
    unjoined = channel_id(group.UNJOINED)
    assert all(unjoined not in {d.marked_id for d in a.dialogs} for a in world.accounts)
    assert {channel_id(group.PRIVATE), channel_id(group.FORBIDDEN)} == world.accounts[0].private


def test_accounts_as_many_as_wanted():
    world = build_world(SEED, accounts=12)
    assert [a.phone for a in world.accounts[8:]] == ["9996629999", "9996620010", "9996620011", "9996620012"]
    assert build_world(SEED, accounts=1).accounts[0].phone == "9996621111"


def test_bulk_chats_are_named_by_the_caller():
    world = build_world(SEED, bulk={"big": 1_000_000, "small": 10})
    assert len(world.histories[world.usernames["sim_big"]]) == 1_000_000
    assert len(world.histories[world.usernames["sim_small"]]) == 10


@pytest.mark.parametrize("wanted", [{"accounts": 0}, {"bulk": {"Busy": 5}}])
def test_impossible_worlds_are_refused(wanted):
    with pytest.raises(ValueError, match=r"account|sim_Busy"):
        build_world(SEED, **wanted)


def test_stored_history_changes():
    peer = types.PeerChannel(5)
    history = StoredHistory(types.Message(n, peer, 100 * n, f"m{n}") for n in (2, 3, 5, 9))
    assert (len(history), history.top_id(), history.rank(5), history.rank(6)) == (4, 9, 2, 3)
    assert history.rank_of_date(300) == 1
    history.delete(9)
    assert history.top_id() == 5
    with pytest.raises(ValueError, match="after 9"):
        history.append(types.Message(9, peer, 1, ""))
    history.append(types.Message(10, peer, 50, "late", from_id=types.PeerUser(7)))
    assert history.peers([10]) == {7, channel_id(5)}
    assert history.rank_of_date(10_000) == 4
    history.edit(10, types.Message(10, peer, 50, "edited"))
    assert history.object(10).message == "edited"
    assert history.peers([10]) == {channel_id(5)}
    with pytest.raises(KeyError):
        history.edit(9, types.Message(9, peer, 1, ""))
    with pytest.raises(KeyError):
        history.message(9)
