"""Where a bucket's rules end: the first and last request of each, the smallest allowance, the shortest time."""
from __future__ import annotations

import asyncio
import math

import pytest

from support.bucket import flood, now, serve
from support.virtual import virtually
from tgbulk.stages.fetch.bucket import (
    ALIKE,
    BURST,
    CATCH_UP,
    GUESSED_ALLOWANCE,
    HEADROOM,
    PROBE_SPAN,
    PROBES,
    ROUND,
    SLACK,
    SPARED,
    START,
    Bucket,
)
from tgbulk.stages.fetch.shared_pace import Pace, Shared

#: Seconds that the loop has run when a test begins: a clock that is at 0 hides what is forgotten of it.
LATE = 1000.0


def answer(bucket: Bucket, count: int) -> None:
    """So many at once, whatever the pace."""
    for _ in range(count):
        bucket.flying += 1
        bucket.succeeded()


async def times(bucket: Bucket, count: int) -> list[float]:
    """When so many requests may go, in seconds from now."""
    began, found = now(), []
    for _ in range(count):
        await bucket.enter()
        found.append(now() - began)
    return found


def test_requests_at_a_rate_that_was_set_are_spaced_from_the_first_on() -> None:
    """Time in which nothing was asked is not made up for."""

    async def main() -> None:
        await asyncio.sleep(LATE)
        bucket = Bucket(200, 10.0)
        bucket.window = 200.0
        assert await times(bucket, 4) == pytest.approx([0, 0.1, 0.2, 0.3])
        await asyncio.sleep(30)
        assert await times(bucket, 3) == pytest.approx([0, 0.1, 0.2])

    virtually(main())


@pytest.mark.parametrize(("allowance", "late"), [(7.0, 3.5), (20.0, 10.0), (30.0, CATCH_UP)])
def test_idle_time_is_made_up_for_to_the_fraction_of_a_request(allowance: float, late: float) -> None:
    async def main() -> None:
        await asyncio.sleep(LATE)
        bucket = Bucket(200)
        bucket.window = 200.0
        bucket.remember(Pace(10.0, allowance, 3, 0), 0.0)
        bucket._sparing = 0
        await bucket.enter()
        await asyncio.sleep(30)
        assert bucket.rate is not None
        gap, count = 1 / bucket.rate, int(late) + 3
        assert await times(bucket, count) == pytest.approx([max(0.0, (number - late) * gap) for number in range(count)])

    virtually(main())


def test_idle_time_is_not_made_up_for_while_requests_are_spaced_wider() -> None:
    async def main() -> None:
        await asyncio.sleep(LATE)
        bucket = Bucket(200)
        bucket.remember(Pace(10.0, 20.0, 3, 0), 0.0)
        await bucket.enter()
        await asyncio.sleep(30)
        assert bucket.rate is not None
        gap = (1 + SPARED) / bucket.rate
        assert await times(bucket, 2) == pytest.approx([0, gap])

    virtually(main())


def test_what_went_at_once_is_not_made_up_for_again() -> None:
    async def main() -> None:
        await asyncio.sleep(LATE)
        bucket = Bucket(200)
        bucket.window = 200.0
        bucket.remember(Pace(10.0, 20.0, 3, 0), 1000.0)
        assert bucket.rate is not None
        at_once, gap = 15, 1 / bucket.rate
        assert await times(bucket, at_once + 3) == pytest.approx([0.0] * (at_once + 1) + [gap, 2 * gap])

    virtually(main())


@pytest.mark.parametrize("idle", [0.0, 1000.0])
def test_after_a_flood_wait_nothing_is_made_up_for(idle: float) -> None:
    """Nor is a remembered allowance left."""

    async def main() -> None:
        await asyncio.sleep(LATE)
        bucket = Bucket(200)
        bucket.window = 200.0
        bucket.remember(Pace(10.0, 40.0, 3, 0), idle)
        await serve(bucket, 10, 0.2)
        await flood(bucket, 60)
        bucket._sparing = 0
        found = await times(bucket, 4)
        assert bucket.rate is not None
        gap = 1 / bucket.rate
        assert 60 <= found[0] <= 60 + SLACK * 61
        assert [one - found[0] for one in found] == pytest.approx([0, gap, 2 * gap, 3 * gap])

    virtually(main())


