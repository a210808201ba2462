"""What is found in messages: all that the server's truth lists, by the decoder's dicts and by a chat's lines alike."""
from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from telethon.tl import types

from tgbulk.perf.simdc.corpus.build import build_world
from tgbulk.perf.simdc.truth import media, readable_chats, truth_messages
from tgbulk.perf.simdc.world import World
from tgbulk.stages.telegram.decoder import page, slow_page
from tgbulk.stages.telegram.media import find, pictures
from tgbulk.stages.telegram.medium import CATEGORIES, THUMBNAIL, UNKNOWN, Absent, Medium
from tgbulk.stages.telegram.sparse import REFERENCES, sparse

DAY = datetime(2024, 5, 6, tzinfo=UTC)
SIZES = [types.PhotoSize("m", 320, 240, 100), types.PhotoSize("x", 800, 600, 900), types.PhotoStrippedSize("i", b"1")]


@pytest.fixture(scope="module")
def world() -> World:
    return build_world(1, 1)


def photo(number: int = 7, sizes: list[Any] = SIZES) -> types.Photo:
    return types.Photo(number, 8, b"reference", DAY, sizes, 4)


def document(*attributes: Any, number: int = 9, **fields: Any) -> types.Document:
    return types.Document(number, 8, b"another", DAY, fields.pop("mime_type", "x/y"), 50, 2, list(attributes), **fields)


def message(medium: Any, number: int = 3) -> types.Message:
    return types.Message(number, types.PeerChannel(9), DAY, "", media=medium)


def found(medium: Any) -> list[Medium | Absent]:
    return list(find(sparse(message(medium)), {("photo", 7): b"r", ("document", 9): b"s"}))


def test_everything_that_the_truth_lists(world: World) -> None:
    account = world.accounts[0]
    for chat in readable_chats(world, account):
        wanted = {(row["kind"], row["id"]): row for row in media(world, account, chat)}
        files = {(row["kind"], row["id"], row["letter"]): row for row in media(world, account, chat)}
        got = [one for each in truth_messages(world, account, chat) for one in find(each, {}) if isinstance(one, Medium)]
        assert {(one.kind, one.id) for one in got} == wanted.keys()
        for one in got:
            assert one.size == files[one.kind, one.id, one.letter]["size"]
            assert one.category in {*CATEGORIES, THUMBNAIL}


def test_what_cannot_be_had_is_named(world: World) -> None:
    account = world.accounts[0]
    absent = Counter(
        one.reason for each in truth_messages(world, account, -1001500000011) for one in find(each, {})
        if isinstance(one, Absent)
    )
    assert absent.keys() == {
        "empty", "self-destructing", "paid", "on another server", "expired story", "story not sent along", "custom emoji",
    }


@pytest.mark.parametrize(("size", "kept"), [(1, 1), (1024, 1024), (1025, 0), (1 << 20, 0)])
def test_a_reference_that_none_has_is_not_kept(size: int, kept: int) -> None:
    """Another one is asked for when the file is: a batch of files has a bound."""
    medium = sparse(message(types.MessageMediaPhoto(photo=photo())))
    (one,) = find(medium, {("photo", 7): bytes(size)})
    assert isinstance(one, Medium)
    assert len(one.reference) == kept


def test_the_largest_size_of_a_photo() -> None:
    (one,) = found(types.MessageMediaPhoto(photo=photo()))
    assert one == Medium("photo", 7, "x", "photo", 900, int(DAY.timestamp()), 4, "photo/07/7_x.jpg", 8, b"r", message=3)
    progressive = types.PhotoSizeProgressive("y", 1280, 960, [10, 30, 70])
    (one,) = found(types.MessageMediaPhoto(photo=photo(sizes=[*SIZES, progressive])))
    assert isinstance(one, Medium)
    assert (one.letter, one.size) == ("y", 70)
    (one,) = found(types.MessageMediaPhoto(photo=photo(sizes=[types.PhotoCachedSize("s", 90, 90, b"\xff\xd8")])))
    assert isinstance(one, Medium)
    assert (one.letter, one.size, one.inline) == ("s", 2, b"\xff\xd8")
    nothing = [types.PhotoSizeEmpty("w"), types.PhotoStrippedSize("i", b"1"), types.PhotoCachedSize("s", 9, 9, b"")]
    assert found(types.MessageMediaPhoto(photo=photo(sizes=nothing))) == [Absent(3, "without a size to download")]


