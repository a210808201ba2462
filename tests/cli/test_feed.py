"""`export --feed`: chats that are named while the run goes on."""
from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

from support.command import TIMEOUT
from support.exporter import HISTORY, Exporter, ended, interrupt, lines, member, wrong

KINDS, CHANGING, MIDDLE = -1001500000011, -1003000000002, -1003000000003
#: Slow enough to be met half way.
SLOW = {"latency_ms": 60}


class Feed:
    """A run with --feed and --json, and what it says."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.events: list[dict[str, Any]] = []

    def give(self, *names: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("".join(f"{name}\n" for name in names))
        self.process.stdin.flush()

    def until(self, event: str, **fields: object) -> dict[str, Any]:
        """The next event with these fields."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.events.append(json.loads(line))
            if self.events[-1]["event"] == event and fields.items() <= self.events[-1].items():
                return self.events[-1]
        raise AssertionError(f"no {event} came: {self.process.stderr and self.process.stderr.read()}")

    def close(self) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.stdin = None
        return self.until("summary")


@pytest.fixture
def feed(exporter: Exporter, tmp_path: Path) -> Iterator[Feed]:
    process = exporter.tgbulk.start("export", "--feed", "--json", "-o", str(tmp_path / "a"), stdin=subprocess.PIPE)
    killer = Timer(TIMEOUT, lambda: os.killpg(process.pid, signal.SIGKILL))  # what never comes must not be waited for
    killer.start()
    with ended(process):
        yield Feed(process)
        killer.cancel()


def test_names_that_come_late_end_at_once(exporter: Exporter, feed: Feed, tmp_path: Path) -> None:
    feed.give("@sim_kinds")
    assert feed.until("name_ended", line=1) | {"complete": [KINDS], "code": 0} == feed.events[-1]
    assert feed.events[-2]["event"] == "chat_ended"
    feed.give("", "# nothing", "@sim_nobody_at_all", "what is this", "x" * 600, "@sim_changing")
    assert feed.until("name_ended", name="@sim_changing")["complete"] == [CHANGING]
    ends = {one["line"]: one["code"] for one in feed.events if one["event"] == "name_ended"}
    assert ends == {1: 0, 4: 4, 5: 4, 6: 4, 7: 0}
    reasons = [one["reason"] for one in feed.events if one["event"] == "chat_failed"]
    assert sorted(reasons) == [
        "line 5: 'what is this' is no chat", "line 6: it has more than 512 bytes", "nobody has this username",
    ]  # fmt: skip
    # again, after something has happened: it is told what did, and asked for nothing else
    before = exporter.calls()[HISTORY]
    exporter.dc.control("mutate", chat="sim_changing", edit=2, delete=1)
    feed.give(CHANGING, CHANGING)
    feed.until("name_ended", line=9)
    again = [one for one in feed.events if one["event"] == "chat_ended" and one["marked_id"] == CHANGING][1:]
    assert sorted((one["edited"], one["deleted"], one["new"]) for one in again) == [(0, 0, 0), (2, 1, 0)]
    assert exporter.calls()[HISTORY] == before
    summary = feed.close()
    assert feed.process.wait() == summary["exit_code"] == 3
    assert len(summary["complete"]) == 4
    assert len(summary["failed"]) == 3
    assert not list((tmp_path / "a" / "runs").glob("*/request.json"))
    assert wrong(tmp_path / "a", exporter.truth(tmp_path / "truth", [KINDS])) == {}


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, 11)])
def test_a_signal_while_it_waits(feed: Feed, number: int, status: int) -> None:
    feed.give("me")
    feed.until("name_ended", line=1)
    interrupt(feed.process) if number == signal.SIGINT else feed.process.send_signal(number)
    summary = feed.until("summary")
    assert (summary["result"], summary["left"], len(summary["complete"])) == ("interrupted", 0, 1)
    assert feed.process.wait() == status


def test_killed_and_continued(exporter: Exporter, feed: Feed, tmp_path: Path) -> None:
    """First fetch alone, whose names go to the next one; then everything."""
    exporter.dc.control("set", **SLOW, methods=[HISTORY])
    feed.give("me", "@sim_middle")
    feed.until("name_ended", line=1)
    member(feed.process.pid, "fetch").kill()
    feed.until("restarted")
    feed.give("@sim_kinds")
    assert {feed.until("name_ended")["line"], feed.until("name_ended")["line"]} == {2, 3}
    feed.give("@sim_changing")
    feed.until("chat_started", marked_id=CHANGING)
    os.killpg(feed.process.pid, signal.SIGKILL)
    feed.process.wait()
    exporter.dc.control("set", **SLOW | {"latency_ms": 0})
    (request,) = (tmp_path / "a" / "runs").glob("*/request.json")
    assert "@sim_changing" in json.loads(request.read_bytes())["names"]
    exporter.run(tmp_path / "a", "--retry-failed")
    assert not request.exists()
    assert wrong(tmp_path / "a", exporter.truth(tmp_path / "truth", [KINDS, CHANGING, MIDDLE])) == {}


def test_a_file_of_names_and_none_at_all(exporter: Exporter, tmp_path: Path) -> None:
    names = tmp_path / "names"
    names.write_bytes(b"\xef\xbb\xbf@sim_kinds\r\nhttps://t.me/sim_middle/7-9\r\nt.me/sim_middle/30")
    words = ["export", "--feed", "-o", str(tmp_path / "a")]
    with names.open() as stream, ended(exporter.tgbulk.start(*words, stdin=stream.fileno())) as process:
        assert process.wait(TIMEOUT) == 0
    assert [one["id"] for one in lines(tmp_path / "a", MIDDLE)] == [7, 8, 9, 30]
    done = exporter.run(tmp_path / "b", "--feed")
    assert "complete: 0 chats complete, 0 failed" in done.stderr


@pytest.mark.parametrize("words", [("me",), ("--all",), ("--retry-failed",), ("--dry-run",), ("--job", "job.toml")])
def test_it_goes_alone(exporter: Exporter, tmp_path: Path, words: tuple[str, ...]) -> None:
    (exporter.tgbulk.home / "job.toml").write_text("gentle = true\n")
    done = exporter.run(tmp_path / "a", "--feed", *words, code=2)
    assert "--feed goes without other chats, --job, --retry-failed and --dry-run" in done.stderr
    assert not (tmp_path / "a").exists()
