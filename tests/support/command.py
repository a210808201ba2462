"""The command `tgbulk` for tests, in a home of its own."""
from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tgbulk.perf.simdc.launcher import SimDC

COMMAND = str(Path(sys.executable).parent / "tgbulk")
#: One for every test that spoils one; index 1 has a password.
ACCOUNTS = 4
#: Seconds that a command may take on a busy machine.
TIMEOUT = 180


def forget_paces(home: Path) -> None:
    """As if no run from this home had met a flood wait, and those that are too long to sit out had passed."""
    for path in (home / "sessions").glob("*/*.pace"):
        path.unlink()


@dataclass(frozen=True)
class Tgbulk:
    """The real command in a home of its own, for one server."""

    home: Path
    environment: Mapping[str, str]
    dc: SimDC

    def __call__(self, *arguments: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [COMMAND, *arguments],
            env={**self.environment, **variables},
            cwd=self.home,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )

    def start(self, *arguments: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
        """The command in a session of its own, not waited for."""
        return subprocess.Popen(
            [COMMAND, *arguments],
            env=dict(self.environment),
            cwd=self.home,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def login(self, index: int = 0, *arguments: str) -> subprocess.CompletedProcess[str]:
        account = self.dc.accounts[index]
        words = ["login", "--phone", account["phone"], "--code", account["code"]]
        if "password" in account:
            words += ["--password-file", str(self.secret("password", account["password"]))]
        return self(*words, *arguments)

    def secret(self, name: str, text: str) -> Path:
        path = self.home / name
        path.touch(0o600)
        path.write_text(text + "\n")
        return path

    def files(self) -> dict[str, int]:
        """Name -> mode of everything under the folder of sessions."""
        return {path.name: path.stat().st_mode & 0o777 for path in (self.home / "sessions").rglob("*")}

    @property
    def session(self) -> Path:
        """The session file of account main."""
        return next((self.home / "sessions").glob("*/main.session"))


def at_home(dc: SimDC, home: Path) -> Tgbulk:
    """The command with nothing around it but this server and this home."""
    (home / "tmp").mkdir()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "TMPDIR": str(home / "tmp"),
        "LC_ALL": "C.UTF-8",
        "TERM": "xterm",
        "TZ": "UTC",
        "TGBULK_HOME": str(home),
        "TGBULK_SERVER": str(dc.server_file),
    }
    return Tgbulk(home, environment, dc)
