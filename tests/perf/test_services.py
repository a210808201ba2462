"""getHistory, users and dialogs, called as functions on a tiny world."""
from __future__ import annotations

from typing import Any

import pytest
from telethon.tl import functions, types
from telethon.utils import get_peer_id

from support.tiny_world import (
    CHANNEL,
    CLOSED,
    EMPTY,
    FORUM,
    GROUP,
    STRANGE,
    SUPERGROUP,
    call_of,
    date,
    input_of,
    read,
    text,
    tiny_world,
    view,
)
from tgbulk.perf.simdc.call import Call, RpcError
from tgbulk.perf.simdc.history import FILE_REFERENCE_PLACEHOLDER, MEDIA_HASH_PLACEHOLDER
from tgbulk.perf.simdc.services.dialog import get_dialogs, get_peer_dialogs, get_pinned_dialogs
from tgbulk.perf.simdc.services.history import get_history
from tgbulk.perf.simdc.services.user import get_full_user, get_users
from tgbulk.perf.simdc.stored import StoredHistory


@pytest.fixture
def call() -> Call:
    return call_of(tiny_world())


def history(call: Call, peer: Any, **wanted: Any) -> Any:
    fields = {"offset_id": 0, "offset_date": None, "add_offset": 0, "limit": 100, "max_id": 0, "min_id": 0, "hash": 0}
    peer = input_of(call, peer) if isinstance(peer, int) else peer
    return read(get_history(call, functions.messages.GetHistoryRequest(peer, **fields | wanted)))


def ids(answer: Any) -> list[int]:
    return [message.id for message in answer.messages]


def error_of(function: Any, *arguments: Any, **named: Any) -> tuple[int, str]:
    with pytest.raises(RpcError) as caught:
        function(*arguments, **named)
    return caught.value.code, caught.value.message


class TestHistory:
    def test_a_channel_page_counts_and_is_short_by_the_withheld(self, call: Call) -> None:
        page = history(call, SUPERGROUP)
        assert isinstance(page, types.messages.ChannelMessages)
        assert (page.count, page.offset_id_offset, len(page.messages)) == (234, 0, 99)
        assert 253 not in ids(page)
        assert bytes(page.messages[0]) == bytes(text(259, types.PeerChannel(30), 11 + 259 % 13))
        senders = {message.from_id.user_id for message in page.messages}
        assert {user.id for user in page.users} == senders
        assert [get_peer_id(chat) for chat in page.chats] == [SUPERGROUP]
        assert history(call, SUPERGROUP, offset_id=100).offset_id_offset == 144

    def test_a_slice_and_a_complete_list(self, call: Call) -> None:
        part = history(call, 15)
        assert isinstance(part, types.messages.MessagesSlice)
        assert (part.count, part.offset_id_offset, len(part.messages)) == (134, 0, 100)
        assert {user.id for user in part.users} == {11, 15}
        assert isinstance(history(call, 15, offset_id=105), types.messages.MessagesSlice)
        whole = history(call, GROUP)
        assert isinstance(whole, types.messages.Messages)
        assert ids(whole) == list(range(37, 0, -4))
        assert isinstance(history(call, GROUP, limit=5), types.messages.MessagesSlice)
        assert isinstance(history(call, GROUP, min_id=3), types.messages.MessagesSlice)

    def test_a_limit_of_nothing_means_twenty(self, call: Call) -> None:
        assert len(history(call, 15, limit=0).messages) == 20

    def test_the_id_wins_over_the_date(self, call: Call) -> None:
        assert ids(history(call, 15, offset_date=date(31)))[0] == 30
        assert ids(history(call, 15, offset_id=300, offset_date=date(31)))[0] == 297

    def test_a_range_ends_the_history_of_a_user_and_not_of_a_channel(self, call: Call) -> None:
        call.message_range = (100, 200)
        page = history(call, 15)
        assert isinstance(page, types.messages.Messages)
        assert (ids(page)[0], ids(page)[-1], len(page.messages)) == (198, 102, 33)
        assert history(call, SUPERGROUP).count == 234

    def test_an_empty_chat_and_one_never_begun(self, call: Call) -> None:
        for peer in (EMPTY, 19):
            page = history(call, peer)
            assert isinstance(page, types.messages.Messages)
            assert (page.messages, page.chats) == ([], [])
            assert [bytes(user) for user in page.users] == [bytes(view(call).user(peer))]
        assert history(call, types.InputPeerSelf()).messages == []

    def test_saved_messages(self, call: Call) -> None:
        call.account.histories[11] = StoredHistory([text(500, types.PeerUser(11), 11)])
        assert ids(history(call, types.InputPeerSelf())) == ids(history(call, 11)) == [500]

    def test_references_and_hashes_are_the_accounts_own(self, call: Call) -> None:
        document = types.Document(
            5, MEDIA_HASH_PLACEHOLDER, FILE_REFERENCE_PLACEHOLDER, date(1), "text/plain", 3, 2, []
        )
        stored = call.world.histories[SUPERGROUP]
        assert isinstance(stored, StoredHistory)
        stored.append(text(300, types.PeerChannel(30), 12, media=types.MessageMediaDocument(document=document)))
        shown = history(call, SUPERGROUP, limit=1).messages[0].media.document
        assert shown.access_hash == call.world.media_hash(call.account)
        assert shown.file_reference != FILE_REFERENCE_PLACEHOLDER
        assert len(shown.file_reference) == 24

    def test_some_users_of_group_pages_are_min(self, call: Call) -> None:
        users = {user.id: user for user in history(call, SUPERGROUP).users}
        assert {user_id for user_id, user in users.items() if user.min} == set()
        call.account.contacts.discard(20)
        view(call).forget()
        users = {user.id: user for user in history(call, SUPERGROUP).users}
        assert {user_id for user_id, user in users.items() if user.min} == {20}
        assert users[20].lang_code is None
        assert users[20].access_hash != call.world.access_hash(call.account, 20)
        assert users[21].lang_code == "en"
        assert error_of(history, call, types.InputPeerUser(20, users[20].access_hash)) == (400, "PEER_ID_INVALID")

    def test_a_forum_page_brings_its_topics(self, call: Call) -> None:
        assert [topic.id for topic in history(call, FORUM).topics] == [1, 2, 3]


