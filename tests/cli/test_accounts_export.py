"""Several accounts in one run: what is shared out among them, what never is, and one that falls out."""
from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from support.command import at_home
from support.exporter import HISTORY, Exporter, chat_json, contents, ended, wrong
from tgbulk.engine.error import ExitCode

BOTH = ["--account", "main", "--account", "second"]
BULK, BULK_ID = "@sim_bulk", -1003000000001
OLD_HALF, NEW_HALF = -300000001, -1001500000002
SAVED = {"main": 5000000001, "second": 5000000002}


def history_calls(exporter: Exporter) -> dict[str, int]:
    """By the number of the account."""
    accounts = exporter.dc.counters()["accounts"]
    return {index: found["methods"].get(HISTORY, {"calls": 0})["calls"] for index, found in accounts.items()}


def ids_of(archive: Path, marked: int) -> list[int]:
    data = (archive / "chats" / str(marked) / "messages.jsonl").read_bytes()
    return [json.loads(line)["id"] for line in data.splitlines()]


def without_hashes(value: Any) -> Any:
    """A message as every account sees it: hashes of media are an account's own."""
    if isinstance(value, dict):
        return {name: without_hashes(one) for name, one in value.items() if name != "access_hash"}
    return [without_hashes(one) for one in value] if isinstance(value, list) else value


def test_a_large_public_chat_is_shared_out(exporter: Exporter, tmp_path: Path) -> None:
    exporter.dc.control("set", latency_ms=30)
    exporter.run(tmp_path / "both", *BOTH, BULK)
    shared = history_calls(exporter)
    assert min(shared["0"], shared["1"]) > 20
    exporter.calm()
    exporter.run(tmp_path / "one", BULK)
    both, one = (contents(tmp_path / name)[f"chats/{BULK_ID}/messages.jsonl"].splitlines() for name in ("both", "one"))
    assert [without_hashes(json.loads(line)) for line in both] == [without_hashes(json.loads(line)) for line in one]


def test_a_name_is_looked_up_by_no_more_accounts_than_need_it(exporter: Exporter, tmp_path: Path) -> None:
    """A supergroup without an older half concerns one account alone; a large one each account once."""
    (tmp_path / "home").mkdir()
    tgbulk = at_home(exporter.dc, tmp_path / "home")
    names = ["--account", "main"]
    for index in range(1, 3):
        assert tgbulk.login(index, "--account", f"account{index}").returncode == 0
        names += ["--account", f"account{index}"]
    assert tgbulk.login().returncode == 0
    for name, most in (("@sim_named", 1), (BULK, 3)):
        exporter.dc.control("reset")
        done = tgbulk("export", name, "-o", str(tmp_path / "archive"), *names)
        assert done.returncode == 0, done.stderr
        calls = exporter.calls()
        assert 1 <= calls["contacts.resolveUsername"] <= most
        assert calls["channels.getFullChannel"] <= most


def test_private_chats_stay_with_the_first_account_that_has_them(exporter: Exporter, tmp_path: Path) -> None:
    exporter.run(tmp_path / "archive", *BOTH, "100004765", "400000000", "me")
    chats = {path.name for path in (tmp_path / "archive" / "chats").iterdir()}
    assert str(SAVED["main"]) in chats
    assert str(SAVED["second"]) not in chats
    for name in chats:
        assert chat_json(tmp_path / "archive", int(name))["account"] == SAVED["main"]
    truth = exporter.truth(tmp_path / "truth", [int(name) for name in chats])
    assert wrong(tmp_path / "archive", truth) == {}


def test_what_the_first_account_cannot_read_the_second_one_does(exporter: Exporter, tmp_path: Path) -> None:
    listed = [
        {json.loads(line)["id"] for line in exporter.tgbulk("chats", "--json", "--account", account).stdout.splitlines()}
        for account in ("main", "second")
    ]
    only_second = min(marked for marked in listed[1] - listed[0] if marked > 0 and marked != SAVED["second"])
    exporter.run(tmp_path / "archive", *BOTH, only_second)
    assert chat_json(tmp_path / "archive", only_second)["account"] == SAVED["second"]


def test_the_older_half_of_a_group_comes_from_an_account_that_was_in_it(exporter: Exporter, tmp_path: Path) -> None:
    """The supergroup is the second account's turn, which joined after the migration."""
    done = exporter.run(tmp_path / "late", NEW_HALF, "--account", "second")
    assert f"{NEW_HALF} (before its migration): " in done.stderr
    assert [path.name for path in (tmp_path / "late" / "chats").iterdir()] == [str(NEW_HALF)]
    exporter.run(tmp_path / "both", *BOTH, "me", NEW_HALF)
    made = [chat_json(tmp_path / "both", marked) for marked in (NEW_HALF, OLD_HALF)]
    assert [chat["account"] for chat in made] == [SAVED["second"], SAVED["main"]]
    assert (made[0]["migrated_from"], made[1]["migrated_to"]) == (OLD_HALF, NEW_HALF)


def test_an_archive_refuses_private_chats_of_another_account(exporter: Exporter, tmp_path: Path) -> None:
    listed = [
        {json.loads(line)["id"] for line in exporter.tgbulk("chats", "--json", "--account", account).stdout.splitlines()}
        for account in ("main", "second")
    ]
    shared = [marked for marked in listed[0] & listed[1] if marked > 0]
    if not shared:
        pytest.skip("no private chat that both accounts have")
    exporter.run(tmp_path / "archive", shared[0])
    before = contents(tmp_path / "archive")
    done = exporter.run(tmp_path / "archive", shared[0], "--account", "second", code=ExitCode.NOTHING)
    assert "message ids of another account" in done.stderr
    assert contents(tmp_path / "archive") == before


def test_every_account_has_its_own_flood_budget(exporter: Exporter, tmp_path: Path) -> None:
    exporter.dc.control("flood", method=HISTORY, rate=10, burst=10)
    events = exporter.events(tmp_path / "archive", *BOTH, BULK)
    assert events[-1]["messages"] == 20_000
    assert {event["account"] for event in events if event["event"] == "waiting"} == {"main", "second"}
    assert ids_of(tmp_path / "archive", BULK_ID) == sorted(set(ids_of(tmp_path / "archive", BULK_ID)))


def test_an_account_that_is_logged_out_meanwhile_leaves_its_part_to_the_other(exporter: Exporter, tmp_path: Path) -> None:
    """The server's third account, so that no other test loses its login."""
    tgbulk = exporter.tgbulk
    assert tgbulk.login(2, "--account", "guest").returncode == 0
    exporter.dc.control("set", latency_ms=60)
    exporter.dc.control("reset")
    words = ["--account", "main", "--account", "guest", "--max-in-flight", "3", "--json", BULK]
    with ended(exporter.start(tmp_path / "archive", *words)) as process:
        until = time.monotonic() + 60
        while history_calls(exporter).get("2", 0) < 5:
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.02)
        exporter.dc.control("revoke", account=2)
        exporter.dc.control("set", latency_ms=0)
        output, error = process.communicate(timeout=90)
    summary = json.loads(output.splitlines()[-1])
    assert [chat["marked_id"] for chat in summary["complete"]] == [BULK_ID], error
    assert len(ids_of(tmp_path / "archive", BULK_ID)) == 20_000
