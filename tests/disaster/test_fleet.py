"""A small fleet: two hosts, one of which is killed amid a chat. `make fleet-test` has three hosts and sixty chats."""
from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from disaster.fleet import PATIENCE, Fleet
from disaster.fleet_log import FleetLog
from support.postgres import postgres, programs
from tgbulk.perf.simdc.launcher import SimDC

#: Seconds after which another host takes over; a busy machine may be silent for some.
LEASE = 8.0

pytestmark = pytest.mark.skipif(programs() is None, reason="PostgreSQL is not installed")


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with SimDC("--accounts", "3", "--bulk", "large=3000", "--bulk", "small=100", "--latency", "20") as dc, \
            postgres() as database:
        running = Fleet(dc, database, tmp_path, 2, LEASE)
        try:
            yield running
        finally:
            running.stop()


def test_what_a_killed_host_had_goes_to_another(fleet: Fleet) -> None:
    chats = ["@sim_large", "@sim_small"]
    log = FleetLog(fleet.dc)
    assert fleet.plan(chats).startswith("2 queued")
    assert fleet.plan(chats).startswith("0 queued, 2 were")
    first, second = fleet.hosts
    fleet.dc.control("set", latency_ms=300)
    first.start()
    until = time.monotonic() + PATIENCE
    while not list(fleet.folder.glob("store/public/*/messages/*")):
        assert time.monotonic() < until, fleet.logs()
        time.sleep(0.1)
    first.kill()
    first.process = None  # it stays away
    fleet.dc.control("set", latency_ms=0)
    second.start()
    assert fleet.wait(2) == {"succeeded": 2}
    assert fleet.differences(2) == []
    assert list(log.shared()) == []
    assert second.stop() == 11
    assert "handed out again" in (second.home / "log").read_text()
    assert fleet.plan(chats).startswith("0 queued, 2 were")
