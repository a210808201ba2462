"""Whether an answer is, at every depth, of the types that Telegram's schema declares: Telethon's readers take any anywhere.

Telethon's generated classes name the types of their fields in the annotations of `__init__`.
"""
from __future__ import annotations

import re
from functools import cache
from typing import Any
from zlib import crc32

from telethon.tl.alltlobjects import tlobjects
from telethon.tl.tlobject import TLObject, TLRequest

_TYPES = "telethon.tl.types"
_NAMED = re.compile(r"\bType(\w+)")
#: Types of the vectors that methods answer with; no constructor has them.
_ITEMS = ("User", "MessageRange", "Document")


@cache
def _known() -> tuple[frozenset[int], frozenset[str]]:
    """Every type that has constructors, by the CRC-32 of its name, and the namespaces."""
    classes = [one for one in tlobjects.values() if not issubclass(one, TLRequest)]
    names = {one.__module__.removeprefix(_TYPES).lstrip(".") + "." for one in classes if one.__module__.startswith(_TYPES)}
    return frozenset(one.SUBCLASS_OF_ID for one in classes), frozenset(names - {"."} | {""})


def _types(name: str) -> frozenset[int]:
    """The types of this name: the annotations leave their namespace out."""
    known, namespaces = _known()
    return frozenset(found for one in namespaces if (found := crc32(f"{one}{name}".encode())) in known)


@cache
def _fields(cls: type) -> list[tuple[str, bool, frozenset[int]]]:
    """Of a class, the fields that hold objects: name, whether there are many of them, and the types that it takes."""
    plain = next((one for one in cls.__mro__ if one.__module__.startswith(_TYPES)), cls)
    annotations = getattr(vars(plain).get("__init__"), "__annotations__", {})
    named = ((field, str(one), _NAMED.search(str(one))) for field, one in annotations.items())
    return [(field, "List[" in text, types) for field, text, found in named if found and (types := _types(found[1]))]


@cache
def _vectors() -> dict[int, frozenset[int]]:
    """Type of a vector -> those of its items."""
    return {crc32(f"Vector<{one}>".encode()): _types(one) for one in _ITEMS}


def stranger(result: Any, answered: int) -> str | None:
    """The name of an object in an answer of this type that has no business where it is; None where all have."""
    items = _vectors().get(answered)
    if items is not None and (found := _outside(result, items)):
        return found
    left = [*result] if isinstance(result, list) else [result]
    while left:
        one = left.pop()
        for field, many, types in _fields(one.__class__):
            held = vars(one).get(field)
            if held is None:
                continue
            if many is not isinstance(held, list):
                return _name(held)
            inner = held if many else [held]
            if found := _outside(inner, types):
                return found
            left += inner
    return None


def _name(one: object) -> str:
    return type(one).__name__


def _outside(held: list[Any], types: frozenset[int]) -> str | None:
    for one in held:
        if not isinstance(one, TLObject) or one.SUBCLASS_OF_ID not in types:
            return _name(one)
    return None
