"""What belongs to a chat beside its messages: equal to what the server has, brought up to date, and refused by name."""
from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tgbulk
from support.command import Tgbulk, at_home
from tgbulk.perf.simdc.launcher import SimDC

TOWN, CITY = "@sim_town", "@sim_city"
ANNEXES = ("--info", "--members", "--admin-log", "--stories")
MEMBERS = "channels.getParticipants"
#: What an export asks for beside pages of messages; the last two only where it does not know the chat yet.
PLAIN = {"help.getConfig", "users.getUsers", "updates.getState", "updates.getDifference", "updates.getChannelDifference",
         "contacts.resolveUsername", "channels.getFullChannel"}


@pytest.fixture(scope="module")
def dc() -> Iterator[SimDC]:
    with SimDC("--community", "town=60/300/450", "--community", "city=3/0/10040") as running:
        yield running


@pytest.fixture(scope="module")
def home(dc: SimDC, tmp_path_factory: pytest.TempPathFactory) -> Tgbulk:
    tgbulk = at_home(dc, tmp_path_factory.mktemp("home"))
    assert tgbulk.login().returncode == 0
    return tgbulk


def export(home: Tgbulk, archive: Path, *words: str) -> str:
    done = home("export", "-o", str(archive), "--quiet", *words)
    assert done.returncode == 0, done.stderr
    return done.stderr


def verify(home: Tgbulk, archive: Path) -> None:
    done = home("verify", str(archive))
    assert done.returncode == 0, done.stdout


def keyed(found: dict[int, Any] | list[Any]) -> dict[str, Any]:
    pairs = found.items() if isinstance(found, dict) else ((one["id"], one) for one in found)
    return {str(key): one for key, one in pairs}


def test_equal_to_the_server_and_brought_up_to_date(home: Tgbulk, tmp_path: Path) -> None:
    dc, archive = home.dc, tmp_path / "archive"
    dc.control("flood", method=MEMBERS, rate=1, burst=2)  # some are to be waited for
    try:
        said = export(home, archive, TOWN, "--comments", *ANNEXES)
    finally:
        dc.control("flood", method=MEMBERS)
    assert "admin log: Telegram refuses it: only administrators see it" in said  # of the group
    channel = tgbulk.open(archive).chat(TOWN)
    truth = dc.control("belong", chat=channel.id)
    mine = {"members": channel.members, "admin_log": channel.admin_log, "stories": channel.stories}
    assert {name: keyed(found) for name, found in mine.items()} == truth  # type: ignore[arg-type]
    assert channel.info is not None
    assert channel.discussion is not None
    assert channel.info["about"] == "About Community town"
    assert set(channel.members) < set(channel.peers)
    # comments by post, as the channel counts them
    assert {one.id: sum(1 for _ in one.comments) for one in channel.messages()} == {
        one.id: one.raw.get("replies", {}).get("replies", 0) for one in channel.messages()
    }
    assert sum(1 for one in channel.messages() for _ in one.comments) == 300

    rendered = home("render", "html", str(archive), "-o", str(tmp_path / "site"), "--quiet")
    assert rendered.returncode == 0, rendered.stderr
    link = re.compile(rf'<a href="[.][.]/({channel.discussion.id}/[^"#]+)#(go_to_message[0-9]+)">([0-9]+) comments?</a>')
    links = link.findall((tmp_path / "site" / str(channel.id) / "messages.html").read_text())
    assert sum(int(count) for _, _, count in links) == 300
    pages = {page: (tmp_path / "site" / page).read_text() for page, _, _ in links}
    assert all(f'id="{number}"' in pages[page] for page, number, _ in links)

    leaver, truth = next(reversed(channel.members)), dc.control(
        "belong", chat=channel.id, leave=[next(reversed(channel.members))], join=[5_000_000_001], event=2_000_000,
        story=4, unstoried=7, about="Another", emoji=[5_000_000_000_001, 5_000_000_000_002],
    )
    dc.control("reset")
    export(home, archive, TOWN, *ANNEXES)
    calls = dc.counters()["methods"]
    assert calls["channels.getAdminLog"]["calls"] == 2  # what is there is not asked for again
    after = tgbulk.open(archive).chat(TOWN)
    mine = {"members": after.members, "admin_log": after.admin_log, "stories": after.stories}
    assert {name: keyed(found) for name, found in mine.items()} == truth  # type: ignore[arg-type]
    records = list(after.history("members"))
    assert len(records) == 450 + 2
    assert {one.key for one in records if one.object is None} == {leaver}
    told = [one.object for one in after.history("info") if one.object]
    assert [one["about"] for one in told if "about" in one] == ["About Community town", "Another"]
    assert [one["mime_type"] for one in told if one["_"] == "document"] == ["application/x-tgsticker"] * 2
    assert len(list(after.history("stories"))) == 120 + 2
    verify(home, archive)
    before = {path: path.read_bytes() for path in (archive / "chats").rglob("*.jsonl")}
    export(home, archive, TOWN, *ANNEXES)
    assert {path: path.read_bytes() for path in before} == before


