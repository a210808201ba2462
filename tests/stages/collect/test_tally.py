from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tgbulk.engine.folder import Place
from tgbulk.engine.metric import Meter, Number, Snapshot
from tgbulk.stages.archive.folder import RunFolder
from tgbulk.stages.collect.bottleneck import BUSY, judge
from tgbulk.stages.collect.config import CollectConfig
from tgbulk.stages.collect.pace import PaceMeter
from tgbulk.stages.collect.report import report
from tgbulk.stages.collect.sample import Sampler
from tgbulk.stages.collect.series import Series
from tgbulk.stages.collect.tally import Tally, stage_of

#: Seconds that the processes of these tests were there.
LIFE = 10.0


def told(process: str, fill: Callable[[Meter], None], **fields: Any) -> Snapshot:
    """What a process says that has measured this, after LIFE seconds."""
    meter = Meter(None)
    fill(meter)
    values: dict[str, Any] = {"process": process, "started": 100.0, "at": 100.0 + LIFE, "cpu": 0.1, "last": True}
    return replace(meter.snapshot(), **(values | fields))


def tally_of(*snapshots: Snapshot) -> Tally:
    tally = Tally()
    for snapshot in snapshots:
        tally.take(snapshot)
    return tally


def fetching(limit: float = 0.0, answers: int = 50) -> Callable[[Meter], None]:
    def fill(meter: Meter) -> None:
        for _ in range(answers):
            meter.observe("request", 0.1, "messages.getHistory")
        label = "main/messages.getHistory"
        meter.watch(lambda: [Number("limit_seconds", label, limit), Number("floods", label, 3)])

    return fill


def busy(name: str, seconds: float) -> Callable[[Meter], None]:
    def fill(meter: Meter) -> None:
        for _ in range(10):
            meter.observe(name, seconds / 10)

    return fill


def ordinary() -> list[Snapshot]:
    return [told("fetch", fetching()), told("process-0", busy("work", 1)), told("write", busy("block", 1))]


@pytest.fixture
def sampler(tmp_path: Path) -> Sampler:
    return Sampler(tmp_path)


def test_stages_of_processes() -> None:
    assert [stage_of(name) for name in ("process-0", "process-12", "write", "a-b")] == ["process", "process", "write", "a-b"]
    tally = tally_of(told("process-0", busy("work", 2)), told("process-1", busy("work", 3)), told("write", busy("block", 1)))
    assert tally.histogram("process", "work").sum == pytest.approx(5)
    assert tally.histogram("process", "work").count == 20
    assert (tally.elapsed("process"), tally.lived("process")) == (LIFE, 2 * LIFE)


def test_a_newer_snapshot_takes_the_place_of_an_older_one() -> None:
    tally = tally_of(told("write", busy("block", 1)), told("write", busy("block", 4)))
    assert tally.histogram("write", "block").sum == pytest.approx(4)


def test_what_is_under_way_counts() -> None:
    tally = tally_of(told("write", busy("commit", 1), doing="commit", since=7.5))
    assert tally.seconds("write", "commit") == pytest.approx(8.5)


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("latency", []),
        ("limit", [told("fetch", fetching(limit=7.0))]),
        ("fetch", [told("fetch", fetching(), cpu=9.0)]),
        ("process", [told("process-0", busy("work", 9.0), cpu=8.9)]),
        ("write", [told("write", busy("block", 9.0), cpu=8.5)]),
        ("disk", [told("write", busy("commit", 9.0), cpu=0.5)]),
        ("disk", [told("write", busy("block", 1.0), cpu=0.5, doing="commit", since=8.0)]),
        ("transcode", [told("transcode", busy("job", 9.0))]),
        # one of two workers at work is half of the stage
        ("latency", [told("process-1", busy("work", 0.0)), told("process-0", busy("work", 9.0 * BUSY))]),
    ],
)
def test_the_station_that_was_busy_most(name: str, changed: list[Snapshot], sampler: Sampler) -> None:
    found = judge(tally_of(*ordinary(), *changed), sampler)
    assert found.name == name
    assert set(found.shares) == {"limit", "fetch", "process", "write", "disk", "transcode"}
    assert (found.share >= BUSY) == (name != "latency")
    assert found.sentence.endswith(".")


def test_two_accounts_of_which_one_is_limited_are_half_limited(sampler: Sampler) -> None:
    def fill(meter: Meter) -> None:
        fetching(limit=8.0)(meter)
        meter.watch(lambda: [Number("limit_seconds", "second/messages.getHistory", 0.0)])

    assert judge(tally_of(*ordinary(), told("fetch", fill)), sampler).shares["limit"] == pytest.approx(0.4)


