from __future__ import annotations

import random
from typing import Any

import orjson
import pytest
from telethon.tl import types

from support import telegram_page as made
from tgbulk.perf.simdc.corpus.sample import Sampler
from tgbulk.perf.simdc.corpus.wire import encode
from tgbulk.stages.archive.id_range import UNBOUNDED
from tgbulk.stages.process.page import transform
from tgbulk.stages.process.seen_peers import SeenPeers
from tgbulk.stages.protocol.receipt import PageBody, Receipt
from tgbulk.stages.telegram.peer import PeerSummary


def lines(body: PageBody) -> list[dict[str, Any]]:
    assert body.lines == b"" or body.lines.endswith(b"\n")
    return [orjson.loads(line) for line in body.lines.splitlines()]


def peers(body: PageBody) -> list[tuple[int, bool, bytes, dict[str, Any]]]:
    return [(one.marked_id, one.is_min, one.digest, orjson.loads(one.line)) for one in body.peers]


def test_messages_come_ascending_and_are_counted() -> None:
    data = made.page([made.message(7), made.service(5), made.message(6), made.empty(9)], [made.user(3)], count=42)
    receipt, body = transform(data, 0, 5, UNBOUNDED, SeenPeers())
    assert receipt == Receipt(
        form="messages.channelMessages", total=42, low=5, high=9, next=10, messages=3, services=1, empty=[9],
        peers=[PeerSummary(3, 0, "private", "Ann", [], None)],
    )
    found = lines(body)
    assert [(one["_"], one["id"]) for one in found] == [("messageService", 5), ("message", 6), ("message", 7)]
    assert found[1] == {
        "_": "message", "id": 6, "peer_id": {"_": "peerChannel", "channel_id": 9}, "date": 1714953600, "message": "text 6",
    }


@pytest.mark.parametrize(
    ("first", "bound", "kept", "next_id"),
    [
        (1, UNBOUNDED, [3, 4, 5, 8], 9), (4, UNBOUNDED, [4, 5, 8], 9), (4, 8, [4, 5], 8), (4, 6, [4, 5], 6),
        (9, UNBOUNDED, [], 9), (9, 20, [], 9),
    ],
)
def test_what_is_not_of_the_range_is_left_out_and_counted(
    first: int, bound: int, kept: list[int], next_id: int
) -> None:
    receipt, body = transform(made.page([made.message(n) for n in (3, 4, 5, 8)]), 0, first, bound, SeenPeers())
    assert [one["id"] for one in lines(body)] == kept
    assert (receipt.messages, receipt.repeated, receipt.next) == (len(kept), 4 - len(kept), next_id)
    assert (receipt.low, receipt.high) == (3, 8)


def test_what_comes_twice_is_kept_once() -> None:
    twice = [made.message(4), made.message(4, "later"), made.message(5), made.empty(6), made.empty(6)]
    receipt, body = transform(made.page(twice), 0, 1, UNBOUNDED, SeenPeers())
    assert [one["message"] for one in lines(body)] == ["text 4", "text 5"]
    assert (receipt.messages, receipt.repeated, receipt.empty) == (2, 1, [6])


def test_ids_without_a_message_are_named_within_the_range() -> None:
    receipt, body = transform(made.page([made.empty(n) for n in (2, 3, 5, 9)]), 0, 3, 9, SeenPeers())
    assert lines(body) == []
    assert (receipt.empty, receipt.messages, receipt.repeated) == ([3, 5], 0, 0)
    assert (receipt.low, receipt.high, receipt.next) == (2, 9, 9)


@pytest.mark.parametrize(("bound", "next_id"), [(UNBOUNDED, 7), (50, 50)])
def test_an_empty_page_ends_its_range(bound: int, next_id: int) -> None:
    receipt, body = transform(made.page([]), 0, 7, bound, SeenPeers())
    assert (receipt.low, receipt.high, receipt.next, receipt.messages, receipt.total) == (0, 0, next_id, 0, 1000)
    assert body == PageBody()


