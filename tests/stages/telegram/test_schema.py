from __future__ import annotations

import re
from binascii import crc32

import pytest
from telethon.tl.alltlobjects import tlobjects

from tgbulk.stages.telegram import schema
from tgbulk.stages.telegram.schema import Field, Layout, SchemaError, constructors, layout, plain_class, reachable

CHANNEL_MESSAGES = 0xC776BA4E
MESSAGE = 0x7600B9D3
GET_HISTORY = 0x4423E6C5
FUTURE_SALTS = 0xAE500895


def all_layouts() -> list[Layout]:
    """Every type Telethon has, but futureSalts, which holds bare objects and comes in no answer."""
    types = [one for one, known in tlobjects.items() if not known.__module__.startswith("telethon.tl.functions")]
    return [layout(one) for one in types if one != FUTURE_SALTS]


def definition(known: Layout, result: str) -> str:
    """The line of Telegram's schema whose CRC-32 is the constructor's id: no true flags, bytes as string."""

    def written(field: Field) -> str:
        kinds = {"date": "int", "bytes": "string", "object": field.type, "flags": "#"}
        kind = kinds.get(field.kind, field.kind)
        if kind == "vector":
            kind = f"Vector {kinds.get(field.item, field.item)}"
        condition = f"{field.word}.{field.mask.bit_length() - 1}?" if field.mask else ""
        return f"{field.name}:{condition}{kind}"

    return " ".join([known.name, *(written(field) for field in known.fields if field.kind != "true"), "=", result])


def test_what_a_page_can_hold_has_the_names_fields_and_order_of_telegrams_schema() -> None:
    types = {field.type for known in all_layouts() for field in known.fields if field.type} | {"messages.Messages"}
    names = {crc32(name.encode()): name for name in types}
    ids = reachable("messages.Messages")
    assert len(ids) > 500
    for constructor_id in ids:
        line = definition(layout(constructor_id), names[plain_class(constructor_id).SUBCLASS_OF_ID])
        assert crc32(line.encode()) == constructor_id, line


def test_every_type_of_telethon_is_understood() -> None:
    layouts = all_layouts()
    assert len(layouts) > 1600
    assert len({known.name for known in layouts}) == len(layouts)
    for known in layouts:
        assert re.fullmatch(r"([a-z]+\.)?[a-z][A-Za-z0-9]*", known.name)
        for field in known.fields:
            assert not field.mask or field.mask.bit_count() == 1
            assert field.name != "file_reference" or field.kind == "bytes"


def test_layout_of_a_message() -> None:
    fields = {field.name: field for field in layout(MESSAGE).fields}
    assert fields["peer_id"] == Field("peer_id", "peer_id", "object", type="Peer")
    assert fields["entities"].item == "object"
    assert (fields["out"].word, fields["out"].mask, fields["offline"].word) == ("flags", 2, "flags2")
    assert [field.kind for field in layout(MESSAGE).fields].index("true") > 30


def test_namespaced_names_and_types() -> None:
    assert layout(CHANNEL_MESSAGES).name == "messages.channelMessages"
    dice = next(layout(one) for one in constructors("MessageMedia") if layout(one).name == "messageMediaDice")
    assert dice.fields[-1].type == "messages.EmojiGameOutcome"


def test_unknown_ids_and_types_are_errors() -> None:
    for constructor_id in (1, GET_HISTORY):
        with pytest.raises(KeyError):
            layout(constructor_id)
    with pytest.raises(SchemaError, match="futureSalts"):
        layout(FUTURE_SALTS)
    with pytest.raises(SchemaError, match="no constructor of type Nothing"):
        constructors("Nothing")


@pytest.mark.parametrize(
    "body",
    [
        "_id = reader.read_short()\n",
        "_id = reader.read_int() + 1\n",
        "_id = reader.read_int()\nprint()\n",
        "if flags & 1:\n    _id = reader.read_int()\nelse:\n    _id = None\n",
        "flags = reader.read_int()\nif flags & 1:\n    _id = reader.read_int()\n    reader.read_int()\n"
        "else:\n    _id = None\n",
        "_id = []\nfor _ in range(2):\n    _x = reader.read_int()\n    _id.append(_x)\n\n",
        "_id = []\nfor _ in range(reader.read_int()):\n    _x = reader.read_byte()\n    _id.append(_x)\n\n",
        "_id = reader.read_int()\nreturn cls(id=0)\n",
        "_id = reader.read_int()\n_size = reader.read_int()\n",
    ],
)
def test_an_unexpected_shape_is_an_error(body: str) -> None:
    with pytest.raises(SchemaError, match="thing"):
        schema._parse_body(body + "return cls(id=_id)\n", "thing")