def test_what_telegram_does_not_show_is_named(home: Tgbulk, tmp_path: Path) -> None:
    dc, archive = home.dc, tmp_path / "archive"
    said = export(home, archive, CITY, "--members")
    assert "members: Telegram gives 10,000 at most, of 10,040" in said
    city = tgbulk.open(archive).chat(CITY)
    assert len(city.members) == 10_000
    dc.control("belong", chat=city.id, hidden=True, admins=[0])
    said = export(home, archive, CITY, "--members")
    assert "members: Telegram gives 0 of 10,040, and the administrators; it hides the others" in said
    # who is not shown is not gone
    assert len(tgbulk.open(archive).chat(CITY).members) == 10_000
    dc.control("belong", chat=city.id, hidden=False, admins=[])
    said = export(home, archive, CITY, *ANNEXES)
    assert "members: Telegram refuses it: only administrators see it" in said
    assert "admin log: Telegram refuses it: only administrators see it" in said
    verify(home, archive)
    about = json.loads((archive / "chats" / str(city.id) / "annexes.json").read_text())
    assert (about["members"]["state"], about["info"]["state"]) == ("refused", "complete")


def test_who_wants_nothing_of_it_asks_for_nothing_of_it(home: Tgbulk, tmp_path: Path) -> None:
    home.dc.control("reset")
    export(home, tmp_path / "archive", TOWN)
    calls = {name: one["calls"] for name, one in home.dc.counters()["methods"].items()}
    assert calls.pop("messages.getHistory") == 2  # 60 posts, and that there are no more
    assert calls.keys() <= PLAIN
    assert calls.get("channels.getFullChannel", 0) <= 1
    assert not list((tmp_path / "archive" / "chats").glob("*/annexes.json"))


def test_whatever_is_refused_is_named_and_the_rest_is_there(home: Tgbulk, tmp_path: Path) -> None:
    dc, archive = home.dc, tmp_path / "archive"
    export(home, archive, TOWN)
    refused = {"info": "channels.getFullChannel", "members": MEMBERS, "admin log": "channels.getAdminLog",
               "stories": "stories.getPinnedStories"}
    for method in refused.values():
        dc.control("lie", method=method, lie="refuse", code=403, message="CHAT_FORBIDDEN")
    try:
        said = export(home, archive, TOWN, *ANNEXES)
    finally:
        for method in refused.values():
            dc.control("lie", method=method)
    for annex in refused:
        assert f"{annex}: Telegram refuses it: " in said
    verify(home, archive)
    export(home, archive, TOWN, *ANNEXES)
    town = tgbulk.open(archive).chat(TOWN)
    assert town.info is not None
    assert len(town.members) > 400
    assert len(town.stories) > 100


def test_every_kind_of_chat(home: Tgbulk, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    export(home, archive, "--type", "group", "--type", "private", "--type", "saved", "--type", "bot", "--info", "--members")
    kinds = {chat.type: chat for chat in tgbulk.open(archive).chats if chat.info is not None}
    assert {"group", "private", "saved", "bot"} <= kinds.keys()
    assert kinds["group"].members
    assert not kinds["private"].members


def test_a_flood_too_long_to_wait_for(home: Tgbulk, tmp_path: Path) -> None:
    dc, archive = home.dc, tmp_path / "archive"
    floods = MEMBERS, "channels.getAdminLog", "stories.getPinnedStories"
    for method in floods:
        dc.control("flood", method=method, rate=0.0001, burst=1)
    try:
        done = home("export", TOWN, *ANNEXES, "-o", str(archive), "--quiet")
    finally:
        for method in floods:
            dc.control("flood", method=method)
    assert done.returncode == 10, done.stderr
    assert "its messages are whole, its members, admin log, stories not: Telegram asks to wait" in done.stderr
    last = next((archive / "runs").glob("*/summary.json"))
    failed, = json.loads(last.read_text())["failed"]
    assert (failed["kind"], failed["retryable"], failed["statement"]["missing"]) == ("flood", True, [])
    assert failed["retry_after"] > 0
    shown = home("status", "--json", str(archive)).stdout.splitlines()
    one, = (json.loads(line) for line in shown[1:])
    assert (one["state"], one["reason"], one["statement"]) == ("complete", None, failed["statement"])
    assert {name: found["state"] for name, found in one["annexes"].items()} == {
        "info": "complete", "members": "open", "admin_log": "open", "stories": "open"}
    assert one["annexes"]["members"]["items"] == 200
    said = home("status", str(archive)).stderr
    assert f"stories not whole: {one['annexes']['stories']['reason']}" in said
    assert "export --retry-failed asks for 1 chat" in said
    for path in (home.home / "sessions").glob("*/*.pace"):
        path.unlink()
    again = home("export", "--retry-failed", *ANNEXES, "-o", str(archive), "--quiet")
    assert again.returncode == 0, again.stderr
    verify(home, archive)
    town = tgbulk.open(archive).chat(TOWN)
    mine = {"members": town.members, "admin_log": town.admin_log, "stories": town.stories}
    assert {name: keyed(found) for name, found in mine.items()} == dc.control("belong", chat=town.id)  # type: ignore[arg-type]


@pytest.mark.parametrize("damage", ["cut", "changed", "document"])
def test_damage_is_found(home: Tgbulk, tmp_path: Path, damage: str) -> None:
    archive = tmp_path / "archive"
    export(home, archive, TOWN, "--stories")
    path = next((archive / "chats").glob("*/stories.jsonl"))
    if damage == "document":
        path = path.with_name("annexes.json")
    data = path.read_bytes()
    path.write_bytes(data[:-5] if damage == "cut" else data.replace(b"Story 3", b"Story 4") if damage == "changed" else
                     data.replace(b"complete", b"refused!"))
    done = home("verify", str(archive))
    assert done.returncode == 12, done.stdout
    assert path.name in done.stdout
