"""What changed between two exports is learnt from Telegram's update state, once, and nothing is asked that is known."""
from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from support.changed import disagreements
from support.clock import DAY, Clock
from support.command import at_home
from support.exporter import HISTORY, Exporter, chat_json, lines
from tgbulk.perf.simdc.launcher import SimDC
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.row import read_journal

CHAT, NAME = -1003000000001, "@sim_lively"
QUIET, GROUP, CLEARED = -1003000000002, -4500000001, 100004765


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


def words(done: subprocess.CompletedProcess[str], chat: int) -> str:
    """What a run said of one chat when it ended."""
    return next(line for line in done.stderr.splitlines() if line.startswith(f"{chat}  "))


def kinds(archive: Path, chat: int) -> dict[str, list[int]]:
    """Ids of the changes of each kind, all of them told by Telegram."""
    found: dict[str, list[int]] = {}
    for one in changes(archive, chat):
        assert (one["how"], one["since"] > 0) == ("update", True)
        found.setdefault(one["kind"], []).append(one["id"])
    return {kind: sorted(ids) for kind, ids in found.items()}


def test_what_happens_to_chats_between_two_exports(living: Exporter, tmp_path: Path) -> None:
    """One lets the account out and in again, one is cleared, one becomes a supergroup, a message comes back: each ends
    right, and is told."""
    archive, mutate = tmp_path / "archive", partial(living.dc.control, "mutate")
    names = (NAME, "@sim_quiet", str(GROUP), str(CLEARED))
    living.run(archive, *names)
    before = {chat: [one["id"] for one in lines(archive, chat)] for chat in (CHAT, QUIET, GROUP, CLEARED)}
    comes_back, stays_away = mutate(chat=CHAT, delete=2)["delete"]
    mutate(chat=CLEARED, clear=True)
    living.dc.control("alter", chat=QUIET, private=True, account=0)
    edited, gone = before[QUIET][:2]
    mutate(chat=QUIET, edit=[edited], text="unseen", delete=[gone])
    made = mutate(chat=QUIET, insert=2)["insert"]
    newer = living.dc.control("migrate", chat=GROUP)
    went_on = mutate(chat=newer, insert=2)["insert"]

    done = living.run(archive, *names, code=3)
    assert "@sim_quiet: this account may not read it: it was removed from it" in done.stderr
    assert f"goes on as its supergroup {newer}" in done.stderr
    assert words(done, CHAT).endswith("; 0 new, 2 deleted")
    assert words(done, CLEARED).endswith(f"; 0 new, {len(before[CLEARED])} deleted")
    assert words(done, GROUP).endswith("; 1 new")
    assert words(done, newer).endswith("; 3 new")
    assert kinds(archive, CLEARED) == {"deleted": before[CLEARED]}
    assert [one["id"] for one in lines(archive, newer)] == [1, *went_on]
    assert lines(archive, GROUP)[-1]["action"]["_"] == "messageActionChatMigrateTo"
    assert [one["id"] for one in lines(archive, GROUP)][:-1] == before[GROUP]
    assert changes(archive, GROUP) == changes(archive, newer) == []
    assert (chat_json(archive, GROUP)["migrated_to"], chat_json(archive, newer)["migrated_from"]) == (newer, GROUP)

    mutate(chat=CHAT, restore=[comes_back])
    living.dc.control("alter", chat=QUIET, private=False, account=0)
    mutate(chat=newer, edit=went_on[:1])
    done = living.run(archive, *names)
    assert words(done, QUIET).endswith("; 2 new, 1 edited, 1 deleted")
    assert words(done, CHAT).endswith("; 0 new, 1 restored")
    assert words(done, newer).endswith("; 0 new, 1 edited")
    assert "complete: 5 chats complete, 0 failed, 2 new messages, 2 edited, 1 deleted, 1 restored in" in done.stderr
    assert kinds(archive, QUIET) == {"version": [edited], "deleted": [gone]}
    assert kinds(archive, CHAT) == {"deleted": sorted([comes_back, stays_away]), "restored": [comes_back]}
    assert [one["id"] for one in lines(archive, QUIET)] == [*before[QUIET], *made]
    for chat in (CHAT, QUIET, GROUP, CLEARED, newer):
        assert list(disagreements(living.dc, archive, chat)) == []


def test_a_group_whose_becoming_a_supergroup_nobody_told_goes_on_there(tmp_path: Path) -> None:
    """The box has forgotten it; only the group's own page has it."""
    archive = tmp_path / "archive"
    with SimDC("--accounts", "2") as dc:
        living = Exporter(at_home(dc, tmp_path))
        living.run(archive, str(GROUP))
        old = [one["id"] for one in lines(archive, GROUP)]
        newer = dc.control("migrate", chat=GROUP)
        dc.control("mutate", chat="sim_account_1", insert=3)
        dc.control("boxes", keep=1)
        done = living.run(archive, str(GROUP))
    assert f"goes on as its supergroup {newer}" in done.stderr
    assert [one["id"] for one in lines(archive, newer)] == [1]
    assert [one["id"] for one in lines(archive, GROUP)][:-1] == old


def test_what_is_not_there_is_not_always_deleted(living: Exporter, tmp_path: Path) -> None:
    """Looked at again: a page without the messages that the server counts, and a history that was cleared for this account
    alone."""
    archive = tmp_path / "archive"
    living.run(archive, "@sim_quiet")
    top = lines(archive, QUIET)[-1]["id"]
    living.dc.control("mutate", chat=QUIET, clear=True)
    living.dc.control("mutate", chat=QUIET, insert=2)
    living.dc.control("boxes", keep=1)
    try:
        living.run(archive, "@sim_quiet", "--recheck", "none")
        living.dc.control("lie", method=HISTORY, lie="change", field="messages", value=[])
        said = living.run(archive, "@sim_quiet", "--recheck", "all").stderr
    finally:
        living.dc.control("lie", method=HISTORY, lie=None)
        living.dc.control("boxes", keep=100_000)
    assert "changes of it stay unknown: @sim_quiet: Telegram gives no message from id" in said
    assert not [one for one in changes(archive, QUIET) if one["kind"] == "deleted"]
    living.run(archive, "@sim_quiet", "--recheck", "all")
    assert [(one["kind"], one["id"], one["how"]) for one in changes(archive, QUIET)] == [("cleared", top, "cleared")]
