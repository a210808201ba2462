"""result.json again after changes equals one from nothing; what is wrong fails itself; a killed render is made good."""
from __future__ import annotations

import filecmp
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.lines_archive import CHAT, LinesArchive, message, user
from support.listener import Silent
from support.written_archive import WrittenArchive, photo, text
from tgbulk.stages.render.desktop.format import Desktop
from tgbulk.stages.render.rendering import Rendering
from tgbulk.stages.render.view import Filter

Tl = dict[str, Any]
OLD, OTHER, LATE = -77, -1009999999999, -1001000000000
INLINE = {"_": "photoCachedSize", "type": "s", "w": 2, "h": 1, "bytes": "aGVsbG8="}
SENTENCE = "(File not included. Change data exporting settings to download.)"


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Desktop, "part_messages", 40)


def render(
    archive: LinesArchive | WrittenArchive, out: Path, workers: int = 1, wanted: Filter | None = None, **options: Any
) -> Silent:
    told = Silent()
    format = Desktop("Asia/Kathmandu", media=("photo", "document"), **options)
    outcome = Rendering(archive.root, format, wanted or Filter(), out, workers, told).execute([])
    assert not outcome.failed
    return told


def same(first: Path, second: Path) -> None:
    names = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(second) for path in second.rglob("*") if path.is_file())
    for name in names:
        assert name.name == "render.json" or filecmp.cmp(first / name, second / name, shallow=False), name


def mixed(number: int, **fields: Any) -> Tl:
    """Photos, files of one name, vCards, plain texts: what counts and what takes names."""
    media: dict[int, Tl] = {
        0: {"_": "messageMediaPhoto", "photo": {"_": "photo", "id": number, "sizes": [INLINE]}},
        1: {"_": "messageMediaPhoto", "photo": {"_": "photo", "id": 1, "sizes": [INLINE]}},
        2: {"_": "messageMediaContact", "first_name": "A", "last_name": "", "phone_number": "", "vcard": f"BEGIN {number}"},
        3: {"_": "messageMediaDocument", "document": {
            "_": "document", "id": number, "size": 1, "mime_type": "", "thumbs": [INLINE],
            "attributes": [{"_": "documentAttributeFilename", "file_name": "a.b.c"}]}},
    }
    if number % 40 in media:
        fields["media"] = media[number % 40]
    return message(number, sender=7 + number % 3, **fields)


def rounds() -> Iterator[dict[int, tuple[list[Tl], list[Tl], Tl]]]:
    """By chat (messages, peers, fields of chat.json): one state of an archive after the other."""
    numbers = [one for one in range(1, 400) if one % 7]
    people = [user(7, "Anna"), user(8, "Bob")]
    older = [one | {"peer_id": {"_": "peerChat", "chat_id": 77}} for one in map(mixed, range(1, 90))]
    halves = {"migrated_from": OLD}, {"migrated_to": CHAT, "type": "group"}

    def state() -> dict[int, tuple[list[Tl], list[Tl], Tl]]:
        return {CHAT: ([mixed(one) for one in numbers], [*people], halves[0]), OLD: ([*older], [*people], halves[1]),
                OTHER: ([mixed(one) for one in range(1, 60)], [*people], {})}

    yield {chat: values for chat, values in state().items() if chat != OLD}
    yield state()
    numbers += range(400, 480)
    yield state()
    numbers = sorted({*numbers, 203, 210, 217})
    yield state()
    people.append(user(9, "Newly known"))
    yield state()
    people.append(user(8, "Robert"))
    yield state()
    older.append(mixed(120) | {"peer_id": {"_": "peerChat", "chat_id": 77}})  # a photo in the older half alone
    yield state()
    yield state() | {LATE: ([mixed(1), mixed(9)], [*people], {"title": "Comes before others"})}


@pytest.mark.parametrize("account", [False, True])
def test_rounds_equal_a_render_from_nothing(tmp_path: Path, account: bool) -> None:
    archive = LinesArchive(tmp_path / "archive")
    for number, chats in enumerate(rounds()):
        for chat, (messages, peers, about) in chats.items():
            archive.put(messages, peers, chat, **about)
        render(archive, tmp_path / "again", account=account)
        render(archive, tmp_path / f"new{number}", workers=1 + number % 2, account=account)
        same(tmp_path / "again", tmp_path / f"new{number}")
    folder = tmp_path / "again" / ("" if account else str(CHAT))
    found = json.loads((folder / "result.json").read_bytes())
    chat = next(one for one in found["chats"]["list"] if one["id"] == 1234567890) if account else found
    ids = [one["id"] for one in chat["messages"]]
    assert ids == sorted(ids)
    assert (ids[0], ids[88:90], ids[90]) == (-999999999, [-999999911, -999999880], 1)
    photos = [one["photo"].rpartition("photo_")[2].partition("@")[0] for one in chat["messages"] if "photo" in one]
    assert photos[0] == "1"
    assert photos[1:4] == ["2", "1", "4"]  # the first one again counts, and has its first name


