"""What a bucket makes of single answers and flood waits, to the number; how it fares with a server is in test_bucket.py."""
from __future__ import annotations

import asyncio

import pytest

from support.bucket import flood, now, serve
from support.virtual import virtually
from tgbulk.stages.fetch.bucket import (
    AWAITED_PROBE,
    BELIEVED,
    BURST,
    CAREFUL,
    CATCH_UP,
    GROWTH,
    GUESSED_ALLOWANCE,
    HEADROOM,
    MOST_ALLOWED,
    PROBE_SPAN,
    PROBES,
    RATE_USED,
    REMEMBERED,
    ROUND,
    SLACK,
    SPARED,
    SPARING,
    START,
    Bucket,
)
from tgbulk.stages.fetch.shared_pace import Pace, Shared, SharedPaces


@pytest.mark.parametrize(("allowance", "kept"), [(20.0, 20.0), (500.0, MOST_ALLOWED)])
@pytest.mark.parametrize("lessons", range(4))
def test_what_is_remembered_is_remembered_again(lessons: int, allowance: float, kept: float) -> None:
    async def main() -> None:
        bucket = Bucket(16)
        bucket.remember(Pace(10.0, allowance, lessons, 101), 0.0)
        assert bucket.learnt() == Pace(10.0, kept, lessons, 50)
        assert bucket.rate == pytest.approx(10.0 * RATE_USED[lessons])

    virtually(main())


def test_more_that_was_served_since_is_remembered_too() -> None:
    """Less the allowance, which was full, and what an earlier run had."""

    async def main() -> None:
        bucket = Bucket(16)
        bucket.remember(Pace(10.0, 20.0, 2, 101), 1000.0)
        bucket.rate = 1000.0
        await serve(bucket, 320, 10 / 320)
        learnt = bucket.learnt()
        assert learnt is not None
        assert (learnt.rate, learnt.served) == pytest.approx((30.0, 370))

    virtually(main())


@pytest.mark.parametrize("seconds", [0.0, 20.0])
def test_after_one_flood_wait_what_was_served_since_is_remembered(seconds: float) -> None:
    async def main() -> None:
        bucket = Bucket(16)
        await serve(bucket, 60, 0.1)
        await flood(bucket)
        assert bucket.learnt() == Pace(1.0, GUESSED_ALLOWANCE, 0, 0)
        if seconds:
            await serve(bucket, 40, 0.0)
            await asyncio.sleep(26.0 - now())
            learnt = bucket.learnt()
            assert learnt is not None
            assert (learnt.rate, learnt.allowance) == pytest.approx((2.0, GUESSED_ALLOWANCE))
            assert (learnt.lessons, learnt.served) == (0, 40)

    virtually(main())


def test_where_nothing_was_learnt_nothing_is_remembered() -> None:
    async def main() -> None:
        for bucket in (Bucket(16), Bucket(16, 2.0)):
            await serve(bucket, 5, 0.1)
            assert bucket.learnt() is None

    virtually(main())


@pytest.mark.parametrize(
    ("allowance", "idle", "at_once"), [(20.0, 1000.0, 15), (20.0, 0.8, 6), (7.0, 9.0, 5), (6.0, 9.0, 4), (100.0, 0.0, 0)]
)
def test_the_first_requests_of_a_remembered_pace(allowance: float, idle: float, at_once: int) -> None:
    """Most of the allowance that came back meanwhile goes at once; where that is little, the next ones are spaced wider."""

    async def main() -> None:
        bucket = Bucket(200)
        bucket.window = 200.0
        bucket.remember(Pace(10.0, allowance, 3, 0), idle)
        assert bucket.rate is not None
        gap, times = 1 / bucket.rate, []
        for _ in range(at_once + 61):
            await bucket.enter()
            times.append(now())
        wide = 0 if at_once > SPARING * SPARED else SPARING
        expected = [0.0] * at_once
        for number in range(61):
            expected.append(gap * (number + SPARED * min(number, wide)))
        assert times == pytest.approx(expected)

    virtually(main())


