"""What a server may send: bytes of a packet, of an answer, of what is unpacked, and its type."""
from __future__ import annotations

import asyncio
import gzip
import resource
from types import SimpleNamespace
from typing import Any

import pytest
from telethon import errors
from telethon.crypto import AuthKey
from telethon.extensions import BinaryReader
from telethon.network.mtprotostate import MTProtoState
from telethon.tl import functions, types
from telethon.tl.core.gzippacked import GzipPacked
from telethon.tl.core.rpcresult import RpcResult
from telethon.tl.tlobject import TLObject

from tgbulk.stages.fetch.bound import (
    ANSWER_BYTES,
    ERROR_TEXT,
    MOST_OBJECTS,
    PACKET_BYTES,
    TOO_LARGE,
    UNPACKED_BYTES,
    AbridgedConnection,
    BoundedReader,
    FullConnection,
    PaddedCodec,
    State,
    UnusableAnswer,
    _Bounded,
    _Budget,
    read,
)

#: boolTrue
TRUE = bytes.fromhex("b5757299")
STATE = functions.updates.GetStateRequest()


@pytest.fixture(autouse=True)
def _packet() -> None:
    _Budget.left = UNPACKED_BYTES


def result(body: bytes) -> Any:
    head = RpcResult.CONSTRUCTOR_ID.to_bytes(4, "little") + (7).to_bytes(8, "little")
    return BinaryReader(head + body).tgread_object()


def packed(data: bytes) -> bytes:
    made: bytes = GzipPacked.CONSTRUCTOR_ID.to_bytes(4, "little") + TLObject.serialize_bytes(gzip.compress(data, 1))
    return made


