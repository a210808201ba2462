from __future__ import annotations

import gc
import struct
import tracemalloc
from base64 import b64decode
from functools import cache
from random import Random
from typing import Any

import orjson
import pytest
from telethon.tl import types

from tgbulk.perf.simdc.corpus.sample import Sampler
from tgbulk.perf.simdc.corpus.schema import Field, classes, readable
from tgbulk.perf.simdc.corpus.wire import encode as telegram_bytes
from tgbulk.stages.telegram import decoder, variant
from tgbulk.stages.telegram.decoder import decode, decode_page, page, slow_page
from tgbulk.stages.telegram.schema import Layout, layout, reachable
from tgbulk.stages.telegram.sparse import PlainReader, sparse
from tgbulk.stages.telegram.variant import COMMON
from tgbulk.stages.telegram.wire import DecodeError, UnknownConstructor

FIXED = {"int": "<i", "date": "<i", "long": "<q"}
DOUBLES = (-0.0, 5e-324, float("inf"), float("-inf"), float("nan"))
#: offsets of the first vector in messages.channelMessages: its id, and its count
VECTOR, COUNT = 16, 20
READABLE = [one for one in classes() if readable(one)]


def sampler(seed: int, optional: float = 0.5, blank: bool = False) -> Sampler:
    """A source of objects with odd numbers and lengths too; `blank` leaves their file references empty."""
    random = Random(seed)

    def value(cls: type, field: Field) -> Any:
        if field.name == "file_reference" and blank:
            return b""
        if field.kind == "double" and not field.vector and random.random() < 0.5:
            return random.choice(DOUBLES)
        if field.kind == "string" and not field.vector and random.random() < 0.1:
            return "x" * random.randrange(248, 262)
        return None

    return Sampler(random, optional=optional, falses=True, values=value)


def page_bytes(source: Sampler, messages: int = 2) -> bytes:
    """A page with some messages of each constructor, chats and users."""
    kinds = (types.Message, types.MessageService, types.Message, types.MessageEmpty)
    return telegram_bytes(types.messages.ChannelMessages(
        pts=1, count=100, messages=[source.make(kinds[index % 4]) for index in range(messages)], topics=[],
        chats=[source.make(types.Channel)], users=[source.make(types.User)],
    ))


@cache
def layouts() -> dict[str, Layout]:
    """Layouts by the name of the constructor."""
    return {known.name: known for known in (layout(one.CONSTRUCTOR_ID) for one in READABLE)}


def same(one: Any, other: Any) -> bool:
    """Equal to the byte, order of the keys included."""
    return orjson.dumps(one) == orjson.dumps(other) and one == other


def blob(value: bytes) -> bytes:
    head = bytes([len(value)]) if len(value) < 254 else b"\xfe" + len(value).to_bytes(3, "little")
    return head + value + bytes(-(len(head) + len(value)) % 4)


