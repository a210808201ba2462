"""Ten kills at random moments; `make torture` has a thousand."""
from __future__ import annotations

from pathlib import Path

from disaster.torture import MEDIA, TORTURE_LATENCY, Torture, Trial
from support.rig import CHATS, LATENCY, Rig

KILLS = 10


def test_whoever_is_killed_nothing_is_lost(rig: Rig, tmp_path: Path) -> None:
    trials = [Trial.make(rig, tmp_path / "plain", CHATS), Trial.make(rig, tmp_path / "media", *MEDIA)]
    torture = Torture(rig, trials, tmp_path, seed=1)
    rig.dc.control("set", latency_ms=TORTURE_LATENCY)
    try:
        torture.go(KILLS)
    finally:
        rig.dc.control("set", latency_ms=LATENCY)
    assert torture.faults == []
    assert (torture.lost, torture.doubled, torture.leaked) == (0, 0, 0)
    assert torture.kills >= KILLS
