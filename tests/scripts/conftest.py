from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from exporter import CALM, Exporter
from medium import BIG, GET_FILE, SMALL

from perf.simdc.launcher import SimDC

COMMAND = str(Path(sys.executable).parent / "tgbulk")
#: One for every test that spoils one; index 1 has a password.
ACCOUNTS = 4
#: Seconds that a command may take on a busy machine.
TIMEOUT = 90


@pytest.fixture(scope="session")
def dc() -> Iterator[SimDC]:
    with SimDC("--accounts", str(ACCOUNTS)) as running:
        yield running


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

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """The command in a session of its own, not waited for."""
        return subprocess.Popen(
            [COMMAND, *arguments],
            env=dict(self.environment),
            cwd=self.home,
            stdin=subprocess.DEVNULL,
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


@pytest.fixture
def tgbulk(dc: SimDC, tmp_path: Path) -> Tgbulk:
    return at_home(dc, tmp_path)


@pytest.fixture(scope="session")
def _exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    with SimDC("--accounts", "3", "--bulk", "bulk=20000", "--bulk", "changing=3000", "--bulk", "middle=5000") as running:
        yield Exporter(at_home(running, tmp_path_factory.mktemp("home")))


@pytest.fixture
def exporter(_exporter: Exporter) -> Exporter:
    """Two accounts of a server with large chats, logged in; what a test does to the server's temper ends with it."""
    _exporter.calm()
    return _exporter


@pytest.fixture(scope="session")
def _media_exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    shapes = [f"--files={name}={count}x{size}" for name, (count, size) in (("big", BIG), ("small", SMALL))]
    with SimDC(*shapes, "--files=gone=3x1000", "--files=lost=2x1000", "--files=shared=700x500") as running:
        yield Exporter(at_home(running, tmp_path_factory.mktemp("home")))


@pytest.fixture
def media_exporter(_media_exporter: Exporter) -> Exporter:
    """The same for a server with files."""
    _media_exporter.dc.control("set", **CALM, short_rate=0, cdn_rate=0, reference_lifetime=86400)
    for method in (GET_FILE, "channels.getMessages"):
        _media_exporter.dc.control("flood", method=method)
    _media_exporter.calm()
    return _media_exporter


@pytest.fixture(scope="session")
def truth(_media_exporter: Exporter, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int, str], dict[str, Any]]:
    """The server's files by kind, id and size letter."""
    folder = tmp_path_factory.mktemp("truth")
    _media_exporter.dc.control("truth", folder=str(folder))
    rows = json.loads((folder / "0" / "media.json").read_text())
    return {(row["kind"], row["id"], row["letter"]): row for row in rows}
