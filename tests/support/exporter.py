"""`tgbulk export` for tests: logged-in accounts, an archive a run, the server's truth, and what is left behind."""
from __future__ import annotations

import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from support.command import Tgbulk, forget_paces
from tgbulk.perf.proof import differences, truth_chats
from tgbulk.perf.simdc.launcher import SimDC
from tgbulk.stages.archive.folder import Archive

#: Everything that `set` can spoil, as a server starts.
CALM = {"latency_ms": 0, "jitter_ms": 0, "error_rate": 0, "drop_rate": 0, "methods": []}
HISTORY = "messages.getHistory"


class Exporter:
    """One home with the server's first two accounts logged in, as main and second."""

    def __init__(self, tgbulk: Tgbulk) -> None:
        self.tgbulk = tgbulk
        assert tgbulk.login().returncode == 0
        assert tgbulk.login(1, "--account", "second").returncode == 0

    @property
    def dc(self) -> SimDC:
        return self.tgbulk.dc

    def calm(self) -> None:
        """The server as it started, apart from what happened to its chats."""
        self.dc.control("set", **CALM)
        self.dc.control("flood", method=HISTORY)
        self.dc.control("reset")

    def forget_waits(self) -> None:
        """As if the long flood waits of earlier runs had passed."""
        forget_paces(self.tgbulk.home)

    def run(
        self, archive: Path, *words: object, code: int = 0, stdin: str = "", **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Export to the end; standard output must be clean for programs."""
        done = self.tgbulk("export", "-o", str(archive), *map(str, words), stdin=stdin, **variables)
        assert done.returncode == code, f"{done.returncode}, not {code}: {done.stderr}"
        if "--json" not in words:
            assert done.stdout == ""
        return done

    def events(self, archive: Path, *words: object, code: int = 0) -> list[dict[str, Any]]:
        """What --json says: every line an object, the summary last and only there."""
        events = [json.loads(line) for line in self.run(archive, *words, "--json", code=code).stdout.splitlines()]
        assert [event["event"] == "summary" for event in events] == [False] * (len(events) - 1) + [True]
        assert all(event["time"] > 1_600_000_000 for event in events)
        return events

    def start(self, archive: Path, *words: object) -> subprocess.Popen[str]:
        """Export in a session of its own, see `ended`."""
        return self.tgbulk.start("export", "-o", str(archive), *map(str, words))

    def calls(self) -> Counter[str]:
        """Calls by method since the last reset."""
        return Counter({name: count["calls"] for name, count in self.dc.counters()["methods"].items()})

    def truth(self, folder: Path, chats: list[int], account: int = 0) -> Path:
        """The folder of the ground truth of these chats, as an account must find them."""
        self.dc.control("truth", folder=str(folder), chats=chats, account=account)
        return folder / str(account)


@contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """Leave no process of this group behind, whatever a test thinks of it."""
    try:
        yield process
    finally:
        for one in members(process.pid):
            one.kill()
        process.kill()
        process.communicate()


def members(group: int) -> list[psutil.Process]:
    """The processes of a session: a run's children never leave it."""
    found = []
    for one in psutil.process_iter():
        try:
            if os.getsid(one.pid) == group and one.status() != psutil.STATUS_ZOMBIE:
                found.append(one)
        except (ProcessLookupError, psutil.NoSuchProcess):
            pass  # ended since it was listed
    return found


def member(group: int, name: str) -> psutil.Process:
    """The process of a run that is called tgbulk-<name>."""
    return next(one for one in members(group) if Path(f"/proc/{one.pid}/comm").read_text().strip() == f"tgbulk-{name}"[:15])


def wrong(archive: Path, truth: Path, chats: list[int] | None = None) -> dict[int, list[str]]:
    """The chats that differ from the truth, and how."""
    chats = truth_chats(truth) if chats is None else chats
    found = {marked: list(differences(Archive(archive), truth, marked)) for marked in chats}
    return {marked: texts for marked, texts in found.items() if texts}


def lines(archive: Path, marked: int, name: str = "messages") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (archive / "chats" / str(marked) / f"{name}.jsonl").read_bytes().splitlines()]


def chat_json(archive: Path, marked: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((archive / "chats" / str(marked) / "chat.json").read_bytes())
    return found


def contents(archive: Path) -> dict[str, bytes]:
    """The chats of an archive, byte for byte: what an unchanged chat must keep."""
    files = [path for path in sorted((archive / "chats").rglob("*")) if path.is_file()]
    return {str(path.relative_to(archive)): path.read_bytes() for path in files}


def interrupt(process: subprocess.Popen[str]) -> None:
    """Ctrl-C: the terminal sends it to everybody."""
    os.killpg(process.pid, signal.SIGINT)
