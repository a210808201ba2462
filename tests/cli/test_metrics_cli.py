"""metrics.json against clocks of the tests' own, in runs that are slow on purpose and in runs that end badly."""
from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.command import COMMAND, TIMEOUT, Tgbulk, at_home
from support.terminal import Terminal
from tgbulk.engine.metric import PERIOD
from tgbulk.perf.simdc.launcher import SimDC

#: Starts tgbulk with some processes replaced by those of slowed.py.
LAUNCH = """
import json, sys
from tgbulk.engine.entry import EntryPoint
from tgbulk.stages.run import attempt
for name, place in json.loads(sys.argv.pop(1)).items():
    setattr(attempt.EntryPoints, name, EntryPoint(place))
from tgbulk.cli.main import main
main()
"""
CHAT = "@sim_slow"
PAGES = 60
#: How far metrics.json may be from the other clock, relative.
AGREE = 0.05


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tgbulk]:
    with SimDC("--bulk", f"slow={100 * PAGES}") as dc:
        home = at_home(dc, tmp_path_factory.mktemp("home"))
        assert home.login().returncode == 0
        yield home


def export(home: Tgbulk, folder: Path, **targets: str) -> dict[str, Any]:
    """metrics.json of an export with these processes replaced, and what their clocks say under `clocks`."""
    folder.mkdir(exist_ok=True)
    here = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", LAUNCH, json.dumps(targets), "export", CHAT, "-o", str(folder / "archive")],
        env={**home.environment, "SLOWED_FOLDER": str(folder), "PYTHONPATH": here},
        cwd=home.home, capture_output=True, text=True, timeout=TIMEOUT, check=False,
    )
    assert done.returncode == 0, done.stderr
    found = metrics(folder / "archive")
    took = re.search(r"new messages in ([\d.]+) s", done.stderr)
    assert took is not None
    # Of a run that is over at once nothing is measured that says anything.
    assert found["bottleneck"]["sentence"] in done.stderr or float(took[1]) <= 2
    return found | {"clocks": {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}}


