"""`render desktop` of every chat of the demo's account, against an independent computation from the spec, byte for byte."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from support.desktop_archive import ZONE, exported_demo, lines, peers_of, render
from support.desktop_expected import Expected
from support.desktop_files import Shelf
from support.desktop_layout import Raw, Tl, chat_text, laid_out
from tgbulk.stages.render.desktop.format import Desktop

UPGRADED, OLD = -1001500000002, -300000001
KINDS, OWN = -1001500000011, 5000000001


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported_demo(tmp_path_factory)


def plain(value: Any) -> Any:
    """A rich message as it was read, to be laid out again: an empty list has no line of its own."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    return [plain(one) for one in value] or Raw("[]") if isinstance(value, list) else value


def head_of(archive: Path, chat: int) -> Tl:
    about = json.loads((archive / "chats" / str(chat) / "chat.json").read_bytes())
    peer = peers_of(archive, chat).get(chat)
    public = "public" if (peer or {}).get("username") else "private"
    kind = {
        "saved": "saved_messages",
        "private": "personal_chat",
        "group": "private_group",
        "supergroup": f"{public}_supergroup",
        "forum": f"{public}_supergroup",
        "channel": f"{public}_channel",
        "bot": "bot_chat" if "bot_info_version" in (peer or {}) else "personal_chat",
    }[about["type"]]
    if peer is None and about.get("usernames"):
        kind = kind.replace("private_", "public_")
    name = about["title"] if peer is None else peer.get("first_name", peer.get("title")) or None
    head = {"name": name, "type": kind, "id": chat if chat > 0 else -chat if chat > -(10**12) else -chat - 10**12}
    if kind == "saved_messages":
        del head["name"]
    return head


def expected(archive: Path, chat: int, shelf: Shelf, actual: list[Tl], level: int = 2) -> list[Tl]:
    """The messages of a chat, an older half before it."""
    about = json.loads((archive / "chats" / str(chat) / "chat.json").read_bytes())
    halves = [one for one in (about.get("migrated_from"), chat) if one and (archive / "chats" / str(one)).exists()]
    found = []
    rich = {one["id"]: one["rich_message"] for one in actual if "rich_message" in one}
    for half in halves:
        computed = Expected(half, peers_of(archive, half), ZONE, shelf, older=half != chat)
        computed.level = level
        for message in lines(archive / "chats" / str(half) / "messages.jsonl"):
            one = computed.message(message)
            if "rich_message" in one:
                told = rich[one["id"]]
                assert list(told) == ["rtl", "part", "blocks"]
                assert len(told["blocks"]) == len(one["rich_message"]["blocks"])
                one["rich_message"] = plain(told)
            found.append(one)
    return found


def wholes(archive: Path) -> list[int]:
    return sorted(int(one.name) for one in (archive / "chats").iterdir() if int(one.name) != OLD)


def test_every_chat_byte_for_byte(archive: Path, tmp_path: Path) -> None:
    outcome = render(archive, tmp_path / "out")
    assert not outcome.failed
    seen = 0
    linked = 0
    for chat in wholes(archive):
        folder = tmp_path / "out" / str(chat)
        text = (folder / "result.json").read_text()
        actual = json.loads(text)["messages"]
        shelf = Shelf(archive)
        messages = expected(archive, chat, shelf, actual)
        assert [one["id"] for one in actual] == [one["id"] for one in messages]
        for got, wanted in zip(actual, messages, strict=True):
            assert got == json.loads(laid_out(wanted, 2))
            assert list(got) == list(wanted)
        assert text == chat_text(head_of(archive, chat), messages), chat
        seen += len(messages)
        there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {
            "result.json",
            "holes.json",
        }
        assert there == shelf.files.keys(), chat
        for path, data in shelf.files.items():
            assert (folder / path).read_bytes() == data, path
        linked += sum((folder / path).stat().st_nlink > 1 for path in shelf.files)
        assert json.loads((folder / "holes.json").read_bytes())["unreadable"] == 0
    assert seen == sum(len(lines(archive / "chats" / str(chat) / "messages.jsonl")) for chat in [*wholes(archive), OLD])
    assert linked > 50
    assert not (tmp_path / "out" / str(OLD)).exists()