@pytest.mark.parametrize("size", [0, 1, 100_000, ANSWER_BYTES - 1, ANSWER_BYTES])
def test_what_is_not_too_large(size: int) -> None:
    assert result(packed(bytes(size))).body == bytes(size)
    assert result(bytes(4) + bytes(size // 4 * 4 - 4) if size >= 8 else bytes(8)).body is not TOO_LARGE


@pytest.mark.parametrize("size", [ANSWER_BYTES + 1, 2 * ANSWER_BYTES, 1 << 30])
def test_what_is_unpacked_has_a_bound(size: int) -> None:
    """And takes no memory beyond it."""
    packer = gzip.zlib.compressobj(1, gzip.zlib.DEFLATED, 31)  # type: ignore[attr-defined]
    data = b"".join(packer.compress(bytes(1 << 20)) for _ in range(-(-size >> 20))) + packer.flush()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer = result(GzipPacked.CONSTRUCTOR_ID.to_bytes(4, "little") + TLObject.serialize_bytes(data))
    assert (answer.req_msg_id, answer.body) == (7, TOO_LARGE)
    with pytest.raises(UnusableAnswer, match="more than 8 MiB"):
        read(STATE, answer.body)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10


def test_all_answers_of_a_packet_have_one() -> None:
    answers = [result(packed(bytes(ANSWER_BYTES))).body for _ in range(10)]
    assert [one is TOO_LARGE for one in answers] == [False] * 4 + [True] * 6
    with pytest.raises(BufferError):
        State(None, {"telethon.network.mtprotostate": None}).decrypt_message_data(b"")
    assert result(packed(b"again")).body == b"again"


@pytest.mark.parametrize(("size", "left"), [(9, 0), (10, -1), (8, 1)])
def test_the_last_bytes_of_a_packets_budget(size: int, left: int) -> None:
    for body in (bytes(size), packed(bytes(size))) if size >= 8 else ():
        _Budget.left = 9
        assert result(body).body == (bytes(size) if left >= 0 else TOO_LARGE)
        assert _Budget.left == left


@pytest.mark.parametrize("left", [0, -1, -100])
def test_nothing_is_unpacked_where_the_budget_is_used_up(left: int) -> None:
    """But for a byte, which says that there is something."""
    _Budget.left = left
    assert result(packed(bytes(1 << 20))).body is TOO_LARGE
    assert _Budget.left == left - 1


@pytest.mark.parametrize("head", ["00000000", "20ca4421", "a1cf7231", "00000040", "b5757299", "ffffffff"])
def test_any_answer_that_is_no_error_comes_as_it_is(head: str) -> None:
    """Packed or not, whatever it begins with."""
    body = bytes.fromhex(head) + b"rest"
    for sent in (body, packed(body)):
        answer = result(sent)
        assert (answer.req_msg_id, answer.body, answer.error) == (7, body, None)


@pytest.mark.parametrize("objects", [3, 4])
def test_objects_are_counted_one_by_one(monkeypatch: pytest.MonkeyPatch, objects: int) -> None:
    monkeypatch.setattr(BoundedReader, "left", 3)
    answer = bytes(types.messages.Messages([types.MessageEmpty(7, None)] * (objects - 1), [], [], []))
    if objects == 3:
        assert len(read(functions.messages.GetMessagesRequest([]), answer).messages) == 2
    else:
        with pytest.raises(UnusableAnswer, match="objects"):
            read(functions.messages.GetMessagesRequest([]), answer)


def test_an_unusable_answer_is_an_error_of_its_request() -> None:
    error = UnusableAnswer(STATE, "too large")
    assert (error.request, error.message, error.code) == (STATE, "too large", 0)
    assert str(error) == "too large (caused by GetStateRequest)"


def test_a_session_whose_messages_were_ignored_learns_the_time_anew() -> None:
    """Another one keeps what it knows of the clocks."""
    state = State(None, {"telethon.network.mtprotostate": None})
    for ignored, kept in ((0, 5), (3, 0)):
        state.time_offset = state.salt = 5
        state._ignore_count = ignored
        before = state.id
        state.reset()
        assert (state.time_offset, state.salt, state._ignore_count) == (kept, kept, 0)
        assert state.id != before


def test_no_packet_leaves_that_must_not(monkeypatch: pytest.MonkeyPatch) -> None:
    state = State(AuthKey(bytes(range(256))), {"telethon.network.mtprotostate": None})
    assert len(state.encrypt_message_data(bytes(32))) > 32

    def guard() -> None:
        raise BlockingIOError

    monkeypatch.setattr(State, "guard", guard)
    with pytest.raises(BlockingIOError):
        state.encrypt_message_data(bytes(32))


def test_a_packet_is_read_with_its_whole_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MTProtoState, "decrypt_message_data", lambda _, body: body + b", decrypted")
    _Budget.left = -5
    assert State(None, {"telethon.network.mtprotostate": None}).decrypt_message_data(b"body") == b"body, decrypted"
    assert _Budget.left == UNPACKED_BYTES


@pytest.mark.parametrize("size", [-1, 0, 1, PACKET_BYTES, PACKET_BYTES + 1])
def test_a_packet_has_so_many_bytes_at_most(size: int) -> None:
    async def readexactly(wanted: int) -> bytes:
        return bytes(wanted)

    bounded = _Bounded(SimpleNamespace(readexactly=readexactly))
    if 0 <= size <= PACKET_BYTES:
        assert len(asyncio.run(bounded.readexactly(size))) == size
    else:
        with pytest.raises(ConnectionError, match="announces a packet"):
            asyncio.run(bounded.readexactly(size))


class Asked:
    """A request whose answer is read as `answer`."""

    CONSTRUCTOR_ID = 7

    def __init__(self, subclass: int, answer: Any) -> None:
        self.SUBCLASS_OF_ID = subclass
        self._answer = answer

    def read_result(self, _: Any) -> Any:
        return self._answer


_BOOL = functions.account.FinishTakeoutSessionRequest.SUBCLASS_OF_ID
_OWN = types.UserEmpty.SUBCLASS_OF_ID


@pytest.mark.parametrize(
    ("subclass", "answer", "taken"),
    [
        (_BOOL, True, True), (_BOOL, False, True), (_BOOL - 1, True, False), (_BOOL + 1, True, False),
        (_OWN, types.UserEmpty(5), True), (_OWN - 1, types.UserEmpty(5), False), (_OWN + 1, types.UserEmpty(5), False),
        (_BOOL, types.UserEmpty(5), False), (1, [], True), (_OWN, [], False), (1, 5, False), (1, None, False),
        (1, b"a page", True), (_OWN, b"", True),
    ],
)
def test_an_answer_is_of_the_methods_type(subclass: int, answer: Any, taken: bool) -> None:
    """Bytes are looked at where they are decoded; of a vector only the items have a type."""
    request: Any = Asked(subclass, answer)
    if taken:
        assert read(request, b"body") == answer
    else:
        with pytest.raises(UnusableAnswer, match="of another type"):
            read(request, b"body")


def test_an_error_keeps_the_beginning_of_its_text() -> None:
    error = bytes(types.RpcError(400, "X" * 200_000))
    for body in (error, packed(error)):
        assert result(body).error.error_message == "X" * ERROR_TEXT


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (STATE, types.updates.State(1, 2, None, 4, 5)),
        (functions.InvokeWithTakeoutRequest(1, STATE), types.updates.State(1, 2, None, 4, 5)),
        (functions.account.FinishTakeoutSessionRequest(), TRUE),
    ],
)
def test_an_answer_of_its_type(request_: Any, answer: Any) -> None:
    assert read(request_, bytes(answer)) is not None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"abc",
        bytes(4),
        TRUE,
        bytes(types.messages.Messages([], [], [], [])),
        bytes(types.updates.State(1, 2, None, 4, 5))[:-2],
        bytes.fromhex("15c4b51c00000000"),
        bytes.fromhex("15c4b51cffffff7f"),
        bytes(types.UserEmpty(1)),
    ],
)
def test_an_answer_that_is_none(body: bytes) -> None:
    with pytest.raises(UnusableAnswer, match=r"cannot be read|of another type"):
        read(STATE, body)


