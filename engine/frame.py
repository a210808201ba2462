"""Frames: the small structs that cross a process boundary, each one msgpack array [class name, field, field, ...]."""
from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar

import msgpack

#: Bytes that a frame on the data way may have; payloads wait in shared memory instead.
DATA_LIMIT = 128
#: Bytes that a frame on a control channel may have; it carries texts for people.
CONTROL_LIMIT = 131072
#: A path that is not UTF-8 passes, as os.fsdecode has it.
_PATHS = "surrogateescape"

_T = TypeVar("_T")
_CLASSES: dict[str, tuple[type[Any], tuple[str, ...]]] = {}


class FrameError(ValueError):
    """Bytes that are no frame, or a frame that does not fit its channel."""


def frame(cls: type[_T]) -> type[_T]:
    """Class decorator: makes a slotted dataclass, whose fields are msgpack values, a frame."""
    if "__slots__" not in cls.__dict__:
        raise TypeError(f"{cls.__name__} is not slotted")
    if cls.__name__ in _CLASSES:
        raise TypeError(f"two frames are called {cls.__name__}")
    _CLASSES[cls.__name__] = (cls, tuple(field.name for field in fields(cls)))  # type: ignore[arg-type]
    return cls


def pack(obj: object) -> bytes:
    """The bytes of one frame."""
    name = type(obj).__name__
    _, names = _CLASSES[name]
    packed: bytes = msgpack.packb([name, *[getattr(obj, field) for field in names]], unicode_errors=_PATHS)
    return packed


def unpack(data: bytes) -> Any:
    """The frame in these bytes; FrameError when there is none or its class is not known here."""
    try:
        name, *values = msgpack.unpackb(data, unicode_errors=_PATHS)
        cls, _ = _CLASSES[name]
        build: Callable[..., Any] = cls
        return build(*values)
    except (ValueError, TypeError, KeyError, msgpack.UnpackException) as error:
        raise FrameError(f"not a frame: {data[:64]!r}") from error


def known() -> dict[str, type[Any]]:
    """Every frame class imported so far, by name."""
    return {name: cls for name, (cls, _) in _CLASSES.items()}