@pytest.mark.parametrize(("allowance", "late"), [(20.0, 10), (30.0, CATCH_UP), (0.0, 0)])
def test_time_in_which_nothing_was_asked_is_made_up_for_in_part(allowance: float, late: int) -> None:
    """With half the allowance at most; not at all where somebody has set the rate."""

    async def main() -> None:
        for bucket in (Bucket(200), Bucket(200, 10.0)):
            bucket.window = 200.0
            if bucket.rate is None:
                bucket.remember(Pace(10.0, allowance, 3, 0), 1000.0)
                bucket._sparing = 0
                for _ in range(bucket._credit + 1):
                    await bucket.enter()
            else:
                await bucket.enter()
            await asyncio.sleep(10)
            began, count = now(), 0
            while now() == began:
                await bucket.enter()
                count += now() == began
            assert count == (1 if bucket._top_rate else late + 1)

    virtually(main())


@pytest.mark.parametrize(
    ("served", "gap", "rate"), [(60, 0.1, 5.0), (100, 0.1, 6.0), (1, 0.1, 10.0), (0, 0.0, 1 / SLACK), (2 * BURST, 0.5, 1.0)]
)
@pytest.mark.parametrize("follows", [False, True])
def test_the_rate_after_the_first_flood_wait(served: int, gap: float, rate: float, follows: bool) -> None:
    """Half of what was served may have been allowance, or BURST of it; whoever is not to find out is careful."""

    async def main() -> None:
        shared = Shared()
        if follows:
            assert shared.flooded(object())
        bucket = Bucket(16, shared=shared)
        await serve(bucket, served, gap)
        bucket.window = 9.0
        await flood(bucket)
        careful = max(1.0, CAREFUL * served / 2, served - BURST) / max(served * gap, SLACK)
        assert bucket.rate == pytest.approx(careful if follows else rate)
        assert (bucket.window, bucket.floods, bucket.flying) == (4.5, 1, 0)
        assert bucket._first == pytest.approx((served, max(0, served - 1) * gap))

    virtually(main())


def test_time_before_the_first_request_is_none_of_the_pace() -> None:
    """Nor that before the first one that was sent."""

    async def main() -> None:
        bucket = Bucket(16)
        await asyncio.sleep(50)
        await bucket.enter()
        bucket.cancel()
        await asyncio.sleep(50)
        await serve(bucket, 60, 0.1)
        await flood(bucket)
        assert bucket.rate == pytest.approx(5.0)

    virtually(main())


@pytest.mark.parametrize(("before", "served", "lessons"), [(3, 5, 3), (1, 5, 2), (0, 9, 1), (3, 4, 0), (2, 0, 0)])
def test_what_a_flood_wait_teaches(before: int, served: int, lessons: int) -> None:
    """A lesson more, where enough was served to learn from; else all are forgotten."""

    async def main() -> None:
        shared = Shared()
        bucket = Bucket(16, shared=shared)
        bucket.remember(Pace(10.0, 20.0, before, 0), 1000.0)
        await serve(bucket, served, 0.5)
        await flood(bucket)
        learnt = bucket.learnt()
        assert learnt is not None
        assert (learnt.lessons, learnt.served, learnt.rate) == (lessons, 0, bucket.rate)
        assert (shared.pace is None) is (lessons == 0)
        if shared.pace is not None:
            assert shared.pace == Pace(bucket.rate or 0, learnt.allowance, lessons, 0)

    virtually(main())


@pytest.mark.parametrize(("allowance", "rate"), [(3.0, None), (4.0, None), (5.0, 0.1)])
def test_few_answers_within_a_small_allowance_halve_the_rate_at_most(allowance: float, rate: float | None) -> None:
    async def main() -> None:
        bucket = Bucket(16)
        bucket.remember(Pace(10.0, allowance, 3, 0), 0.0)
        await serve(bucket, 4, 0.5)
        await asyncio.sleep(40.0 - now())
        before = bucket.rate
        assert before is not None
        await flood(bucket)
        assert bucket.rate == pytest.approx(rate or before / 2)

    virtually(main())


def test_a_flood_wait_after_nothing_leaves_a_rate() -> None:
    async def main() -> None:
        bucket = Bucket(16)
        bucket.remember(Pace(10.0, 20.0, 3, 0), 0.0)
        await asyncio.sleep(10)
        await flood(bucket)
        assert bucket.rate == pytest.approx(0.05)

    virtually(main())