def test_the_whole_list_has_no_count() -> None:
    data = bytes(types.messages.Messages(messages=[made.message(1)], topics=[], chats=[], users=[]))
    receipt, _ = transform(data, 0, 1, UNBOUNDED, SeenPeers())
    assert (receipt.form, receipt.total) == ("messages.messages", -1)


def test_not_modified_has_nothing() -> None:
    receipt, body = transform(bytes(types.messages.MessagesNotModified(count=5)), 0, 1, UNBOUNDED, SeenPeers())
    assert (receipt.form, receipt.high, receipt.total) == ("messages.messagesNotModified", 0, 5)
    assert body == PageBody()


@pytest.mark.parametrize("cut", [0, 3, 4, 20, -1])
def test_what_cannot_be_decoded_is_an_error_in_the_receipt(cut: int) -> None:
    receipt, body = transform(made.page([made.message(1), made.message(2)])[:cut], 0, 1, UNBOUNDED, SeenPeers())
    assert receipt.error
    assert (receipt.messages, receipt.high, body) == (0, 0, PageBody())


def test_another_object_is_an_error_too() -> None:
    assert "not a page" in transform(bytes(made.user(1)), 0, 1, UNBOUNDED, SeenPeers())[0].error


def test_peers_have_marked_ids_and_versions_without_their_status() -> None:
    ann = made.user(3, status=types.UserStatusOnline(made.DAY))
    later = made.user(3, status=types.UserStatusRecently())
    page = made.page([], [ann, later, made.user(3, "Anna")], [made.channel(9)])
    found = peers(transform(page, 0, 1, UNBOUNDED, SeenPeers())[1])
    assert [peer for peer, *_ in found] == [3, 3, -(10**12 + 9)]
    versions = [version for _, _, version, _ in found]
    assert versions[0] != versions[1]  # the second Ann differs in her status alone
    assert found[0][3]["status"]["_"] == "userStatusOnline"
    assert not any(small for _, small, _, _ in found)


def test_reduced_peers_are_marked() -> None:
    chats = [made.channel(9, min=True), types.ChatEmpty(4), types.ChatForbidden(5, "x"), made.channel(6)]
    page = made.page([], [made.user(3, min=True), types.UserEmpty(2)], chats)
    found = peers(transform(page, 0, 1, UNBOUNDED, SeenPeers())[1])
    assert [(peer, small) for peer, small, *_ in found] == [
        (3, True), (2, True), (-1000000000009, True), (-4, True), (-5, False), (-1000000000006, False),
    ]


def test_a_worker_tells_of_a_peer_once_and_again_when_changed() -> None:
    met = SeenPeers()
    versions = [
        made.user(3, min=True), made.user(3, access_hash=5), made.user(3, access_hash=5), made.user(3, access_hash=6),
    ]
    chats = [types.ChannelForbidden(9, 1, "x")]
    summaries = [transform(made.page([], [one], chats), 0, 1, UNBOUNDED, met)[0].peers for one in versions]
    assert [[(one.marked_id, one.access_hash) for one in some or []] for some in summaries] == [[], [(3, 5)], [], [(3, 6)]]


def test_random_pages_of_all_kinds_lose_nothing() -> None:
    """Every constructor that a message or peer can be, in sizes and forms that nobody thought of."""
    source = Sampler(random.Random(5), falses=True)
    for size in range(40):
        messages = [source.make(kind) for kind in (types.Message, types.MessageService, types.MessageEmpty)]
        messages += [source.make(types.Message) for _ in range(size % 5)]
        for number, one in enumerate(messages, start=1):
            one.id = number
        users, chats = [source.make(types.User)], [source.make(types.Chat), source.make(types.Channel)]
        for peer in (*users, *chats):
            peer.id = 77
        answer = types.messages.MessagesSlice(count=9, messages=messages, topics=[], chats=chats, users=users)
        receipt, body = transform(encode(answer), 0, 1, UNBOUNDED, SeenPeers())
        assert (receipt.error, receipt.slow) == ("", "")
        assert [one["id"] for one in lines(body)] == [1, 2, *range(4, len(messages) + 1)]
        assert len(peers(body)) == 3
