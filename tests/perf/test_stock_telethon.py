"""An ordinary Telethon script against the whole corpus: what it gets is the ground truth. This proves the server."""
from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import chain
from typing import Any

import pytest
from telethon import TelegramClient
from telethon.errors import ChannelPrivateError, SessionPasswordNeededError
from telethon.extensions import BinaryReader
from telethon.tl import TLObject, functions, types
from telethon.utils import get_peer_id

from support.wire import stock_client
from tgbulk.perf.simdc.corpus.build import build_world
from tgbulk.perf.simdc.filter import topic_of
from tgbulk.perf.simdc.history import MEDIA_HASH_PLACEHOLDER
from tgbulk.perf.simdc.launcher import SimDC
from tgbulk.perf.simdc.view import View
from tgbulk.perf.simdc.world import Account, World

SEED = 1
ACCOUNTS = 2
SIZES = (types.PhotoSize, types.PhotoSizeProgressive, types.VideoSize)


@pytest.fixture(scope="module")
def simdc() -> Iterator[SimDC]:
    with SimDC("--seed", str(SEED), "--accounts", str(ACCOUNTS)) as simdc:
        yield simdc


@pytest.fixture(scope="module")
def world() -> World:
    """The same world as the server's."""
    return build_world(SEED, ACCOUNTS)


@asynccontextmanager
async def script(simdc: SimDC, account: Account) -> AsyncIterator[TelegramClient]:
    """A logged-in client."""
    client = stock_client(simdc.settings["host"], simdc.settings["port"], simdc.settings["public_key"])
    await client.connect()
    try:
        await client.send_code_request(account.phone)
        try:
            await client.sign_in(account.phone, account.code)
        except SessionPasswordNeededError:
            await client.sign_in(password=account.password)
        yield client
    finally:
        await client.disconnect()


def plain(value: Any, media_hash: int = 0) -> Any:
    """to_dict without file references; `media_hash` instead of the placeholder."""
    if isinstance(value, TLObject):
        value = value.to_dict()
    if isinstance(value, dict):
        return {key: plain(item, media_hash) for key, item in value.items() if key != "file_reference"}
    if isinstance(value, list):
        return [plain(item, media_hash) for item in value]
    return media_hash if value == MEDIA_HASH_PLACEHOLDER else value


def expected(world: World, account: Account, marked_id: int) -> dict[int, Any]:
    """The messages that a script must see, newest first; Telethon passes over messageEmpty."""
    history = world.history(account, marked_id)
    assert history is not None
    shown = [i for i in reversed(history.ids(0, len(history))) if not history.withheld(i)]
    objects = {i: BinaryReader(history.message(i)).tgread_object() for i in shown}
    kept = {i: message for i, message in objects.items() if not isinstance(message, types.MessageEmpty)}
    for message in kept.values():
        if marked_id == account.user_id and message.fwd_from is None:
            message.out = True  # Telethon's view of one's own Saved Messages
    media_hash = world.media_hash(account)
    return {i: plain(message, media_hash) for i, message in kept.items()}


def readable(world: World, account: Account) -> list[int]:
    """Every chat in the dialog list that can be read, and the basic group that became a supergroup."""
    listed = [d.marked_id for d in account.dialogs] + [m for m in account.histories if m < 0]
    return [m for m in dict.fromkeys(listed) if m not in account.private and world.history(account, m) is not None]


def entity_of(account: Account, marked_id: int) -> Any:
    """What a script hands to Telethon: the id, once the dialog list was read."""
    return types.InputPeerChat(-marked_id) if marked_id in account.histories and marked_id < 0 else marked_id


async def page(client: TelegramClient, peer: Any, offset_id: int) -> Any:
    """One raw answer of messages.getHistory."""
    return await client(functions.messages.GetHistoryRequest(
        peer=peer, offset_id=offset_id, offset_date=None, add_offset=0, limit=100, max_id=0, min_id=0, hash=0
    ))


