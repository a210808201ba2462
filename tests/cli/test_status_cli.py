"""`tgbulk status` at every stage of an archive, and `export --retry-failed`."""
from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from support.exporter import HISTORY, Exporter, chat_json, contents, ended, interrupt, lines
from tgbulk.engine.error import ExitCode
from tgbulk.stages.archive.folder import Archive

BUSY, NEW_HALF, OLD_HALF, BULK = -1001500000001, -1001500000002, -300000001, "@sim_bulk"
NOBODY = "@nobody_at_all"


def status(exporter: Exporter, root: Path) -> tuple[dict[str, Any], dict[int, dict[str, Any]]]:
    """(what --json says of the archive, of each chat)."""
    done = exporter.tgbulk("status", str(root), "--json")
    assert done.returncode == ExitCode.COMPLETE, done.stderr
    about, *chats = map(json.loads, done.stdout.splitlines())
    return about, {chat["id"]: chat for chat in chats}


@pytest.fixture(scope="module")
def partial(_exporter: Exporter, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two chats and a half, one name that is nobody's."""
    _exporter.calm()
    root = tmp_path_factory.mktemp("status") / "archive"
    _exporter.run(root, BUSY, NEW_HALF, NOBODY, code=ExitCode.PARTIAL)
    return root


@pytest.fixture
def root(partial: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(partial, tmp_path / "copy"))


def test_what_is_done_and_what_is_next(exporter: Exporter, root: Path) -> None:
    about, chats = status(exporter, root)
    assert about["running"] is None
    assert (about["last_run"]["result"], about["torn_journal_bytes"]) == ("partial", 0)
    assert list(chats) == [NEW_HALF, BUSY, OLD_HALF]
    busy = chats[BUSY]
    assert (busy["state"], busy["messages"], busy["next"]) == ("complete", len(lines(root, BUSY)), "asks for what is new")
    assert busy["statement"] == chat_json(root, BUSY)["statement"]
    assert busy["covered"] == [[1, lines(root, BUSY)[-1]["id"]]]


def test_the_table(exporter: Exporter, root: Path) -> None:
    before = contents(root)
    done = exporter.tgbulk("status", str(root))
    heading, *rows = done.stdout.splitlines()
    assert heading.split() == ["id", "type", "title", "state", "messages", "covered", "next"]
    assert len(rows) == 3
    said = done.stderr.splitlines()
    assert said[0].startswith("3 chats: 3 complete, 0 under way, 0 failed; ")
    assert said[1].startswith("edits and deletions of 3 chats are known until ")
    assert ", partial, " in said[2]
    assert said[3] == f"  {NOBODY}: nobody has this username"
    assert contents(root) == before
    assert not (root / "lock").exists()


def test_a_folder_that_was_moved_away_and_a_torn_journal(exporter: Exporter, root: Path) -> None:
    (root / "chats" / str(BUSY)).rename(root / "away")
    with open(root / "journal", "ab") as journal:
        journal.write(b"\1\0\0")
    about, chats = status(exporter, root)
    assert chats[BUSY]["next"] == "starts over, its folder is gone"
    assert about["torn_journal_bytes"] == 3
    assert "3 bytes that are not whole" in exporter.tgbulk("status", str(root)).stderr


def test_a_name_that_is_not_utf8(exporter: Exporter, root: Path) -> None:
    odd = root.with_name("odd \udcff")
    root.rename(odd)
    about, _ = status(exporter, odd)
    assert about["archive"].endswith("odd \ufffd")


def test_no_archive_and_a_broken_one(exporter: Exporter, root: Path, tmp_path: Path) -> None:
    assert exporter.tgbulk("status", str(tmp_path / "nowhere")).returncode == ExitCode.STORAGE
    about = (root / "archive.json").read_bytes()
    (root / "archive.json").write_text('{"format": 3}')
    done = exporter.tgbulk("status", str(root))
    assert (done.returncode, done.stdout) == (ExitCode.STORAGE, "")
    assert f"{root} has format 3; this version reads up to format 2" in done.stderr
    (root / "archive.json").write_bytes(about)
    (root / "journal").write_bytes(b"x" * 100)
    done = exporter.tgbulk("status", str(root))
    assert done.returncode == ExitCode.STORAGE
    assert "is damaged at byte 0" in done.stderr


def test_a_run_that_is_going_on(exporter: Exporter, root: Path) -> None:
    with Archive(root).open():
        about, _ = status(exporter, root)
        assert about["running"] == f"process {os.getpid()}"
        assert f"an export is running: process {os.getpid()}" in exporter.tgbulk("status", str(root)).stderr


def test_an_interrupted_run_is_seen_from_outside_and_finished_by_a_retry(exporter: Exporter, tmp_path: Path) -> None:
    root = tmp_path / "archive"
    exporter.dc.control("flood", method=HISTORY, rate=15, burst=5)
    with ended(exporter.start(root, BULK, "--gentle")) as process:
        marked = 0
        while not marked:
            assert process.poll() is None
            chats = status(exporter, root)[1] if (root / "archive.json").exists() else {}
            marked = next((i for i, chat in chats.items() if chat["messages"]), 0)
            time.sleep(0.1)
        about, chats = status(exporter, root)
        assert about["running"] == f"process {process.pid}"
        assert (chats[marked]["state"], chats[marked]["next"]) == ("open", "goes on")
        assert about["last_run"] is None
        interrupt(process)
        process.communicate()
    exporter.calm()
    about, chats = status(exporter, root)
    assert (about["running"], about["last_run"]["result"]) == (None, "interrupted")
    assert 0 < chats[marked]["messages"] < 20_000
    done = exporter.tgbulk("verify", str(root))
    assert (done.returncode, done.stdout.split()[0]) == (ExitCode.PARTIAL, "unfinished")
    exporter.run(root, "--retry-failed", "--no-gentle")  # the options of the run are repeated
    assert status(exporter, root)[1][marked]["state"] == "complete"
    assert exporter.tgbulk("verify", str(root)).returncode == ExitCode.COMPLETE
    done = exporter.run(root, "--retry-failed")
    assert done.stderr == "nothing to retry: no chat failed or was interrupted\n"


def test_a_retry_touches_only_what_failed(exporter: Exporter, root: Path) -> None:
    """Telegram asks for a pause of hours: the chat is parked, and named with its reason."""
    exporter.dc.control("mutate", chat=BUSY, insert=1)
    exporter.dc.control("flood", method=HISTORY, rate=0.0005, burst=1)
    exporter.dc.control("boxes", keep=0)  # what changed cannot be told: the chat is walked
    exporter.run(root, BUSY, "--recheck", "none", code=ExitCode.PARKED)
    exporter.dc.control("boxes", keep=100_000)
    exporter.calm()
    exporter.forget_waits()
    about, chats = status(exporter, root)
    assert {i for i, chat in chats.items() if chat["state"] != "complete"} == {BUSY}
    busy = chats[BUSY]
    assert (busy["state"], busy["next"]) == ("failed", "tries again")
    assert "Telegram asks to wait" in busy["reason"]
    assert busy["statement"]["missing"] == [[busy["covered"][-1][1] + 1, 0]]
    assert [one["marked_id"] for one in about["last_run"]["failed"]] == [BUSY]
    done = exporter.tgbulk("verify", str(root))
    assert done.returncode == ExitCode.PARTIAL
    assert done.stdout.count("unfinished: ") == 1
    exporter.dc.control("reset")
    exporter.run(root, "--retry-failed")
    # The end, and the newest message: the server counts more than it gives, and the run that failed has not said how much.
    assert exporter.calls()[HISTORY] == 2
    assert {chat["state"] for chat in status(exporter, root)[1].values()} == {"complete"}


def test_a_name_that_was_not_found_is_tried_again(exporter: Exporter, root: Path) -> None:
    done = exporter.run(root, "--retry-failed", code=ExitCode.NOTHING)
    assert NOBODY in done.stderr
    assert exporter.calls()[HISTORY] == 0


def test_retry_goes_without_chats(exporter: Exporter, root: Path) -> None:
    assert "goes without chats" in exporter.run(root, BUSY, "--retry-failed", code=ExitCode.USAGE).stderr
