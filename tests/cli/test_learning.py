"""What changed between two exports is learnt from Telegram's update state, once, and nothing is asked that is known."""
from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.clock import DAY, Clock
from support.command import at_home
from support.exporter import HISTORY, Exporter
from tgbulk.perf.simdc.launcher import SimDC
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.row import read_journal

CHAT, NAME = -1003000000001, "@sim_lively"


@pytest.fixture(scope="module")
def living(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    with SimDC("--accounts", "2", "--bulk", "lively=300", "--bulk", "quiet=300") as running:
        yield Exporter(at_home(running, tmp_path_factory.mktemp("home")))


def changes(archive: Path, chat: int) -> list[dict[str, Any]]:
    """The lines of changes.jsonl."""
    path = archive / "chats" / str(chat) / "changes.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_an_edit_and_a_deletion_are_two_lines(living: Exporter, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    living.run(archive, NAME, "@sim_quiet")
    done = living.dc.control("mutate", chat=CHAT, edit=1, delete=1, insert=2)
    living.calm()
    living.run(archive, NAME, "@sim_quiet")
    calls = living.calls()
    assert (calls[HISTORY], calls["updates.getChannelDifference"]) == (0, 1)
    found = {(one["kind"], one["id"]) for one in changes(archive, CHAT)}
    assert found == {("version", done["edit"][0]), ("deleted", done["delete"][0])}
    living.calm()
    living.run(archive, NAME, "@sim_quiet")
    assert living.calls()[HISTORY] == 0
    assert len(changes(archive, CHAT)) == 2
    assert not (archive / "chats" / "-1003000000002" / "changes.jsonl").exists()


def test_what_nobody_names_is_found_within_a_day(living: Exporter, tmp_path: Path) -> None:
    """By the state of each channel's dialog, all of them in one question."""
    archive, clock = tmp_path / "archive", Clock.make(tmp_path / "clock")
    living.run(archive, NAME, "@sim_quiet")
    living.dc.control("boxes", unnamed=1.0)
    try:
        edited = living.dc.control("mutate", chat=CHAT, edit=1)["edit"]
        living.run(archive, NAME, "@sim_quiet")
        assert changes(archive, CHAT) == []
        clock.jump(2 * DAY)
        living.calm()
        done = living.tgbulk("export", "-o", str(archive), NAME, "@sim_quiet", **clock.variables)
        assert done.returncode == 0, done.stderr
        calls = living.calls()
        assert (calls["messages.getPeerDialogs"], calls["updates.getChannelDifference"], calls[HISTORY]) == (1, 1, 0)
        assert [one["id"] for one in changes(archive, CHAT)] == edited
    finally:
        living.dc.control("boxes", unnamed=0.0)


def unlooked(archive: Path) -> bool:
    """Whether the archive says that changes of the chat are unknown."""
    return bool(read_journal(Archive(archive)).chats[CHAT].unlooked)


def test_a_replica_that_is_behind_is_not_believed(living: Exporter, tmp_path: Path) -> None:
    """It would take back what was told of new messages, and hide what is to be looked at again."""
    archive = tmp_path / "archive"
    living.run(archive, NAME)
    done = living.dc.control("mutate", chat=CHAT, edit=1, delete=1)
    living.dc.control("boxes", keep=1)
    try:
        living.run(archive, NAME, "--recheck", "none")
        fresh = living.dc.control("mutate", chat=CHAT, insert=1)["insert"]
        living.run(archive, NAME, "--recheck", "none")
        assert unlooked(archive)
        living.dc.control("boxes", lag=1e6)
        said = living.run(archive, NAME, "--recheck", "all").stderr
        assert "stay unknown: @sim_lively: Telegram answers with what was there before" in said
        assert (changes(archive, CHAT), unlooked(archive)) == ([], True)
    finally:
        living.dc.control("boxes", keep=100_000, lag=0.0)
    living.run(archive, NAME, "--recheck", "all")
    found = {(one["kind"], one["id"]) for one in changes(archive, CHAT)}
    assert found == {("version", done["edit"][0]), ("deleted", done["delete"][0])}
    assert not unlooked(archive)
    assert not {one["id"] for one in changes(archive, CHAT)} & set(fresh)


def test_old_pages_of_what_was_never_fetched_are_named(living: Exporter, tmp_path: Path) -> None:
    """Their messages are kept, and looked at again: what was told before they were there is not told twice."""
    archive = tmp_path / "archive"
    living.run(archive, NAME, "--last", "20")
    edited = living.dc.control("mutate", chat=CHAT, edit=[3])["edit"]
    living.run(archive, NAME, "--last", "20")
    living.dc.control("boxes", lag=1e6)
    try:
        said = living.run(archive, NAME).stderr
    finally:
        living.dc.control("boxes", lag=0.0)
    assert "there before the last changes it told of: changes of it are unknown" in said
    assert (changes(archive, CHAT), unlooked(archive)) == ([], True)
    living.run(archive, NAME, "--recheck", "all")
    assert ("version", edited[0]) in {(one["kind"], one["id"]) for one in changes(archive, CHAT)}
    assert not unlooked(archive)
