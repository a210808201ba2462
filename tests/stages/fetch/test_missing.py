"""Missing ranges, one step at a time: what each does to the list, to the id. All together: test_coverage_plan.py."""
from __future__ import annotations

import pytest

from tgbulk.stages.archive.id_range import UNBOUNDED, IdRange
from tgbulk.stages.fetch.history import LIMIT
from tgbulk.stages.fetch.missing import LAST_ID, LEFT_BELOW, NARROWING, WORTH_SPLITTING, MissingRanges, Phase, WalkRange

Rows = list[tuple[int, int, int]]


def rows(missing: MissingRanges) -> Rows:
    """(start, next, hi) of each."""
    return [(one.start, one.next, one.hi) for one in missing.ranges]


@pytest.mark.parametrize(
    ("covered", "wanted", "expected"),
    [
        ([], [], [(1, 1, UNBOUNDED)]),
        ([(1, 5)], [], [(1, 5, UNBOUNDED)]),
        ([(3, 5)], [], [(1, 1, 3), (3, 5, UNBOUNDED)]),
        ([(7, 9), (3, 5)], [], [(1, 1, 3), (3, 5, 7), (7, 9, UNBOUNDED)]),
        ([(3, 5)], [(1, 4)], [(1, 1, 3)]),
        ([(3, 5)], [(1, 3)], [(1, 1, 3)]),
        ([(3, 5)], [(1, 2)], [(1, 1, 2)]),
        ([(3, 5)], [(4, 9)], [(3, 5, 9)]),
        ([(3, 5)], [(5, 9)], [(3, 5, 9)]),
        ([(3, 5)], [(6, 9)], [(6, 6, 9)]),
        ([(3, 9)], [(4, 8)], []),
        ([(3, 9)], [(4, 9)], []),
        ([(3, 5)], [(1, 2), (4, 6), (8, 9)], [(1, 1, 2), (3, 5, 6), (8, 8, 9)]),
        ([(1, LAST_ID)], [], [(1, LAST_ID, UNBOUNDED)]),
        ([(1, LAST_ID + 1)], [], []),
    ],
)
def test_what_is_missing(covered: list[tuple[int, int]], wanted: list[tuple[int, int]], expected: Rows) -> None:
    """A range that goes on from one that is covered has its name."""
    found = MissingRanges.of([IdRange(*one) for one in covered], *(IdRange(*one) for one in wanted))
    assert rows(found) == expected
    assert found.done is (not expected)
    assert all((one.phase, one.limit, one.doubts) == (Phase.READY, LIMIT, 0) for one in found.ranges)


def test_the_lowest_is_taken_first_and_the_tail_alone() -> None:
    missing = MissingRanges.of([IdRange(3, 5)])
    first, tail = missing.ranges
    assert (missing.take(), first.phase) == (first, Phase.ASKED)
    assert missing.take() is None
    missing.advance(first, 3, False)
    assert (missing.take(), missing.take(), tail.phase) == (tail, None, Phase.ASKED)


@pytest.mark.parametrize("density", [None, 0.5])
def test_the_largest_is_split_where_it_is_worth_it(density: float | None) -> None:
    """By the messages in it, every id one where nothing is known; only while its bound may be lowered."""
    width = int(WORTH_SPLITTING / (density or 1.0))
    bounds = (1, 1 + width), (9000, 9001 + width), (20_000, UNBOUNDED)
    missing = MissingRanges([WalkRange(lo, lo, hi) for lo, hi in bounds])
    if density is not None:
        missing.density = density
    small, large, tail = missing.ranges
    assert missing.largest() is None
    small.phase = tail.phase = Phase.ASKED
    assert missing.largest() is None
    large.phase = Phase.ASKED
    assert missing.largest() is large
    large.phase = Phase.SENT
    assert missing.largest() is None


