from __future__ import annotations

import pytest

from stages.statement import EVERYTHING, make_statement


@pytest.mark.parametrize(
    ("covered", "asked", "complete", "filtered", "missing"),
    [
        ([[1, 10]], EVERYTHING, True, [], []),
        ([[5, 10]], [5, 0], True, [[1, 4]], []),
        ([[5, 10]], [5, 9], True, [[1, 4], [10, 0]], []),
        ([[1, 3], [5, 10], [20, 30]], [20, 0], True, [[3, 4], [10, 19]], []),
        ([[1, 50], [60, 101]], EVERYTHING, True, [], [[50, 59]]),
        ([[1, 3], [5, 10]], [2, 9], True, [[10, 0]], [[3, 4]]),
        ([[1, 10]], EVERYTHING, False, [], [[10, 0]]),
        ([[1, 3], [5, 10]], EVERYTHING, False, [], [[3, 4], [10, 0]]),
        ([], EVERYTHING, False, [], [[1, 0]]),
        ([[3, 10]], [3, 20], False, [[1, 2], [21, 0]], [[10, 20]]),
        ([[1, 2], [8, 10]], [5, 20], False, [[2, 4], [21, 0]], [[5, 7], [10, 20]]),
    ],
)
def test_what_is_not_there_was_not_asked_for_or_not_reached(
    covered: list[list[int]], asked: list[int], complete: bool, filtered: list[list[int]], missing: list[list[int]]
) -> None:
    found = make_statement(100, 5, 1, 2, covered, asked, complete)
    assert (found.filtered, found.missing) == (filtered, missing)
    assert (found.withheld is None) == bool(filtered or missing)


@pytest.mark.parametrize(
    ("count", "messages", "empty", "withheld", "surplus", "line"),
    [
        (7, 7, 0, 0, 0, "7 messages, 1 of them service; the server counts 7: whole"),
        (9, 7, 2, 0, 0, "7 messages, 1 of them service, 2 empty ids; the server counts 9: whole"),
        (7, 7, 2, 0, 0, "7 messages, 1 of them service, 2 empty ids; the server counts 7: whole"),
        (
            8, 7, 2, 0, 0,
            "7 messages, 1 of them service, 2 empty ids; the server counts 8; "
            "how many of the empty ids it means is not known",
        ),
        (12, 7, 2, 3, 0, "7 messages, 1 of them service, 2 empty ids; the server counts 12, 3 of which it does not give"),
        (4, 7, 0, 0, 3, "7 messages, 1 of them service; the server counts 4, 3 fewer than there are"),
        (None, 7, 0, None, None, "7 messages, 1 of them service; the server gave no count"),
    ],
)
def test_counts(
    count: int | None, messages: int, empty: int, withheld: int | None, surplus: int | None, line: str
) -> None:
    found = make_statement(count, messages, 1, empty, [[1, 50]], EVERYTHING, True)
    assert (found.withheld, found.surplus, str(found)) == (withheld, surplus, line)


def test_a_part_says_which() -> None:
    part = make_statement(1200, 100, 0, 0, [[7, 8], [11, 500]], [11, 0], True)
    assert str(part) == "100 messages, not asked for: ids 1 to 6, 8 to 10; the server counts 1,200, of all ids"
    failed = make_statement(1200, 100, 0, 0, [[1, 101]], EVERYTHING, False)
    assert str(failed) == "100 messages, not reached: ids 101 and above; the server counts 1,200, of all ids"


def test_what_is_told_has_its_limit() -> None:
    covered = [[2 * number, 2 * number + 1] for number in range(1, 2_000)]
    found = make_statement(None, 1, 0, 0, covered, EVERYTHING, False)
    told = found.told()
    assert len(found.missing) == 2_000
    assert (told.missing, told.left_out) == (found.missing[:1_000], 1_000)
    assert str(told).startswith("1 message, not reached: ids 1, 3, 5 and 997 more ranges, and 1,000 ranges in chat.json; ")
