"""Layouts of Telegram's constructors, read from the source text of the installed Telethon.

Telethon's classes are generated from Telegram's schema, but the schema itself is not installed. What a constructor
looks like on the wire stands in its `from_reader`, of which there are few shapes; anything else raises SchemaError.
Only types are known here, no functions: an answer holds no request. Names are Telegram's, but for MTProto's own service
types, whose underscores Telethon has dropped (`destroySessionOk`); no answer holds these either.
"""
from __future__ import annotations

import re
import sys
import textwrap
from binascii import crc32
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import telethon.tl.patched  # noqa: F401  (it replaces three classes of alltlobjects; they must be replaced before we look)
from telethon.tl.alltlobjects import tlobjects

TYPES = "telethon.tl.types"

#: Telethon's reading call -> kind on the wire
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

#: Telethon's attribute -> Telegram's field, where they differ
RENAMED = {"is_self": "self", "from_": "from"}

_READ = r"reader\.(?P<reader>\w+\([^()]*\))\n"
_FLAGS = re.compile(r"(?P<word>flags\d*) = reader\.read_int\(\)\n")
_TRUE = re.compile(r"_(?P<attribute>\w+) = bool\((?P<word>flags\d*) & (?P<mask>\d+)\)\n")
_SCALAR = re.compile(r"_(?P<attribute>\w+) = " + _READ)
_VECTOR = re.compile(
    r"(?P<boxed>reader\.read_int\(\)\n)?_(?P<attribute>\w+) = \[\]\nfor _ in range\(reader\.read_int\(\)\):\n"
    r"    _x = " + _READ + r"    _(?P=attribute)\.append\(_x\)\n"
)
_OPTIONAL = re.compile(
    r"if (?P<word>flags\d*) & (?P<mask>\d+):\n(?P<body>(?:    .*\n|\n)+)else:\n    _(?P<attribute>\w+) = None\n"
)
_DECLARED = re.compile(r"(\w+): (?:\w+\[)*'Type(\w+)'")
_RETURN = re.compile(r"return cls\((?P<arguments>.*)\)\n")


class SchemaError(Exception):
    """The installed Telethon describes a constructor in a way that is not understood."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field: a flags word, a true flag, a scalar, an object or a vector.

    `kind` is a value of READERS, "flags", "true" or "vector"; a vector has the kind of its items in `item`, and is bare
    when no vector id precedes its count. An optional field (and a true flag) is present when `word & mask`; a required
    one has mask 0. `type` is the type of the object, or of the vector's objects, as Telegram's schema names it.
    """

    name: str
    attribute: str
    kind: str
    item: str = ""
    bare: bool = False
    word: str = ""
    mask: int = 0
    type: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """One constructor. Fields are in the order of the wire, but true flags, which own no bytes, come last."""

    id: int
    name: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class _Source:
    """One module of Telethon's types: the text of each class, and the namespace of each type it names."""

    classes: dict[str, str]
    namespaces: dict[str, str]


@cache
def _source(module: str) -> _Source:
    text = Path(sys.modules[module].__file__ or "").read_text(encoding="utf-8")
    head, *classes = text.split("\nclass ")  # three megabytes, at every start: a pattern takes six times as long
    namespaces = {}
    for origin, names in re.findall(r"^    from \.\.\.tl\.types(\.\w+)? import (.+)$", head, re.MULTILINE):
        namespaces.update({name.removeprefix("Type"): f"{origin[1:]}." if origin else "" for name in names.split(", ")})
    return _Source({one.partition("(")[0]: f"{one}\n" for one in classes}, namespaces)


def read_source() -> None:
    """Read the text of Telethon's types now: every process forked from here shares it, whatever is installed meanwhile."""
    _source(TYPES)


def plain_class(constructor_id: int) -> Any:
    """Telethon's generated class of a constructor: the base where Telethon has put a patched one in its place.

    Raises KeyError where no type has this id.
    """
    for candidate in tlobjects[constructor_id].__mro__:
        module = candidate.__module__
        if (module == TYPES or module.startswith(TYPES + ".")) and "CONSTRUCTOR_ID" in vars(candidate):
            return candidate
    raise KeyError(constructor_id)


def _parse_value(text: str, where: str) -> tuple[Field, int]:
    """The required scalar, object or vector that `text` begins with, and the length of its statement."""
    if match := _SCALAR.match(text):
        kind, item, bare = READERS.get(match["reader"]), "", False
    elif match := _VECTOR.match(text):
        kind, item, bare = "vector", READERS.get(match["reader"], ""), match["boxed"] is None
    else:
        raise SchemaError(f"{where}: cannot read {text.splitlines()[0]!r}")
    if not kind or (kind == "vector" and not item):
        raise SchemaError(f"{where}: unknown reader {match['reader']!r}")
    attribute = match["attribute"]
    return Field(RENAMED.get(attribute, attribute), attribute, kind, item, bare), match.end()


