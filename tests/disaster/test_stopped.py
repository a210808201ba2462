"""Processes that stand still, and a command that is asked to stop."""
from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from support.rig import LEAVE_SECONDS, SLOWLY, Rig, differences, left_after
from tgbulk.stages.archive.folder import Archive


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
        assert "did not respond" in said
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
    assert code == (-number if number == signal.SIGINT else 11), said
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
        while "interrupt again to stop at once" not in (line := export.process.stdout.readline()):
            assert line
        export.process.send_signal(signal.SIGINT)
    code, said = export.end()
    assert code == -signal.SIGINT, said
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
    assert "the fetch process was killed by signal 9; it was restarted too often to continue" in said
    assert rig.finish(archive) == 1
    assert differences(archive, reference) == []


@pytest.mark.parametrize("taken", [False, True])
def test_a_lock_that_is_removed_under_a_run(
    rig: Rig, archive: Path, reference: dict[str, Any], taken: bool
) -> None:
    """It is made again, and said; where another process has the archive by then, this one ends at once."""
    with rig.slow():
        export = rig.start(archive, *SLOWLY)
        export.wait_for_commit(archive)
        (archive / "lock").unlink()
        if taken:
            with Archive(archive).lock():
                code, said = export.end()
    if not taken:
        code, said = export.end()
    assert code == (6 if taken else 0), said
    assert ("is in use by" if taken else "was removed while") in said
    if taken:
        assert rig.finish(archive) == 1
    assert differences(archive, reference) == []