def test_the_objects_of_an_answer_have_a_bound() -> None:
    """A message that takes 12 bytes in it is one of 1,700."""
    empty = bytes(types.MessageEmpty(7, None))
    vector = bytes.fromhex("15c4b51c")
    head = types.messages.Messages.CONSTRUCTOR_ID.to_bytes(4, "little") + vector
    for count in (MOST_OBJECTS + 1, 640_000):
        body = head + count.to_bytes(4, "little") + empty * count + 3 * (vector + bytes(4))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(UnusableAnswer, match="more than 100,000 objects"):
            read(functions.messages.GetMessagesRequest([]), body)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 << 10


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("FLOOD_WAIT_30", 30),
        ("FLOOD_WAIT_4294967295", 4294967295),
        ("FLOOD_WAIT_4294967296", 2147483647),
        (f"FLOOD_WAIT_{'9' * 90}", 2147483647),
    ],
)
def test_numbers_in_an_error(text: str, seconds: int) -> None:
    error = errors.rpc_message_to_error(result(bytes(types.RpcError(420, text))).error, None)
    assert isinstance(error, errors.FloodWaitError)
    assert error.seconds == seconds


@pytest.mark.parametrize("place", ["peer", "chats", "users"])
def test_an_answer_with_what_does_not_belong_there(place: str) -> None:
    asked = functions.contacts.ResolveUsernameRequest("name")
    answer = types.contacts.ResolvedPeer(types.PeerUser(5), [], [types.UserEmpty(5)])
    assert read(asked, bytes(answer)).users[0].id == 5
    wrong = types.UpdateConfig()
    setattr(answer, place, wrong if place == "peer" else [wrong])
    with pytest.raises(UnusableAnswer, match="UpdateConfig"):
        read(functions.InvokeWithTakeoutRequest(1, asked), bytes(answer))


@pytest.mark.parametrize(("codec", "head"), [
    (FullConnection.packet_codec, (PACKET_BYTES + 9).to_bytes(4, "little")),
    (PaddedCodec, (PACKET_BYTES + 9).to_bytes(4, "little")),
    (PaddedCodec, b"\xff\xff\xff\xff"),
])  # fmt: skip
def test_a_packet_has_a_bound(codec: Any, head: bytes) -> None:
    with pytest.raises(ConnectionError, match="announces a packet"):
        received(codec, head + bytes(1000))


@pytest.mark.parametrize("codec", [FullConnection.packet_codec, AbridgedConnection.packet_codec, PaddedCodec])
def test_a_packet_within_it_comes_whole(codec: Any) -> None:
    assert received(codec, codec(None).encode_packet(b"abcd" * 1000)) == b"abcd" * 1000


def received(codec: Any, data: bytes) -> bytes:
    async def receive() -> bytes:
        reader = asyncio.StreamReader()
        reader.feed_data(data)
        packet: bytes = await codec(None).read_packet(reader)
        return packet

    return asyncio.run(receive())


def test_a_vector_is_an_answer_where_the_method_has_one() -> None:
    vector = bytes.fromhex("15c4b51c") + (1).to_bytes(4, "little") + bytes(types.UserEmpty(5))
    (user,) = read(functions.users.GetUsersRequest([]), vector)
    assert user.id == 5
    with pytest.raises(UnusableAnswer, match="of another type"):
        read(functions.users.GetUsersRequest([]), TRUE)
