"""The schema read from Telethon's classes, and the objects made from it."""
from __future__ import annotations

from random import Random
from typing import Any

import pytest
from telethon.extensions import BinaryReader
from telethon.tl import types

from tgbulk.perf.simdc.corpus.line import converted
from tgbulk.perf.simdc.corpus.sample import Sampler, sample
from tgbulk.perf.simdc.corpus.schema import classes, constructor, plain, reachable, readable
from tgbulk.perf.simdc.corpus.text import units
from tgbulk.perf.simdc.corpus.wire import encode

READABLE = [c for c in classes() if readable(c)]


def test_only_handshake_and_client_configuration_are_out_of_reach() -> None:
    assert {c.__name__ for c in classes() if not readable(c)} == {
        "AccessPointRule", "ConfigSimple", "FutureSalts", "TlsClientHello"}


def test_fields_of_a_message() -> None:
    fields = {f.name: f for f in constructor(types.Message).fields}
    assert fields["from_id"].flag == ("flags", 256)
    assert fields["from_id"].members == (types.PeerChannel, types.PeerChat, types.PeerUser)
    assert fields["entities"].vector
    assert fields["out"].kind == "true"
    assert fields["date"].kind == "date"


@pytest.mark.parametrize(("cls", "attribute", "name"), [
    (types.User, "is_self", "self"), (types.StoryFwdHeader, "from_", "from"), (types.AiComposeToneExample, "from_", "from"),
])
def test_telegrams_own_names(cls: type[Any], attribute: str, name: str) -> None:
    assert name in [f.name for f in constructor(cls).fields if f.attribute == attribute]


def test_names_of_constructors() -> None:
    assert constructor(types.messages.ChannelMessages).name == "messages.channelMessages"
    assert constructor(types.Message).name == "message"
    assert constructor(types.DataJSON).name == "dataJSON"


@pytest.mark.parametrize("optional", [0.0, 0.5, 1.0])
def test_every_constructor_survives_telethon(optional: float) -> None:
    sampler = Sampler(Random(7), optional=optional)
    for cls in READABLE:
        made = sampler.make(cls)
        data = bytes(made)
        assert data == encode(made)
        reader = BinaryReader(data)
        read = reader.tgread_object()
        assert reader.tell_position() == len(data)
        # Telethon's Message drops a messageMediaEmpty when it is read.
        if types.MessageMediaEmpty.CONSTRUCTOR_ID.to_bytes(4, "little") not in data:
            assert bytes(read) == data
            assert read.to_dict() == made.to_dict()


def test_the_same_seed_makes_the_same_object() -> None:
    for cls in READABLE[::20]:
        assert bytes(sample(cls, Random(3))) == bytes(sample(cls, Random(3)))


def test_optional_bool_can_be_false() -> None:
    sampler = Sampler(Random(1), optional=1.0, falses=True)
    edits = [sampler.make(types.MessageActionTopicEdit) for _ in range(20)]
    assert {e.closed for e in edits} == {True, False}
    for edit in edits:
        assert BinaryReader(encode(edit)).tgread_object().closed is edit.closed
        assert converted(encode(edit), 1)["closed"] is edit.closed


def test_least_used_constructor_comes_first() -> None:
    sampler = Sampler(Random(1), optional=1.0)
    kinds: set[type[Any]] = set()
    for _ in range(40):
        kinds.update(type(e) for e in sampler.make(types.TextWithEntities).entities)
    assert kinds == set(constructor(types.TextWithEntities).fields[1].members)


def test_a_path_leads_to_its_constructor() -> None:
    sampler = Sampler(Random(1), optional=0.0)
    for cls, (root, path) in reachable([types.Message]).items():
        inner = sampler.make(root, path)
        for attribute, member in path:
            inner = getattr(inner, attribute)
            inner = inner[-1] if isinstance(inner, list) else inner
            assert type(inner) is member
        assert type(inner) is cls


def test_entities_lie_within_their_text() -> None:
    sampler = Sampler(Random(5), optional=1.0)
    for _ in range(50):
        text = sampler.make(types.TextWithEntities)
        ends = units(text.text)
        assert all(e.offset in ends and e.offset + e.length in ends and e.length > 0 for e in text.entities)


def test_patched_classes_are_seen_through() -> None:
    assert plain(types.Message) is not types.Message
    assert plain(types.Message).__module__ == "telethon.tl.types"
