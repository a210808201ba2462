"""Ranges of message ids, half-open, and what is done with ascending lists of them that do not touch.

Two encodings are found in files, and both are made here: a *pair* [lo, hi], and a *closed* range [first, last], in which a
last of 0 means that nothing bounds it above.
"""
from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter

#: Above every id: the end of a range that has no bound.
UNBOUNDED = 1 << 62

_LO = attrgetter("lo")


@dataclass(frozen=True, slots=True, order=True)
class IdRange:
    """Every id from lo to below hi; none where hi is not above lo."""

    lo: int = 1
    hi: int = UNBOUNDED

    @classmethod
    def from_closed(cls, bounds: Sequence[int]) -> IdRange:
        """Of [first, last]; a last of 0: and all above."""
        first, last = bounds
        return cls(first, last + 1 if last else UNBOUNDED)

    def closed(self) -> list[int]:
        """[first, last]; a last of 0: and all above."""
        return [self.lo, 0 if self.hi == UNBOUNDED else self.hi - 1]

    @classmethod
    def from_pairs(cls, pairs: Iterable[Sequence[int]]) -> list[IdRange]:
        return [cls(lo, hi) for lo, hi in pairs]

    def pair(self) -> list[int]:
        """[lo, hi]."""
        return [self.lo, self.hi]

    @property
    def bounded(self) -> bool:
        return self.hi != UNBOUNDED

    @property
    def empty(self) -> bool:
        return self.lo >= self.hi

    def __contains__(self, number: int) -> bool:
        return self.lo <= number < self.hi

    def __str__(self) -> str:
        """For people."""
        if not self.bounded:
            return f"{self.lo} and above"
        return f"{self.lo}" if self.hi == self.lo + 1 else f"{self.lo} to {self.hi - 1}"


#: What a run asks for that asks for everything.
EVERYTHING = IdRange()


def merge(ranges: Iterable[IdRange]) -> list[IdRange]:
    """The same ids as ascending ranges that do not touch."""
    result: list[IdRange] = []
    for one in sorted(one for one in ranges if not one.empty):
        if result and one.lo <= result[-1].hi:
            if one.hi > result[-1].hi:
                result[-1] = IdRange(result[-1].lo, one.hi)
        else:
            result.append(one)
    return result


def add_range(ranges: list[IdRange], one: IdRange) -> None:
    """Add these ids to ascending ranges that do not touch, in place: as merge(), for a long list that grows often."""
    if one.empty:
        return
    first = bisect_right(ranges, one.lo, key=_LO)
    if first and ranges[first - 1].hi >= one.lo:
        first -= 1
    lo, hi, last = one.lo, one.hi, first
    while last < len(ranges) and ranges[last].lo <= hi:
        lo, hi = min(lo, ranges[last].lo), max(hi, ranges[last].hi)
        last += 1
    ranges[first:last] = [IdRange(lo, hi)]


def subtract(ranges: Iterable[IdRange], others: Sequence[IdRange]) -> list[IdRange]:
    """The ids of the ranges that are not in the others, which ascend and are apart."""
    result: list[IdRange] = []
    for one in ranges:
        lo = one.lo
        place = max(0, bisect_right(others, lo, key=_LO) - 1)
        while place < len(others) and others[place].lo < one.hi:
            other = others[place]
            if lo < other.lo:
                result.append(IdRange(lo, other.lo))
            lo = max(lo, other.hi)
            place += 1
        if lo < one.hi:
            result.append(IdRange(lo, one.hi))
    return result


def intersect(ranges: Iterable[IdRange], bounds: IdRange) -> list[IdRange]:
    """The ids of the ranges that lie in the bounds."""
    cut = (IdRange(max(one.lo, bounds.lo), min(one.hi, bounds.hi)) for one in ranges)
    return [one for one in cut if not one.empty]


def contains(ranges: Sequence[IdRange], number: int) -> bool:
    """Whether one of the ranges, which ascend and are apart, has this id."""
    place = bisect_right(ranges, number, key=_LO) - 1
    return place >= 0 and number < ranges[place].hi
