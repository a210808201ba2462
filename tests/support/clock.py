"""A clock of the day that is wrong for one command, by clock.c."""
from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

DAY = 86_400


@dataclass(frozen=True)
class Clock:
    """The clock of whoever has its `variables`; the monotonic one is the kernel's."""

    library: Path
    file: Path

    @classmethod
    def make(cls, folder: Path) -> Clock:
        """One that is right, in a new folder. Skips the test where there is no compiler."""
        if not shutil.which("gcc"):
            pytest.skip("there is no gcc, and nothing else sets the clock of one command")
        clock = cls(folder / "clock.so", folder / "clock")
        folder.mkdir()
        source = Path(__file__).with_suffix(".c")
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", clock.library, source], check=True)
        clock.jump(0)
        return clock

    @property
    def variables(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self.library), "CLOCK_FILE": str(self.file)}

    def jump(self, seconds: int) -> None:
        fresh = self.file.with_suffix(".new")
        fresh.write_text(str(seconds))
        fresh.replace(self.file)