class TestPeers:
    def test_peers_seen_in_a_message_are_known_by_it(self, call: Call) -> None:
        seen = types.InputPeerUserFromMessage(input_of(call, SUPERGROUP), 259, 11 + 259 % 13)
        assert history(call, seen).messages == []
        wrong = types.InputPeerUserFromMessage(input_of(call, SUPERGROUP), 258, 11 + 259 % 13)
        assert error_of(history, call, wrong) == (400, "MSG_ID_INVALID")
        gone = types.InputPeerUserFromMessage(input_of(call, SUPERGROUP), 250, 11)
        assert error_of(history, call, gone) == (400, "MSG_ID_INVALID")
        channel = types.InputPeerChannelFromMessage(input_of(call, CHANNEL), 7, 31)
        assert len(history(call, channel).messages) == 30

    @pytest.mark.parametrize(
        ("peer", "message"),
        [
            (types.InputPeerUser(15, 1), "PEER_ID_INVALID"),
            (types.InputPeerUser(999, 1), "PEER_ID_INVALID"),
            (types.InputPeerUser(15, 0), "PEER_ID_INVALID"),
            (types.InputPeerChat(21), "PEER_ID_INVALID"),
            (types.InputPeerEmpty(), "PEER_ID_INVALID"),
            (types.InputPeerChannel(30, 1), "CHANNEL_INVALID"),
            (types.InputPeerChannel(999, 1), "CHANNEL_INVALID"),
        ],
    )
    def test_a_wrong_hash_or_id_is_refused(self, call: Call, peer: Any, message: str) -> None:
        assert error_of(history, call, peer) == (400, message)

    def test_a_contact_needs_no_hash(self, call: Call) -> None:
        assert history(call, types.InputPeerUser(14, 0)).users[0].id == 14

    def test_private_and_unjoined_channels_are_closed(self, call: Call) -> None:
        assert error_of(history, call, CLOSED) == (400, "CHANNEL_PRIVATE")
        assert error_of(history, call, STRANGE) == (400, "CHANNEL_PRIVATE")
        other = call_of(call.world, 1)
        assert history(other, CHANNEL).chats[0].left

    def test_accounts_do_not_share_hashes_or_id_spaces(self, call: Call) -> None:
        other = call_of(call.world, 1)
        assert error_of(history, other, input_of(call, SUPERGROUP)) == (400, "CHANNEL_INVALID")
        assert error_of(history, other, types.InputPeerChat(20)) == (400, "PEER_ID_INVALID")
        assert history(other, 15).messages == []
        assert history(other, SUPERGROUP).count == 234