def test_the_whole_account_byte_for_byte(archive: Path, tmp_path: Path) -> None:
    render(archive, tmp_path / "out", account=True)
    text = (tmp_path / "out" / "result.json").read_text()
    found = json.loads(text)
    assert list(found) == ["about", "personal_information", "contacts", "chats", "left_chats"]
    own = peers_of(archive, OWN)[OWN]
    assert found["personal_information"] == {
        "user_id": OWN,
        "first_name": own["first_name"],
        "last_name": own["last_name"],
        "phone_number": "+" + own["phone"],
        "username": "@" + own["username"],
    }
    names = [f"{one.get('first_name', '')} {one.get('last_name', '')}".lower() for one in found["contacts"]["list"]]
    assert names == sorted(names)
    assert len(names) > 5
    listed = found["chats"]["list"] + found["left_chats"]["list"]
    texts = []
    left = {chat for chat in wholes(archive) if peers_of(archive, chat).get(chat, {}).get("left")}
    for number, chat in enumerate([*(one for one in wholes(archive) if one not in left), *sorted(left)], 1):
        shelf = Shelf(archive)
        actual = listed[number - 1]["messages"]
        messages = expected(archive, chat, shelf, actual, level=5)
        folder = f"chats/chat_{number:0{len(str(len(listed)))}}/"
        written = chat_text(head_of(archive, chat), messages, 3)
        for path, data in shelf.files.items():
            assert (tmp_path / "out" / folder / path).read_bytes() == data
            for key in ("photo", "file", "thumbnail", "contact_vcard"):
                written = written.replace(
                    f'\n      "{key}": {laid_out(path, 0)}', f'\n      "{key}": {laid_out(folder + path, 0)}'
                )
        texts.append(written)
    stayed = len(wholes(archive)) - len(left)
    sections = [laid_out({key: value}, 0)[1:-2] for key, value in found.items() if key not in ("chats", "left_chats")]
    for key, some in (("chats", texts[:stayed]), ("left_chats", texts[stayed:])):
        sections.append(
            f'\n "{key}": {{\n  "about": {laid_out(found[key]["about"], 0)},\n  "list": ['
            + ",".join("\n   " + one for one in some)
            + "\n  ]\n }"
        )
    assert text == "{" + ",".join(sections) + "\n}"


def test_the_same_for_any_number_of_processes(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Desktop, "part_messages", 64)
    for account in (False, True):
        trees = []
        for workers in (1, 3):
            out = tmp_path / f"{account}-{workers}"
            render(archive, out, workers, account=account)
            trees.append(
                {
                    str(path.relative_to(out)): path.read_bytes()
                    for path in out.rglob("*")
                    if path.is_file() and path.name != "render.json"
                }
            )
        assert trees[0] == trees[1]


def test_again_does_nothing(archive: Path, tmp_path: Path) -> None:
    for account in (False, True):
        out = tmp_path / f"out-{account}"
        render(archive, out, account=account)
        before = {path: path.stat().st_ino for path in out.rglob("*")}
        assert render(archive, out, account=account).changed == 0
        assert {path: path.stat().st_ino for path in out.rglob("*")} == before


def test_a_reader_s_edit_does_not_stay(archive: Path, tmp_path: Path) -> None:
    render(archive, tmp_path / "out", chats=(KINDS,))
    result = tmp_path / "out" / str(KINDS) / "result.json"
    whole = result.read_bytes()
    os.truncate(result, 1000)
    assert render(archive, tmp_path / "out", chats=(KINDS,)).changed == 1
    assert result.read_bytes() == whole