def encode_value(value: Any, kind: str) -> bytes:
    if kind == "object":
        return encode(value)
    if kind == "string":
        return blob(value.encode())
    if kind == "bytes":
        return blob(b64decode(value, validate=True))
    if kind == "double":
        return struct.pack("<d", float(value))
    if kind == "Bool":
        return (0x997275B5 if value else 0xBC799737).to_bytes(4, "little")
    if kind in ("int128", "int256"):
        return int(value).to_bytes(int(kind[3:]) // 8, "little", signed=True)
    return struct.pack(FIXED[kind], value)


def encode(value: dict[str, Any]) -> bytes:
    """TL bytes of a sparse dict, with empty file references: what is in the archive is all there was."""
    known = layouts()[value["_"]]
    parts = [known.id.to_bytes(4, "little")]
    names = {field.name for field in known.fields if field.kind != "flags"}
    assert value.keys() - names == {"_"}
    for field in known.fields:
        if field.kind == "flags":
            present = [one.mask for one in known.fields if one.word == field.name and one.name in value]
            parts.append(sum(set(present)).to_bytes(4, "little"))
        elif field.name == "file_reference":
            parts.append(blob(b""))
        elif field.kind == "true" or (field.mask and field.name not in value):
            continue
        elif field.kind == "vector":
            items = value[field.name]
            parts.append(b"" if field.bare else (0x1CB5C415).to_bytes(4, "little"))
            parts.append(struct.pack("<i", len(items)))
            parts.extend(encode_value(item, field.item) for item in items)
        else:
            parts.append(encode_value(value[field.name], field.kind))
    return b"".join(parts)


@pytest.fixture(params=["general", "variants"])
def functions(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """New functions, which make no variant, or one of whatever flags they meet."""
    monkeypatch.setattr(variant, "COMMON", 1 if request.param == "variants" else 1 << 30)
    monkeypatch.setattr(decoder, "_functions", decoder._Functions())


@pytest.mark.usefixtures("functions")
def test_generated_functions_equal_telethon_for_every_constructor() -> None:
    source = sampler(1)
    in_page = set(reachable("messages.Messages"))
    assert in_page <= {one.CONSTRUCTOR_ID for one in READABLE}
    for cls in READABLE:
        for _ in range(8 if cls.CONSTRUCTOR_ID in in_page else 2):
            data = telegram_bytes(source.make(cls))
            value, end = decode(b"pad!" + data + b"trailing", 4)
            assert end == 4 + len(data)
            assert same(value, sparse(PlainReader(data).tgread_object())), cls


@pytest.mark.parametrize("optional", [0.0, 0.5, 1.0])
def test_the_sparse_form_gives_back_the_bytes(optional: float) -> None:
    source = sampler(2, optional, blank=True)
    for cls in READABLE:
        data = telegram_bytes(source.make(cls))
        line = orjson.dumps(decode(data)[0])
        assert encode(orjson.loads(line)) == data, cls


@pytest.mark.usefixtures("functions")
def test_pages_equal_telethon() -> None:
    source = sampler(3)
    for _ in range(25):
        data = page_bytes(source, 8)
        fast = page(memoryview(data + b"trailing"))
        assert fast.error is None
        assert fast.end == len(data)
        assert same(fast.answer, slow_page(data).answer)
        assert len(fast.answer["messages"]) == 8


@pytest.mark.usefixtures("functions")
def test_every_truncation_of_a_page_raises() -> None:
    source = sampler(4)
    for _ in range(3):
        data = page_bytes(source, 3)
        assert decode_page(data).end == len(data)
        for size in range(len(data)):
            with pytest.raises(DecodeError):
                decode_page(data[:size])
        for size in range(0, len(data), 97):
            with pytest.raises(DecodeError):
                page(data[:size])


def compile_all() -> None:
    """The functions of all constructors that a page can hold, each as if it had been met."""
    for constructor_id in reachable(decoder.PAGE_TYPE):
        assert callable(decoder._functions[constructor_id])


@pytest.mark.parametrize("count", [-1, -(2**31), 2**31 - 1, 5, 2**16])
def test_a_lying_vector_count_raises_and_allocates_nothing(count: int) -> None:
    data = bytearray(page_bytes(sampler(5), 4))
    assert struct.unpack_from("<Ii", data, VECTOR) == (0x1CB5C415, 4)
    struct.pack_into("<i", data, COUNT, count)
    sizes = bytearray(telegram_bytes(types.PhotoSizeProgressive("y", 1, 2, [3, 4])))
    struct.pack_into("<i", sizes, len(sizes) - 12, count)
    compile_all()
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError):
            decode_page(bytes(data))
        with pytest.raises(DecodeError):
            decode(bytes(sizes))
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.usefixtures("functions")
def test_flipped_bytes_decode_as_telethon_does_or_raise() -> None:
    source = sampler(6)
    random = Random(6)
    decoded = raised = 0
    for _ in range(30):
        clean = page_bytes(source, 3)
        for _ in range(40):
            data = bytearray(clean)
            for _ in range(random.randrange(1, 4)):
                data[random.randrange(len(data))] ^= 1 << random.randrange(8)
            try:
                fast = decode_page(bytes(data))
            except DecodeError:
                raised += 1
                continue
            decoded += 1
            assert same(fast.answer, slow_page(bytes(data)).answer)
    assert decoded > 100
    assert raised > 100


def test_nesting_without_end_raises() -> None:
    bold = types.TextBold.CONSTRUCTOR_ID.to_bytes(4, "little")
    with pytest.raises(DecodeError, match="recursion"):
        decode(bold * 100_000)


def test_a_string_in_the_form_for_huge_ones_raises() -> None:
    data = telegram_bytes(types.PhotoSizeEmpty("x" * 300)).replace(b"\xfe", b"\xff")
    with pytest.raises(DecodeError, match="255, at offset 4"):
        decode(data)


def test_an_unknown_constructor_is_named_with_its_place() -> None:
    data = bytes(types.messages.MessagesSlice(1, [types.MessageEmpty(3, None)], [], [], []))
    broken = data.replace(types.MessageEmpty.CONSTRUCTOR_ID.to_bytes(4, "little"), b"\xef\xbe\xad\xde")
    with pytest.raises(UnknownConstructor, match="0xdeadbeef at offset 20") as caught:
        decode_page(broken)
    assert (caught.value.constructor_id, caught.value.offset) == (0xDEADBEEF, 20)
    with pytest.raises(DecodeError, match=r"^unknown constructor 0xdeadbeef .* Telethon .* TypeNotFoundError") as both:
        page(broken)
    assert len(str(both.value)) < 400


def test_what_only_telethon_decodes_is_decoded_and_reported() -> None:
    data = bytearray(page_bytes(sampler(7)))
    clean = slow_page(bytes(data))
    struct.pack_into("<I", data, VECTOR, 7)
    decoded = page(bytes(data))
    assert isinstance(decoded.error, DecodeError)
    assert decoded.answer == clean.answer


@pytest.mark.parametrize("data", [b"", b"\0\0\0\0", bytes(types.PeerUser(1))])
def test_what_is_no_page_is_refused(data: bytes) -> None:
    for decode_it in (decode_page, slow_page, page):
        with pytest.raises(DecodeError, match="not a page"):
            decode_it(data)


@pytest.mark.parametrize("offset", [-12, -1, 1, 12, 13])
def test_an_offset_where_nothing_begins_is_refused(offset: int) -> None:
    with pytest.raises(DecodeError):
        decode(bytes(types.PeerUser(1)), offset)


def test_nothing_is_left_for_the_garbage_collector() -> None:
    data = page_bytes(sampler(8), 5)
    wrong = bytearray(data)
    struct.pack_into("<I", wrong, VECTOR, 7)
    page(data), page(bytes(wrong))
    gc.collect()
    gc.disable()
    try:
        page(data), page(bytes(wrong))
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_common_flags_get_a_variant_and_rare_ones_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variant, "VARIANTS", 2)
    made: list[tuple[Layout, int]] = []

    def compile(known: Layout, ahead: int = 0) -> variant.Function:
        made.append((known, ahead))
        return lambda data, offset: ({"_": str(len(made))}, offset)

    chosen = variant.by_flags(layout(types.Message.CONSTRUCTOR_ID), compile)
    for flags, times in ((0, COMMON - 1), (2, COMMON + 5), (0, 1), (8, COMMON)):
        for _ in range(times):
            chosen(struct.pack("<II", flags, 0), 0)
    assert [ahead for _, ahead in made] == [0, 8, 8]
    required = ["id", "peer_id", "date", "message"]
    assert [field.name for field in made[2][0].fields] == required
    assert [field.name for field in made[1][0].fields] == [*required, "out"]


def test_text_that_is_not_utf8_is_left_to_telethon() -> None:
    data = page_bytes(sampler(11)).replace("👋".encode(), b"\xff\xfe\xfd\xfc")
    decoded = page(data)
    assert "\ufffd" in orjson.dumps(decoded.answer).decode()
    assert isinstance(decoded.error, DecodeError)
    assert same(decoded.answer, slow_page(data).answer)


def test_all_that_a_page_can_hold_can_be_compiled() -> None:
    compile_all()
    assert page(page_bytes(sampler(9))).error is None