@pytest.mark.parametrize(
    ("next_id", "hi", "density", "middle"),
    [
        (1, 1001, 1.0, 501),
        (401, 1001, 1.0, 701),
        (1, 1000, 1.0, 500),
        (1, 2 * LEFT_BELOW + 1, 1.0, LEFT_BELOW + 1),
        (1, 10 * LEFT_BELOW, 1.0, LEFT_BELOW + 1),
        (5, 10 * LEFT_BELOW, 0.5, 2 * LEFT_BELOW + 5),
    ],
)
def test_half_of_it_stays_below_and_no_more_than_so_many_messages(
    next_id: int, hi: int, density: float, middle: int
) -> None:
    one, above = WalkRange(1, next_id, hi, Phase.ASKED), WalkRange(hi + 5, hi + 5, UNBOUNDED)
    for below in ([], [WalkRange(-9, -9, -7), WalkRange(-5, -5, -3)]):
        one.hi = hi
        missing = MissingRanges([*below, one, above], density)
        upper = missing.split(one)
        assert missing.ranges == [*below, one, upper, above]
        assert rows(missing)[len(below) :] == [(1, next_id, middle), (middle, middle, hi), (hi + 5, hi + 5, UNBOUNDED)]
        assert upper.phase is Phase.ASKED


@pytest.mark.parametrize(
    ("top", "expected"),
    [
        (0, [(1, 5, UNBOUNDED)]),
        (4, [(1, 5, UNBOUNDED)]),
        (5, [(1, 5, 6), (6, 6, UNBOUNDED)]),
        (90, [(1, 5, 91), (91, 91, UNBOUNDED)]),
        (LAST_ID - 1, [(1, 5, LAST_ID), (LAST_ID, LAST_ID, UNBOUNDED)]),
        (LAST_ID, [(1, 5, LAST_ID + 1)]),
    ],
)
def test_the_tail_is_cut_above_the_newest_id(top: int, expected: Rows) -> None:
    missing = MissingRanges([WalkRange(1, 5, UNBOUNDED)])
    missing.bound(top)
    assert rows(missing) == expected


def test_a_bounded_range_has_no_tail_to_cut() -> None:
    missing = MissingRanges([WalkRange(1, 5, 100)])
    missing.bound(50)
    assert rows(missing) == [(1, 5, 100)]


def test_places_over_which_no_range_may_reach() -> None:
    missing = MissingRanges([WalkRange(1, 5, 10), WalkRange(20, 20, UNBOUNDED)])
    missing.cut([5, 7, 8, 10, 15, 20, 30])
    assert rows(missing) == [(1, 5, 7), (7, 7, 8), (8, 8, 10), (20, 20, 30), (30, 30, UNBOUNDED)]


@pytest.mark.parametrize(
    ("next_id", "ended", "left"),
    [(5, False, True), (9, False, True), (3, False, True), (10, False, False), (7, True, False)],
)
def test_a_range_goes_on_where_its_page_ended(next_id: int, ended: bool, left: bool) -> None:
    """Never backwards; doubts are of one place."""
    one = WalkRange(1, 5, 10, Phase.SENT, 30, 2)
    missing = MissingRanges([one])
    missing.advance(one, next_id, ended)
    assert (one.next, one.doubts) == ((next_id, 0) if next_id > 5 else (5, 2))
    assert (one.phase, one.limit, missing.ranges == [one]) == (Phase.READY, 60, left)


def test_no_range_goes_on_above_the_highest_id() -> None:
    for next_id, left in ((LAST_ID, 1), (LAST_ID + 1, 0)):
        one = WalkRange(1, 5, UNBOUNDED, Phase.SENT)
        missing = MissingRanges([one])
        missing.advance(one, next_id, False)
        assert (len(missing.ranges), one.limit) == (left, LIMIT)


def test_what_cannot_be_decoded_is_looked_for_in_smaller_pages() -> None:
    one = WalkRange(1, 5, 10, Phase.SENT)
    missing = MissingRanges([one])
    for limit in (LIMIT // NARROWING, 1, 1):
        missing.narrow(one)
        assert (one.limit, type(one.limit), one.phase) == (limit, int, Phase.READY)


@pytest.mark.parametrize(("next_id", "left"), [(7, True), (9, True), (10, False), (12, False), (0, False)])
def test_what_lies_behind_it_is_a_range_of_its_own(next_id: int, left: bool) -> None:
    one = WalkRange(1, 5, 10, Phase.ASKED)
    missing = MissingRanges([one])
    missing.skip(one, next_id)
    assert rows(missing) == ([(next_id, next_id, 10)] if left else [])
    assert one.phase is (Phase.READY if left else Phase.ASKED)
