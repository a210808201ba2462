from __future__ import annotations

import importlib
import pkgutil
import typing
from dataclasses import dataclass, fields
from types import UnionType
from typing import Any

import msgpack
import pytest

import engine.hop
import stages
from engine.frame import DATA_LIMIT, FrameError, frame, known, pack, unpack
from engine.hop import Block, Gone, Have, Page

for _module in pkgutil.walk_packages(stages.__path__, "stages."):
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
        return {"name": 2**63 - 1}
    number = SMALL.get(name, 2**63 - 1)
    return {Any: "any", int: number, str: "Zoë \U0001f600", bool: True, bytes: b"\0\xff", float: 0.1}[hint]


def test_every_frame_of_the_program_is_here() -> None:
    assert {"Page", "Block", "Have", "Gone", "Attach", "Receipt", "ChatEnded", "Stopped"} <= set(known())


@pytest.mark.parametrize("cls", FRAMES, ids=lambda cls: cls.__name__)
def test_a_frame_is_slotted_and_comes_back(cls: type[Any]) -> None:
    sent = filled(cls)
    assert not hasattr(sent, "__dict__")
    packed = msgpack.unpackb(pack(sent))
    assert packed == [cls.__name__, *[getattr(sent, field.name) for field in fields(cls)]]
    came = unpack(pack(sent))
    assert type(came) is cls
    assert came == sent


@pytest.mark.parametrize("cls", [Page, Block, Have, Gone])
def test_a_frame_of_the_data_way_is_small_whatever_it_holds(cls: type[Any]) -> None:
    assert len(pack(filled(cls))) < DATA_LIMIT
    assert cls.__module__ == engine.hop.__name__


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\xc1",
        b"\xff" * 20,
        b"plain text",
        pack(Gone(1)) + b"\0",
        pack(Gone(1))[:-1],
        msgpack.packb(7),
        msgpack.packb(None),
        msgpack.packb([]),
        msgpack.packb({"Gone": 1}),
        msgpack.packb(["NoSuchFrame", 1]),
        msgpack.packb([["Gone"], 1]),
        msgpack.packb(["Gone"]),
        msgpack.packb(["Gone", 1, 2]),
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
    class Gone:
        worker: int

    with pytest.raises(TypeError, match="two frames are called Gone"):
        frame(Gone)


def test_a_frame_with_a_dict_is_refused() -> None:
    @dataclass
    class Loose:
        worker: int

    with pytest.raises(TypeError, match="not slotted"):
        frame(Loose)
    assert "Loose" not in known()
