"""A small channel with all that belongs to it, killed three times; `make community` has the large one."""
from __future__ import annotations

from pathlib import Path

from disaster.community import Size, trial, undisturbed
from support.rig import Rig
from tgbulk.perf.simdc.launcher import SimDC

SMALL = Size(200, 1_000, 450)


def test_it_is_whole_whatever_is_killed(tmp_path: Path) -> None:
    with SimDC("--community", SMALL.option, "--latency", "60") as dc:
        rig = Rig.make(dc, tmp_path / "home")
        assert undisturbed(dc, rig, tmp_path) == []
        assert trial(dc, rig, 3, tmp_path) == []
        assert rig.left() == []
