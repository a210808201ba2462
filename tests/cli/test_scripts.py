"""The shell scripts against the simulated Telegram: a chat fails, a lock is held, a takeout is delayed, nobody answers."""
from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.command import COMMAND
from support.exporter import HISTORY, Exporter, ended

SCRIPTS = Path(__file__).parents[2] / "scripts"
TIMEOUT = 120
#: The account's channel, and a private chat that nobody may read.
CHANNEL, NOBODY = "-1001500000004", "@sim_nobody_at_all"


class Shell:
    """Runs a script, with an alert that notes what it is given."""

    def __init__(self, exporter: Exporter, folder: Path) -> None:
        self.exporter = exporter
        self.folder = folder
        self.alerts = folder / "alerts"
        alert = folder / "alert.sh"
        alert.write_text(f'#!/bin/sh\necho "$@" >> {self.alerts}\n')
        alert.chmod(0o755)
        own = {"TGBULK": COMMAND, "ALERT": str(alert), "PAUSE": "1", "TRIES": "3"}
        self.environment = {**exporter.tgbulk.environment, **own}

    def __call__(self, script: str, *words: object, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [str(SCRIPTS / script), *map(str, words)]
        return subprocess.run(
            command, env=self.environment | variables, cwd=self.folder, capture_output=True, text=True, timeout=TIMEOUT,
            check=False,
        )

    def list(self, *names: str) -> Path:
        path = self.folder / "list"
        path.write_text("# chats\n\n" + "\n".join(names) + "\n")
        return path

    def nowhere(self) -> str:
        """A server file that leads to a port where nobody listens."""
        path = self.folder / "server"
        path.write_text(self.exporter.dc.server_file.read_text().replace("port = ", "port = 9 #"))
        return str(path)

    def said(self) -> str:
        return self.alerts.read_text() if self.alerts.exists() else ""


@pytest.fixture
def shell(exporter: Exporter, tmp_path: Path) -> Shell:
    exporter.dc.control("set", takeout_delay=0)
    return Shell(exporter, tmp_path)


@contextmanager
def holding(shell: Shell, archive: Path) -> Iterator[subprocess.Popen[str]]:
    """A run that holds the account main: it has begun, and has pages left for minutes."""
    shell.exporter.dc.control("reset")
    with ended(shell.exporter.start(archive, "@sim_bulk", "--gentle")) as process:
        while not shell.exporter.calls()[HISTORY]:
            assert process.poll() is None
            time.sleep(0.05)
        yield process


@pytest.mark.parametrize("script", sorted(path.name for path in SCRIPTS.glob("*.sh")))
def test_shellcheck(script: str) -> None:
    tool = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if tool is None:
        pytest.skip("shellcheck is not installed")
    done = subprocess.run([tool, str(SCRIPTS / script)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    usage = subprocess.run([str(SCRIPTS / script)], capture_output=True, text=True, check=False)
    assert (usage.returncode, f"{script} " in usage.stderr) == (2, True)


def test_nightly_exports_the_channels_and_then_what_is_new(shell: Shell, tmp_path: Path) -> None:
    for _ in range(2):
        done = shell("nightly.sh", "a", TEXTFILE=str(tmp_path / "run.prom"))
        assert (done.returncode, shell.said()) == (0, ""), done.stderr
    assert [path.name for path in (tmp_path / "a" / "chats").iterdir()] == [CHANNEL]
    assert "tgbulk_last_run_exit_code" in (tmp_path / "run.prom").read_text()


def test_nightly_in_trouble(shell: Shell, tmp_path: Path) -> None:
    shell.exporter.dc.control("set", takeout_delay=86_400)
    assert shell("nightly.sh", "a").returncode == 0  # goes on without the takeout
    assert shell("nightly.sh", "a", NOBODY).returncode == 3
    with holding(shell, tmp_path / "b") as process:
        assert shell("nightly.sh", "a", WAIT_LOCK="1").returncode == 6
        process.send_signal(signal.SIGTERM)
        process.wait(TIMEOUT)
    assert shell("nightly.sh", "a", TGBULK_SERVER=shell.nowhere()).returncode == 7
    assert shell.said().splitlines() == [
        "3 a: some channels are not complete", "6 a: another run holds the account or the archive",
        "7 a: Telegram cannot be reached",
    ]


def test_a_list_of_which_one_chat_fails(shell: Shell, tmp_path: Path) -> None:
    done = shell("export-list.sh", shell.list("me", NOBODY), "a")
    assert done.returncode == 3
    assert shell.said() == "3 a: given up after 1 tries\n"
    assert [path.name for path in (tmp_path / "a" / "chats").iterdir()] == ["5000000001"]
    assert shell("export-list.sh", shell.list("me"), "a").returncode == 0
    assert len(shell.said().splitlines()) == 1
    assert shell("export-list.sh", shell.list("me", "1.5"), "a").returncode == 2


def test_a_list_waits_for_a_lock_and_for_the_takeout(shell: Shell, tmp_path: Path) -> None:
    shell.exporter.dc.control("set", takeout_delay=3)
    done = shell("export-list.sh", shell.list("me"), "a", "--takeout", "yes", TRIES="5")
    assert done.returncode == 0, done.stderr
    assert "exit code 9, try 1; again in " in done.stderr
    shell.exporter.dc.control("set", takeout_delay=0)
    with holding(shell, tmp_path / "b") as process:
        done = shell("export-list.sh", shell.list("me"), "a", TRIES="2")
        assert (done.returncode, "exit code 6, try 1; again in 1 s" in done.stderr) == (6, True)
        process.send_signal(signal.SIGTERM)
        process.wait(TIMEOUT)


def test_a_list_spread_over_accounts(shell: Shell, tmp_path: Path) -> None:
    names = ["@sim_kinds", "@sim_channel", "@sim_forum", "@sim_busy"]
    done = shell("spread.sh", shell.list(*names), "out", "main", "second")
    assert done.returncode == 0, done.stderr
    found = {one: {json.loads(path.read_text())["named"] for path in (tmp_path / "out" / one).glob("chats/*/chat.json")}
             for one in ("main", "second")}
    assert found == {"main": {names[0], names[2]}, "second": {names[1], names[3]}}
    assert shell("spread.sh", shell.list("me", NOBODY), "out", "main", "second").returncode == 3
    assert shell("spread.sh", shell.list(NOBODY), "out", "main", "second").returncode == 4
    assert shell("spread.sh", shell.list(), "out", "main").returncode == 2


def test_a_list_without_the_network(shell: Shell) -> None:
    done = shell("export-list.sh", shell.list("me"), "a", TRIES="2", TGBULK_SERVER=shell.nowhere())
    assert (done.returncode, "exit code 7, try 1; again in 1 s" in done.stderr) == (7, True)
    assert shell.said() == "7 a: given up after 2 tries\n"


def test_a_spread_list_in_trouble(shell: Shell, tmp_path: Path) -> None:
    """What all accounts have in common is the exit code; one account's trouble leaves the others their work."""
    names = shell.list("@sim_channel", "@sim_kinds")
    shell.exporter.dc.control("set", takeout_delay=86_400)
    assert shell("spread.sh", names, "out", "main", "second", OPTIONS="--takeout yes").returncode == 9
    shell.exporter.dc.control("set", takeout_delay=0)
    with holding(shell, tmp_path / "b") as process:
        done = shell("spread.sh", names, "out", "main", "second")
        assert (done.returncode, "in use" in done.stderr) == (3, True), done.stderr
        assert [path.parents[2].name for path in (tmp_path / "out").glob("*/chats/*/chat.json")] == ["second"]
        assert shell("spread.sh", names, "out", "main").returncode == 6
        process.send_signal(signal.SIGTERM)
        process.wait(TIMEOUT)
    assert shell("spread.sh", names, "out", "main", "second", TGBULK_SERVER=shell.nowhere()).returncode == 7