def test_what_was_not_sent_is_given_back() -> None:
    """At any rate, or where none is known yet."""

    async def main() -> None:
        await asyncio.sleep(LATE)
        for bucket in (Bucket(3, 0.5), Bucket(3)):
            for _ in range(4):
                await bucket.enter()
                bucket.give_back()
                assert bucket.flying == 0
            assert now() == LATE
        bucket = Bucket(3, 0.5)
        assert await times(bucket, 2) == pytest.approx([0, 2])
        bucket.give_back()
        assert await times(bucket, 2) == pytest.approx([0, 2])

    virtually(main())


def test_what_is_given_back_is_one_request() -> None:
    """Nothing is made up for that was not missed."""

    async def main() -> None:
        await asyncio.sleep(LATE)
        bucket = Bucket(200)
        bucket.window = 200.0
        bucket.remember(Pace(10.0, 20.0, 3, 0), 0.0)
        bucket._sparing, bucket._next = 0, now()
        for _ in range(3):
            await bucket.enter()
            bucket.give_back()
        assert bucket.rate is not None
        gap = 1 / bucket.rate
        assert await times(bucket, 3) == pytest.approx([0, gap, 2 * gap])

    virtually(main())


@pytest.mark.parametrize("cancelled", ["before", "between", "beside"])
def test_a_request_that_was_not_sent_is_none_of_the_pace(cancelled: str) -> None:
    async def main() -> None:
        bucket = Bucket(16)
        if cancelled == "before":
            await bucket.enter()
            bucket.cancel()
            await asyncio.sleep(LATE)
        if cancelled == "beside":
            await bucket.enter()
            await bucket.enter()
            bucket.cancel()
            await asyncio.sleep(0.1)
            bucket.succeeded()
        await serve(bucket, 30 - (cancelled == "beside"), 0.1)
        if cancelled == "between":
            await bucket.enter()
            bucket.cancel()
        await serve(bucket, 30, 0.1)
        await flood(bucket)
        assert bucket.rate == pytest.approx(5.0)

    virtually(main())


def test_half_of_an_odd_number() -> None:
    """The first guess, and what an earlier run had served."""

    async def main() -> None:
        await asyncio.sleep(LATE)
        bucket = Bucket(1)
        await serve(bucket, 61, 0.1)
        await flood(bucket)
        assert bucket.rate == pytest.approx(5.0)
        assert bucket.window == 1.0
        await serve(bucket, 41, 0.0)
        bucket.rate = 1000.0
        await asyncio.sleep(bucket._flooded_at + 20 - now())
        learnt = bucket.learnt()
        assert learnt is not None
        assert (learnt.rate, learnt.allowance) == pytest.approx((2.05, GUESSED_ALLOWANCE))
        assert (learnt.lessons, learnt.served) == (0, 41)

    virtually(main())


@pytest.mark.parametrize("served", [325, 327])
def test_what_was_served_since_is_measured_from_when_it_was_remembered(served: int) -> None:
    """And a rate that the answers have shown is not forgotten for it."""

    async def main() -> None:
        await asyncio.sleep(LATE)
        bucket = Bucket(16)
        bucket.remember(Pace(10.0, 20.0, 2, 101), 1000.0)
        bucket.rate = 1000.0
        await serve(bucket, served, 10 / served)
        learnt = bucket.learnt()
        assert learnt is not None
        assert learnt.rate == pytest.approx((served - 20) / 10)
        await asyncio.sleep(1000)
        learnt = bucket.learnt()
        assert learnt is not None
        assert learnt.rate == 10.0

    virtually(main())


def test_the_first_flood_wait_at_a_rate_that_was_set_is_guessed_from() -> None:
    async def main() -> None:
        await asyncio.sleep(LATE)
        bucket = Bucket(16, 2.0)
        await serve(bucket, 101, 0.0)
        await flood(bucket)
        # the last of them was sent 50 s after the first one
        assert bucket.rate == pytest.approx(61 / 50.5)
        assert bucket.learnt() is None

    virtually(main())