def test_the_newest_answers_say_what_is_refilled() -> None:
    """Twice the same, but the second flood wait came too soon to believe it wholly; and never more than what flooded."""

    async def main() -> None:
        bucket = Bucket(16)
        bucket.remember(Pace(10.0, 0.0, 3, 0), 0.0)
        began = now()
        for expected in (6.5, (0.2 + 6.5) / 2):
            await asyncio.sleep(began + 97 - now())
            bucket._next = 0.0
            for _ in range(20):
                bucket.flying += 1
                bucket.succeeded()
            await asyncio.sleep(3)
            before, began = bucket.rate, now()
            await flood(bucket)
            assert before is not None
            assert bucket.rate == pytest.approx(min(before, expected), rel=1e-3)

    virtually(main())


def test_answers_in_a_bunch_were_asked_for_at_the_pace() -> None:
    """And those of the allowance were not refilled meanwhile."""

    async def main() -> None:
        for allowance in (0.0, 8.0):
            bucket = Bucket(16)
            bucket.remember(Pace(10.0, allowance, 3, 0), 0.0)
            bucket.rate = 4.0
            began = now()
            await asyncio.sleep(100)
            for _ in range(30):
                bucket.flying += 1
                bucket.succeeded()
            pace = bucket.rate
            await flood(bucket)
            assert now() == began + 100
            rows = [(number + 0.5 - allowance) / (number / pace) for number in range(5, 30)]
            assert bucket.rate == pytest.approx(min(pace, max(rows)))

    virtually(main())


def test_the_first_flood_wait_says_how_large_the_allowance_is() -> None:
    async def main() -> None:
        bucket = Bucket(16)
        await serve(bucket, 60, 0.1)
        await flood(bucket)
        began = now()
        await serve(bucket, 20, 2.0)
        await asyncio.sleep(began + 50 - now())
        await flood(bucket)
        learnt = bucket.learnt()
        assert learnt is not None
        assert learnt.allowance == pytest.approx(60 - 20 / 50 * 5.9)

    virtually(main())


@pytest.mark.parametrize("kind", ["alone", "awaited", "follower", "remembered"])
def test_how_much_a_success_adds(kind: str) -> None:
    """The more, the longer there was no flood wait; by what was learnt from."""

    async def main() -> None:
        shared = Shared()
        bucket = Bucket(16, shared=shared)
        if kind == "follower":
            shared.flooded(object())
        if kind == "remembered":
            bucket.remember(Pace(10.0, 0.0, 2, 0), 0.0)
        else:
            await serve(bucket, 60, 0.1)
            await flood(bucket)
        if kind == "awaited":
            assert not shared.flooded(object())
        probe = {"alone": PROBES[0], "awaited": AWAITED_PROBE, "follower": PROBES[1], "remembered": REMEMBERED[2]}[kind]
        for number in (1, 2, 3):
            before = bucket.rate
            assert before is not None
            await serve(bucket, 1, 0.0)
            assert bucket.rate == pytest.approx(before * (1 + probe * (1 + (number / PROBE_SPAN) ** 2)), rel=1e-12)
        if kind == "remembered":
            await serve(bucket, 5, 0.0)
            await flood(bucket)
            before = bucket.rate
            await serve(bucket, 1, 0.0)
            assert before is not None
            assert bucket.rate == pytest.approx(before * (1 + PROBES[3] * (1 + PROBE_SPAN**-2)), rel=1e-12)

    virtually(main())


@pytest.mark.parametrize(
    ("other", "heard"), [(8.0, True), (3.0, True), (2.9, False), (3.6, True), (2.0, False)]
)
@pytest.mark.parametrize("lessons", [1, 2, 3])
def test_the_rate_of_another_account_is_taken_once(other: float, heard: bool, lessons: int) -> None:
    """Where it is no lower than one's own, or nearly so: what one found out goes before. What was not asked for since the
    flood wait is in the allowance."""

    async def main() -> None:
        shared = Shared()
        shared.flooded(object())
        bucket = Bucket(16, shared=shared)
        await serve(bucket, 60, 0.1)
        await flood(bucket)
        flooded_at = now()
        own = bucket.rate
        assert own == pytest.approx(3.5)
        shared.tell(Pace(other, 20.0, lessons, 0))
        await bucket.enter()
        await asyncio.sleep(1)
        bucket.succeeded()
        learnt = bucket.learnt()
        assert learnt is not None
        if not heard:
            assert own is not None
            assert bucket.rate == pytest.approx(own * (1 + PROBES[1] * (1 + PROBE_SPAN**-2)), rel=1e-12)
            assert learnt.lessons == 0
            return
        believed = other * BELIEVED[lessons]
        probe = PROBES[lessons] if abs(BELIEVED[lessons] - 1) <= 0.2 else PROBES[1]
        assert bucket.rate == pytest.approx(believed * (1 + probe * (1 + PROBE_SPAN**-2)), rel=1e-12)
        assert (learnt.lessons, learnt.allowance, learnt.rate) == pytest.approx((lessons, 20.0, believed))
        assert bucket._credit == int(0.75 * min(20.0, other * (now() - flooded_at) - 1))
        bucket._credit = 0
        before = bucket.rate
        await serve(bucket, 1, 0.0)
        assert bucket.rate == pytest.approx(before, rel=0.01)

    virtually(main())


