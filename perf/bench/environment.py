"""Virtual environments of the programs that tgbulk is compared with."""
from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tgbulk.perf.bench.error import NotRunnableError

#: Beside the results; `make clean` removes both.
CACHE = Path("bench-results/env").absolute()
#: Nobody should be slower for want of a fast cipher, and not every program asks for one.
CIPHER = "cryptg"


@dataclass(frozen=True, slots=True)
class Environment:
    """One program of PyPI, as `name==version`, in an environment of its own."""

    requirement: str

    def python(self) -> Path:
        """Its interpreter; makes the environment if it is not there. Raises NotRunnableError."""
        folder = CACHE / self.requirement.replace("==", "-")
        python, ready = folder / "bin" / "python", folder / ".ready"
        if not ready.exists():
            print(f"bench: installing {self.requirement} ...", file=sys.stderr)
            shutil.rmtree(folder, ignore_errors=True)
            self._run(sys.executable, "-m", "venv", str(folder))
            pip = (str(python), "-m", "pip", "--quiet", "--disable-pip-version-check")
            self._run(*pip, "install", self.requirement, CIPHER)
            ready.touch()
        return python

    def _run(self, *words: str) -> None:
        done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:]
            raise NotRunnableError(f"{self.requirement} cannot be installed: {' '.join(last)}")