def test_what_an_earlier_run_served_teaches_nothing() -> None:
    async def main() -> None:
        await asyncio.sleep(LATE)
        bucket = Bucket(16)
        bucket.remember(Pace(10.0, 0.0, 3, 2000), 0.0)
        await asyncio.sleep(100)
        answer(bucket, 4)
        await flood(bucket)
        assert bucket._lessons == 0
        assert bucket.rate == pytest.approx(bucket._proved)
        bucket.remember(Pace(10.0, 900.0, 3, 2000), 0.0)
        await asyncio.sleep(100)
        answer(bucket, 10)
        await flood(bucket)
        assert bucket.rate == pytest.approx(0.1)

    virtually(main())


def test_a_flood_wait_that_came_soon_after_another_is_believed_by_half() -> None:
    """Soon: in less than twice the time between the two before it. The first one has none before it."""

    async def main() -> None:
        await asyncio.sleep(LATE)
        bucket = Bucket(16)
        bucket.remember(Pace(10.0, 0.0, 3, 0), 0.0)
        flooded_at = now()
        for span, soon in ((1.5, False), (2.5, True), (5.0, False), (12.5, False), (24.0, True)):
            bucket.rate, bucket._closed_until, bucket._next = 1000.0, now(), now()
            await asyncio.sleep(flooded_at + span / 2 - now())
            answer(bucket, 20)
            await asyncio.sleep(flooded_at + span - now())
            flooded_at = now()
            await flood(bucket)
            least, newest = 20 / span, 19.5 / (span / 2)
            assert bucket.rate == pytest.approx((least + newest) / 2 if soon else newest), span

    virtually(main())


def test_an_allowance_is_never_less_than_none() -> None:
    """Where more was served in the time before the first flood wait than the allowance is."""

    async def main() -> None:
        await asyncio.sleep(LATE)
        bucket = Bucket(16)
        await serve(bucket, 10, 1.0)
        await flood(bucket)
        flooded_at = now()
        await asyncio.sleep(50)
        answer(bucket, 100)
        bucket.rate = 1000.0
        bucket._next = 0.0
        await flood(bucket)
        assert now() == flooded_at + 50
        learnt = bucket.learnt()
        assert learnt is not None
        assert learnt.allowance == 0.0
        assert bucket._lessons == 1

    virtually(main())


@pytest.mark.parametrize(("count", "rows"), [(6, 1), (5, 0), (20, 15)])
def test_so_many_answers_in_a_row_say_what_is_refilled(count: int, rows: int) -> None:
    """Fewer say no more than all together do."""

    async def main() -> None:
        await asyncio.sleep(LATE)
        bucket = Bucket(16)
        bucket.remember(Pace(10.0, 0.0, 3, 0), 0.0)
        await asyncio.sleep(90)
        answer(bucket, count)
        await asyncio.sleep(10)
        bucket.rate = 9.0
        await flood(bucket)
        assert bucket.rate == pytest.approx((count - 0.5) / 10 if rows else count / 100)

    virtually(main())


@pytest.mark.parametrize("answers", [1, 2, 3])
def test_requests_in_flight_while_few_answers_are_known(answers: int) -> None:
    """One answer says nothing of the pace: as many as may be."""

    async def main() -> None:
        await asyncio.sleep(LATE)
        bucket = Bucket(50)
        bucket.remember(Pace(10.0, 20.0, 3, 0), 1000.0)
        for _ in range(answers):
            await bucket.enter()
            bucket.succeeded(0.5)
        assert bucket.rate is not None
        wanted = START + HEADROOM * bucket.rate * 0.5
        assert bucket.window == (50 if answers == 1 else pytest.approx(wanted, rel=1e-3))

    virtually(main())


