"""Frames: the small structs that cross a process boundary, each one msgpack array [class name, field, field, ...].

A field may hold further slotted dataclasses, alone, in a list or as values of a dict; each of them is an array of its fields
without a name, for the field's type says what it is.
"""
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from enum import Enum
from itertools import starmap
from operator import attrgetter
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import msgpack

#: Bytes that a frame on the data way may have; payloads wait in shared memory instead.
DATA_LIMIT = 128
#: Bytes that a frame on a control channel may have; it carries texts for people.
CONTROL_LIMIT = 131072
#: A path that is not UTF-8 passes, as os.fsdecode has it.
_PATHS = "surrogateescape"

_T = TypeVar("_T")
#: Makes a field's value of what msgpack gives.
_Build = Callable[[Any], Any]

_CLASSES: dict[str, type[Any]] = {}


class FrameError(ValueError):
    """Bytes that are no frame, or a frame that does not fit its channel."""


class _Getters(dict[type[Any], Callable[[Any], Any]]):
    """Class -> what gives the values of its fields."""

    def __missing__(self, cls: type[Any]) -> Callable[[Any], Any]:
        self[cls] = made = _getter(cls)
        return made


class _Builders(dict[type[Any], _Build]):
    """Class -> what makes one of the values of its fields; the class itself takes them one by one."""

    def __missing__(self, cls: type[Any]) -> _Build:
        self[cls] = made = _builder(cls)
        return made


_GETTERS = _Getters()
_BUILDERS = _Builders()


def frame(cls: type[_T]) -> type[_T]:
    """Class decorator: makes a slotted dataclass, whose fields are msgpack values or slotted dataclasses, a frame."""
    if cls.__name__ in _CLASSES:
        raise TypeError(f"two frames are called {cls.__name__}")
    _GETTERS[cls] = _getter(cls)
    _CLASSES[cls.__name__] = cls
    return cls


def pack(obj: object) -> bytes:
    """The bytes of one frame."""
    cls = type(obj)
    if cls.__name__ not in _CLASSES:
        raise KeyError(cls.__name__)
    packed: bytes = msgpack.packb([cls.__name__, *_values(obj)], default=_values, unicode_errors=_PATHS)
    return packed


def unpack(data: bytes) -> Any:
    """The frame in these bytes; FrameError when there is none or its class is not known here."""
    try:
        name, *values = msgpack.unpackb(data, unicode_errors=_PATHS, strict_map_key=False)
        return _BUILDERS[_CLASSES[name]](values)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, msgpack.UnpackException) as error:
        raise FrameError(f"not a frame: {data[:64]!r}") from error


def known() -> dict[str, type[Any]]:
    """Every frame class imported so far, by name."""
    return dict(_CLASSES)


def _values(obj: object) -> Any:
    """The values of a dataclass's fields; what msgpack asks for those that it meets within a frame."""
    return _GETTERS[type(obj)](obj)


def _getter(cls: type[Any]) -> Callable[[Any], Any]:
    if "__slots__" not in cls.__dict__ or not is_dataclass(cls):
        raise TypeError(f"{cls.__name__} is not slotted")
    names = [field.name for field in fields(cls)]
    if len(names) > 1:
        return attrgetter(*names)
    return lambda obj: [getattr(obj, name) for name in names]


def _builder(cls: type[Any]) -> _Build:
    places = _nested(cls)

    def build(values: list[Any]) -> Any:
        for place, make in places:
            values[place] = make(values[place])
        return cls(*values)

    return build


def _nested(cls: type[Any]) -> list[tuple[int, _Build]]:
    """The fields that do not come as they are: their places, and what makes their values."""
    hints = get_type_hints(cls)
    return [(place, make) for place, field in enumerate(fields(cls)) if (make := _build_of(hints[field.name]))]


def _build_of(hint: Any) -> _Build | None:
    """None where a value of this type comes as it is."""
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint
    if isinstance(hint, type) and is_dataclass(hint):
        return _BUILDERS[hint]
    inner = next(filter(None, map(_build_of, get_args(hint))), None)
    if inner is None:
        return None
    build = inner
    if isinstance(hint, UnionType):
        return lambda value: None if value is None else build(value)
    if get_origin(hint) is dict:
        return lambda value: {key: build(one) for key, one in value.items()}
    (element,) = get_args(hint)
    if is_dataclass(element) and isinstance(element, type) and not _nested(element):
        return lambda value: list(starmap(element, value))
    return lambda value: [build(one) for one in value]
