"""The ranges in which a takeout is asked cover every id, whatever the server names."""
from __future__ import annotations

import random

from telethon.tl import types

from tgbulk.stages.fetch.takeout import message_range, without_gaps

LAST = 2**31 - 1


def pairs(*ranges: tuple[int, int]) -> list[tuple[int, int]]:
    return [(one.min_id, one.max_id) for one in without_gaps([types.MessageRange(*one) for one in ranges])]


def test_good_ones_stay() -> None:
    assert pairs((0, 99), (100, LAST)) == [(0, 99), (100, LAST)]
    assert pairs((1, 99), (100, LAST)) == [(1, 99), (100, LAST)]
    assert pairs() == []


def test_gaps_are_filled_and_overlaps_cut() -> None:
    assert pairs((200, 300), (1, 100)) == [(1, 100), (101, 199), (200, 300)]
    assert pairs((50, 60)) == [(0, 49), (50, 60)]
    assert pairs((2, 9)) == [(0, 1), (2, 9)]
    assert pairs((1, 100), (50, 150), (60, 70), (9, 3)) == [(1, 100), (101, 150)]
    assert pairs((1, 100), (60, 70), (100, 100), (101, 200)) == [(1, 100), (101, 200)]
    assert pairs((1, 4), (5, 5), (7, 7)) == [(1, 4), (5, 5), (6, 6), (7, 7)]


def test_every_id_is_asked_for_in_a_range_that_has_it() -> None:
    for seed in range(300):
        source = random.Random(seed)
        named = [types.MessageRange(*(source.randrange(200) for _ in range(2))) for _ in range(source.randint(1, 6))]
        made = without_gaps(named)
        if made:
            for number in range(1, made[-1].max_id + 1):
                asked = message_range(made, number)
                assert asked.min_id <= number <= asked.max_id
