"""Which account brought which messages, against a map of every id."""
from __future__ import annotations

import random

import pytest

from tgbulk.stages.archive.id_range import IdRange
from tgbulk.stages.archive.source import MOST, Sources

A, B, C = 11, 12, 13


def owners(found: Sources) -> dict[int, int]:
    return {one: account for account, known in found.ids.items() for ids in known for one in range(ids.lo, ids.hi)}


@pytest.mark.parametrize("seed", range(20))
def test_every_id_has_its_account(seed: int) -> None:
    chance = random.Random(seed)
    sources, truth, covered = Sources(0), dict[int, int](), list[IdRange]()
    for _ in range(60):
        lo = chance.randrange(1, 500)
        ids = IdRange(lo, lo + chance.randrange(1, 20))
        if any(one.lo < ids.hi and ids.lo < one.hi for one in covered):
            continue
        account = chance.choice((A, A, B, C))
        sources.add(account, ids, list(covered))
        covered.append(ids)
        truth |= dict.fromkeys(range(ids.lo, ids.hi), account)
    assert owners(sources) == truth
    assert Sources.read(0, sources.document()).ids == sources.ids


def test_one_account_leaves_nothing_to_say() -> None:
    sources = Sources(0)
    for place in range(1, 9):
        sources.add(A, IdRange(place, place + 1), [IdRange(1, place)] if place > 1 else [])
    assert (sources.document(), sources.dirty) == (None, False)
    assert Sources.begin(A, A, [IdRange(1, 9)], None).document() is None
    assert Sources.begin(A, B, [], None).document() is None
    assert Sources.begin(A, B, [IdRange(1, 9)], None).document() == [{"account": A, "ids": [[1, 8]]}]


def test_it_does_not_grow_without_end() -> None:
    sources = Sources(A)
    for place in range(1, 3 * MOST):
        sources.add((A, B)[place % 2], IdRange(place, place + 1), [IdRange(1, place)])
    assert all(len(known) <= MOST for known in sources.ids.values())
    assert sources.ids[B][-1].hi == 3 * MOST


@pytest.mark.parametrize("found", [7, [7], [{}], [{"account": "x", "ids": [[1]]}], [{"account": 1, "ids": [["a", "b"]]}]])
def test_what_is_none(found: object) -> None:
    with pytest.raises((TypeError, ValueError, KeyError)):
        Sources.read(0, found)  # type: ignore[arg-type]


def test_what_has_to_be_written_is_known() -> None:
    """One account alone changes nothing that is written."""
    sources = Sources(1)
    sources.add(1, IdRange(1, 5), [])
    assert (sources.dirty, sources.document()) == (False, None)
    for account, ids in ((2, IdRange(5, 9)), (1, IdRange(9, 12))):
        sources.add(account, ids, [IdRange(1, 5)])
        assert sources.dirty
        sources.dirty = False
    assert sources.ids == {1: [IdRange(1, 5), IdRange(9, 12)], 2: [IdRange(5, 9)]}


def test_of_too_many_ranges_the_lower_half_goes() -> None:
    sources = Sources(A)
    for place in range(1, MOST + 2):
        assert len(sources.ids.get(B, ())) == place - 1
        sources.add(B, IdRange(2 * place, 2 * place + 1), [IdRange(1, 2)])
    assert [one.lo for one in sources.ids[B]] == list(range(MOST + 2, 2 * MOST + 3, 2))
    assert sources.ids[A] == [IdRange(1, 2)]