def test_who_has_learnt_as_much_follows_nobody() -> None:
    async def main() -> None:
        shared = Shared()
        shared.flooded(object())
        bucket = Bucket(16, shared=shared)
        await serve(bucket, 60, 0.1)
        await flood(bucket)
        await serve(bucket, 20, 0.5)
        await flood(bucket)
        learnt = bucket.learnt()
        assert learnt is not None
        assert learnt.lessons == 1
        for lessons, probe in ((1, PROBES[1]), (3, PROBES[3]), (3, PROBES[1])):
            rate = bucket.rate
            assert rate is not None
            shared.pace = Pace(rate * (1.26 if probe == PROBES[1] else 1.24), 20.0, lessons, 0)
            bucket._served = 0
            await serve(bucket, 1, 0.0)
            assert bucket.rate == pytest.approx(rate * (1 + probe * (1 + PROBE_SPAN**-2)), rel=1e-12)

    virtually(main())


def test_a_rate_that_somebody_set_is_the_most() -> None:
    async def main() -> None:
        bucket = Bucket(16, 2.0)
        await serve(bucket, 100, 0.0)
        assert bucket.rate == 2.0
        await flood(bucket)
        assert bucket.rate is not None
        assert bucket.rate < 2.0

    virtually(main())


def test_requests_in_flight_before_a_rate_is_known() -> None:
    """Few until more was served than a burst; then more with each success, up to what is of use."""

    async def main() -> None:
        bucket = Bucket(50)
        await serve(bucket, BURST, 0.1, 0.1)
        assert bucket.window == START
        await serve(bucket, 1, 0.1, 0.1)
        assert bucket.window == pytest.approx(START * (1 + GROWTH))
        await serve(bucket, 60, 0.1, 0.1)
        # the newest 40 answers came in 3.9 s, and each takes twice 0.1 s at most
        assert bucket.window == pytest.approx(START + HEADROOM * 39 / 3.9 * 2 * 0.1)
        assert Bucket(2).window == 2

    virtually(main())


def test_requests_in_flight_at_a_rate() -> None:
    """After a guess some more with each round of answers; once it is learnt, by the rate and the answers' time."""

    async def main() -> None:
        bucket = Bucket(50)
        bucket.remember(Pace(10.0, 0.0, 0, 0), 0.0)
        bucket.window = 4.0
        await serve(bucket, 1, 0.0)
        assert bucket.window == pytest.approx(4 + ROUND / 4)
        bucket = Bucket(50)
        bucket.remember(Pace(10.0, 0.0, 3, 0), 0.0)
        bucket.window = 4.0
        await serve(bucket, 1, 0.0)
        assert bucket.window == pytest.approx(4 + ROUND / 4)
        await serve(bucket, 2, 0.0, 0.5)
        assert bucket.rate is not None
        assert bucket.window == pytest.approx(START + HEADROOM * bucket.rate * 0.5, rel=1e-4)
        await serve(bucket, 1, 0.0, 1.5)
        assert bucket.answer_seconds == pytest.approx(0.6)
        await serve(bucket, 200, 0.0, 90.0)
        assert bucket.window == 50

    virtually(main())