def metrics(archive: Path) -> dict[str, Any]:
    """The document of the only run."""
    (path,) = archive.glob("runs/*/metrics.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def agree(stage: dict[str, Any], clock: dict[str, Any]) -> None:
    assert stage["count"] == clock["count"]
    assert stage["total"] == pytest.approx(clock["total"], rel=AGREE)
    assert stage["mean"] == pytest.approx(clock["total"] / clock["count"], rel=AGREE)


def test_slow_processor(slow: Tgbulk, tmp_path: Path) -> None:
    found = export(slow, tmp_path / "run", process="support.slowed:process")
    agree(found["stages"]["process"], found["clocks"]["process"])
    assert found["stages"]["process"]["cpu"] >= found["clocks"]["process"]["count"] * 0.05
    assert found["bottleneck"]["name"] == "process"
    assert found["messages"] == 100 * PAGES


def test_slow_disk(slow: Tgbulk, tmp_path: Path) -> None:
    found = export(slow, tmp_path / "run", write="support.slowed:write")
    agree(found["stages"]["commit"], found["clocks"]["commit"])
    assert found["stages"]["write"]["waiting"]["downstream"] > 0.8 * found["clocks"]["disk"]["total"]
    assert found["bottleneck"]["name"] == "disk"


def test_far_away(slow: Tgbulk, tmp_path: Path) -> None:
    slow.dc.control("set", latency_ms=300, methods=["messages.getHistory"])
    try:
        found = export(slow, tmp_path / "run", fetch="support.slowed:fetch")
    finally:
        slow.dc.control("set", latency_ms=0, methods=[])
    history = found["requests"]["messages.getHistory"]
    agree(history, found["clocks"]["fetch"])
    assert history["min"] >= 0.3
    assert found["bottleneck"]["name"] == "latency"


def test_limited(slow: Tgbulk, tmp_path: Path) -> None:
    slow.dc.control("flood", method="messages.getHistory", rate=8, burst=4)
    slow.dc.control("reset")
    try:
        found = export(slow, tmp_path / "run")
        server = slow.dc.counters()["methods"]["messages.getHistory"]
    finally:
        slow.dc.control("flood", method="messages.getHistory")
    assert found["bottleneck"]["name"] == "limit"
    assert 1 <= found["floods"]["count"] <= server["floods"]
    assert found["floods"]["seconds_lost"] >= found["floods"]["count"] * 0.5
    assert found["requests"]["messages.getHistory"]["errors"] == sum(server["errors"].values())


def kill(run: subprocess.Popen[str], name: str, number: signal.Signals) -> None:
    """Send a signal to a process of the run as soon as it is there."""
    until = time.monotonic() + TIMEOUT
    while time.monotonic() < until:
        for process in psutil.Process(run.pid).children(recursive=True):
            if process.name() == f"tgbulk-{name}"[:15]:
                process.send_signal(number)
                return
        time.sleep(0.01)
    raise AssertionError(f"there is no {name}")


def wait_for_messages(archive: Path) -> None:
    until = time.monotonic() + TIMEOUT
    while not any(path.stat().st_size for path in archive.glob("chats/*/messages.jsonl")):
        assert time.monotonic() < until
        time.sleep(0.02)


def wait_for_a_snapshot(archive: Path) -> None:
    """What a process has counted since it last told is lost when it is killed."""
    wait_for_messages(archive)
    time.sleep(1.3 * PERIOD)


@pytest.fixture
def slowly(slow: Tgbulk) -> Iterator[Tgbulk]:
    """Answers take long enough to do something to the run meanwhile."""
    slow.dc.control("set", latency_ms=250, methods=["messages.getHistory"])
    yield slow
    slow.dc.control("set", latency_ms=0, methods=[])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_without_the_collector(slowly: Tgbulk, tmp_path: Path, number: signal.Signals) -> None:
    """It is killed, or stands still and its channel fills; the export does not notice."""
    archive = tmp_path / "archive"
    run = slowly.start("export", CHAT, "-o", str(archive), "--max-in-flight", "3")
    kill(run, "collect", number)
    _, said = run.communicate(timeout=TIMEOUT)
    assert run.returncode == 0, said
    assert (archive / "chats").exists()
    found = metrics(archive)
    assert not found["complete"]
    assert "collect was killed by signal 9" in found["reason"]
    assert found["messages"] == 100 * PAGES


def test_a_killed_worker(slowly: Tgbulk, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    run = slowly.start("export", CHAT, "-o", str(archive), "--max-in-flight", "3")
    wait_for_messages(archive)
    kill(run, "process-0", signal.SIGKILL)
    _, said = run.communicate(timeout=TIMEOUT)
    assert run.returncode == 0, said
    processes = metrics(archive)["resources"]["processes"]
    assert not processes["process-0"]["left_in_order"]
    assert processes["process-1"]["left_in_order"]


@pytest.mark.parametrize("times", [1, 2])
def test_interrupted(slowly: Tgbulk, tmp_path: Path, times: int) -> None:
    """Also at once, by a second signal."""
    archive = tmp_path / "archive"
    run = slowly.start("export", CHAT, "-o", str(archive), "--max-in-flight", "2")
    wait_for_a_snapshot(archive)
    for _ in range(times):
        os.kill(run.pid, signal.SIGINT)
    _, said = run.communicate(timeout=TIMEOUT)
    assert run.returncode == -signal.SIGINT, said
    found = metrics(archive)
    assert found["complete"]
    assert 0 < found["stages"]["fetch"]["count"] < PAGES


def test_killed_supervisor(slowly: Tgbulk, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    run = slowly.start("export", CHAT, "-o", str(archive), "--max-in-flight", "2")
    wait_for_a_snapshot(archive)
    run.kill()
    run.wait()
    until = time.monotonic() + TIMEOUT
    while not list(archive.glob("runs/*/metrics.json")):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert metrics(archive)["messages"] > 0


def test_nothing_to_export(slow: Tgbulk, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    done = slow("export", "@nobody_has_this", "-o", str(archive))
    assert done.returncode == 4
    assert metrics(archive)["requests"]["contacts.resolveUsername"]["errors"] == 1


def test_stages_on_a_terminal(slowly: Tgbulk, tmp_path: Path) -> None:
    command = [COMMAND, "export", CHAT, "-o", str(tmp_path / "archive"), "--max-in-flight", "3"]
    with Terminal(command, slowly.environment, slowly.home) as screen:
        assert screen.wait() == 0
        said = screen.screen
    plain = re.sub(r"\x1b\[[\d;]*m", "", said)
    assert re.search(r"\nstage +rate +queue +busy +CPU +waits *\n", plain)
    assert re.search(r"\nfetch +\d+/s +\d+ out +\d+% +\d+%", plain)
    assert re.search(r"\nprocess +\d+/s +\d+% +\d+%", plain)
    assert re.search(r"\nwrite +\d+/s +\d+ queued +\d+%", plain)
    # the lines are taken away before the last words
    assert "complete: 1 chat complete" in said.rpartition("\x1b[J")[2]


def test_media(slow: Tgbulk, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    done = slow("export", "me", "-o", str(archive), "--media", "all")
    assert done.returncode == 0, done.stderr
    found = metrics(archive)
    files = [path for path in (archive / "media").rglob("*") if path.is_file() and path.suffix != ".idx"]
    assert found["media"]["files"] > 0
    assert found["media"]["bytes"] <= sum(path.stat().st_size for path in files)
    assert found["stages"]["media"]["count"] == found["requests"]["upload.getFile"]["count"] > 0


def test_log(slow: Tgbulk, tmp_path: Path) -> None:
    """log.jsonl in every run; the same on standard error for log pipelines."""
    archive = tmp_path / "archive"
    done = slow("export", CHAT, "@nobody_has_this", "-o", str(archive), "--log-format", "json")
    assert done.returncode == 3
    said = [json.loads(line) for line in done.stderr.splitlines()]
    (path,) = archive.glob("runs/*/log.jsonl")
    kept = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["event"] for line in kept if line["level"] == "error"] == ["chat_failed", "summary"]
    assert {line["run"] for line in said + kept} == {path.parent.name}
    assert [line["event"] for line in said if line["event"] != "chat_progress"] == [line["event"] for line in kept]
