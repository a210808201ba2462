"""Processes killed with SIGKILL, one after the other, several at once, and the command itself."""
from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from support.rig import LEAVE_SECONDS, SLOWLY, Rig, differences, left_after


@pytest.mark.parametrize("victim", ["fetch", "write", "forkserver", "process", "collect"])
def test_one_that_is_killed_is_made_good_within_the_run(
    rig: Rig, archive: Path, reference: dict[str, Any], victim: str
) -> None:
    with rig.slow():
        export = rig.start(archive, *SLOWLY)
        export.wait_for_commit(archive)
        export.wait_for(victim).kill()
    code, said = export.end()
    assert code == 0, said
    named = {"forkserver": "the fork server", "process": "process-"}.get(victim, victim)
    assert named in said
    assert differences(archive, reference) == []


def test_the_command_is_killed_and_nobody_is_left(rig: Rig, archive: Path, reference: dict[str, Any]) -> None:
    """Not even a worker that was stopped, and a fork server that was."""
    with rig.slow():
        export = rig.start(archive, *SLOWLY)
        export.wait_for_commit(archive)
        members = export.members()
        for name, process in members.items():
            if name.startswith(("process", "forkserver")):
                process.suspend()
        export.process.kill()
    assert left_after(LEAVE_SECONDS, list(members.values())) == []
    export.close()
    assert rig.finish(archive) == 1
    assert differences(archive, reference) == []


def test_the_whole_group_is_killed(rig: Rig, archive: Path, reference: dict[str, Any]) -> None:
    with rig.slow():
        export = rig.start(archive, *SLOWLY)
        export.wait_for_commit(archive)
        members = export.members()
        os.killpg(export.process.pid, signal.SIGKILL)
    assert left_after(LEAVE_SECONDS, list(members.values())) == []
    export.close()
    assert rig.finish(archive) == 1
    assert differences(archive, reference) == []