def _parse_statement(text: str, where: str) -> tuple[Field, int]:
    """The field that `text` begins with, and the length of its statement."""
    if match := _FLAGS.match(text):
        return Field(match["word"], match["word"], "flags"), match.end()
    if match := _TRUE.match(text):
        attribute = match["attribute"]
        name = RENAMED.get(attribute, attribute)
        return Field(name, attribute, "true", word=match["word"], mask=int(match["mask"])), match.end()
    if not (match := _OPTIONAL.match(text)):
        return _parse_value(text, where)
    body = textwrap.dedent(match["body"])
    field, length = _parse_value(body, where)
    if body[length:].strip() or field.attribute != match["attribute"]:
        raise SchemaError(f"{where}: cannot read the optional field {match['attribute']!r}")
    return replace(field, word=match["word"], mask=int(match["mask"])), match.end()


def _parse_body(text: str, where: str) -> list[Field]:
    """All fields of a dedented `from_reader` body, which must be understood to its last line."""
    fields: list[Field] = []
    words: set[str] = set()
    while not (match := _RETURN.match(text)):
        field, length = _parse_statement(text, where)
        if field.kind == "flags":
            words.add(field.name)
        elif field.word and field.word not in words:
            raise SchemaError(f"{where}: {field.name} hangs on {field.word}, which is not read before it")
        fields.append(field)
        text = text[length:].lstrip("\n")
    read = {field.attribute for field in fields if field.kind != "flags"}
    if set(re.findall(r"(\w+)=_\1\b", match["arguments"])) != read or text[match.end() :].strip():
        raise SchemaError(f"{where}: fields read and fields kept differ")
    return fields


def _typed(field: Field, declared: dict[str, str], namespaces: dict[str, str], where: str) -> Field:
    """The field with the type that its class declares for it, where it holds objects."""
    if "object" not in (field.kind, field.item):
        return field
    type = declared.get(field.attribute)
    if type is None:
        raise SchemaError(f"{where}: {field.name} has no declared type")
    return replace(field, type=namespaces.get(type, "") + type)


@cache
def layout(constructor_id: int) -> Layout:
    """The layout of a constructor. Raises KeyError for an unknown id, SchemaError where Telethon is not understood."""
    plain = plain_class(constructor_id)
    namespace = plain.__module__[len(TYPES) + 1 :]
    title = plain.__name__
    name = (f"{namespace}." if namespace else "") + title[0].lower() + title[1:]
    source = _source(plain.__module__)
    text = source.classes.get(title, "")
    signature = re.search(r"^    def __init__\(self, (.*)\):$", text, re.MULTILINE)
    body = re.search(r"^    def from_reader\(cls, reader\):\n((?:        .*\n|\n)+)", text, re.MULTILINE)
    if not body:
        raise SchemaError(f"{name}: its source has no from_reader")
    fields = _parse_body(textwrap.dedent(body[1]), name)
    declared = dict(_DECLARED.findall(signature[1])) if signature else {}
    fields = [_typed(field, declared, source.namespaces, name) for field in fields]
    return Layout(constructor_id, name, tuple(sorted(fields, key=lambda field: field.kind == "true")))


@cache
def _members() -> dict[int, list[int]]:
    """Id of a type (the CRC-32 of its name) -> ids of its constructors."""
    members = defaultdict(list)
    for constructor_id, known in tlobjects.items():
        if known.__module__.startswith(TYPES) or known.__module__ == "telethon.tl.patched":
            members[known.SUBCLASS_OF_ID].append(constructor_id)
    return dict(members)


def constructors(type: str) -> list[int]:
    """Ids of the constructors of a type, named as Telegram does ("messages.Messages"). Raises SchemaError for none."""
    try:
        return _members()[crc32(type.encode())]
    except KeyError:
        raise SchemaError(f"no constructor of type {type} is known") from None


def reachable(type: str) -> list[int]:
    """Ids of all constructors that an object of `type` can hold, at any depth, its own among them."""
    found: dict[int, None] = {}
    types = [type]
    seen = {type}
    while types:
        for constructor_id in constructors(types.pop()):
            found[constructor_id] = None
            fresh = {field.type for field in layout(constructor_id).fields if field.type} - seen
            seen |= fresh
            types.extend(sorted(fresh))
    return list(found)
