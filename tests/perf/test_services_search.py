"""Messages by id, searches, threads, topics, split ranges and Saved Messages, on a tiny world."""
from __future__ import annotations

from typing import Any

import pytest
from telethon.tl import functions, types

from support.tiny_world import CHANNEL, FORUM, GROUP, SUPERGROUP, call_of, date, input_of, read, text, tiny_world
from tgbulk.perf.simdc.bulk import BulkHistory
from tgbulk.perf.simdc.call import Call, RpcError
from tgbulk.perf.simdc.filter import FILTERS
from tgbulk.perf.simdc.services.message import get_channel_messages, get_messages
from tgbulk.perf.simdc.services.reply import get_replies
from tgbulk.perf.simdc.services.saved import get_saved_dialogs, get_saved_history
from tgbulk.perf.simdc.services.search import get_search_counters, search
from tgbulk.perf.simdc.services.split import get_split_ranges
from tgbulk.perf.simdc.services.topic import get_forum_topics, get_forum_topics_by_id
from tgbulk.perf.simdc.stored import StoredHistory

PAGE = {"offset_id": 0, "offset_date": None, "add_offset": 0, "limit": 100, "max_id": 0, "min_id": 0, "hash": 0}
MEDIA = -(10**12) - 40


def document(*attributes: Any) -> types.MessageMediaDocument:
    made = types.Document(1, 2, b"", date(1), "application/octet-stream", 9, 2, list(attributes))
    return types.MessageMediaDocument(document=made)


VIDEO = types.DocumentAttributeVideo(1.0, 1, 1)
KINDS: list[dict[str, Any]] = [
    {"media": types.MessageMediaPhoto(photo=types.PhotoEmpty(1))},
    {"media": document(VIDEO)},
    {"media": document(types.DocumentAttributeVideo(1.0, 1, 1, round_message=True))},
    {"media": document(types.DocumentAttributeAnimated(), VIDEO)},
    {"media": document(types.DocumentAttributeAudio(1, voice=True))},
    {"media": document(types.DocumentAttributeAudio(1))},
    {"media": document(types.DocumentAttributeFilename("a.pdf"))},
    {"media": document(types.DocumentAttributeSticker("🙂", types.InputStickerSetEmpty()))},
    {"media": types.MessageMediaWebPage(types.WebPageEmpty(1))},
    {"entities": [types.MessageEntityUrl(0, 3)]},
    {"media": types.MessageMediaGeo(types.GeoPoint(1.0, 2.0, 3))},
    {"media": types.MessageMediaContact("1", "a", "b", "", 0)},
    {"pinned": True},
    {"mentioned": True, "message": "Straße"},
]
#: filter -> places in KINDS, counted from 1
FOUND = {
    "Photos": [1], "Video": [2], "PhotoVideo": [1, 2], "RoundVideo": [3], "RoundVoice": [3, 5], "Gif": [4],
    "Voice": [5], "Music": [6], "Document": [7], "Url": [9, 10], "Geo": [11], "Contacts": [12], "Pinned": [13],
    "MyMentions": [14], "Poll": [], "ChatPhotos": [16], "PhoneCalls": [15, 17],
}


@pytest.fixture
def call() -> Call:
    world = tiny_world()
    peer = types.PeerChannel(40)
    world.chats[MEDIA] = types.Channel(40, "Media", types.ChatPhotoEmpty(), date(1), megagroup=True, username="media")
    messages: list[Any] = [text(i, peer, 11 + i % 2, **kind) for i, kind in enumerate(KINDS, 1)]
    busy, missed = types.PhoneCallDiscardReasonBusy(), types.PhoneCallDiscardReasonMissed()
    for i, action in (
        (15, types.MessageActionPhoneCall(1, reason=busy)),
        (16, types.MessageActionChatEditPhoto(types.PhotoEmpty(1))),
        (17, types.MessageActionPhoneCall(2, reason=missed)),
    ):
        messages.append(types.MessageService(i, peer, date(i), action=action, from_id=types.PeerUser(11)))
    messages.append(types.MessageEmpty(18, peer))
    world.histories[MEDIA] = StoredHistory(messages)
    return call_of(world)


def found(call: Call, peer: int, filter_name: str = "Empty", q: str = "", **wanted: Any) -> Any:
    kind = getattr(types, f"InputMessagesFilter{filter_name}")()
    fields = {"min_date": None, "max_date": None, **PAGE, **wanted}
    del fields["offset_date"]
    return read(search(call, functions.messages.SearchRequest(input_of(call, peer), q, kind, **fields)))


def ids(answer: Any) -> list[int]:
    return [message.id for message in answer.messages]


