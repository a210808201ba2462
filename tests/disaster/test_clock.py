"""A clock that is set while an export goes on, and between two of them."""
from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from support.clock import DAY, Clock
from support.rig import CHATS, SLOWLY, Rig, differences


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock.make(tmp_path / "clock")


@pytest.mark.parametrize("days", [-1, 1])
def test_a_clock_that_jumps(rig: Rig, archive: Path, reference: dict[str, Any], clock: Clock, days: int) -> None:
    """By a day in the middle of an export: nobody hangs, waits for it or takes it for a day that has passed."""
    began = time.monotonic()
    with rig.slow():
        export = rig.start(archive, *SLOWLY, **clock.variables)
        export.wait_for_commit(archive)
        clock.jump(days * DAY)
        time.sleep(2)
    code, said = export.end()
    lasted = time.monotonic() - began
    assert code == 0, said
    assert "did not respond" not in said
    assert differences(archive, reference) == []
    run = next(archive.glob("runs/*"))
    for name in ("summary", "metrics"):
        assert 0 < orjson.loads((run / f"{name}.json").read_bytes())["seconds"] < lasted


@pytest.mark.parametrize("days", [-1, 1])
def test_a_clock_that_was_set_between_two_exports(
    rig: Rig, archive: Path, reference: dict[str, Any], clock: Clock, days: int
) -> None:
    assert rig.export(archive, chats=CHATS[2:]).returncode == 0
    clock.jump(days * DAY)
    done = rig.export(archive, **clock.variables)
    assert done.returncode == 0, done.stderr
    assert differences(archive, reference) == []
    assert rig.run("verify", archive).returncode == 0
