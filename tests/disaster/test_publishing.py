"""A few kills of exports and publishers at random moments; `make store-torture` has two hundred."""
from __future__ import annotations

from pathlib import Path
from typing import Any

from disaster.publishing import LATENCY as SLOWER
from disaster.publishing import Publishing
from support.rig import LATENCY, Rig

KILLS = 8


def test_whoever_is_killed_the_store_is_whole_or_unfinished(rig: Rig, reference: dict[str, Any], tmp_path: Path) -> None:
    publishing = Publishing(rig, reference, tmp_path, seed=1)
    rig.dc.control("set", latency_ms=SLOWER)
    try:
        publishing.go(KILLS)
    finally:
        rig.dc.control("set", latency_ms=LATENCY)
    assert publishing.faults == []
    assert publishing.kills >= KILLS
