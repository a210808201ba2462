"""A clock that is set while an export goes on, and between two of them."""
from __future__ import annotations

import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from rig import CHATS, SLOWLY, Rig, differences

DAY = 86_400


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """clock.c, compiled."""
    if not shutil.which("gcc"):
        pytest.skip("there is no gcc, and nothing else sets the clock of one command")
    path = tmp_path_factory.mktemp("clock") / "clock.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", path, Path(__file__).with_name("clock.c")], check=True)
    return path


@pytest.fixture
def clock(library: Path, tmp_path: Path) -> Clock:
    clock = Clock(library, tmp_path / "clock")
    clock.jump(0)
    return clock


@dataclass(frozen=True)
class Clock:
    """The clock of whoever has its `variables`; the monotonic one is the kernel's."""

    library: Path
    file: Path

    @property
    def variables(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self.library), "CLOCK_FILE": str(self.file)}

    def jump(self, seconds: int) -> None:
        fresh = self.file.with_suffix(".new")
        fresh.write_text(str(seconds))
        fresh.replace(self.file)


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
    assert "gave no sign of life" not in said
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