def test_a_flood_wait_is_sat_out_by_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """A little longer than was asked; what was waited for is counted."""
    monkeypatch.setattr("random.uniform", lambda low, high: high)

    async def main() -> None:
        bucket = Bucket(16)
        assert not bucket.busy
        await bucket.enter()
        bucket.flooded(7)
        assert (bucket.busy, bucket.pausing, bucket.fruitless_seconds) == (True, False, 7)
        waiting = asyncio.create_task(bucket.enter())
        await asyncio.sleep(1)
        assert bucket.pausing
        assert bucket.describe() == "0 in flight of 1.5, 20.00 a second, 1 floods, the next in 6.4 s"
        await waiting
        assert now() == pytest.approx(7 + SLACK * 8)
        assert (bucket.limited, bucket.lost, bucket.crowded) == pytest.approx((7.4, 7.4, 0))
        bucket.flooded(0)
        assert bucket.fruitless_seconds == 7 + 2
        await bucket.enter()
        bucket.flooded(0)
        assert bucket.fruitless_seconds == 7 + 2 + 4
        await bucket.enter()
        bucket.succeeded()
        await bucket.enter()
        bucket.flooded(0)
        assert bucket.fruitless_seconds == 1

    virtually(main())


def test_who_waits_for_an_answer_and_who_for_the_rate_is_told_apart() -> None:
    async def main() -> None:
        bucket = Bucket(1, 0.5)
        await bucket.enter()
        assert bucket.busy
        waiting = asyncio.create_task(bucket.enter())
        await asyncio.sleep(1.5)
        assert bucket.pausing
        bucket.succeeded()
        await waiting
        assert now() == pytest.approx(2)
        assert (bucket.crowded, bucket.limited, bucket.lost) == pytest.approx((1.5, 0.5, 0))
        bucket.cancel()
        await asyncio.sleep(1)
        assert (bucket.busy, bucket.pausing) == (True, False)
        await asyncio.sleep(1)
        assert not bucket.busy
        assert Bucket(3).describe() == "0 in flight of 3.0, no rate, 0 floods, the next in 0.0 s"

    virtually(main())


def test_whoever_waits_when_it_is_shut_gets_the_reason() -> None:
    """And whoever comes; the others of the run need not wait for what it would find out."""

    class OverError(Exception):
        pass

    async def main() -> None:
        paces = SharedPaces()
        shared = paces["method", False]
        bucket = Bucket(1, shared=shared)
        await flood(bucket)
        assert shared.leads(bucket)
        waiting = [asyncio.create_task(bucket.enter()) for _ in range(2)]
        await asyncio.sleep(0)
        bucket.shut(OverError())
        for one in waiting:
            with pytest.raises(OverError):
                await one
        with pytest.raises(OverError):
            await bucket.enter()
        assert (now(), shared.leads(bucket), bucket.flying) == (0, False, 0)

    virtually(main())


def test_one_of_the_accounts_finds_out() -> None:
    """The first with a flood wait; after it the next one. The most that was found out is kept."""
    paces = SharedPaces()
    shared = paces["method", True]
    one, two, three = object(), object(), object()
    assert paces["method", True] is shared
    assert paces["method", False] is not shared
    assert not shared.leads(one)
    assert shared.flooded(one)
    assert (shared.leads(one), shared.leads(two), shared.is_awaited(one)) == (True, False, False)
    assert shared.flooded(one)
    assert not shared.is_awaited(one)
    assert not shared.flooded(two)
    assert (shared.is_awaited(one), shared.is_awaited(two)) == (True, False)
    assert shared.flooded(one)
    assert shared.is_awaited(one)
    paces.leave(two)
    assert shared.is_awaited(one)
    paces.leave(one)
    assert (shared.leads(one), shared.is_awaited(one)) == (False, False)
    assert shared.flooded(three)
    assert not shared.is_awaited(three)
    for lessons, rate, kept in ((1, 5.0, 5.0), (2, 4.0, 4.0), (1, 9.0, 4.0), (2, 6.0, 6.0)):
        shared.tell(Pace(rate, 0.0, lessons, 0))
        assert shared.pace is not None
        assert shared.pace.rate == kept


def test_a_pace_that_accounts_share_is_changed_by_nobody() -> None:
    with pytest.raises(AttributeError):
        Pace(1.0, 2.0, 3, 4).rate = 5.0  # type: ignore[misc]


def test_one_request_may_always_be_in_flight() -> None:
    async def main() -> None:
        bucket = Bucket(1)
        bucket.window = 0.5
        assert not bucket.busy
        await bucket.enter()
        assert (bucket.flying, bucket.busy) == (1, True)

    virtually(main())
