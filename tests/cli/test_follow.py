"""`tgbulk follow`: what happens while it runs is in the archive, in order and without a question; what happens before and
after is caught up with."""
from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.command import Tgbulk, at_home
from support.exporter import HISTORY, Exporter
from support.medium import rows
from tgbulk.perf.simdc.launcher import SimDC
from tgbulk.stages.telegram.content import content

CHAT, PARTNER, FILES = -1003000000001, 5000000002, -1003500000001
NAMES = ["@sim_lively", "@sim_account_1"]
#: Seconds that a condition may take on a slow machine.
PATIENCE = 120.0


@pytest.fixture(scope="module")
def living(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    with SimDC("--accounts", "2", "--bulk", "lively=150", "--files", "files=3x1000") as running:
        yield Exporter(at_home(running, tmp_path_factory.mktemp("home")))


def records(archive: Path, chat: int, name: str) -> list[dict[str, Any]]:
    """The lines of a chat's file."""
    path = archive / "chats" / str(chat) / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait for it."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.1)


def following(tgbulk: Tgbulk, archive: Path) -> subprocess.Popen[str]:
    """A follower, which does not outlive the test."""
    process = tgbulk.start("follow", str(archive), *NAMES, "-q")
    _started.append(process)
    return process


_started: list[subprocess.Popen[str]] = []


@pytest.fixture(autouse=True)
def _ends() -> Iterator[None]:
    yield
    while _started:
        process = _started.pop()
        if process.poll() is None:
            process.kill()
            process.communicate()


def stopped(process: subprocess.Popen[str]) -> int:
    """The exit code after SIGTERM."""
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=PATIENCE)
    assert "Traceback" not in said
    return process.returncode


def test_versions_in_order_without_a_question(living: Exporter, tmp_path: Path) -> None:
    archive, address = tmp_path / "archive", tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service:
        service.bind(str(address))
        service.settimeout(PATIENCE)
        living.tgbulk.environment["NOTIFY_SOCKET"] = str(address)  # type: ignore[index]
        process = following(living.tgbulk, archive)
        del living.tgbulk.environment["NOTIFY_SOCKET"]  # type: ignore[attr-defined]
        assert service.recv(4096).startswith(b"READY=1")
        living.calm()
        ids = [one["id"] for one in records(archive, CHAT, "messages")]
        texts = [f"version {number}" for number in range(4)]
        for text in texts:
            living.dc.control("mutate", chat=CHAT, edit=[ids[5]], text=text)
        done = living.dc.control("mutate", chat=CHAT, insert=3, delete=ids[10:12])
        common = living.dc.control("mutate", chat="sim_account_1", insert=2)["insert"]
        living.dc.control("mutate", chat="sim_account_1", delete=[common[0]])
        until(lambda: len(records(archive, CHAT, "changes")) == 6, process)
        until(lambda: len(records(archive, PARTNER, "changes")) == 1, process)
        assert living.calls()[HISTORY] == 0
        assert not {"updates.getChannelDifference", "updates.getDifference"} & living.calls().keys()
        assert stopped(process) == 0
    told = records(archive, CHAT, "changes")
    assert [one["message"]["message"] for one in told if one["kind"] == "version"] == texts
    assert {one["id"] for one in told if one["kind"] == "deleted"} == set(ids[10:12])
    assert [one["id"] for one in records(archive, CHAT, "messages")][-3:] == done["insert"]
    assert [(one["kind"], one["id"]) for one in records(archive, PARTNER, "changes")] == [("deleted", common[0])]


def test_files_that_wait_do_not_spoil_its_end(living: Exporter, tmp_path: Path) -> None:
    """The next run downloads them."""
    archive = tmp_path / "archive"
    words = "@sim_files", "--media", "all"
    living.dc.control("set", latency_ms=3_600_000, methods=["upload.getFile"])
    try:
        process = living.tgbulk.start("follow", str(archive), *words, "--summary", str(tmp_path / "summary"))
        _started.append(process)
        until(lambda: len(records(archive, FILES, "messages")) == 3, process)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=PATIENCE)
        waiting = sum(row["state"] == "pending" for row in rows(archive))
    finally:
        living.calm()
    assert process.returncode == 0, said
    assert waiting
    assert f"{waiting} wait for the next run" in said
    summary = json.loads((tmp_path / "summary").read_text())
    assert (summary["result"], summary["media"]["waiting"]) == ("complete", waiting)
    living.run(archive, *words)
    assert sum(row["state"] == "done" for row in rows(archive)) >= waiting