async def walk(client: TelegramClient, entity: Any) -> dict[int, Any]:
    """iter_messages, begun again below pages of nothing but messageEmpty, where Telethon gives up."""
    found: dict[int, Any] = {}
    offset = 0
    while True:
        async for message in client.iter_messages(entity, wait_time=0, offset_id=offset):
            assert message.id not in found
            found[message.id], offset = plain(message), message.id
        below = (await page(client, await client.get_input_entity(entity), offset)).messages
        if not below:
            return found
        offset = below[-1].id


@pytest.mark.parametrize("index", range(ACCOUNTS))
def test_dialogs_of_both_folders(simdc: SimDC, world: World, index: int) -> None:
    account = world.accounts[index]

    async def run() -> None:
        async with script(simdc, account) as client:
            for folder in (None, 0, 1):
                listed = [dialog async for dialog in client.iter_dialogs(folder=folder)]
                wanted = [d for d in account.dialogs if folder in (None, d.folder_id)]
                assert sorted(d.id for d in listed) == sorted(d.marked_id for d in wanted)
                pinned = [d.marked_id for d in wanted if d.pinned]
                assert [d.id for d in listed[: len(pinned)]] == pinned
                assert {d.id for d in listed if d.pinned} == set(pinned)
                dates = [d.date for d in listed[len(pinned) :] if d.date is not None]
                assert dates == sorted(dates, reverse=True)
                for dialog in listed:
                    history = world.history(account, dialog.id)
                    open_to_it = history is not None and dialog.id not in account.private
                    assert dialog.dialog.top_message == (history.top_id() if history and open_to_it else 0)

    asyncio.run(run())


@pytest.mark.parametrize("index", range(ACCOUNTS))
def test_every_message_of_every_chat(simdc: SimDC, world: World, index: int) -> None:
    account = world.accounts[index]

    async def run() -> None:
        async with script(simdc, account) as client:
            await client.get_dialogs()
            for marked_id in readable(world, account):
                wanted = expected(world, account, marked_id)
                found = await walk(client, entity_of(account, marked_id))
                assert list(found) == list(wanted), marked_id
                for message_id, message in wanted.items():
                    assert found[message_id] == message, (marked_id, message_id)
            for marked_id in account.private:
                with pytest.raises(ChannelPrivateError):
                    await client.get_messages(marked_id)

    asyncio.run(run())


def test_pages_bring_exactly_the_peers_they_name(simdc: SimDC, world: World) -> None:
    account = world.accounts[0]
    view = View(world, account)

    async def run() -> None:
        async with script(simdc, account) as client:
            await client.get_dialogs()
            for marked_id in readable(world, account):
                peer = await client.get_input_entity(entity_of(account, marked_id))
                history, offset = world.history(account, marked_id), 0
                assert history is not None
                while (answer := await page(client, peer, offset)).messages:
                    offset = answer.messages[-1].id
                    told = {get_peer_id(peer): peer for peer in [*answer.users, *answer.chats]}
                    assert set(told) == history.peers(m.id for m in answer.messages) | {marked_id}
                    for told_id, told_peer in told.items():
                        stored = view.short(told_id) if marked_id < 0 else view.full(told_id)
                        assert bytes(told_peer) == stored

    asyncio.run(run())


def test_every_medium(simdc: SimDC, world: World) -> None:
    async def run() -> None:
        missing = {key for key in world.files if key[0] != "peer_photo"}
        for account in world.accounts:
            async with script(simdc, account) as client:
                await client.get_dialogs()
                for marked_id in readable(world, account):
                    async for message in client.iter_messages(entity_of(account, marked_id), wait_time=0):
                        for kind, item in media(message):
                            for thumb in [None, *sizes(item)]:
                                await check(client, world, missing, kind, item, thumb)
        assert missing == set()

    asyncio.run(run())


async def check(
    client: TelegramClient, world: World, missing: set[Any], kind: str, item: Any, thumb: Any
) -> None:
    """Download one file that was not met before and compare it."""
    if thumb is None and kind == "photo":
        return
    key = kind, item.id, "" if thumb is None else thumb.type
    if key in missing:
        missing.remove(key)
        # Telethon takes progressive sizes by their letter only
        wanted = thumb.type if isinstance(thumb, types.PhotoSizeProgressive) else thumb
        data = await client.download_media(item, bytes, thumb=wanted)
        assert hashlib.sha256(data).hexdigest() == world.files[key].sha256(), key


