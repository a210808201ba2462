"""Takeout: asked for, granted, kept over a kill, expired, delayed; and what it does to the requests."""
from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.exporter import HISTORY, Exporter, chat_json, contents, ended, members, wrong
from tgbulk.engine.error import ExitCode

BULK, MIDDLE = "@sim_bulk", "@sim_middle"
MIDDLE_ID = -1003000000003
SAVED = 5000000001
#: Private chats of several pages, whose ids run over all ranges of the account's id space.
PRIVATE = ("100004765", "400000000", "100002223")


def states(events: list[dict[str, Any]]) -> list[str]:
    return [event["state"] for event in events if event["event"] == "takeout"]


@pytest.fixture
def takeouts(exporter: Exporter) -> Iterator[Exporter]:
    yield exporter
    exporter.dc.control("set", takeout_delay=0)


def test_a_takeout_is_requested_granted_and_finished(takeouts: Exporter, tmp_path: Path) -> None:
    events = takeouts.events(tmp_path / "archive", "--takeout", "yes", MIDDLE, "me", *PRIVATE)
    assert states(events) == ["requested", "granted", "finished"]
    calls = takeouts.calls()
    assert calls["account.initTakeoutSession"] == calls["account.finishTakeoutSession"] == 1
    ids = [chat["marked_id"] for chat in events[-1]["complete"]]
    truth = takeouts.truth(tmp_path / "truth", ids)
    assert wrong(tmp_path / "archive", truth) == {}


def test_with_or_without_the_archive_is_the_same(takeouts: Exporter, tmp_path: Path) -> None:
    takeouts.run(tmp_path / "with", "--takeout", "yes", MIDDLE, "me", *PRIVATE)
    takeouts.run(tmp_path / "without", MIDDLE, "me", *PRIVATE)
    messages = [
        {name: data for name, data in contents(tmp_path / one).items() if name.endswith("messages.jsonl")}
        for one in ("with", "without")
    ]
    assert messages[0] == messages[1]


@pytest.mark.parametrize(
    ("code", "message"), [(500, "INTERNAL"), (400, "INPUT_METHOD_INVALID"), (420, "FLOOD_WAIT_7"), (406, "")]
)
@pytest.mark.parametrize("method", ["account.initTakeoutSession", "messages.getSplitRanges"])
def test_try_goes_on_without_whatever_the_server_says(
    takeouts: Exporter, tmp_path: Path, method: str, code: int, message: str
) -> None:
    takeouts.dc.control("lie", method=method, lie="refuse", code=code, message=message)
    try:
        done = takeouts.run(tmp_path, "--takeout", "try", "100002223")
    finally:
        takeouts.dc.control("lie", method=method, lie=None)
    assert "continuing without it" in done.stderr


def test_a_killed_run_leaves_it_open_and_the_next_one_takes_it_up(takeouts: Exporter, tmp_path: Path) -> None:
    takeouts.dc.control("set", latency_ms=40)
    archive = tmp_path / "archive"
    with ended(takeouts.start(archive, "--takeout", "yes", "--max-in-flight", "2", BULK)) as process:
        until = time.monotonic() + 60
        while takeouts.calls()[HISTORY] < 20:
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.05)
        for one in members(process.pid):
            one.send_signal(signal.SIGKILL)
    takeouts.calm()
    events = takeouts.events(archive, "--takeout", "yes", BULK)
    calls = takeouts.calls()
    assert "account.initTakeoutSession" not in calls
    assert calls["account.finishTakeoutSession"] == 1
    assert states(events) == ["requested", "granted", "finished"]


def test_an_interrupted_run_leaves_it_open(takeouts: Exporter, tmp_path: Path) -> None:
    takeouts.dc.control("set", latency_ms=40)
    with ended(takeouts.start(tmp_path / "archive", "--takeout", "yes", "--max-in-flight", "2", BULK)) as process:
        until = time.monotonic() + 60
        while takeouts.calls()[HISTORY] < 10:
            assert time.monotonic() < until
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(60) == -signal.SIGINT
    assert "account.finishTakeoutSession" not in takeouts.calls()
    takeouts.calm()
    takeouts.run(tmp_path / "archive", "--takeout", "yes", BULK)
    assert "account.initTakeoutSession" not in takeouts.calls()


def test_a_delay_says_until_when_and_has_its_exit_code(takeouts: Exporter, tmp_path: Path) -> None:
    takeouts.dc.control("set", takeout_delay=3600)
    done = takeouts.run(tmp_path / "archive", "--takeout", "yes", MIDDLE, code=ExitCode.DELAYED)
    assert "Traceback" not in done.stderr
    assert "takeout of main: waiting until 20" in done.stderr
    assert "allows the takeout of account main only in" in done.stderr
    assert HISTORY not in takeouts.calls()


def test_try_goes_on_without_where_it_is_delayed(takeouts: Exporter, tmp_path: Path) -> None:
    takeouts.dc.control("set", takeout_delay=3600)
    events = takeouts.events(tmp_path / "archive", "--takeout", "try", MIDDLE)
    assert states(events) == ["requested", "waiting"]
    assert [chat["marked_id"] for chat in events[-1]["complete"]] == [MIDDLE_ID]


def test_the_limits_of_a_takeout_are_its_own(takeouts: Exporter, tmp_path: Path) -> None:
    takeouts.dc.control("flood", method=HISTORY, rate=0.001, burst=1)
    takeouts.dc.control("flood", method=HISTORY, rate=1000, burst=1000, takeout=True)
    takeouts.run(tmp_path / "archive", "--takeout", "yes", MIDDLE)
    assert takeouts.dc.counters()["methods"][HISTORY]["floods"] == 0
    assert chat_json(tmp_path / "archive", MIDDLE_ID)["state"] == "complete"
    takeouts.dc.control("flood", method=HISTORY, takeout=True)
