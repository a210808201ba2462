"""`tgbulk resolve`, `tgbulk merge`, and an account that is used from two places."""
from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.command import Tgbulk, at_home
from support.exporter import ended
from support.proxies import RunningProxy
from support.written_archive import WrittenArchive, text, user
from tgbulk.perf.simdc.launcher import SimDC

CHAT = -1000000000005


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tgbulk]:
    with SimDC("--accounts", "2", "--bulk", "large=3000", "--bulk", "other=100") as dc:
        tgbulk = at_home(dc, tmp_path_factory.mktemp("home"))
        assert tgbulk.login(0).returncode == 0
        yield tgbulk


def test_names_are_asked_for_once(home: Tgbulk) -> None:
    def looked_up() -> int:
        return int(home.dc.counters()["methods"].get("contacts.resolveUsername", {"calls": 0})["calls"])

    done = home("resolve", "@sim_large", "me", "@nobody_here", "--json")
    assert done.returncode == 3, done.stderr
    large, me, nobody = map(json.loads, done.stdout.splitlines())
    assert (large["name"], large["space"], large["type"]) == ("@sim_large", "public", "supergroup")
    assert large["id"] < -(10**12)
    assert me["space"] == str(me["id"])
    assert (nobody["id"], nobody["kind"]) == (None, "not_found")
    before = looked_up()
    assert before == 2
    again = home("resolve", "@sim_large", "@nobody_here")
    assert "@sim_large" in again.stdout
    assert looked_up() == before
    assert home("resolve", "@nobody_here").returncode == 4


def test_a_login_that_is_used_from_two_addresses_ends_and_says_why(home: Tgbulk, tmp_path: Path) -> None:
    """As when somebody copies a session to another host (docs/spec/fleet.md 1)."""
    there = tmp_path / "there"
    shutil.copytree(home.home, there)
    home.dc.control("set", latency_ms=200)
    with RunningProxy("socks5", home.dc) as proxy:
        with ended(home.start("export", "@sim_large", "-o", "archive", "--max-in-flight", "1")) as first:
            journal = home.home / "archive" / "journal"
            while not (journal.exists() and journal.stat().st_size):
                assert first.poll() is None
            other = home("resolve", "me", TGBULK_HOME=str(there), TGBULK_PROXY=proxy.url)
            _, said = first.communicate(timeout=90)
    home.dc.control("set", latency_ms=0)
    assert other.returncode == 5, other.stderr
    assert first.returncode == 5, said
    for one in (said, other.stderr):
        assert "used from two places at once" in one
    assert home("chats").returncode == 5


def test_merged_archives_hold_the_chats_of_both(home: Tgbulk, tmp_path: Path) -> None:
    for name, chat in (("a", CHAT), ("b", CHAT - 1)):
        WrittenArchive(tmp_path / name).chat(chat, [text(1, name)], [user(1)])
    WrittenArchive(tmp_path / "b").chat(7, [text(1, "private")], [user(7)], type="private")
    done = home("merge", str(tmp_path / "a"), str(tmp_path / "b"), "-o", str(tmp_path / "c"))
    assert (done.returncode, done.stderr.strip()) == (0, f"3 chats in {tmp_path}/c")
    for name, chat in (("a", CHAT), ("b", CHAT - 1), ("b", 7)):
        for file in ("messages.jsonl", "peers.jsonl", "chat.json"):
            merged = tmp_path / "c" / "chats" / str(chat) / file
            assert merged.read_bytes() == (tmp_path / name / "chats" / str(chat) / file).read_bytes()
    again = home("merge", str(tmp_path / "a"), "-o", str(tmp_path / "c"))
    assert again.returncode == 2
    assert f"chat {CHAT} is in" in again.stderr


def test_private_chats_of_two_accounts_are_not_merged(home: Tgbulk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    WrittenArchive(tmp_path / "a").chat(7, [text(1, "mine")], [user(7)], type="private")
    monkeypatch.setattr("support.written_archive.ACCOUNT", 2000)
    WrittenArchive(tmp_path / "b").chat(8, [text(1, "theirs")], [user(8)], type="private")
    done = home("merge", str(tmp_path / "a"), str(tmp_path / "b"), "-o", str(tmp_path / "c"))
    assert done.returncode == 2
    assert "private chats of account 2000" in done.stderr
    assert not any((tmp_path / "c" / "chats").iterdir())
