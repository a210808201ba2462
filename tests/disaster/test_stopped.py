"""Processes that stand still, and a command that is asked to stop."""
from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from rig import LEAVE_SECONDS, SLOWLY, Rig, differences, left_after


@pytest.mark.parametrize("victim", ["fetch", "write", "process", "forkserver"])
def test_one_that_stands_still_is_killed_and_made_good(
    rig: Rig, archive: Path, reference: dict[str, Any], victim: str
) -> None:
    with rig.slow():
        export = rig.start(archive, *SLOWLY, "--hang-after", "2")
        export.wait_for_commit(archive)
        export.wait_for(victim).suspend()
    code, said = export.end()
    assert code == 0, said
    if victim != "forkserver":
        assert "gave no sign of life" in said
        stack = next(archive.glob(f"runs/*/hang-{victim}*.txt")).read_text()
        assert "File " in stack
        assert "in main" in stack
    assert differences(archive, reference) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_stops_in_order(
    rig: Rig, archive: Path, reference: dict[str, Any], number: signal.Signals
) -> None:
    with rig.slow():
        export = rig.start(archive, *SLOWLY)
        export.wait_for_commit(archive)
        os.killpg(export.process.pid, number)
    code, said = export.end()
    assert code == 11, said
    assert "run the same command again" in said
    assert not (archive / "lock").exists()
    assert rig.finish(archive) == 1
    assert differences(archive, reference) == []


@pytest.mark.parametrize("victim", ["fetch", "write"])
def test_the_second_signal_ends_what_does_not_stop(
    rig: Rig, archive: Path, reference: dict[str, Any], victim: str
) -> None:
    with rig.slow():
        export = rig.start(archive, *SLOWLY)
        export.wait_for_commit(archive)
        members = export.members()
        members[victim].suspend()
        export.process.send_signal(signal.SIGINT)
        assert export.process.stdout is not None
        assert "once more to stop at once" in export.process.stdout.readline()
        export.process.send_signal(signal.SIGINT)
    code, said = export.end()
    assert code == 11, said
    assert left_after(LEAVE_SECONDS, list(members.values())) == []
    assert rig.finish(archive) == 1
    assert differences(archive, reference) == []


def test_what_is_killed_again_and_again_is_given_up(rig: Rig, archive: Path, reference: dict[str, Any]) -> None:
    with rig.slow():
        export = rig.start(archive, *SLOWLY)
        for _ in range(4):
            victim = export.wait_for("fetch")
            victim.kill()
            left_after(LEAVE_SECONDS, [victim])
    code, said = export.end()
    assert code == 1, said
    assert "the fetch process was killed by signal 9, once too often to go on" in said
    assert rig.finish(archive) == 1
    assert differences(archive, reference) == []