class TestSearch:
    @pytest.mark.parametrize(("name", "places"), FOUND.items())
    def test_every_filter(self, call: Call, name: str, places: list[int]) -> None:
        assert ids(found(call, MEDIA, name)) == places[::-1]
        counted = get_search_counters(
            call,
            functions.messages.GetSearchCountersRequest(
                input_of(call, MEDIA), [getattr(types, f"InputMessagesFilter{name}")()]
            ),
        )
        assert [counter.count for counter in counted] == [len(places)]

    def test_every_filter_of_the_layer_is_served(self) -> None:
        names = {name for name in dir(types) if name.startswith("InputMessagesFilter")}
        assert names == {kind.__name__ for kind in FILTERS} | {"InputMessagesFilterPhoneCalls"}

    def test_missed_calls(self, call: Call) -> None:
        kind = types.InputMessagesFilterPhoneCalls(missed=True)
        asked = functions.messages.GetSearchCountersRequest(input_of(call, MEDIA), [kind])
        assert get_search_counters(call, asked)[0].count == 1

    def test_text_author_and_dates(self, call: Call) -> None:
        assert ids(found(call, MEDIA, q="STRASSE")) == [14]
        assert ids(found(call, MEDIA, from_id=input_of(call, 12))) == [13, 11, 9, 7, 5, 3, 1]
        assert ids(found(call, MEDIA, min_date=date(3), max_date=date(6))) == [5, 4]
        assert found(call, 15, from_id=input_of(call, 12)).count == 134

    def test_a_limit_of_nothing_brings_only_the_count(self, call: Call) -> None:
        for peer, count in ((SUPERGROUP, 234), (15, 134)):
            page = found(call, peer, limit=0)
            assert (page.count, page.messages) == (count, [])

    def test_pages(self, call: Call) -> None:
        first = found(call, SUPERGROUP, q="message 1", limit=10)
        second = found(call, SUPERGROUP, q="message 1", limit=10, offset_id=ids(first)[-1])
        assert (first.count, second.count, second.offset_id_offset) == (100, 100, 10)
        assert ids(first) + ids(second) == [i for i in range(199, 0, -1) if i % 10 and str(i).startswith("1")][:20]

    def test_a_history_too_long_to_scan_is_refused(self, call: Call) -> None:
        call.world.histories[SUPERGROUP] = BulkHistory(1, 10**6, SUPERGROUP, [11, 12])
        assert found(call, SUPERGROUP).count == 10**6
        with pytest.raises(RpcError, match="RPC_CALL_FAIL"):
            found(call, SUPERGROUP, "Photos")


class TestMessagesById:
    def ask(self, call: Call, peer: int, *asked: Any) -> Any:
        channel = types.InputChannel(*vars(input_of(call, peer)).values())
        return read(get_channel_messages(call, functions.channels.GetMessagesRequest(channel, list(asked))))

    def test_of_a_channel_in_the_order_asked(self, call: Call) -> None:
        page = self.ask(call, SUPERGROUP, *map(types.InputMessageID, (7, 10, 999, 5, 253)))
        assert [type(message).__name__ for message in page.messages] == [
            "Message", "MessageEmpty", "MessageEmpty", "Message", "MessageEmpty"
        ]
        assert ids(page) == [7, 10, 999, 5, 253]
        assert {user.id for user in page.users} == {18, 16}
        with pytest.raises(RpcError, match="MESSAGE_IDS_EMPTY"):
            self.ask(call, SUPERGROUP)

    def test_of_the_accounts_own_space(self, call: Call) -> None:
        asked = [types.InputMessageID(i) for i in (6, 37, 2)]
        page = read(get_messages(call, functions.messages.GetMessagesRequest(asked)))
        assert [getattr(m.peer_id, "user_id", None) or getattr(m.peer_id, "chat_id", None) for m in page.messages] == [
            15, 20, None
        ]
        other = read(get_messages(call_of(call.world, 1), functions.messages.GetMessagesRequest(asked)))
        assert all(isinstance(message, types.MessageEmpty) for message in other.messages)

    def test_the_pinned_one_and_the_one_replied_to(self, call: Call) -> None:
        assert ids(self.ask(call, MEDIA, types.InputMessagePinned())) == [13]
        assert ids(self.ask(call, CHANNEL, types.InputMessagePinned())) == [0]
        assert ids(self.ask(call, FORUM, types.InputMessageReplyTo(4))) == [3]
        assert ids(self.ask(call, FORUM, types.InputMessageReplyTo(6))) == [0]