def test_only_what_came_is_rendered(tmp_path: Path) -> None:
    archive = LinesArchive(tmp_path / "archive")
    archive.put([mixed(one) for one in range(1, 200)], [user(7, "Anna")])
    assert render(archive, tmp_path / "out").fresh == {CHAT: [0, 1, 2, 3, 4]}
    archive.put([mixed(one) for one in range(1, 210)], [user(7, "Anna")])
    assert render(archive, tmp_path / "out").fresh == {CHAT: [4, 5]}
    assert render(archive, tmp_path / "out").fresh == {}


def test_what_is_wrong_fails_itself_and_is_told(tmp_path: Path) -> None:
    huge = "x" * 3_000_000 + "\u2028"
    archive = LinesArchive(tmp_path / "archive")
    lines = [
        message(1, "first"), {**message(2), "date": "soon"}, {**message(3), "entities": [{"_": "messageEntityBold"}]},
        message(4, media={"_": "messageMediaOfTomorrow"}), message(5, huge),
        message(6, media={"_": "messageMediaPhoto", "photo": 7}),
        {"_": "messageOfTomorrow", "id": 7, "date": 1}, {**message(8), "date": 1 << 62}, message(9, sender=404, entities=[
            {"_": "messageEntityOfTomorrow", "offset": 0, "length": 1}]),
        {**message(10), "_": "messageService", "action": {"_": "messageActionOfTomorrow"}}, message(11, "last"),
    ]
    archive.put(lines, [user(7, "Anna"), {"_": "userOfTomorrow", "id": 404}])
    told = render(archive, tmp_path / "out")
    assert told.failures == {}
    found = json.loads((tmp_path / "out" / str(CHAT) / "result.json").read_bytes())["messages"]
    assert [(one["id"], one["type"]) for one in found] == [
        (1, "message"), *((number, "unsupported") for number in (2, 3, 4)), (5, "message"),
        *((number, "unsupported") for number in (6, 7, 8)), (9, "message"), (10, "service"), (11, "message")]
    assert found[4]["text"] == huge
    assert (found[8]["from"], found[8]["text_entities"][0]["type"]) == (None, "unknown")
    assert found[9]["action"] == "of_tomorrow"
    holes = json.loads((tmp_path / "out" / str(CHAT) / "holes.json").read_bytes())
    assert holes["unreadable"] == 5
    assert [number for number, _ in holes["examples"]] == [2, 3, 6, 7, 8]
    assert holes["unknown"] == {"messageActionOfTomorrow": 1, "messageMediaOfTomorrow": 1}