def test_what_was_missed_is_asked_for(living: Exporter, tmp_path: Path) -> None:
    """Pushes are lost, doubled and late, connections cut, and between two runs nobody listens."""
    archive = tmp_path / "archive"
    living.run(archive, *NAMES)
    ids = [one["id"] for one in records(archive, CHAT, "messages")][20:50]
    living.dc.control("mutate", chat=CHAT, edit=ids[:1], text="before")
    process = following(living.tgbulk, archive)
    until(lambda: len(records(archive, CHAT, "changes")) == 1, process)
    living.dc.control("boxes", lose=0.4, double=0.4, reorder=0.4, delay=0.2)
    for number in ids:
        living.dc.control("mutate", chat=CHAT, edit=[number], text=f"changed {number}")
        living.dc.control("mutate", chat="sim_account_1", insert=1)
        if number == ids[15]:
            living.dc.control("drop")
    living.dc.control("boxes", lose=0.0, double=0.0, reorder=0.0, delay=0.0)
    gone = living.dc.control("mutate", chat=CHAT, delete=1)["delete"]
    living.dc.control("mutate", chat="sim_account_1", insert=1)
    top = living.dc.control("pts", chat=CHAT)
    until(lambda: {one["id"] for one in records(archive, CHAT, "changes")} >= {*ids, *gone}, process)
    count = living.dc.control("mutate", chat="sim_account_1", insert=1)["insert"][0]
    until(lambda: records(archive, PARTNER, "messages")[-1]["id"] == count, process)
    assert stopped(process) == 0
    found = [one["id"] for one in records(archive, PARTNER, "messages")]
    assert found == sorted(set(found))
    assert records(archive, CHAT, "changes")[-1]["pts"] == top
    living.calm()
    living.run(archive, *NAMES)
    assert living.calls()[HISTORY] == 0


def forms(archive: Path, chat: int) -> dict[int, tuple[bool, list[Any]]]:
    """id -> whether it is there, and its versions, the latest last."""
    found = {one["id"]: (True, [content(one)]) for one in records(archive, chat, "messages")}
    for one in records(archive, chat, "changes"):
        versions = found[one["id"]][1] if one["id"] in found else []
        found[one["id"]] = one["kind"] != "deleted", versions + ([content(one["message"])] if one.get("message") else [])
    return found


def test_interrupted_it_is_what_it_would_have_been(living: Exporter, tmp_path: Path) -> None:
    """Exported, followed, killed, followed, killed, exported: as another login's, which followed all the time."""
    (tmp_path / "home").mkdir()
    other = at_home(living.dc, tmp_path / "home")
    assert other.login().returncode == 0
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    steady = following(other, whole)
    until(lambda: len(records(whole, PARTNER, "messages")) > 0, steady)

    def change(text: str) -> None:
        for chat in (CHAT, PARTNER):
            edited = living.dc.control("mutate", chat=chat, edit=3, text=text)["edit"]
            living.dc.control("mutate", chat=chat, edit=edited[:1], insert=2, delete=2, text=f"{text}, once more")

    def caught_up(archive: Path, process: subprocess.Popen[str]) -> None:
        for chat in (CHAT, PARTNER):
            last = living.dc.control("mutate", chat=chat, insert=1)["insert"][0]
            until(lambda chat=chat, last=last: last in forms(archive, chat), process)  # type: ignore[misc]

    caught_up(whole, steady)
    living.run(cut, *NAMES)
    for _ in range(2):
        change("while nobody listens")
        process = following(living.tgbulk, cut)
        change("perhaps while it catches up")
        caught_up(cut, process)
        change("shortly before it is killed")
        process.kill()
        process.communicate()
    caught_up(whole, steady)
    living.run(cut, *NAMES)
    assert stopped(steady) == 0
    for chat in (CHAT, PARTNER):
        ours, theirs = forms(cut, chat), forms(whole, chat)
        alive = {number for number, (there, _) in theirs.items() if there}
        assert {number for number, (there, _) in ours.items() if there} == alive
        assert all(ours[number][1][-1] == theirs[number][1][-1] for number in alive)
        assert all(version in theirs[number][1] for number, (_, versions) in ours.items() for version in versions)
