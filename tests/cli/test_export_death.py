"""Exports that are interrupted or lose a process: nothing stays behind, and the archive comes out the same."""
from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.exporter import HISTORY, Exporter, contents, ended, interrupt, member, members

BULK, MIDDLE = "@sim_bulk", "@sim_middle"
#: Slow enough to be met half way through 50 pages.
SLOW = {"latency_ms": 60}
#: Seconds in which a run's processes must be gone.
LIMIT = 5


@pytest.fixture(scope="module")
def whole(_exporter: Exporter, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The archive of an undisturbed run, one request at a time."""
    _exporter.calm()
    archive = tmp_path_factory.mktemp("whole") / "archive"
    _exporter.run(archive, MIDDLE, "--max-in-flight", 1)
    return stable(archive)


@pytest.fixture
def slow(exporter: Exporter) -> Exporter:
    exporter.dc.control("set", **SLOW, methods=[HISTORY])
    return exporter


@pytest.fixture(autouse=True)
def _leaves_nothing(_exporter: Exporter) -> Iterator[None]:
    yield
    assert os.listdir(_exporter.tgbulk.environment["TMPDIR"]) == []
    assert [name for name in os.listdir("/dev/shm") if "tgbulk" in name] == []


def stable(archive: Path) -> dict[str, bytes]:
    """Messages to the byte, peers by content: the order in which they were met is that of the answers."""
    found = {name: text for name, text in contents(archive).items() if not name.endswith("chat.json")}
    return {n: b"".join(sorted(t.splitlines(True))) if n.endswith("peers.jsonl") else t for n, t in found.items()}


def wait_for(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not what():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.02)


def half_way(exporter: Exporter, pages: int = 15) -> None:
    wait_for(lambda: exporter.calls()[HISTORY] >= pages)


def test_the_fast_walk_gives_the_same_archive(exporter: Exporter, tmp_path: Path) -> None:
    """20,000 messages by ranges, answers in any order, two workers, against one request at a time."""
    exporter.run(tmp_path / "one", BULK, "--max-in-flight", 1)
    one = exporter.calls()[HISTORY]
    exporter.dc.control("set", latency_ms=30, jitter_ms=30, methods=[HISTORY])
    exporter.dc.control("reset")
    exporter.run(tmp_path / "many", BULK, "--workers", 2)
    assert stable(tmp_path / "many") == stable(tmp_path / "one")
    assert stable(tmp_path / "one")["chats/-1003000000001/messages.jsonl"].count(b"\n") == 20000
    assert one <= 202
    assert exporter.calls()[HISTORY] <= 200 + 60


def test_ctrl_c_then_again(slow: Exporter, tmp_path: Path, whole: dict[str, bytes]) -> None:
    archive = tmp_path / "archive"
    with ended(slow.start(archive, MIDDLE)) as process:
        half_way(slow)
        interrupt(process)
        assert process.wait(LIMIT) == -signal.SIGINT
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read() == ""
        said = process.stderr.read()
        assert said.count("run the same command again to continue") == 1
        assert "Traceback" not in said
        assert members(process.pid) == []
    before = slow.calls()[HISTORY]
    assert before < 50
    slow.run(archive, MIDDLE)
    assert stable(archive) == whole
    assert slow.calls()[HISTORY] <= 50 + 30


def test_a_second_signal_ends_it_at_once(slow: Exporter, tmp_path: Path, whole: dict[str, bytes]) -> None:
    archive = tmp_path / "archive"
    with ended(slow.start(archive, MIDDLE)) as process:
        half_way(slow)
        slow.dc.control("set", latency_ms=20_000, methods=[HISTORY])
        time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT) == 11
        assert members(process.pid) == []
    slow.calm()
    slow.run(archive, MIDDLE)
    assert stable(archive) == whole


def test_a_killed_supervisor(slow: Exporter, tmp_path: Path, whole: dict[str, bytes]) -> None:
    archive = tmp_path / "archive"
    with ended(slow.start(archive, MIDDLE)) as process:
        half_way(slow)
        assert len(members(process.pid)) >= 5
        process.kill()
        process.wait()
        deadline = time.monotonic() + LIMIT
        while members(process.pid):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    slow.run(archive, MIDDLE)
    assert stable(archive) == whole


def test_a_killed_worker_is_replaced(slow: Exporter, tmp_path: Path, whole: dict[str, bytes]) -> None:
    archive = tmp_path / "archive"
    with ended(slow.start(archive, MIDDLE, "--workers", "2")) as process:
        half_way(slow)
        member(process.pid, "process-").kill()
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0
        assert "was killed by signal 9; its pages go to another worker" in said
    assert stable(archive) == whole


@pytest.mark.parametrize("name", ["fetch", "write"])
def test_a_killed_stage(slow: Exporter, tmp_path: Path, whole: dict[str, bytes], name: str) -> None:
    archive = tmp_path / "archive"
    with ended(slow.start(archive, MIDDLE)) as process:
        half_way(slow)
        member(process.pid, name).kill()
        _, said = process.communicate(timeout=60)
        assert f"the {name} process was killed by signal 9" in said
        assert "Traceback" not in said
        assert members(process.pid) == []
    slow.run(archive, MIDDLE)
    assert stable(archive) == whole


def test_ctrl_c_in_a_flood_wait_does_not_sit_it_out(exporter: Exporter, tmp_path: Path) -> None:
    exporter.dc.control("flood", method=HISTORY, rate=0.01, burst=5)
    with ended(exporter.start(tmp_path / "archive", MIDDLE)) as process:
        half_way(exporter, 6)
        time.sleep(0.3)
        interrupt(process)
        assert process.wait(LIMIT) == -signal.SIGINT