def test_waiting_for_a_core_is_not_waiting_for_the_disk(sampler: Sampler) -> None:
    tally = tally_of(*ordinary(), told("write", busy("block", 9.0), cpu=2.0, pid=os.getpid()))
    sampler.take([("write", os.getpid())])
    sampler.processes["write"].core_wait = 6.5
    found = judge(tally, sampler)
    assert found.name == "write"
    assert found.shares["disk"] == pytest.approx(0.05)


def test_nothing_at_all(sampler: Sampler) -> None:
    """A run that fails before its processes have said anything."""
    found = judge(Tally(), sampler)
    assert (found.name, found.share) == ("latency", 0)
    document = report(CollectConfig("run", RunFolder(Place(Path("nowhere"))), 0.0, 0.0, 1), Tally(), sampler, Series())
    assert document["stages"] == dict.fromkeys(("fetch", "process", "write", "commit", "media", "transcode"))


def test_report(tmp_path: Path, sampler: Sampler) -> None:
    def fill(meter: Meter) -> None:
        fetching()(meter)
        meter.count("request_errors", 2, "messages.getHistory")
        counts = {"cache_hits": 48, "cache_misses": 1, "cache_negative_hits": 1}
        meter.watch(lambda: [Number(name, "peers", count) for name, count in counts.items()])

    tally = tally_of(*ordinary(), told("fetch", fill), told("process-1", busy("work", 3), last=False))
    sampler.take([("process-1", os.getpid())])
    found = report(CollectConfig("run", RunFolder(Place(tmp_path)), 0.0, 0.0, 1), tally, sampler, Series())
    assert found["stages"]["process"]["total"] == pytest.approx(4)
    assert found["stages"]["process"]["throughput"] == pytest.approx(2)
    assert found["stages"]["fetch"]["errors"] == 2
    assert found["stages"]["media"] is None
    assert found["floods"]["by_method"] == [
        {"account": "main", "method": "messages.getHistory", "count": 3, "seconds_lost": 0.0}
    ]
    assert found["caches"]["peers"] == {
        "hits": 48, "misses": 1, "negative_hits": 1, "evictions": 0, "hit_rate": 0.98,
    }
    process = found["resources"]["processes"]["process-1"]
    assert not process["left_in_order"]
    assert process["rss"] > process["pss"] > 1_000_000
    assert process["descriptors"] > 2


def test_a_process_that_is_gone(sampler: Sampler) -> None:
    """It keeps what was known of it."""
    with subprocess.Popen(["sleep", "60"]) as sleeper:
        sampler.take([("sleeper", sleeper.pid)])
        sleeper.kill()
    known = sampler.processes["sleeper"].rss
    sampler.take([("sleeper", sleeper.pid)])
    assert (sampler.processes["sleeper"].rss, sampler.processes["sleeper"].alive) == (known, False)


@pytest.mark.parametrize("rows", [1, 5, 8, 9, 1000])
def test_series_are_bounded_and_even(rows: int) -> None:
    series = Series(8)
    for number in range(rows):
        series.add({"seconds": float(number)} | ({"late": 1.0} if number > 500 else {}))
    found = series.document()
    assert len(series) <= 8
    assert found["seconds"][0] == 0
    steps = {later - earlier for earlier, later in zip(found["seconds"], found["seconds"][1:], strict=False)}
    assert len(steps) <= 1
    if steps:
        assert found["seconds"][-1] >= rows - 1 - steps.pop()
    assert all(len(column) == len(series) for column in found.values())


def test_pace_is_what_happened_since_the_last_look() -> None:
    pace = PaceMeter()
    tally = tally_of(*[told(f"process-{number}", busy("work", 1), last=False) for number in (0, 1)])
    tally.take(told("write", lambda m: m.count("messages", 50), last=False))
    pace.status(tally)

    def later(meter: Meter) -> None:
        busy("work", 1)(meter)
        busy("work", 1)(meter)
        meter.observe("upstream", 1.5)

    for number in (0, 1):
        tally.take(told(f"process-{number}", later, at=102.0 + LIFE, cpu=1.1, last=False))
    tally.take(told("write", lambda m: m.count("messages", 350), at=103.0 + LIFE, last=False))
    status = pace.status(tally)
    row = next(row for row in status.stages if row.stage == "process")
    assert [row.units, row.busy, row.cpu, row.wait_share] == pytest.approx([10, 0.5, 1, 0.75])
    assert row.wait == "upstream"
    assert status.rate == pytest.approx(100)
