"""Ranges of ids against sets of ids."""
from __future__ import annotations

import itertools
import random

import pytest

from tgbulk.stages.archive.id_range import EVERYTHING, UNBOUNDED, IdRange, add_range, contains, intersect, merge, subtract


def ids(ranges: list[IdRange]) -> set[int]:
    return {number for one in ranges for number in range(one.lo, min(one.hi, 60))}


def drawn(source: random.Random) -> list[IdRange]:
    bounds = [(source.randrange(1, 50), source.randrange(1, 50)) for _ in range(source.randrange(6))]
    return [IdRange(lo, source.choice([hi, hi, hi, UNBOUNDED])) for lo, hi in bounds]


def is_apart(ranges: list[IdRange]) -> bool:
    return not any(one.empty for one in ranges) and all(left.hi < right.lo for left, right in itertools.pairwise(ranges))


@pytest.mark.parametrize("seed", range(300))
def test_sets_of_ranges_are_sets_of_ids(seed: int) -> None:
    source = random.Random(seed)
    some, others, bounds = drawn(source), merge(drawn(source)), (drawn(source) or [EVERYTHING])[0]
    merged = merge(some)
    assert is_apart(merged)
    assert is_apart(others)
    assert ids(merged) == ids(some)
    grown = list[IdRange]()
    for one in some:
        add_range(grown, one)
    assert grown == merged
    assert ids(subtract(merged, others)) == ids(some) - ids(others)
    assert is_apart(subtract(merged, others))
    assert ids(intersect(merged, bounds)) == ids(some) & ids([bounds])
    assert {number for number in range(60) if contains(merged, number)} == ids(some)
    assert {number for number in range(60) if number in bounds} == ids([bounds])


@pytest.mark.parametrize(
    ("one", "closed", "text"),
    [
        (IdRange(3, 9), [3, 8], "3 to 8"),
        (IdRange(3, 4), [3, 3], "3"),
        (IdRange(3), [3, 0], "3 and above"),
        (EVERYTHING, [1, 0], "1 and above"),
        (IdRange(2, 2), [2, 1], "2 to 1"),
    ],
)
def test_what_is_written_is_read(one: IdRange, closed: list[int], text: str) -> None:
    assert one.closed() == closed
    assert IdRange.from_closed(closed) == one
    assert IdRange.from_pairs([one.pair()]) == [one]
    assert str(one) == text


def test_a_range_that_many_hold_is_changed_by_nobody() -> None:
    with pytest.raises(AttributeError):
        EVERYTHING.lo = 2  # type: ignore[misc]
    assert EVERYTHING.hi == UNBOUNDED