def media(value: Any) -> Iterator[tuple[str, Any]]:
    """Every photo and document anywhere within a message."""
    if isinstance(value, types.Photo | types.Document):
        yield type(value).__name__.lower(), value
    if isinstance(value, TLObject):
        for name in value.to_dict():
            yield from media(getattr(value, name, None))
    elif isinstance(value, list):
        for item in value:
            yield from media(item)


def sizes(item: Any) -> list[Any]:
    """The sizes of a photo or the thumbs of a document that are files of their own."""
    every = [getattr(item, name, None) or [] for name in ("sizes", "thumbs", "video_sizes", "video_thumbs")]
    return [size for size in chain(*every) if isinstance(size, SIZES)]


def test_photos_of_peers(simdc: SimDC, world: World) -> None:
    account = world.accounts[0]

    async def run() -> None:
        seen = 0
        async with script(simdc, account) as client:
            async for dialog in client.iter_dialogs():
                photo = getattr(dialog.entity, "photo", None)
                key = "peer_photo", getattr(photo, "photo_id", 0), "c"
                if key in world.files:
                    data = await client.download_profile_photo(dialog.entity, bytes)
                    assert hashlib.sha256(data).hexdigest() == world.files[key].sha256()
                    seen += 1
        assert seen

    asyncio.run(run())


def test_other_ways_to_messages(simdc: SimDC, world: World) -> None:
    account = world.accounts[0]
    chat = max(world.histories, key=lambda marked_id: len(world.histories[marked_id]))

    async def run() -> None:
        async with script(simdc, account) as client:
            await client.get_dialogs()
            wanted = expected(world, account, chat)
            some = list(wanted)[:150]
            assert [m.id async for m in client.iter_messages(chat, 150)] == some
            rising = [m.id async for m in client.iter_messages(chat, 150, reverse=True)]
            assert rising == sorted(wanted)[:150]
            by_id = await client.get_messages(chat, ids=[*some, 2**30])
            assert [m.id for m in by_id[:-1]] == some
            assert by_id[-1] is None
            assert {m.id: plain(m) for m in by_id[:-1]} == {i: wanted[i] for i in some}
            total = await client.get_messages(chat, limit=0)
            assert total.total == len(world.histories[chat])
            kind = types.InputMessagesFilterPhotos
            photos = [m.id async for m in client.iter_messages(chat, filter=kind, wait_time=0)]
            assert photos == [i for i, m in wanted.items() if (m.get("media") or {}).get("_") == "MessageMediaPhoto"]

    asyncio.run(run())


def test_usernames_and_topics(simdc: SimDC, world: World) -> None:
    account = world.accounts[0]

    async def run() -> None:
        async with script(simdc, account) as client:
            for username, marked_id in world.usernames.items():
                entity = await client.get_entity(username)
                assert get_peer_id(entity) == marked_id
                assert bytes(entity) == View(world, account).full(marked_id)
            for marked_id, topics in world.topics.items():
                peer = await client.get_input_entity(marked_id)
                answer = await client(functions.messages.GetForumTopicsRequest(peer, None, 0, 0, 100))
                assert sorted(topic.id for topic in answer.topics) == sorted(topic.id for topic in topics)
                for topic in answer.topics:
                    async for message in client.iter_messages(marked_id, reply_to=topic.id, wait_time=0):
                        assert topic_of(message) == topic.id

    asyncio.run(run())


def test_a_min_sender_is_found_by_the_message(simdc: SimDC, world: World) -> None:
    account = world.accounts[0]
    view = View(world, account)

    async def run() -> None:
        async with script(simdc, account) as client:
            await client.get_dialogs()
            found = {}
            for marked_id in world.histories:
                if marked_id in view.joined - account.private:
                    async for message in client.iter_messages(marked_id, 100):
                        if message.sender_id in world.users and view.is_min(message.sender_id):
                            found[message.sender_id] = message
            assert found
            for user_id, message in found.items():
                assert message.sender.min
                seen = types.InputUserFromMessage(await message.get_input_chat(), message.id, user_id)
                (user,) = await client(functions.users.GetUsersRequest([seen]))
                assert bytes(user) == view.full(user_id)

    asyncio.run(run())
