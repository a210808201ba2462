"""Which chat is next, for how many there is room, and who is woken for what."""
from __future__ import annotations

import asyncio
from typing import Any

import pytest

from support.virtual import virtually
from tgbulk.engine.error import TgbulkError
from tgbulk.stages.archive.id_range import IdRange
from tgbulk.stages.fetch import plan as plan_module
from tgbulk.stages.fetch.missing import MissingRanges, Phase, WalkRange
from tgbulk.stages.fetch.plan import Plan
from tgbulk.stages.fetch.resolver import Target
from tgbulk.stages.fetch.walk import WORTH_JOINING, Probe, Walk
from tgbulk.stages.telegram.chat import ChatRecord

LOST = TgbulkError("lost")


def walk(*ranges: tuple[int, int], readers: tuple[int, ...] = (0,), large: bool = False) -> Walk:
    target = Target("chat", ChatRecord(-1, "supergroup", "Chat", 7), None)
    made = Walk(target, 0, MissingRanges([WalkRange(lo, lo, hi) for lo, hi in ranges]), dict.fromkeys(readers), [], 0, True)
    made.shared = True
    if large:
        made.probe = Probe.DONE
    return made


def filled(*walks: Walk, most: int = 9) -> Plan:
    plan = Plan(most)
    for one in walks:
        plan.add(one)
    return plan


def taken(plan: Plan, reader: int, count: int) -> list[tuple[Walk, Any]]:
    found = [plan.next(reader) for _ in range(count)]
    return [one for one in found if one is not None]


async def woken(*waiting: asyncio.Task[None]) -> list[bool]:
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return [one.done() for one in waiting]


def test_chats_are_asked_in_turn() -> None:
    """Those that the account reads; a chat without a job is passed over."""
    walks = [walk(*((lo, lo + 9) for lo in range(1, 90, 10))) for _ in range(3)]
    plan = filled(*walks, walk((1, 9), readers=(1,)), walk())
    found = taken(plan, 0, 7)
    assert [walks.index(one) for one, _ in found] == [0, 1, 2, 0, 1, 2, 0]
    assert [job.next for _, job in found] == [1, 1, 1, 11, 11, 11, 21]
    assert len(plan) == len(list(plan)) == 5


def test_the_largest_range_of_the_accounts_chats_is_split() -> None:
    """Where it is worth it, and nothing else is to be done."""
    one, other, foreign = walk((1, 5001)), walk((1, 9001)), walk((1, 99_001), readers=(1,))
    plan = filled(one, other, foreign)
    assert taken(plan, 1, 1) == [(foreign, foreign.missing.ranges[0])]
    assert [found for found, _ in taken(plan, 0, 2)] == [one, other]
    (found, upper), = taken(plan, 0, 1)
    assert (found, upper.next, upper.hi, upper.phase) == (other, 4501, 9001, Phase.ASKED)
    (found, upper), = taken(plan, 0, 1)
    assert (found, upper.next) == (one, 2501)
    assert plan.next(2) is None
    small = filled(walk((1, 200)))
    assert len(taken(small, 0, 2)) == 1
    assert Plan(3).next(0) is None


@pytest.mark.parametrize(
    ("readers", "flying", "failure", "orphaned"),
    [
        ((0,), 0, None, True), ((0,), 1, None, False), ((0, 1), 0, None, False), ((1,), 0, None, False),
        ((0,), 0, TgbulkError("before"), False),
    ],
)
def test_chats_that_nobody_else_reads_are_orphans(
    readers: tuple[int, ...], flying: int, failure: TgbulkError | None, orphaned: bool
) -> None:
    """As far as nothing of them is under way: that one ends with its last job."""
    one, other = walk((1, 9), readers=readers), walk((1, 9), readers=(0, 1))
    one.flying, one.failure = flying, failure
    plan = filled(other, one)
    assert plan.orphans(0, LOST) == ([one] if orphaned else [])
    assert one.peers.keys() == set(readers) - {0}
    assert list(other.peers) == [1]
    assert one.failure is (failure or (LOST if readers == (0,) else None))


def test_a_chat_that_reads_nobody_and_failed_with_this_account_is_an_orphan_again() -> None:
    """Until it is taken out of the plan; one that another account reads by then is none."""
    one = walk((1, 9), readers=(1,))
    one.failure = LOST
    assert filled(one).orphans(0, LOST) == []


def test_who_joins_which_chat() -> None:
    small, large, larger = walk((1, 9)), walk((1, 9), large=True), walk((1, 9), large=True)
    large.target.record.total, larger.target.record.total = 3 * WORTH_JOINING, 9 * WORTH_JOINING
    plan = filled(large, larger, small)
    assert plan.joinable(1) is larger
    assert plan.joinable(0) is None
    larger.refused.add(1)
    assert plan.joinable(1) is large
    small.joining.add(1)
    assert plan.joinable(1) is None
    assert plan.joinable(2) is larger
    assert Plan(3).joinable(0) is None


