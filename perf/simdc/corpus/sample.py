"""Makes valid random objects of any constructor of the schema."""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Mapping
from datetime import UTC, datetime
from functools import cache
from random import Random
from typing import Any

from tgbulk.perf.simdc.corpus.schema import Constructor, Field, Path, classes, constructor, plain, readable
from tgbulk.perf.simdc.corpus.text import HOSTILE, phrase, units

#: (class of the object, field) -> the value to use, None for a random one
Values = Callable[[type, Field], Any]

BYTE_LENGTHS = (0, 1, 2, 3, 4, 8, 32, 253, 254, 255, 256, 1000)
#: Telethon alters a chat's id beyond this while it reads the message.
LARGEST_ID = 9_999_999_999
PEER_IDS = frozenset({"user_id", "chat_id", "channel_id"})
BITS = {"int": 31, "long": 63, "int128": 127, "int256": 255}
#: the text to which a vector of entities belongs
ENTITY_TEXTS = {"entities": ("message", "text"), "quote_entities": ("quote_text",), "solution_entities": ("solution",)}


class Sampler:
    """A source of objects that tries the constructor it has used least wherever the schema leaves a choice.

    `optional` is the probability of an optional field, fields of one bit come together. `objects` gives ready objects
    in place of random ones by class, `values` ready values by field. `budget` bounds the objects within one object,
    `depth` their nesting; beyond them come the shortest constructors and no optional fields. `falses` allows an
    optional Bool to be false, which Telethon reads but cannot write (see wire.py). Classes in `banned` are not made.
    """

    def __init__(self, random: Random, *, optional: float = 0.5, depth: int = 6, budget: int = 60, falses: bool = False,
                 banned: Container[type] = (), objects: Mapping[type, Callable[[], Any]] | None = None,
                 values: Values | None = None) -> None:
        self.random = random
        self.used: Counter[type] = Counter()
        self._optional = optional
        self._depth = depth
        self._budget = budget
        self._falses = falses
        self._banned = banned
        self._objects = objects or {}
        self._values = values
        self._left = 0

    def make(self, cls: type, path: Path = ()) -> Any:
        """An object of this class; `path` leads to a constructor that must be in it."""
        self._left = self._budget
        return self._make(plain(cls), self._depth, path)

    def _make(self, cls: type, depth: int, path: Path = ()) -> Any:
        self.used[cls] += 1
        self._left -= 1
        if cls in self._objects:
            return self._objects[cls]()
        found = constructor(cls)
        present = self._present(found, depth, path)
        fields: dict[str, Any] = {}
        for field in found.fields:
            if field.kind == "true":
                fields[field.attribute] = field in present
            elif field.kind != "flags":
                step = path if path and path[0][0] == field.attribute else ()
                fields[field.attribute] = self._value(cls, field, depth, step) if field in present else None
        self._fit_entities(fields)
        return cls(**fields)

    def _present(self, found: Constructor, depth: int, path: Path) -> set[Field]:
        """The fields that the object will have."""
        chance = self._optional if depth > 0 and self._left > 0 else 0.0
        chosen = {f.flag: self.random.random() < chance for f in found.fields}
        chosen.update({f.flag: True for f in found.fields if path and f.attribute == path[0][0]})
        return {f for f in found.fields if f.flag is None or chosen[f.flag]}

    def _value(self, cls: type, field: Field, depth: int, path: Path) -> Any:
        given = self._values(cls, field) if self._values and not path else None
        if given is not None:
            return given
        if not field.vector:
            return self._item(field, depth, path)
        length = self.random.choice((0, 1, 1, 2, 3)) if depth > 0 and self._left > 0 else 0
        items = [self._item(field, depth, ()) for _ in range(length)]
        return [*items, self._item(field, depth, path)] if path else items

    def _item(self, field: Field, depth: int, path: Path) -> Any:
        if field.kind != "object":
            return self._scalar(field)
        if path:
            return self._make(path[0][1], depth - 1, path[1:])
        choice = [m for m in field.members if m not in self._banned]
        if depth <= 1 or self._left <= 0:
            lowest = min(map(_heights().__getitem__, choice))
            choice = [c for c in choice if _heights()[c] == lowest]
        least = min(self.used[c] for c in choice)
        return self._make(self.random.choice([c for c in choice if self.used[c] == least]), depth - 1)

    def _scalar(self, field: Field) -> Any:
        random = self.random
        if field.attribute in PEER_IDS and field.kind == "long":
            return random.randint(1, LARGEST_ID)
        if field.kind in BITS:
            bits = BITS[field.kind]
            if random.random() < 0.1:
                return random.choice((0, 1, -1, 2**bits - 1, -(2**bits)))
            return random.getrandbits(random.randint(1, bits))
        if field.kind == "string":
            return random.choice(HOSTILE) if random.random() < 0.3 else phrase(random)
        if field.kind == "bytes":
            return random.randbytes(random.choice(BYTE_LENGTHS))
        if field.kind == "date":
            edges = (0, 1, 2**31 - 1, -1)
            return datetime.fromtimestamp(random.choice(edges) if random.random() < 0.05 else _day(random), UTC)
        if field.kind == "double":
            return random.choice((0.0, -1.5, 1e-7, 1e300, random.uniform(-180, 180)))
        return random.random() < 0.5 if self._falses or not field.flag else True

    def _fit_entities(self, fields: dict[str, Any]) -> None:
        """Lay every entity within its text, at the ends of characters."""
        for attribute, names in ENTITY_TEXTS.items():
            name = next((n for n in names if n in fields), None)
            if name is None or not fields.get(attribute):
                continue
            fields[name] = fields[name] or phrase(self.random)
            ends = units(fields[name])
            for entity in fields[attribute]:
                start, stop = sorted(self.random.sample(range(len(ends)), 2))
                entity.offset, entity.length = ends[start], ends[stop] - ends[start]


def sample(cls: type, random: Random, optional: float = 0.5, depth: int = 6) -> Any:
    """One random object of this class, written and read by Telethon without a difference."""
    return Sampler(random, optional=optional, depth=depth).make(cls)


def _day(random: Random) -> int:
    return random.randint(1_380_000_000, 1_760_000_000)


@cache
def _heights() -> dict[type, int]:
    """How deep the shallowest object of each class is."""
    found = {c: _needed(c) for c in classes() if readable(c)}
    heights = {c: 1 for c, fields in found.items() if not fields}
    while True:
        fresh = {c: 1 + max(min(heights[m] for m in f.members if m in heights) for f in fields)
                 for c, fields in found.items() if c not in heights
                 and all(any(m in heights for m in f.members) for f in fields)}
        if not fresh:
            return heights
        heights.update(fresh)


def _needed(cls: type) -> list[Field]:
    return [f for f in constructor(cls).fields if f.kind == "object" and not f.flag and not f.vector]
