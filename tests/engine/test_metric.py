from __future__ import annotations

import math
import os
import random
import threading
import time
from collections.abc import Iterator

import pytest

from tgbulk.engine.channel import Channel, control_pair
from tgbulk.engine.descriptor import dump, load
from tgbulk.engine.frame import CONTROL_LIMIT, pack, unpack
from tgbulk.engine.histogram import Histogram
from tgbulk.engine.metric import LABELS, OTHER, PERIOD, Distribution, Meter, Number, Outlet, Snapshot

Pair = tuple[Channel, Channel]


@pytest.fixture
def pair() -> Iterator[Pair]:
    left, right = control_pair()
    yield left, right
    left.close()
    right.close()


def seen(snapshot: Snapshot) -> dict[tuple[str, str], float]:
    return {(one.name, one.label): one.value for one in snapshot.numbers}


def histogram(snapshot: Snapshot, wanted: str) -> Histogram:
    (found,) = [one.histogram for one in snapshot.distributions if one.name == wanted]
    return found


@pytest.mark.parametrize("seed", range(5))
def test_histogram_against_the_values(seed: int) -> None:
    """The sum is exact, a quantile is right within half a bin, whatever the scale."""
    chance = random.Random(seed)
    values = [chance.lognormvariate(chance.uniform(-8, 2), 1.5) for _ in range(5000)]
    one, other = Histogram(), Histogram()
    for place, value in enumerate(values):
        (one if place % 3 else other).add(value)
    one.merge(received(other))
    values.sort()
    assert one.count == len(values)
    assert one.sum == pytest.approx(sum(values))
    assert (one.low, one.high) == (values[0], values[-1])
    for share in (0.01, 0.5, 0.9, 0.99, 1):
        exact = values[math.ceil(share * len(values)) - 1]
        assert one.quantile(share) == pytest.approx(exact, rel=0.06)
    for power in (-12, -6, 0, 4):
        assert one.below(2.0**power) == sum(value < 2.0**power for value in values)


def received(one: Histogram) -> Histogram:
    """As it comes out at the other end."""
    snapshot: Snapshot = unpack(pack(Snapshot("", 0, 0, 0, 0, 0, 0, False, "", 0, [], [Distribution("x", "", one)])))
    return snapshot.distributions[0].histogram


def test_histogram_of_nothing_and_of_no_time() -> None:
    empty = Histogram()
    assert (empty.count, empty.quantile(0.5), empty.high) == (0, 0.0, 0.0)
    empty.add(0.0)
    assert (empty.count, empty.quantile(0.5), empty.sum) == (1, 0.0, 0.0)


def test_spans_leave_out_what_is_within_them() -> None:
    meter = Meter(None)
    outer, inner = meter.span("outer"), meter.span("inner")
    began = time.monotonic()
    for _ in range(3):
        with outer:
            time.sleep(0.01)
            with inner:
                time.sleep(0.02)
            with inner:
                pass
    whole = time.monotonic() - began
    found = {name: histogram(meter.snapshot(), name) for name in ("outer", "inner")}
    assert (found["outer"].count, found["inner"].count) == (3, 6)
    assert found["outer"].sum >= 0.03
    assert found["inner"].sum >= 0.06
    assert found["outer"].sum + found["inner"].sum <= whole


def test_a_span_that_fails_counts() -> None:
    meter = Meter(None)
    with pytest.raises(KeyError), meter.span("work"):
        raise KeyError
    assert histogram(meter.snapshot(), "work").count == 1
    assert meter.open is None


def test_what_is_under_way_shows() -> None:
    meter = Meter(None)
    with meter.span("outer"), meter.span("inner"):
        time.sleep(0.02)
        snapshot = meter.snapshot()
    assert snapshot.doing == "inner"
    assert snapshot.since >= 0.02
    assert meter.snapshot().doing == ""


def test_numbers_and_those_that_others_keep() -> None:
    meter = Meter(None)
    kept = {"a": 1.0}
    meter.watch(lambda: [Number("kept", label, value) for label, value in kept.items()])
    meter.count("pages")
    meter.count("pages", 2)
    meter.count("errors", label="x")
    assert seen(meter.snapshot()) == {("pages", ""): 3, ("errors", "x"): 1, ("kept", "a"): 1}
    kept["b"] = 2.0
    assert seen(meter.snapshot())[("kept", "b")] == 2


def test_labels_are_bounded() -> None:
    meter = Meter(None)
    for number in range(3 * LABELS):
        meter.count("errors", label=str(number))
        meter.observe("work", 1.0, label=str(number))
    numbers = seen(meter.snapshot())
    assert len(numbers) == LABELS + 1
    assert numbers[("errors", OTHER)] == 2 * LABELS
    assert len(pack(meter.snapshot())) < CONTROL_LIMIT


def test_it_is_told_at_once_then_now_and_then_and_at_the_end(pair: Pair) -> None:
    near, far = pair
    far.set_limit(10 * PERIOD)
    with Meter(Outlet("process-3", near)) as meter:
        first, _ = far.receive()
        meter.count("pages")
        second, _ = far.receive()
        meter.count("pages")
    last, _ = far.receive()
    assert [first.process, first.last, first.numbers] == ["process-3", False, []]
    assert seen(second) == {("pages", ""): 1}
    assert (seen(last), last.last) == ({("pages", ""): 2}, True)
    assert first.started == last.started <= first.at < second.at < last.at


def test_a_full_channel_is_never_waited_for(pair: Pair) -> None:
    """Nobody reads: snapshots are dropped, and the next one that passes makes them good."""
    near, far = pair
    near.set_blocking(False)
    meter = Meter(Outlet("write", near))
    for _ in range(3000):
        meter.count("pages")
        assert meter.notify()
    dropped = meter.snapshot().dropped
    assert dropped > 1000
    for _ in range(3000 - dropped):
        far.receive()
    meter.notify()
    after, _ = far.receive()
    assert (seen(after)[("pages", "")], after.dropped) == (3000, dropped)


def test_nobody_is_left_to_be_told(pair: Pair) -> None:
    pair[1].close()
    with Meter(Outlet("fetch", pair[0])) as meter:
        meter.count("pages")
    assert not meter.notify()
    assert "metrics" not in [thread.name for thread in threading.enumerate()]


def test_an_outlet_travels_with_a_context(pair: Pair) -> None:
    data, descriptors = dump(pair[0], Outlet("fetch", pair[0]))
    control, outlet = load(data, [os.dup(one) for one in descriptors])
    control.close()
    Meter(outlet).notify()
    snapshot, _ = pair[1].receive()
    assert snapshot.process == "fetch"
    outlet.channel.close()


def test_counting_while_it_is_told(pair: Pair) -> None:
    """A snapshot taken at any moment is one, and nothing in it goes back."""
    near, far = pair
    far.set_limit(5.0)
    meter = Meter(Outlet("process-0", near))
    stop = threading.Event()

    def count() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            meter.observe("work", 1.0, label=str(number % 50))
            meter.count("pages", label=str(number % 50))

    thread = threading.Thread(target=count)
    thread.start()
    try:
        before: dict[str, tuple[float, int]] = {}
        for _ in range(300):
            meter.notify()
            snapshot, _ = far.receive()
            for one in snapshot.distributions:
                now = one.histogram.sum, one.histogram.count
                assert now >= before.get(one.label, (0, 0))
                before[one.label] = now
    finally:
        stop.set()
        thread.join()
