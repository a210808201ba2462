"""Known chats again: nothing is resolved, nothing is listed; what moved meanwhile is noticed."""
from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.command import Tgbulk, at_home
from tgbulk.perf.simdc.launcher import SimDC

BUSY = -1001500000001
NAMED = -1001500000004


@pytest.fixture(scope="module")
def dc() -> Iterator[SimDC]:
    """A server of our own: its chats change who they are."""
    with SimDC() as running:
        yield running


@pytest.fixture
def tgbulk(dc: SimDC, tmp_path: Path) -> Tgbulk:
    command = at_home(dc, tmp_path)
    assert command.login().returncode == 0
    return command


def export(tgbulk: Tgbulk, *chats: str) -> tuple[int, dict[str, Any], dict[str, int], str]:
    """(exit code, summary, calls by method, standard error) of one export."""
    tgbulk.dc.control("reset")
    done = tgbulk("export", *chats, "-o", str(tgbulk.home / "archive"), "--json")
    calls = {method: counted["calls"] for method, counted in tgbulk.dc.counters()["methods"].items()}
    return done.returncode, json.loads(done.stdout.splitlines()[-1]), calls, done.stderr


def metrics(tgbulk: Tgbulk) -> dict[str, Any]:
    """What the last run measured."""
    newest = max((tgbulk.home / "archive" / "runs").iterdir(), key=lambda folder: folder.stat().st_mtime_ns)
    found: dict[str, Any] = json.loads((newest / "metrics.json").read_bytes())
    return found


def chats_of(summary: dict[str, Any]) -> set[int]:
    return {chat["marked_id"] for chat in summary["complete"]}


def test_fifty_known_chats_cost_no_lookup(tgbulk: Tgbulk) -> None:
    listed = [json.loads(line) for line in tgbulk("chats", "--json").stdout.splitlines()]
    known = [str(chat["id"]) for chat in listed if not chat["forbidden"] and chat["type"] != "saved"]
    names = [name for name in known if name not in ("-1001500000009", "-1001500000007", "-1001500000008")][:50]
    assert len(names) == 50
    code, _, first, _ = export(tgbulk, *names, "@sim_busy", "@sim_unjoined")
    assert code == 0
    assert first["contacts.resolveUsername"] <= 2  # the dialog list may have told of one before
    code, summary, again, _ = export(tgbulk, *names, "@sim_busy", "@sim_unjoined")
    assert code == 0
    assert summary["new_messages"] == 0
    asked = {"contacts.resolveUsername", "messages.getDialogs", "channels.getFullChannel", "messages.getChats"}
    assert not asked & again.keys()
    # Nothing changed in them; what the account is not in, it is not told of.
    assert "messages.getHistory" not in again
    assert again["updates.getChannelDifference"] == 1
    peers = metrics(tgbulk)["caches"]["peers"]
    assert peers["hit_rate"] > 0.95


def test_a_renamed_username_is_noticed(tgbulk: Tgbulk) -> None:
    assert export(tgbulk, "@sim_channel")[0] == 0
    tgbulk.dc.control("alter", chat=NAMED, username="sim_channel_renamed")
    try:
        code, summary, calls, _ = export(tgbulk, "@sim_channel")
        assert code == 4
        assert [failure["reason"] for failure in summary["failed"]] == ["nobody has this username"]
        assert calls["contacts.resolveUsername"] == 1
        code, _, calls, _ = export(tgbulk, "@sim_channel")
        assert code == 4
        assert "contacts.resolveUsername" not in calls  # it is known to be free
        assert export(tgbulk, "@sim_channel_renamed")[0] == 0
    finally:
        tgbulk.dc.control("alter", chat=NAMED, username="sim_channel")


def test_a_moved_username_leads_to_its_new_owner(tgbulk: Tgbulk) -> None:
    assert export(tgbulk, "@sim_channel")[0] == 0
    tgbulk.dc.control("alter", chat=BUSY, username="sim_channel")
    try:
        code, summary, calls, _ = export(tgbulk, "@sim_channel")
        assert code == 0
        assert BUSY in chats_of(summary)
        assert "contacts.resolveUsername" not in calls  # its new owner came along with what changed
    finally:
        tgbulk.dc.control("alter", chat=BUSY, username="sim_busy")
        tgbulk.dc.control("alter", chat=NAMED, username="sim_channel")


@pytest.mark.parametrize("name", ["@sim_busy", str(BUSY)])
def test_a_changed_access_hash_is_learnt(tgbulk: Tgbulk, name: str) -> None:
    assert export(tgbulk, name)[0] == 0
    tgbulk.dc.control("alter", chat=BUSY, access_hash=True)
    tgbulk.dc.control("mutate", chat=BUSY, insert=1)  # of a chat in which nothing happens nothing is asked
    code, summary, calls, _ = export(tgbulk, name)
    assert code == 0
    assert BUSY in chats_of(summary)
    assert not {"contacts.resolveUsername", "messages.getDialogs"} & calls.keys()  # it came along with what changed
    code, _, calls, _ = export(tgbulk, name)
    assert code == 0
    assert not {"contacts.resolveUsername", "messages.getDialogs"} & calls.keys()


def test_a_chat_that_is_gone_fails_with_its_reason(tgbulk: Tgbulk) -> None:
    assert export(tgbulk, "@sim_busy")[0] == 0
    tgbulk.dc.control("alter", chat=BUSY, private=True)
    try:
        code, summary, _, error = export(tgbulk, "@sim_busy")
        assert code == 4
        assert "may not read it" in summary["failed"][0]["reason"]
        assert "Traceback" not in error
    finally:
        tgbulk.dc.control("alter", chat=BUSY, private=False)


def test_a_spoilt_cache_costs_one_line_and_a_lookup(tgbulk: Tgbulk) -> None:
    assert export(tgbulk, "@sim_busy")[0] == 0
    path = tgbulk.session.with_suffix(".peers")
    path.write_bytes(path.read_bytes()[:-9])
    done = tgbulk("export", "@sim_busy", "-o", str(tgbulk.home / "archive"))
    assert done.returncode == 0
    assert done.stderr.count("the peer cache of account main is not used") == 1


def test_logout_takes_the_cache_along(tgbulk: Tgbulk) -> None:
    assert export(tgbulk, "@sim_busy")[0] == 0
    path = tgbulk.session.with_suffix(".peers")
    assert path.exists()
    assert tgbulk("logout").returncode == 0
    assert not path.exists()


def test_a_cache_that_cannot_be_saved_costs_nothing_but_a_notice(tgbulk: Tgbulk) -> None:
    tgbulk.session.with_name("main.peers.part").mkdir()
    done = tgbulk("export", "@sim_unjoined", "-o", str(tgbulk.home / "archive"))
    assert done.returncode == 0
    assert done.stderr.count("the peer cache of account main cannot be saved: it is not a file of its own") == 1