@pytest.mark.parametrize(
    ("attributes", "category"),
    [
        ([], "document"),
        ([types.DocumentAttributeImageSize(1, 1)], "document"),
        ([types.DocumentAttributeVideo(1.0, 1, 1)], "video"),
        ([types.DocumentAttributeVideo(1.0, 1, 1, round_message=True)], "round"),
        ([types.DocumentAttributeVideo(1.0, 1, 1), types.DocumentAttributeAnimated()], "animation"),
        ([types.DocumentAttributeAudio(1)], "audio"),
        ([types.DocumentAttributeAudio(1, voice=True)], "voice"),
        ([types.DocumentAttributeVideo(1.0, 1, 1), types.DocumentAttributeSticker("", types.InputStickerSetEmpty())],
         "sticker"),
        ([types.DocumentAttributeCustomEmoji("", types.InputStickerSetEmpty())], "sticker"),
    ],
)
def test_sorts_of_documents(attributes: list[Any], category: str) -> None:
    (one,) = found(types.MessageMediaDocument(document=document(*attributes)))
    assert isinstance(one, Medium)
    assert (one.category, one.letter, one.size, one.reference) == (category, "", 50, b"s")
    assert one.path == f"{category}/09/9.bin"


def test_a_document_has_a_thumbnail() -> None:
    made = types.MessageMediaDocument(document=document(thumbs=SIZES), alt_documents=[document(number=10)])
    whole, thumb = found(made)
    assert isinstance(thumb, Medium)
    assert (thumb.kind, thumb.letter, thumb.category, thumb.path) == ("document", "x", THUMBNAIL, "thumbnail/09/9_x.jpg")
    assert isinstance(whole, Medium)


def test_what_hangs_on_a_link_is_a_preview() -> None:
    page = types.WebPage(1, "u", "u", 0, photo=photo(), document=document(thumbs=SIZES))
    assert [one.category for one in found(types.MessageMediaWebPage(page)) if isinstance(one, Medium)] == [
        "preview", "preview", THUMBNAIL,
    ]


def test_what_destroys_itself_is_not_tried() -> None:
    assert found(types.MessageMediaPhoto(photo=photo(), ttl_seconds=5)) == [Absent(3, "self-destructing")]
    assert found(types.MessageMediaDocument(ttl_seconds=5)) == [Absent(3, "self-destructing")]
    assert found(types.MessageMediaPhoto()) == [Absent(3, "empty")]


def test_paid_media_that_were_bought() -> None:
    bought = types.MessageExtendedMedia(types.MessageMediaPhoto(photo=photo()))
    made = found(types.MessageMediaPaidMedia(5, [bought, types.MessageExtendedMediaPreview()]))
    assert [getattr(one, "id", None) for one in made] == [7, None]
    assert made[1] == Absent(3, "paid")


def test_pictures_of_peers() -> None:
    ann = types.User(5, access_hash=6, photo=types.UserProfilePhoto(11, 4))
    news = types.Channel(9, "News", types.ChatPhoto(12, 2), DAY, access_hash=3)
    plain = types.Chat(4, "Old", types.ChatPhotoEmpty(), 1, DAY, 1)
    made = list(pictures([sparse(one) for one in (ann, news, plain)]))
    assert [(one.kind, one.id, one.peer, one.access_hash, one.dc, one.size) for one in made] == [
        ("peer_photo", 11, 5, 6, 4, UNKNOWN), ("peer_photo", 12, -1000000000009, 3, 2, UNKNOWN),
    ]


@pytest.mark.parametrize("decode", [page, slow_page])
def test_references_come_beside_the_page(decode: Any) -> None:
    long = types.Document(9, 8, b"l" * 300, DAY, "x/y", 50, 2, [])
    messages = [message(types.MessageMediaPhoto(photo=photo())), message(types.MessageMediaDocument(document=long), 4)]
    REFERENCES.clear()
    decoded = decode(bytes(types.messages.Messages(messages, [], [], [])))
    assert REFERENCES == {("photo", 7): b"reference", ("document", 9): b"l" * 300}
    assert "file_reference" not in str(decoded.answer)
    page(bytes(types.messages.Messages([], [], [], [])))
    assert REFERENCES == {}