@pytest.mark.parametrize(
    ("small", "large", "room"),
    [(0, 0, True), (1, 0, True), (2, 0, False), (1, 3, True), (0, 5, False), (1, 4, False), (0, 4, True)],
)
def test_room_for_another_chat(monkeypatch: pytest.MonkeyPatch, small: int, large: int, room: bool) -> None:
    """Two that are small, and three large ones beyond."""
    monkeypatch.setattr(plan_module, "MOST_LARGE", 3)

    async def main() -> None:
        walks = [walk((1, 9)) for _ in range(small)] + [walk((1, 9), large=True) for _ in range(large)]
        plan = filled(*walks, most=2)
        plan.expect()
        waiting = asyncio.create_task(plan.room())
        assert await woken(waiting) == [room]
        if not room:
            plan.remove(walks[0])
            assert await woken(waiting) == [True]
            plan.add(walks[0])
            waiting = asyncio.create_task(plan.room())
            assert await woken(waiting) == [False]
            plan.stop()
            assert await woken(waiting) == [True]

    virtually(main())


def test_a_chat_that_turns_out_to_be_large_makes_room() -> None:
    async def main() -> None:
        one = walk((1, 9))
        plan = filled(one, most=1)
        plan.expect()
        waiting = asyncio.create_task(plan.room())
        assert await woken(waiting) == [False]
        one.probe = Probe.WANTED
        plan.notify()
        assert await woken(waiting) == [True]

    virtually(main())


def test_a_plan_is_over_when_nothing_is_under_way_or_expected() -> None:
    async def main() -> None:
        one = walk((1, 9))
        plan = Plan(3)
        assert plan.closed
        for _ in range(2):
            plan.expect()
        assert not plan.closed
        plan.add(one)
        plan.remove(one)
        assert not plan.over.is_set()
        plan.expect_no_more()
        assert (plan.closed, plan.over.is_set()) == (False, False)
        plan.add(one)
        plan.expect_no_more()
        assert (plan.closed, plan.over.is_set()) == (True, False)
        plan.remove(one)
        assert plan.over.is_set()
        plan = Plan(3)
        plan.expect()
        plan.expect_no_more()
        assert plan.over.is_set()
        plan = Plan(3)
        plan.expect()
        plan.stop()
        assert (plan.closed, plan.over.is_set()) == (True, True)
        plan = filled(one)
        plan.expect()
        plan.stop()
        assert (plan.closed, plan.over.is_set()) == (True, False)

    virtually(main())


def test_one_job_more_wakes_one_account_that_may_do_it() -> None:
    """Who has waited longest; something for everybody wakes all."""

    async def main() -> None:
        plan = Plan(3)
        waiting = [asyncio.create_task(plan.change(number)) for number in (0, 1, 1, 0)]
        assert not any(await woken(*waiting))
        plan.offer(walk((1, 9), readers=(1,)))
        assert await woken(*waiting) == [False, True, False, False]
        plan.offer(walk((1, 9), readers=(2,)))
        assert await woken(*waiting) == [False, True, False, False]
        plan.pass_on()
        assert await woken(*waiting) == [True, True, False, False]
        # one that is waited for no more is not woken in place of another
        waiting[2].cancel()
        await asyncio.sleep(0)
        plan.pass_on()
        assert await woken(waiting[3]) == [True]
        plan.pass_on()
        for wake in (plan.notify, lambda: plan.add(walk((1, 9))), plan.expect_no_more, plan.stop):
            waiting = [asyncio.create_task(plan.change(number)) for number in (0, 1)]
            assert await woken(*waiting) == [False, False]
            wake()
            assert await woken(*waiting) == [True, True]

    virtually(main())


def test_an_account_that_goes_as_it_is_woken_does_no_harm() -> None:
    async def main() -> None:
        plan = Plan(3)
        waiting = [asyncio.create_task(plan.change(0)) for _ in range(2)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        plan.pass_on()
        plan.notify()
        assert await woken(*waiting) == [True, True]
        assert waiting[0].cancelled()
        assert not waiting[1].cancelled()

    virtually(main())


def test_ranges_that_are_wanted_are_walked_from_below() -> None:
    one = walk()
    one.missing = MissingRanges.of([IdRange(5, 9)], IdRange(1, 20))
    plan = filled(one)
    assert [(job.next, job.hi) for _, job in taken(plan, 0, 3)] == [(1, 5), (9, 20)]
