from __future__ import annotations

import importlib
import pkgutil
import typing
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum, StrEnum
from types import UnionType
from typing import Any

import msgpack
import pytest

from tgbulk import stages
from tgbulk.engine import hop
from tgbulk.engine.frame import DATA_LIMIT, FrameError, frame, known, pack, unpack
from tgbulk.engine.hop import Ack, Block, Page, WorkerGone

for _module in pkgutil.walk_packages(stages.__path__, stages.__name__ + "."):
    importlib.import_module(_module.name)

#: The largest of each kind of number on the data way; ids and sequence numbers are the rest.
SMALL = {"slot": 2**16, "length": 2**31, "receipt": 2**31, "body": 2**31, "kind": 255, "worker": 2**31}
FRAMES = sorted(known().values(), key=lambda cls: cls.__name__)


def filled(cls: type[Any]) -> Any:
    """A frame with a value of each field's type, the largest numbers that it can hold."""
    hints = typing.get_type_hints(cls)
    return cls(*[_value(field.name, hints[field.name]) for field in fields(cls)])


def _value(name: str, hint: Any) -> Any:
    if isinstance(hint, UnionType):
        return _value(name, next(one for one in hint.__args__ if one is not type(None)))
    if typing.get_origin(hint) is list:
        return [_value(name, typing.get_args(hint)[0])] * 3
    if typing.get_origin(hint) is tuple:
        return [_value(name, one) for one in typing.get_args(hint) if one is not ...]
    if typing.get_origin(hint) is dict:
        return {_value("key", typing.get_args(hint)[0]): _value(name, typing.get_args(hint)[1])}
    if is_dataclass(hint):
        return filled(hint)  # type: ignore[arg-type]
    if issubclass(hint, Enum):
        return list(hint)[-1]
    number = SMALL.get(name, 2**63 - 1)
    return {Any: "any", int: number, str: "Zoë \U0001f600", bool: True, bytes: b"\0\xff", float: 0.1}[hint]


def test_every_frame_of_the_program_is_here() -> None:
    assert {"Page", "Block", "Ack", "WorkerGone", "Attach", "Receipt", "ChatEnded", "Stopped"} <= set(known())


def _plain(value: Any) -> Any:
    """Dataclasses as the values of their fields, in order."""
    if is_dataclass(value):
        return [_plain(getattr(value, field.name)) for field in fields(value)]
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return value


@pytest.mark.parametrize("cls", FRAMES, ids=lambda cls: cls.__name__)
def test_a_frame_is_slotted_and_comes_back(cls: type[Any]) -> None:
    sent = filled(cls)
    assert not hasattr(sent, "__dict__")
    packed = msgpack.unpackb(pack(sent), strict_map_key=False)
    assert packed == [cls.__name__, *_plain(sent)]
    came = unpack(pack(sent))
    assert type(came) is cls
    assert came == sent


@pytest.mark.parametrize("cls", [Page, Block, Ack, WorkerGone])
def test_a_frame_of_the_data_way_is_small_whatever_it_holds(cls: type[Any]) -> None:
    assert len(pack(filled(cls))) < DATA_LIMIT
    assert cls.__module__ == hop.__name__


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\xc1",
        b"\xff" * 20,
        b"plain text",
        pack(WorkerGone(1)) + b"\0",
        pack(WorkerGone(1))[:-1],
        msgpack.packb(7),
        msgpack.packb(None),
        msgpack.packb([]),
        msgpack.packb({"WorkerGone": 1}),
        msgpack.packb(["NoSuchFrame", 1]),
        msgpack.packb([["WorkerGone"], 1]),
        msgpack.packb(["WorkerGone"]),
        msgpack.packb(["WorkerGone", 1, 2]),
        b"\x91" * 5000 + b"\x01",
    ],
)
def test_garbage_is_no_frame(garbage: bytes) -> None:
    with pytest.raises(FrameError, match="not a frame"):
        unpack(garbage)


def test_a_path_that_is_not_utf_8_passes() -> None:
    stopped = known()["Stopped"]("/tmp/\udcff: no such folder", "", 8)
    assert unpack(pack(stopped)) == stopped


def test_two_frames_cannot_share_a_name() -> None:
    @dataclass(slots=True)
    class WorkerGone:
        worker: int

    with pytest.raises(TypeError, match="two frames are called WorkerGone"):
        frame(WorkerGone)


@dataclass(slots=True)
class Leaf:
    number: int


class Colour(StrEnum):
    RED = "red"


@frame
@dataclass(slots=True)
class Tree:
    """Every way in which a frame holds more than msgpack values."""

    leaf: Leaf
    missing: Leaf | None
    leaves: list[Leaf] | None
    by_number: dict[int, Leaf]
    colours: list[Colour]
    anything: Any


def test_what_a_frame_holds_comes_back_as_it_was() -> None:
    sent = Tree(Leaf(1), None, [Leaf(2), Leaf(3)], {4: Leaf(5)}, [Colour.RED], [6, b"x"])
    came = unpack(pack(sent))
    assert came == sent
    assert type(came.colours[0]) is Colour
    assert unpack(pack(Tree(Leaf(1), Leaf(0), None, {}, [], None))).missing == Leaf(0)


@pytest.mark.parametrize(
    "fields_of_tree",
    [
        [[1], None, None, {}, []],
        [[1], None, None, {}, [], 0, 0],
        [1, None, None, {}, [], 0],
        [[1, 2], None, None, {}, [], 0],
        [[1], None, [5], {}, [], 0],
        [[1], None, None, [], [], 0],
        [[1], None, None, {}, ["green"], 0],
    ],
)
def test_fields_of_another_shape_are_no_frame(fields_of_tree: list[Any]) -> None:
    with pytest.raises(FrameError, match="not a frame"):
        unpack(msgpack.packb(["Tree", *fields_of_tree], strict_types=True))


def test_a_frame_that_holds_a_loose_object_cannot_be_sent() -> None:
    with pytest.raises(TypeError, match="object is not slotted"):
        pack(Tree(Leaf(1), None, None, {}, [], object()))


def test_a_frame_with_a_dict_is_refused() -> None:
    @dataclass
    class Loose:
        worker: int

    with pytest.raises(TypeError, match="not slotted"):
        frame(Loose)
    assert "Loose" not in known()
