"""Chats, channels, contacts, usernames and invite links, on a tiny world."""
from __future__ import annotations

from typing import Any

import pytest
from telethon.tl import functions, types
from telethon.utils import get_peer_id

from support.tiny_world import CHANNEL, CLOSED, GROUP, STRANGE, SUPERGROUP, call_of, input_of, tiny_world
from tgbulk.perf.simdc.call import Call, RpcError
from tgbulk.perf.simdc.services.channel import get_channels, get_full_channel
from tgbulk.perf.simdc.services.chat import get_chats, get_full_chat
from tgbulk.perf.simdc.services.contact import get_contact_ids, get_contacts, resolve_username
from tgbulk.perf.simdc.services.invite import check_chat_invite
from tgbulk.perf.simdc.services.participant import get_participants


@pytest.fixture
def call() -> Call:
    return call_of(tiny_world())


def channel_of(call: Call, marked_id: int) -> types.InputChannel:
    peer = input_of(call, marked_id)
    return types.InputChannel(peer.channel_id, peer.access_hash)


def test_usernames(call: Call) -> None:
    def resolve(name: str) -> Any:
        return resolve_username(call, functions.contacts.ResolveUsernameRequest(name))

    user = resolve("FourTeen")
    assert (user.peer.user_id, user.users[0].contact, user.chats) == (14, True, [])
    channel = resolve("thechannel")
    assert get_peer_id(channel.peer) == get_peer_id(channel.chats[0]) == CHANNEL
    assert channel.chats[0].access_hash == call.world.access_hash(call.account, CHANNEL)
    for name, error in (("nobody_here", "USERNAME_NOT_OCCUPIED"), ("a b", "USERNAME_INVALID"), ("1abcd", "INVALID")):
        with pytest.raises(RpcError, match=error):
            resolve(name)


def test_the_address_book(call: Call) -> None:
    book = get_contacts(call, functions.contacts.GetContactsRequest(0))
    assert [contact.user_id for contact in book.contacts] == [user.id for user in book.users] == [14, 20]
    assert get_contact_ids(call, functions.contacts.GetContactIDsRequest(0)) == [14, 20]


def test_basic_groups(call: Call) -> None:
    assert get_chats(call, functions.messages.GetChatsRequest([20])).chats[0].title == "Group"
    full = get_full_chat(call, functions.messages.GetFullChatRequest(20))
    assert [member.user_id for member in full.full_chat.participants.participants] == [11, 17]
    for strange in (20, 21):
        with pytest.raises(RpcError, match="CHAT_ID_INVALID"):
            get_chats(call_of(call.world, 1), functions.messages.GetChatsRequest([strange]))


def test_channels(call: Call) -> None:
    asked = functions.channels.GetChannelsRequest([channel_of(call, peer) for peer in (SUPERGROUP, CLOSED)])
    chats = get_channels(call, asked).chats
    assert [type(chat) for chat in chats] == [types.Channel, types.ChannelForbidden]
    with pytest.raises(RpcError, match="CHANNEL_INVALID"):
        get_channels(call, functions.channels.GetChannelsRequest([types.InputChannel(30, 0)]))


def test_a_full_channel_tells_what_it_was_and_is_linked_to(call: Call) -> None:
    call.world.migrations[SUPERGROUP] = (GROUP, 37)
    call.world.linked |= {SUPERGROUP: CHANNEL, CHANNEL: SUPERGROUP}

    def full(of: Call) -> Any:
        return get_full_channel(of, functions.channels.GetFullChannelRequest(channel_of(of, SUPERGROUP)))

    answer = full(call)
    told = answer.full_chat
    assert (told.migrated_from_chat_id, told.migrated_from_max_id, told.linked_chat_id) == (20, 37, 31)
    assert [get_peer_id(chat) for chat in answer.chats] == [SUPERGROUP, CHANNEL, GROUP]
    assert told.participants_count == 13
    late = full(call_of(call.world, 1))
    assert (late.full_chat.migrated_from_chat_id, late.full_chat.linked_chat_id) == (20, 31)
    assert [get_peer_id(chat) for chat in late.chats] == [SUPERGROUP, CHANNEL]
    with pytest.raises(RpcError, match="CHANNEL_PRIVATE"):
        get_full_channel(call, functions.channels.GetFullChannelRequest(channel_of(call, CLOSED)))


def test_participants(call: Call) -> None:
    def members(peer: int, offset: int, limit: int, kind: Any) -> Any:
        return get_participants(
            call, functions.channels.GetParticipantsRequest(channel_of(call, peer), kind, offset, limit, 0)
        )

    page = members(SUPERGROUP, 10, 100, types.ChannelParticipantsRecent())
    assert (page.count, [user.id for user in page.users]) == (13, [21, 22, 23])
    assert members(SUPERGROUP, 0, 100, types.ChannelParticipantsSearch("user 2")).count == 4
    with pytest.raises(RpcError, match="CHAT_ADMIN_REQUIRED"):
        members(CHANNEL, 0, 100, types.ChannelParticipantsRecent())


def test_invite_links(call: Call) -> None:
    call.world.invites |= {"public": CHANNEL, "closed": CLOSED}

    def check(of: Call, link: str) -> Any:
        return check_chat_invite(of, functions.messages.CheckChatInviteRequest(link))

    assert get_peer_id(check(call, "joined").chat) == SUPERGROUP
    assert isinstance(check(call, "strange"), types.ChatInvite)
    assert isinstance(check(call_of(call.world, 1), "public"), types.ChatInvitePeek)
    for link, error in (("nonsense", "INVITE_HASH_INVALID"), ("closed", "INVITE_HASH_EXPIRED")):
        with pytest.raises(RpcError, match=error):
            check(call, link)
    assert call.world.invites["strange"] == STRANGE
