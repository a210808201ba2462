"""Which bytes of a file are in the store, and which parts are to be made of the others."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from zlib import crc32

from tgbulk.engine.checksum import joined
from tgbulk.stages.archive.committed import Stretch
from tgbulk.stages.fleet.head import PublishedPart

#: Bytes of a part, near enough: what a store takes with one request, and a reader holds.
PART_BYTES = 8 << 20
_BLOCK = 1 << 20


class NotBehindError(Exception):
    """The store has lines of the chat that the archive has not, or has otherwise."""


@dataclass(frozen=True, slots=True)
class _New:
    """Bytes of a stretch that no part has; places as in Stretch."""

    lo: int
    next: int
    start: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.start


def publish_stretches(
    stretches: list[Stretch], parts: list[PublishedPart], put: Callable[[PublishedPart, bytes], None]
) -> list[PublishedPart]:
    """The parts that hold these stretches: those that are there, and new ones, which `put` gets.

    Small parts become one with what comes behind them, so that there are few. NotBehindError; ChangedChatError, OSError.
    """
    left, made = sorted(parts, key=lambda one: one.lo), []
    for stretch in stretches:
        mine = [one for one in left if stretch.lo <= one.lo and one.next <= stretch.hi]
        left = [one for one in left if one not in mine]
        found: list[PublishedPart] = []
        for one in _plan(stretch, mine):
            if isinstance(one, PublishedPart):
                found.append(one)
                continue
            try:
                for part, data in _cut(stretch, one):
                    put(part, data)
                    found.append(part)
            except (ValueError, KeyError, TypeError):  # other lines lie where those of the parts ended
                raise NotBehindError from None
        crc = 0
        for part in found:
            crc = joined(crc, part.crc, part.size)
        if (sum(part.size for part in found), crc) != (stretch.size, stretch.crc):
            raise NotBehindError
        made += found
    if left:
        raise NotBehindError
    return made


def _plan(stretch: Stretch, parts: list[PublishedPart]) -> list[PublishedPart | _New]:
    """Parts that stay, and what is to be made, ascending."""
    planned: list[tuple[PublishedPart | _New, int]] = []
    missing = stretch.size - sum(one.size for one in parts)
    place, offset = stretch.lo, 0
    for part in parts:
        if part.lo < place:
            raise NotBehindError
        if part.lo > place and missing:
            end = stretch.offset(part.lo)
            if end > offset:
                _add(planned, _New(place, part.lo, offset, end))
                missing -= end - offset
                offset = end
        planned.append((part, offset))
        place, offset = part.next, offset + part.size
    if missing < 0 or offset > stretch.size:
        raise NotBehindError
    if offset < stretch.size:
        _add(planned, _New(place, stretch.hi, offset, stretch.size))
    return [one for one, _ in planned]


def _add(planned: list[tuple[PublishedPart | _New, int]], new: _New) -> None:
    """Small ones before it become part of it."""
    while planned:
        part, start = planned[-1]
        if not isinstance(part, PublishedPart) or part.size > min(new.size, PART_BYTES - new.size):
            break
        planned.pop()
        new = _New(part.lo, new.next, start, new.end)
    planned.append((new, new.start))


def _cut(stretch: Stretch, new: _New) -> Iterator[tuple[PublishedPart, bytes]]:
    blocks: list[bytes] = []
    size, lo, done = 0, new.lo, new.start
    for place, block in stretch.read(new.start, new.end, _BLOCK):
        blocks.append(block)
        size += len(block)
        done += len(block)
        if size >= PART_BYTES or done == new.end:
            data = b"".join(blocks)
            end = new.next if done == new.end else place
            yield PublishedPart(lo, end, size, crc32(data), sha256(data).hexdigest()), data
            blocks, size, lo = [], 0, end
