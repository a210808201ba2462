"""Telegram's schema as far as Telethon's generated classes tell it: the fields of every constructor.

The `from_reader` bodies give wire kind, flag bit and vector of each field, the annotations of `__init__` the type of
objects. Telethon renames what clashes with Python; `Field.name` has Telegram's name, `Field.attribute` Telethon's.
"""
from __future__ import annotations

import linecache
import re
import sys
import zlib
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any, ForwardRef, get_args

from telethon.tl import TLObject, alltlobjects, types

READERS = {
    "read_int()": "int",
    "read_long()": "long",
    "read_double()": "double",
    "read_large_int(bits=128)": "int128",
    "read_large_int(bits=256)": "int256",
    "tgread_string()": "string",
    "tgread_bytes()": "bytes",
    "tgread_date()": "date",
    "tgread_bool()": "Bool",
    "tgread_object()": "object",
}

TRUE = re.compile(r"_(\w+) = bool\((flags\d*) & (\d+)\)")
IMPORT = re.compile(r"from \.\.\.tl\.types\.?(\w*) import (.+)")
WORD = re.compile(r"(flags\d*) = reader\.read_int\(\)")
GUARD = re.compile(r"if (flags\d*) & (\d+):")
VECTOR = re.compile(r"_(\w+) = \[\]")
VALUE = re.compile(r"_(\w+) = reader\.(.+)")


@dataclass(frozen=True, slots=True)
class Field:
    """One field as it lies on the wire."""

    name: str
    attribute: str
    #: a value of READERS, "true" for a bit alone, "flags" for a word of bits
    kind: str
    vector: bool = False
    #: (flags word, mask) of an optional field
    flag: tuple[str, int] | None = None
    #: every class that an object here can have
    members: tuple[type, ...] = ()


@dataclass(frozen=True, slots=True)
class Constructor:
    """One constructor, `name` as in Telegram's schema."""

    cls: type
    name: str
    fields: tuple[Field, ...]

    def shared(self, field: Field) -> tuple[Field, ...]:
        """The optional fields that come and go with this one, itself among them."""
        return tuple(f for f in self.fields if f.flag == field.flag)


def plain(cls: type) -> type:
    """The generated class behind the one that Telethon patches for Message, MessageService and MessageEmpty.

    The patched ones lose a messageMediaEmpty, so messages are made and told apart by the generated class.
    """
    return next(k for k in reversed(cls.__mro__) if "CONSTRUCTOR_ID" in vars(k) and k is not TLObject)


@cache
def classes() -> tuple[type[Any], ...]:
    """Every constructor's class, in the order of constructor ids."""
    found = (plain(c) for _, c in sorted(alltlobjects.tlobjects.items()) if issubclass(c, TLObject))
    return tuple(c for c in found if c.__module__.startswith("telethon.tl.types"))


@cache
def _members_by_type() -> dict[int, tuple[type, ...]]:
    grouped = defaultdict(list)
    for cls in classes():
        grouped[cls.SUBCLASS_OF_ID].append(cls)
    return {key: tuple(sorted(found, key=lambda c: c.__name__)) for key, found in grouped.items()}


def members(cls: type) -> tuple[type, ...]:
    """The classes of this class' type, by name."""
    return _members_by_type()[cls.SUBCLASS_OF_ID]  # type: ignore[attr-defined]


@cache
def _imported_types(module: ModuleType) -> dict[str, str]:
    """`TypePeer` -> the namespace ("" or "messages.") of each type that a generated module takes from another."""
    found = {}
    for line in linecache.getlines(str(module.__file__)):
        if match := IMPORT.fullmatch(line.strip()):
            found.update(dict.fromkeys(match[2].split(", "), match[1]))
        elif line.startswith("class "):
            break
    return found


def _members_of_annotation(cls: type, annotation: Any) -> tuple[type, ...]:
    """Telethon's SUBCLASS_OF_ID is the CRC-32 of the type's name in the schema."""
    while not isinstance(annotation, str | ForwardRef):
        annotation = next(a for a in get_args(annotation) if a is not type(None))
    alias = annotation if isinstance(annotation, str) else annotation.__forward_arg__
    module = sys.modules[cls.__module__]
    home = module.__name__.removeprefix(types.__name__).lstrip(".")
    space = _imported_types(module).get(alias, home)
    name = ".".join(filter(None, (space, alias.removeprefix("Type"))))
    return _members_by_type()[zlib.crc32(name.encode())]


def _reader_lines(cls: type) -> Iterator[tuple[int, str]]:
    """(indentation, text) of the lines of from_reader's body."""
    code = cls.from_reader.__func__.__code__  # type: ignore[attr-defined]
    for line in linecache.getlines(code.co_filename)[code.co_firstlineno + 1:]:
        text = line.strip()
        if text.startswith("return cls("):
            return
        if text:
            yield len(line) - len(line.lstrip()), text


def _fields(cls: type) -> Iterator[Field]:
    guard: tuple[str, int] | None = None
    vector, previous = "", ""
    for indent, text in _reader_lines(cls):
        if indent == 8:
            guard = None
        if "FutureSalt" in text or (VECTOR.fullmatch(text) and previous != "reader.read_int()"):
            raise NotImplementedError(f"{cls.__name__} holds bare objects or a bare vector")
        previous = text
        if match := GUARD.fullmatch(text):
            guard = match[1], int(match[2])
        elif match := WORD.fullmatch(text):
            yield Field(match[1], match[1], "flags")
        elif match := TRUE.fullmatch(text):
            yield _field(cls, match[1], "true", False, (match[2], int(match[3])))
        elif match := VECTOR.fullmatch(text):
            vector = match[1]
        elif match := VALUE.fullmatch(text):
            name, kind = match[1], READERS[match[2]]
            yield _field(cls, vector if name == "x" and vector else name, kind, name == "x" and bool(vector), guard)
            vector = ""


def _field(cls: type, attribute: str, kind: str, vector: bool, flag: tuple[str, int] | None) -> Field:
    name = "self" if attribute == "is_self" else attribute.removesuffix("_")
    found: tuple[type, ...] = ()
    if kind == "object":
        found = _members_of_annotation(cls, cls.__init__.__annotations__[attribute])  # type: ignore[misc]
    return Field(name, attribute, kind, vector, flag, found)


def constructor(cls: type) -> Constructor:
    """The constructor of a class; NotImplementedError for the few with bare contents (none within a message)."""
    return _constructor(plain(cls))


@cache
def _constructor(cls: type) -> Constructor:
    short = cls.__name__[0].lower() + cls.__name__[1:]
    module = cls.__module__.removeprefix("telethon.tl.types").lstrip(".")
    return Constructor(cls, f"{module}.{short}" if module else short, tuple(_fields(cls)))


def readable(cls: type) -> bool:
    """Whether constructor() can tell the fields of this class."""
    try:
        return bool(constructor(cls))
    except NotImplementedError:
        return False


#: Steps from an object down to one within it: (attribute, class of the object there).
Path = tuple[tuple[str, type], ...]


def reachable(roots: Iterable[type], banned: Container[type] = ()) -> dict[type, tuple[type, Path]]:
    """Every class that an object of these classes can hold at any depth, with a shortest way there from a root."""
    found: dict[type, tuple[type, Path]] = {plain(root): (plain(root), ()) for root in roots}
    waiting = list(found)
    while waiting:
        holder = waiting.pop(0)
        root, path = found[holder]
        for field in constructor(holder).fields:
            for member in field.members:
                if member not in found and member not in banned:
                    found[member] = root, (*path, (field.attribute, member))
                    waiting.append(member)
    return found
