"""The window of getHistory against a list that is cut the naive way."""
from __future__ import annotations

import random

import pytest

from tgbulk.perf.simdc.window import PAGE_LIMIT, Cut, Selection, Window, window


def naive(ids: list[int], dates: list[int], cut: Cut, between: tuple[int, int] | None) -> Window:
    """One place of the window after the other."""
    chat = [(i, d) for i, d in zip(ids, dates, strict=True) if between is None or between[0] <= i <= between[1]]
    chat.reverse()
    start = 0
    if cut.offset_id:
        start = sum(1 for i, _ in chat if i >= cut.offset_id)
    elif cut.offset_date:
        start = sum(1 for _, date in chat if date >= cut.offset_date)
    places = range(start + cut.add_offset, start + cut.add_offset + min(cut.limit, PAGE_LIMIT))
    shown = [chat[place][0] for place in places if 0 <= place < len(chat)]
    kept = [i for i in shown if (not cut.max_id or i < cut.max_id) and (not cut.min_id or i > cut.min_id)]
    offset = min(max(places.start, 0), len(chat))
    return Window(kept, len(chat), offset, len(kept) == len(chat))


@pytest.mark.parametrize("seed", range(20))
def test_any_window_is_the_naive_one(seed: int) -> None:
    draw = random.Random(seed)
    for _ in range(300):
        size = draw.choice([0, 1, 5, 99, 100, 101, 250])
        ids = sorted(draw.sample(range(1, 400), size))
        dates = sorted(draw.choices(range(1000, 1200), k=size))
        cut = Cut(
            offset_id=draw.choice([0, 0, 1, draw.randrange(1, 500)]),
            offset_date=draw.choice([0, 0, draw.randrange(990, 1210)]),
            add_offset=draw.choice([0, 0, -1, -50, -100, draw.randrange(-300, 300)]),
            limit=draw.choice([1, 20, 100, 100, 250]),
            max_id=draw.choice([0, 0, 0, draw.randrange(1, 400)]),
            min_id=draw.choice([0, 0, 0, draw.randrange(1, 400)]),
        )
        between = draw.choice([None, None, (draw.randrange(0, 200), draw.randrange(100, 500))])
        assert window(Selection(ids, dates), cut, between) == naive(ids, dates, cut, between)


def test_every_walk_meets_every_message_once() -> None:
    ids = random.Random(1).sample(range(1, 3000), 777)
    chat = Selection(sorted(ids), sorted(ids))
    down: list[int] = []
    while page := window(chat, Cut(offset_id=down[-1] if down else 0)).ids:
        down += page
    up: list[int] = []
    while page := window(chat, Cut(offset_id=up[-1] + 1 if up else 1, add_offset=-100)).ids:
        up += reversed(page)
    by_rank = [window(chat, Cut(add_offset=rank, limit=1)).ids[0] for rank in range(len(ids))]
    assert down == up[::-1] == by_rank == sorted(ids, reverse=True)


def test_the_table_of_the_specification() -> None:
    chat = Selection(range(1, 1001), range(5001, 6001))
    assert window(chat, Cut()).ids == list(range(1000, 900, -1))
    assert window(chat, Cut(offset_id=901)).ids == list(range(900, 800, -1))
    assert window(chat, Cut(offset_id=901, add_offset=-100)).ids == list(range(1000, 900, -1))
    assert window(chat, Cut(offset_id=1, add_offset=-1, limit=1)).ids == [1]
    assert window(chat, Cut(add_offset=700, limit=1)).ids == [300]
    assert window(chat, Cut(offset_id=500, add_offset=-50)).ids == list(range(549, 449, -1))
    assert window(chat, Cut(offset_id=970, add_offset=-100)).ids == list(range(1000, 969, -1))
    assert window(chat, Cut(offset_date=5010)).ids == list(range(9, 0, -1))
    assert window(chat, Cut(offset_id=500, offset_date=5010)).ids[0] == 499
    assert window(chat, Cut(limit=500)).ids == list(range(1000, 900, -1))
    assert window(chat, Cut(max_id=905)).ids == [904, 903, 902, 901]
    assert window(chat, Cut(min_id=990, max_id=995)).ids == [994, 993, 992, 991]
    assert window(chat, Cut(offset_id=5000)).offset == 0
    assert window(chat, Cut(add_offset=300)).offset == 300
