"""`export --retry-failed` and `status` after runs that were cut short before they came to all of their chats."""
from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from support.exporter import HISTORY, Exporter, chat_json, ended
from tgbulk.engine.error import ExitCode
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.request import keep_request, left_of_requests, settle
from tgbulk.stages.archive.row import read_journal


@pytest.fixture(scope="module")
def chats(_exporter: Exporter) -> list[str]:
    """Some small chats, and a name that is nobody's."""
    listed = map(json.loads, _exporter.tgbulk("chats", "--json").stdout.splitlines())
    return [*[str(one["id"]) for one in listed if one["type"] == "private"][:8], "@nobody_at_all"]


def requests(root: Path) -> list[Path]:
    return list(root.glob("runs/*/request.json"))


def abouts(root: Path) -> list[Path]:
    return list(root.glob("chats/*/chat.json"))


def retry(exporter: Exporter, root: Path) -> list[str]:
    """What status says is left for a retry."""
    found: dict[str, Any] = json.loads(exporter.tgbulk("status", str(root), "--json").stdout.splitlines()[0])
    return list(found["retry"])


def cut(exporter: Exporter, root: Path, chats: list[str], number: int) -> None:
    """Export, and end the run with a signal to all when one of the chats has become complete."""
    made, began = requests(root), time.time()
    exporter.dc.control("set", latency_ms=400, methods=[HISTORY])
    with ended(exporter.start(root, *chats, "--max-in-flight", 1)) as process:
        while not any(about.stat().st_mtime > began and '"complete"' in about.read_text() for about in abouts(root)):
            assert process.poll() is None
            time.sleep(0.05)
        os.killpg(process.pid, number)
        process.communicate()
    exporter.calm()
    assert len(requests(root)) == len(made) + 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_chats_that_never_began_are_not_forgotten(exporter: Exporter, chats: list[str], tmp_path: Path, number: int) -> None:
    root = tmp_path / "archive"
    cut(exporter, root, chats, number)
    left = retry(exporter, root)
    assert 0 < len([name for name in left if not (root / "chats" / name).exists()]) <= len(left) < len(chats)
    assert f"--retry-failed asks for {len(left)} chats\n" in exporter.tgbulk("status", str(root)).stderr
    cut(exporter, root, left, number)
    assert 0 < len(retry(exporter, root)) < len(left)
    exporter.run(root, "--retry-failed", code=ExitCode.PARTIAL)
    assert {chat_json(root, int(chat))["state"] for chat in chats[:-1]} == {"complete"}
    assert (retry(exporter, root), requests(root)) == (chats[-1:], [])


def test_an_update_that_is_cut_short_goes_on(exporter: Exporter, chats: list[str], tmp_path: Path) -> None:
    """All chats are complete as of the run before; those that this one did not come to are asked for again."""
    root = tmp_path / "archive"
    exporter.run(root, *chats[:-1])
    assert (retry(exporter, root), requests(root)) == ([], [])
    exporter.dc.control("mutate", chat=int(chats[0]), step=1)
    exporter.dc.control("boxes", keep=0)  # what changed cannot be told: every chat is asked for pages
    try:
        cut(exporter, root, chats[:-1], signal.SIGKILL)
    finally:
        exporter.dc.control("boxes", keep=100_000)
    assert 0 < len(retry(exporter, root)) < len(chats) - 1
    exporter.run(root, "--retry-failed")
    assert (retry(exporter, root), requests(root)) == ([], [])


def test_a_request_goes_when_nothing_of_it_is_left(exporter: Exporter, chats: list[str], tmp_path: Path) -> None:
    root = tmp_path / "archive"
    first, second = chats[:2]
    archive = Archive(root)
    keep_request(archive.run("1"), [first, second])
    exporter.run(root, first)
    assert left_of_requests(archive, read_journal(archive).chats) == {archive.run("1"): [second]}
    settle(archive, ["me"])
    assert retry(exporter, root) == [second]
    settle(archive, [second])
    assert requests(root) == []


def test_a_damaged_request_is_told_by_verify(exporter: Exporter, chats: list[str], tmp_path: Path) -> None:
    root = tmp_path / "archive"
    exporter.run(root, chats[0])
    keep_request(Archive(root).run("1"), chats)
    assert exporter.tgbulk("verify", str(root)).returncode == ExitCode.COMPLETE
    (root / "runs" / "1" / "request.json").write_bytes(b"{}")
    done = exporter.tgbulk("verify", str(root))
    assert (done.returncode, "runs/1/request.json: it " in done.stdout) == (ExitCode.DAMAGED, True)
    assert retry(exporter, root) == []
