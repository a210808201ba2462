from __future__ import annotations

from typing import Any

import pytest

from tgbulk.stages.archive.id_range import EVERYTHING, IdRange
from tgbulk.stages.archive.statement import Statement, make_statement


@pytest.mark.parametrize(
    ("covered", "asked", "complete", "filtered", "missing"),
    [
        ([[1, 10]], [1, 0], True, [], []),
        ([[5, 10]], [5, 0], True, [[1, 4]], []),
        ([[5, 10]], [5, 9], True, [[1, 4], [10, 0]], []),
        ([[1, 3], [5, 10], [20, 30]], [20, 0], True, [[3, 4], [10, 19]], []),
        ([[1, 50], [60, 101]], [1, 0], True, [], [[50, 59]]),
        ([[1, 3], [5, 10]], [2, 9], True, [[10, 0]], [[3, 4]]),
        ([[1, 10]], [1, 0], False, [], [[10, 0]]),
        ([[1, 3], [5, 10]], [1, 0], False, [], [[3, 4], [10, 0]]),
        ([], [1, 0], False, [], [[1, 0]]),
        ([[3, 10]], [3, 20], False, [[1, 2], [21, 0]], [[10, 20]]),
        ([[1, 2], [8, 10]], [5, 20], False, [[2, 4], [21, 0]], [[5, 7], [10, 20]]),
    ],
)
def test_what_is_not_there_was_not_asked_for_or_not_reached(
    covered: list[list[int]], asked: list[int], complete: bool, filtered: list[list[int]], missing: list[list[int]]
) -> None:
    found = make_statement(100, 5, 1, 2, IdRange.from_pairs(covered), [IdRange.from_closed(asked)], complete)
    written = found.document()
    assert (written["filtered"], written["missing"]) == (filtered, missing)
    assert Statement.from_document(written) == found
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
    found = make_statement(count, messages, 1, empty, [IdRange(1, 50)], [EVERYTHING], True)
    assert (found.withheld, found.surplus, str(found)) == (withheld, surplus, line)


def test_a_part_says_which() -> None:
    part = make_statement(1200, 100, 0, 0, [IdRange(7, 8), IdRange(11, 500)], [IdRange(11)], True)
    assert str(part) == "100 messages, not asked for: ids 1 to 6, 8 to 10; the server counts 1,200, of all ids"
    failed = make_statement(1200, 100, 0, 0, [IdRange(1, 101)], [EVERYTHING], False)
    assert str(failed) == "100 messages, not reached: ids 101 and above; the server counts 1,200, of all ids"


def test_what_is_told_has_its_limit() -> None:
    covered = [IdRange(2 * number, 2 * number + 1) for number in range(1, 2_000)]
    found = make_statement(None, 1, 0, 0, covered, [EVERYTHING], False)
    shown = found.shortened()
    assert len(found.missing) == 2_000
    assert (shown.missing, shown.left_out) == (found.missing[:1_000], 1_000)
    assert str(shown).startswith("1 message, not reached: ids 1, 3, 5 and 997 more ranges, and 1,000 ranges in chat.json; ")


@pytest.mark.parametrize(("sizes", "left_out"), [((0, 0, 0), 0), ((1_000, 1_000, 1_000), 0), ((1_001, 1_200, 3_000), 2_201)])
def test_every_list_has_its_limit(sizes: tuple[int, ...], left_out: int) -> None:
    lists = [[IdRange(lo, lo + 1) for lo in range(kind, kind + 2 * size, 2)] for kind, size in enumerate(sizes, 1)]
    filtered, missing, quarantined = lists
    found = Statement(None, 1, 0, 0, None, None, filtered, missing, quarantined)
    shown = found.shortened()
    assert [shown.filtered, shown.missing, shown.quarantined] == [one[:1_000] for one in lists]
    assert (shown.left_out, found.left_out) == (left_out, 0)


@pytest.mark.parametrize(("fields", "line"), [
    ({"messages": 0}, "0 messages; the server gave no count"),
    ({"changed": 1}, "1 message; the server gave no count"),
    ({"messages": 3, "changed": -1}, "3 messages, 1 of them deleted since; the server gave no count"),
    (
        {"missing": [IdRange(1, 3), IdRange(5, 6), IdRange(8, 9)]},
        "1 message, not reached: ids 1 to 2, 5, 8; the server gave no count",
    ),
    (
        {"quarantined": [IdRange(n, n + 1) for n in (1, 3, 5, 7)]},
        "1 message, not decodable and kept as they came: ids 1, 3, 5 and 1 more ranges; the server gave no count",
    ),
    ({"count": 5, "withheld": 1, "surplus": 0, "changed": 3}, "1 message; the server counts 5, 1 of which it does not give"),
    ({"count": 4, "withheld": 0, "surplus": 0, "changed": 3}, "1 message; the server counts 4: whole"),
    (
        {"count": 3, "withheld": 0, "surplus": 0, "empty": 2, "changed": 1},
        "1 message, 2 empty ids; the server counts 3; how many of the empty ids it means is not known",
    ),
])
def test_what_people_read(fields: dict[str, Any], line: str) -> None:
    values = {"count": None, "messages": 1, "services": 0, "empty": 0, "withheld": None, "surplus": None}
    assert str(Statement(**{**values, "filtered": [], "missing": [], **fields})) == line


def test_an_undecodable_tail_hides_no_hole() -> None:
    found = make_statement(9, 3, 0, 0, [IdRange(1, 3), IdRange(5, 8)], [EVERYTHING], True, [IdRange(8)])
    assert (found.missing, found.filtered) == ([IdRange(3, 5)], [])


def test_several_ranges_of_one_chat() -> None:
    asked = [IdRange(7, 8), IdRange(20, 31)]
    found = make_statement(100, 5, 0, 0, [IdRange(7, 8), IdRange(20, 25)], asked, False)
    assert (found.missing, found.filtered) == ([IdRange(25, 31)], [IdRange(1, 7), IdRange(8, 20), IdRange(31)])


def test_what_was_deleted_since_is_no_surplus() -> None:
    found = make_statement(8, 10, 0, 0, [IdRange(1, 11)], [EVERYTHING], True, changed=-2)
    assert (found.withheld, found.surplus) == (0, 0)
    assert str(found) == "10 messages, 2 of them deleted since; the server counts 8: whole"
    assert Statement.from_document(found.document()) == found
    assert "changed" not in make_statement(10, 10, 0, 0, [IdRange(1, 11)], [EVERYTHING], True).document()