class TestUsers:
    def test_self_contact_stranger_and_nobody(self, call: Call) -> None:
        asked = [types.InputUserSelf(), types.InputUser(14, 0), types.InputUser(15, 5), types.InputUserEmpty()]
        me, contact, wrong = read(get_users(call, functions.users.GetUsersRequest(asked)))
        assert (me.id, me.is_self, me.phone) == (11, True, "99966200001")
        assert (contact.contact, contact.access_hash) == (True, call.world.access_hash(call.account, 14))
        assert wrong.to_dict() == types.UserEmpty(15).to_dict()

    def test_full_user(self, call: Call) -> None:
        full = get_full_user(call, functions.users.GetFullUserRequest(input_of(call, 15)))
        assert (full.full_user.id, full.users[0].id) == (15, 15)
        wrong = functions.users.GetFullUserRequest(types.InputUser(15, 5))
        assert error_of(get_full_user, call, wrong) == (400, "USER_ID_INVALID")


class TestDialogs:
    def dialogs(self, call: Call, **wanted: Any) -> Any:
        fields = {"offset_date": None, "offset_id": 0, "offset_peer": types.InputPeerEmpty(), "limit": 100, "hash": 0}
        return read(get_dialogs(call, functions.messages.GetDialogsRequest(**fields | wanted)))

    def listed(self, answer: Any) -> list[int]:
        return [get_peer_id(dialog.peer) for dialog in answer.dialogs]

    def test_every_dialog_pinned_first_then_by_date(self, call: Call) -> None:
        answer = self.dialogs(call)
        assert isinstance(answer, types.messages.Dialogs)
        assert self.listed(answer) == [SUPERGROUP, 15, GROUP, CHANNEL, CHANNEL, FORUM, CLOSED, EMPTY]
        assert isinstance(answer.dialogs[4], types.DialogFolder)
        tops = {get_peer_id(dialog.peer): dialog.top_message for dialog in answer.dialogs}
        assert tops == {SUPERGROUP: 259, 15: 402, GROUP: 37, CHANNEL: 30, FORUM: 9, CLOSED: 0, EMPTY: 0}
        assert {(get_peer_id(m.peer_id), m.id) for m in answer.messages} == {i for i in tops.items() if i[1]}
        closed = next(chat for chat in answer.chats if get_peer_id(chat) == CLOSED)
        assert isinstance(closed, types.ChannelForbidden)

    def test_folders(self, call: Call) -> None:
        main = self.dialogs(call, folder_id=0)
        assert self.listed(main) == [SUPERGROUP, 15, GROUP, FORUM, CLOSED, EMPTY]
        assert CHANNEL not in {get_peer_id(chat) for chat in main.chats}
        assert self.listed(self.dialogs(call, folder_id=1)) == [CHANNEL]
        assert error_of(self.dialogs, call, folder_id=2) == (400, "FOLDER_ID_INVALID")

    def test_pages_meet_every_dialog_once(self, call: Call) -> None:
        first = self.dialogs(call, limit=2)
        assert isinstance(first, types.messages.DialogsSlice)
        assert (first.count, self.listed(first)) == (7, [SUPERGROUP, 15])
        seen, last, message = self.listed(first), 15, first.messages[-1]
        while True:
            page = self.dialogs(
                call, limit=2, exclude_pinned=True, offset_id=message.id, offset_date=message.date,
                offset_peer=input_of(call, last),
            )
            if not page.dialogs:
                break
            seen += self.listed(page)
            last, message = seen[-1], page.messages[-1] if page.messages else message
        assert seen == [SUPERGROUP, 15, GROUP, CHANNEL, CHANNEL, FORUM, CLOSED, EMPTY]

    def test_pinned_and_named_ones(self, call: Call) -> None:
        pinned = read(get_pinned_dialogs(call, functions.messages.GetPinnedDialogsRequest(folder_id=1)))
        assert pinned.dialogs == []
        pinned = read(get_pinned_dialogs(call, functions.messages.GetPinnedDialogsRequest(folder_id=0)))
        assert self.listed(pinned) == [SUPERGROUP]
        asked = [types.InputDialogPeer(input_of(call, peer)) for peer in (GROUP, 19)]
        named = read(get_peer_dialogs(call, functions.messages.GetPeerDialogsRequest(asked)))
        assert self.listed(named) == [GROUP, 19]
        assert [dialog.top_message for dialog in named.dialogs] == [37, 0]
