"""An export that a program runs, without the command line."""
from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.command import Tgbulk, at_home
from tgbulk.engine.error import ExitCode
from tgbulk.perf.simdc.launcher import SimDC
from tgbulk.stages.archive.summary import RunSummary
from tgbulk.stages.fetch.access import Access
from tgbulk.stages.fetch.error import AuthNeededError
from tgbulk.stages.fetch.server import read_server
from tgbulk.stages.protocol.event import ChatEnded, ChatFailed, ChatProgress
from tgbulk.stages.run.export import ExportRequest, run_export
from tgbulk.stages.run.outcome import Outcome


class Recorder:
    """A watcher that keeps what it is called with."""

    live = False

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.ticks = 0

    def on_start(self, run: str, chats: int) -> None:
        self.calls.append(("start", (run, chats)))

    def on_event(self, event: Any) -> None:
        self.calls.append(("event", event))

    def tick(self) -> None:
        self.ticks += 1

    def on_end(self, outcome: Outcome, summary: RunSummary) -> None:
        self.calls.append(("end", (outcome, summary)))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tgbulk]:
    with SimDC("--bulk", "middle=500") as dc:
        tgbulk = at_home(dc, tmp_path_factory.mktemp("home"))
        assert tgbulk.login().returncode == 0
        yield tgbulk


def access(home: Tgbulk, account: str = "main") -> Access:
    server = read_server(home.dc.server_file)
    assert server.api_id is not None
    assert server.api_hash is not None
    return Access(server.api_id, server.api_hash, server, Path(home.environment["TGBULK_HOME"]), account)


def test_a_watcher_gets_everything_and_the_archive_is_whole(home: Tgbulk, tmp_path: Path) -> None:
    watcher, root = Recorder(), tmp_path / "archive"
    outcome = run_export(ExportRequest(root, [access(home)], ["@sim_middle", "@sim_nobody_at_all"]), watcher)
    assert outcome.exit_code == ExitCode.PARTIAL
    assert outcome.cut_short == ExitCode.COMPLETE
    (run,) = [path.name for path in (root / "runs").iterdir()]
    assert watcher.calls[0] == ("start", (run, 2))
    name, (told, summary) = watcher.calls[-1]
    assert (name, told, summary.new_messages) == ("end", outcome, 500)
    events = [value for what, value in watcher.calls if what == "event"]
    assert [event.messages for event in events if isinstance(event, ChatEnded)] == [500]
    assert [event.name for event in events if isinstance(event, ChatFailed)] == ["@sim_nobody_at_all"]
    assert watcher.ticks > 0
    log = [json.loads(line) for line in (root / "runs" / run / "log.jsonl").read_text().splitlines()]
    assert {line["event"] for line in log} >= {"chat_started", "chat_failed", "chat_ended", "summary"}
    assert not any(line["event"] == "chat_progress" for line in log)
    assert any(isinstance(event, ChatProgress) for event in events)
    assert home("verify", str(root)).returncode == 0


def test_what_is_wrong_before_the_start_is_raised(home: Tgbulk, tmp_path: Path) -> None:
    watcher = Recorder()
    with pytest.raises(AuthNeededError):
        run_export(ExportRequest(tmp_path / "archive", [access(home, "nobody")], ["me"]), watcher)
    assert (watcher.calls, list(tmp_path.iterdir())) == ([], [])


def test_it_needs_no_command_line() -> None:
    code = "import sys, tgbulk.stages.run.export; sys.exit(bool({'click', 'telethon'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