def test_the_command_tells_of_them(tmp_path: Path) -> None:
    archive = LinesArchive(tmp_path / "archive")
    archive.put([message(1), {**message(2), "date": "soon"}, message(3, media={"_": "messageMediaOfTomorrow"})], [])
    done = subprocess.run(
        [sys.executable, "-m", "tgbulk", "render", "desktop", str(archive.root), "-o", str(tmp_path / "out"), "-q"],
        capture_output=True, text=True, check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "1 message could not be read, the first is 2 (" in done.stderr
    assert "1 message of a kind that this version does not know: messageMediaOfTomorrow" in done.stderr


def test_a_single_topic_has_its_title(tmp_path: Path) -> None:
    archive = LinesArchive(tmp_path / "archive")

    def service(number: int, action: str, title: str, **fields: Any) -> Tl:
        return message(number) | {"_": "messageService", "action": {"_": f"messageAction{action}", "title": title}, **fields}

    within: Tl = {"reply_to": {"_": "messageReplyHeader", "reply_to_msg_id": 5, "forum_topic": True}}
    lines = [message(3), service(5, "TopicCreate", "Old"), message(6, **within), service(7, "TopicEdit", "New", **within),
             message(8)]
    archive.put(lines, [user(7, "Anna")], type="forum")
    render(archive, tmp_path / "out", wanted=Filter(topic=5))
    found = json.loads((tmp_path / "out" / str(CHAT) / "result.json").read_bytes())
    assert (found["name"], found["type"], found["id"]) == ("New", "public_supergroup", 1234567890)
    assert [one["id"] for one in found["messages"]] == [5, 6, 7]


def test_a_topic_is_called_by_its_title_whatever_of_it_is_rendered(tmp_path: Path) -> None:
    archive = LinesArchive(tmp_path / "archive")
    within: Tl = {"reply_to": {"_": "messageReplyHeader", "reply_to_msg_id": 5, "forum_topic": True}}
    made = message(5) | {"_": "messageService", "action": {"_": "messageActionTopicCreate", "title": "Plans"}}
    lines = [message(3), made, *(message(number, **within) for number in range(6, 90)), message(90)]
    archive.put(lines, [user(7, "Anna")], type="forum")
    for name, wanted, ids in (
        ("late", Filter(topic=5, since=lines[-3]["date"]), [88, 89]),
        ("none", Filter(topic=5, since=lines[-1]["date"]), []),
        ("General", Filter(topic=1), [3, 90]),
    ):
        render(archive, tmp_path / name, wanted=wanted)
        found = json.loads((tmp_path / name / str(CHAT) / "result.json").read_bytes())
        assert (found["name"], found["type"]) == ("General" if name == "General" else "Plans", "public_supergroup")
        assert [one["id"] for one in found["messages"]] == ids


def test_halves_that_do_not_know_each_other_are_neither_lost_nor_doubled(tmp_path: Path) -> None:
    archive = LinesArchive(tmp_path / "archive")
    archive.put([message(1), message(2)], [], CHAT)  # says nothing of its older half
    archive.put([message(1)], [], OLD, type="group", migrated_to=CHAT)
    archive.put([message(5)], [], OTHER, migrated_from=-78)  # which does not say so
    archive.put([message(4)], [], -78, type="group")
    archive.put([message(6)], [], LATE, migrated_to=LATE)
    render(archive, tmp_path / "out")
    found = {int(path.parent.name): [one["id"] for one in json.loads(path.read_bytes())["messages"]]
             for path in (tmp_path / "out").glob("*/result.json")}
    assert found == {CHAT: [-999999999, 1, 2], OTHER: [5], -78: [4], LATE: [6]}


def test_a_file_that_came_through_another_chat_is_there_in_the_next_render(tmp_path: Path) -> None:
    archive = WrittenArchive(tmp_path / "archive")
    mine, theirs = [text(1, "", media=photo(77))], [text(5, "", media=photo(77)), text(6, "", media=photo(78))]
    archive.chat(CHAT, mine, [])
    archive.chat(OTHER, theirs, [])
    archive.files(OTHER, theirs[1:], {78: b"other"})
    for number in range(2):
        render(archive, tmp_path / "again")
        render(archive, tmp_path / f"new{number}")
        same(tmp_path / "again", tmp_path / f"new{number}")
        archive.files(OTHER, theirs, {77: b"bytes"})
    found = json.loads((tmp_path / "again" / str(CHAT) / "result.json").read_bytes())
    assert found["messages"][0]["photo"] == "photos/photo_1@15-11-2023_03-58-20.jpg"


def test_an_older_half_that_was_not_readable_for_a_time_is_before_the_newer_one(tmp_path: Path) -> None:
    archive = LinesArchive(tmp_path / "archive")
    older = [one | {"peer_id": {"_": "peerChat", "chat_id": 77}} for one in map(mixed, range(1, 90))]
    archive.put([mixed(one) for one in range(1, 100)], [], CHAT, migrated_from=OLD)
    archive.put(older, [], OLD, migrated_to=CHAT, type="group")
    about = archive.root / "chats" / str(OLD) / "chat.json"
    whole = about.read_bytes()
    about.write_bytes(b"{")
    format = Desktop("Asia/Kathmandu", media=("photo", "document"))
    outcome = Rendering(archive.root, format, Filter(), tmp_path / "again", 1, Silent()).execute([])
    assert (list(outcome.failed), [one.marked_id for one in outcome.done]) == ([OLD], [CHAT])
    about.write_bytes(whole)
    render(archive, tmp_path / "again")
    render(archive, tmp_path / "new")
    same(tmp_path / "again", tmp_path / "new")


def test_a_killed_render_leaves_whole_files_and_the_next_one_mends(tmp_path: Path) -> None:
    archive = LinesArchive(tmp_path / "archive")
    for chat in (CHAT, OTHER, LATE):
        archive.put([mixed(one) for one in range(1, 3000)], [user(7, "Anna")], chat)
    render(archive, tmp_path / "whole")
    words = [sys.executable, "-m", "tgbulk", "render", "desktop", str(archive.root), "-o", str(tmp_path / "out"),
             "--timezone", "Asia/Kathmandu", "--media", "photo,document", "--workers", "2"]
    for moment in (0.4, 0.7, 1.0, 1.3):
        process = subprocess.Popen(words, stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(moment)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for result in (tmp_path / "out").glob("*/result.json"):
            assert result.read_bytes() == (tmp_path / "whole" / result.relative_to(tmp_path / "out")).read_bytes()
    assert subprocess.run(words, stderr=subprocess.DEVNULL, check=False).returncode == 0
    same(tmp_path / "whole", tmp_path / "out")
