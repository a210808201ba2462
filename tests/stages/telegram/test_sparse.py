from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from telethon.extensions import BinaryReader
from telethon.tl import types

from tgbulk.stages.telegram.decoder import slow_page
from tgbulk.stages.telegram.sparse import PlainReader, sparse
from tgbulk.stages.telegram.wire import DecodeError

DATE = datetime(2024, 2, 29, 12, 0, tzinfo=UTC)


def read(value: Any) -> object:
    return PlainReader(bytes(value)).tgread_object()


def test_message_has_telegrams_names_and_only_what_is_present() -> None:
    message = types.Message(
        id=7, peer_id=types.PeerChannel(99), date=DATE, message="hi", post=True, out=False, entities=[],
        media=types.MessageMediaGeo(types.GeoPoint(long=1.5, lat=float("inf"), access_hash=-1)),
    )
    assert list(sparse(read(message)).items()) == [
        ("_", "message"),
        ("id", 7),
        ("peer_id", {"_": "peerChannel", "channel_id": 99}),
        ("date", 1709208000),
        ("message", "hi"),
        ("media", {"_": "messageMediaGeo", "geo": {"_": "geoPoint", "long": 1.5, "lat": "inf", "access_hash": -1}}),
        ("entities", []),
        ("post", True),
    ]


def test_photo_keeps_bytes_as_base64_and_loses_its_file_reference() -> None:
    photo = types.Photo(1, 2, b"secret", DATE, [types.PhotoStrippedSize("i", b"\x00\xff")], 4)
    assert sparse(read(photo)) == {
        "_": "photo", "id": 1, "access_hash": 2, "date": 1709208000, "dc_id": 4,
        "sizes": [{"_": "photoStrippedSize", "type": "i", "bytes": "AP8="}],
    }


def test_false_is_kept_where_it_is_a_bool() -> None:
    rights = types.UpdateChatParticipantAdmin(1, 2, False, 3)
    assert sparse(read(rights))["is_admin"] is False


def test_renamed_fields_have_telegrams_names() -> None:
    user = types.User(id=1, is_self=True)
    assert sparse(read(user)) == {"_": "user", "id": 1, "self": True}
    example = types.AiComposeToneExample(types.TextWithEntities("a", []), types.TextWithEntities("b", []))
    assert sparse(read(example))["from"]["text"] == "a"


def test_numbers_beyond_64_bits_are_decimal_strings() -> None:
    line = sparse(read(types.ResPQ(nonce=-(2**127), server_nonce=1, pq=b"", server_public_key_fingerprints=[1, -1])))
    assert line["nonce"] == str(-(2**127))
    assert orjson.loads(orjson.dumps(line)) == line


def test_invalid_utf8_is_replaced() -> None:
    data = bytes(types.PhotoSizeEmpty("ab")).replace(b"ab", b"a\xff")
    assert sparse(PlainReader(data).tgread_object()) == {"_": "photoSizeEmpty", "type": "a\ufffd"}


def test_plain_reader_keeps_what_the_patched_message_drops() -> None:
    message = types.Message(id=1, peer_id=types.PeerUser(1), date=DATE, message="")
    message.media = types.MessageMediaEmpty()
    assert BinaryReader(bytes(message)).tgread_object().media is None
    assert sparse(read(message))["media"] == {"_": "messageMediaEmpty"}


def test_slow_page_gives_the_answer_and_its_end() -> None:
    message = types.MessageEmpty(3, None)
    data = bytes(types.messages.MessagesSlice(count=5, messages=[message], topics=[], chats=[], users=[]))
    decoded = slow_page(data + b"padding")
    assert decoded.end == len(data)
    assert decoded.error is None
    assert decoded.answer == {
        "_": "messages.messagesSlice", "count": 5, "messages": [{"_": "messageEmpty", "id": 3}],
        "topics": [], "chats": [], "users": [],
    }


CUT = bytes(types.messages.MessagesNotModified(1))[:6]


@pytest.mark.parametrize("data", [b"", b"\0\0\0\0", bytes(types.PeerUser(1)), CUT])
def test_slow_page_refuses_what_is_no_page(data: bytes) -> None:
    with pytest.raises(DecodeError):
        slow_page(data)