class TestThreads:
    def replies(self, call: Call, peer: int, message_id: int, **wanted: Any) -> Any:
        fields = {**PAGE, **wanted}
        return read(get_replies(call, functions.messages.GetRepliesRequest(input_of(call, peer), message_id, **fields)))

    def test_topics(self, call: Call) -> None:
        assert ids(self.replies(call, FORUM, 3)) == [7, 4, 3]
        assert ids(self.replies(call, FORUM, 1)) == [9, 6, 1]
        assert ids(self.replies(call, FORUM, 3, offset_id=7)) == [4, 3]
        assert ids(found(call, FORUM, top_msg_id=2)) == [8, 5, 2]

    def test_comments_of_a_post_are_in_the_discussion_group(self, call: Call) -> None:
        group, peer = -(10**12) - 41, types.PeerChannel(41)
        origin = types.MessageFwdHeader(date(5), saved_from_peer=types.PeerChannel(31), saved_from_msg_id=5)
        call.world.chats[group] = types.Channel(41, "Talk", types.ChatPhotoEmpty(), date(1), megagroup=True)
        call.world.linked |= {CHANNEL: group, group: CHANNEL}
        call.world.histories[group] = StoredHistory([
            text(1, peer, 12),
            types.Message(2, peer, date(5), "post 5", from_id=types.PeerChannel(31), fwd_from=origin),
            text(3, peer, 12, reply_to=types.MessageReplyHeader(reply_to_msg_id=2)),
            text(4, peer, 13, reply_to=types.MessageReplyHeader(reply_to_msg_id=3, reply_to_top_id=2)),
        ])
        page = self.replies(call, CHANNEL, 5)
        assert (ids(page), page.count) == ([4, 3], 2)
        assert ids(self.replies(call, group, 2)) == [4, 3]
        for peer_id, message_id in ((CHANNEL, 6), (CHANNEL, 99), (SUPERGROUP, 10)):
            with pytest.raises(RpcError, match="MSG_ID_INVALID"):
                self.replies(call, peer_id, message_id)

    def test_topics_of_a_forum_in_pages(self, call: Call) -> None:
        def topics(offset_topic: int = 0, q: str | None = None) -> Any:
            peer = input_of(call, FORUM)
            return read(
                get_forum_topics(call, functions.messages.GetForumTopicsRequest(peer, None, 0, offset_topic, 2, q))
            )

        page = topics()
        assert ([topic.id for topic in page.topics], page.count, ids(page)) == ([1, 2], 3, [9, 8])
        assert [topic.id for topic in topics(2).topics] == [3]
        assert [topic.id for topic in topics(q="thi").topics] == [3]
        asked = functions.messages.GetForumTopicsByIDRequest(input_of(call, FORUM), [3, 77])
        named = read(get_forum_topics_by_id(call, asked))
        assert [type(topic).__name__ for topic in named.topics] == ["ForumTopic", "ForumTopicDeleted"]
        with pytest.raises(RpcError, match="CHANNEL_FORUM_MISSING"):
            get_forum_topics(
                call, functions.messages.GetForumTopicsRequest(input_of(call, SUPERGROUP), None, 0, 0, 2)
            )


def test_split_ranges_cover_the_id_space_inside_a_takeout(call: Call) -> None:
    with pytest.raises(RpcError, match="TAKEOUT_REQUIRED"):
        get_split_ranges(call, functions.messages.GetSplitRangesRequest())
    call.takeout_id = 5
    ranges = get_split_ranges(call, functions.messages.GetSplitRangesRequest())
    assert [(part.min_id, part.max_id) for part in ranges] == [(1, 134), (135, 268), (269, 2**31 - 1)]


def test_saved_messages_have_sublists(call: Call) -> None:
    me = types.PeerUser(11)
    call.account.histories[11] = StoredHistory(
        [text(500 + i, me, 11, saved_peer_id=types.PeerUser(12 + i % 2)) for i in range(6)]
    )
    asked = functions.messages.GetSavedDialogsRequest(None, 0, types.InputPeerEmpty(), 1, 0)
    page = read(get_saved_dialogs(call, asked))
    assert isinstance(page, types.messages.SavedDialogsSlice)
    assert [(dialog.peer.user_id, dialog.top_message) for dialog in page.dialogs] == [(13, 505)]
    asked.offset_id, asked.limit = 505, 100
    assert [dialog.top_message for dialog in read(get_saved_dialogs(call, asked)).dialogs] == [504]
    sublist = functions.messages.GetSavedHistoryRequest(input_of(call, 13), **PAGE)
    assert ids(read(get_saved_history(call, sublist))) == [505, 503, 501]
    assert ids(found(call, 11, saved_peer_id=input_of(call, 12))) == [504, 502, 500]
    assert GROUP in call.account.histories