def test_the_quickest_answer_bounds_the_requests_in_flight() -> None:
    """Those that took longer may have waited for each other. Answers that came all at once are a pace too."""

    async def main() -> None:
        await asyncio.sleep(LATE)
        bucket = Bucket(50)
        await serve(bucket, 1, 0.07, 0.07)
        await serve(bucket, 100, 0.1, 0.3)
        assert bucket.window == pytest.approx(START + HEADROOM * 39 / 3.9 * 2 * 0.07)
        bucket = Bucket(10_000)
        await serve(bucket, BURST + 200, 0.0, 0.02)
        assert bucket.window == pytest.approx(START + HEADROOM * 39 / SLACK * 2 * 0.02)
        bucket = Bucket(50)
        await serve(bucket, 101, 0.07, 0.07)
        assert bucket.window == pytest.approx(START + HEADROOM * 39 / (39 * 0.07) * 2 * 0.07)

    virtually(main())


def test_whoever_follows_goes_at_once_only_for_what_it_did_not_ask() -> None:
    """Nobody does who asked for more meanwhile than the other's rate."""

    async def main() -> None:
        await asyncio.sleep(LATE)
        shared = Shared()
        shared.flooded(object())
        bucket = Bucket(16, shared=shared)
        await serve(bucket, 60, 0.1)
        await flood(bucket)
        await asyncio.sleep(2)
        answer(bucket, 29)
        shared.tell(Pace(8.0, 20.0, 2, 0))
        answer(bucket, 1)
        assert bucket._heard == 2
        assert bucket._credit == 0

    virtually(main())


def test_a_rate_that_is_just_above_another_accounts_is_ones_own() -> None:
    async def main() -> None:
        await asyncio.sleep(LATE)
        shared = Shared()
        shared.flooded(object())
        bucket = Bucket(16, shared=shared)
        await serve(bucket, 60, 0.1)
        await flood(bucket)
        shared.tell(Pace(3.0, 20.0, 2, 0))
        for rate, heard in ((3.0 * (1 + ALIKE), 0), (math.nextafter(3.0 * (1 + ALIKE), 0), 2)):
            bucket.rate, bucket._served = rate, 0
            answer(bucket, 1)
            assert bucket._heard == heard

    virtually(main())


def test_a_remembered_rate_is_ones_own_whatever_others_found_out() -> None:
    async def main() -> None:
        shared = Shared()
        shared.flooded(object())
        shared.tell(Pace(8.0, 20.0, 3, 0))
        bucket = Bucket(16, shared=shared)
        bucket.remember(Pace(4.0, 20.0, 0, 0), 1000.0)
        await flood(bucket)
        rate = bucket.rate
        assert rate is not None
        await serve(bucket, 1, 0.0)
        assert bucket.rate == pytest.approx(rate * (1 + PROBES[0] * (1 + PROBE_SPAN**-2)), rel=1e-12)
        assert bucket._heard == 0

    virtually(main())


def test_a_round_of_answers_adds_a_request_in_flight_in_part() -> None:
    async def main() -> None:
        bucket = Bucket(50)
        await serve(bucket, 60, 0.1)
        await flood(bucket)
        for _ in range(2):
            before = bucket.window
            await serve(bucket, 1, 0.0)
            assert bucket.window == pytest.approx(before + ROUND / before)

    virtually(main())


def test_what_was_waited_for_is_counted_in_seconds() -> None:
    """For an answer, for the rate, for the end of a flood wait: each apart."""

    async def main() -> None:
        await asyncio.sleep(LATE)
        bucket = Bucket(1, 0.5)
        await bucket.enter()
        waiting = asyncio.create_task(bucket.enter())
        await asyncio.sleep(1.5)
        bucket.succeeded()
        await waiting
        assert (bucket.crowded, bucket.limited, bucket.lost) == pytest.approx((1.5, 0.5, 0))
        bucket.flooded(30)
        closed_until = bucket._closed_until
        await asyncio.sleep(10)
        await bucket.enter()
        assert now() == pytest.approx(closed_until)
        left = closed_until - LATE - 2 - 10
        assert (bucket.crowded, bucket.limited, bucket.lost) == pytest.approx((1.5, 0.5 + left, left))
        bucket.cancel()
        bucket._next = now() + 7
        assert bucket.describe().endswith(", 1 floods, the next in 7.0 s")
        await bucket.enter()
        assert (bucket.crowded, bucket.limited, bucket.lost) == pytest.approx((1.5, 7.5 + left, left))

    virtually(main())
