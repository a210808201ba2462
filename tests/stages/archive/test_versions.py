"""What a reader sees of messages that changed, and verify of the lines that say so."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.changed_archive import CHANGES, CLEARING, DELETED, RESTORED, VERSION, change, put
from support.lines_archive import CHAT, message
from tgbulk.engine.text import json_line
from tgbulk.stages.archive.changes import CLEARED, Change
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.id_range import IdRange
from tgbulk.stages.archive.reader import ArchiveReader, ChatReader
from tgbulk.stages.archive.row import read_journal
from tgbulk.stages.archive.versions import ChangedMessage
from tgbulk.stages.verify.chat import check_chat
from tgbulk.stages.verify.difference import Difference, compare
from tgbulk.stages.verify.report import Weight


def reader(root: Path) -> ChatReader:
    return ArchiveReader(root).chat(CHAT)


def changed(found: dict[str, Any]) -> ChangedMessage:
    assert isinstance(found, ChangedMessage)
    return found


def test_the_latest_forms(tmp_path: Path) -> None:
    put(tmp_path / "a")
    found = {one["id"]: one for one in reader(tmp_path / "a").messages()}
    assert list(found) == list(range(1, 12))
    assert [number for number, one in found.items() if isinstance(one, ChangedMessage)] == [2, 3, 5, 6, 11]
    two, three, five, six = (changed(found[number]) for number in (2, 3, 5, 6))
    assert (two["message"], two.version, two.first_seen, two.deleted_at, two.how) == ("two, best", 3, 102, 106, "update")
    assert [(seen, form["message"]) for seen, form in two.earlier] == [(None, "message 2"), (100, "two, better")]
    assert (three["message"], three.version, three.first_seen) == ("message 3", 1, None)
    assert (three.deleted_at, three.how) == (101, "walk")
    assert (five["message"], five.version, five.first_seen, five.deleted_at) == ("late five", 1, 103, None)
    assert (six["message"], six.version, six.deleted_at, six.how) == ("message 6", 1, None, "")


def test_the_first_forms_and_all(tmp_path: Path) -> None:
    put(tmp_path / "a")
    chat = reader(tmp_path / "a")
    first = [one["message"] for one in chat.messages(versions="first")]
    assert first == ["message 1", "message 2", "message 3", "message 4", "late five", "message 6", "message 7", "message 8",
                     "message 9", "message 10", "late eleven"]
    every = [(one["id"], getattr(one, "version", 1)) for one in chat.messages(versions="all")]
    assert every[:5] == [(1, 1), (2, 1), (2, 2), (2, 3), (3, 1)]
    assert len(every) == 13


@pytest.mark.parametrize(("bounds", "ids"), [
    ({"first": 4, "last": 6}, [4, 5, 6]), ({"first": 5, "last": 5}, [5]), ({"first": 11}, [11]),
    ({"since": message(5)["date"], "until": message(7)["date"]}, [5, 6, 7]),
])
def test_bounds_hold_for_late_ones_too(tmp_path: Path, bounds: dict[str, Any], ids: list[int]) -> None:
    put(tmp_path / "a")
    assert [one["id"] for one in reader(tmp_path / "a").messages(**bounds)] == ids


def test_single_messages(tmp_path: Path) -> None:
    put(tmp_path / "a")
    chat = reader(tmp_path / "a")
    assert [(chat.message(number) or {}).get("message") for number in (1, 2, 5, 12)] == [
        "message 1", "two, best", "late five", None,
    ]


def test_a_cleared_history(tmp_path: Path) -> None:
    put(tmp_path / "a", [*CHANGES, change(CLEARING, 7, 110, how=CLEARED), change(RESTORED, 7, 111, "message 7")], deleted=7)
    found = {one["id"]: getattr(one, "deleted_at", None) for one in reader(tmp_path / "a").messages()}
    assert found == {1: 110, 2: 106, 3: 101, 4: 110, 5: 110, 6: 110, 7: None, 8: None, 9: None, 10: None, 11: None}


def test_verify_finds_a_sound_chat_whole(tmp_path: Path) -> None:
    archive = put(tmp_path / "a")
    report = check_chat(archive, read_journal(archive).chats[CHAT])
    assert [str(one) for one in report.findings if one.weight == Weight.DAMAGE and "changes" in str(one)] == []


def test_the_server_is_compared_with_the_latest_forms(tmp_path: Path) -> None:
    put(tmp_path / "a")
    ours = list(reader(tmp_path / "a").messages())
    later = [message(5, "late five"), *(message(n) for n in range(6, 11)), message(11, "late eleven")]
    there = [message(1), message(4), *later]
    covered = [IdRange(1, 12)]
    assert compare(ours, there, covered) == Difference()
    there[0] = message(1, "edited since")
    there.insert(1, message(2, "two, best"))
    assert compare(ours, there[:-1], covered) == Difference(gone=[11], changed=[1, 2])
    ours[3]["ttl_period"] = 86_400
    assert compare(ours, [], [IdRange(4, 5)]).auto_deleted == [4]
    mine = ChangedMessage(message(4, views=5), 2, 1, None, "", [])
    assert compare([mine], [message(4, views=70, pinned=True)], covered) == Difference()


def damage(archive: Archive) -> list[str]:
    """What verify says is damaged of changes.jsonl."""
    report = check_chat(archive, read_journal(archive).chats[CHAT])
    return [str(one.text) for one in report.findings if one.weight == Weight.DAMAGE and "changes.jsonl" in one.file]


@pytest.mark.parametrize(("wrong", "said"), [
    (change(VERSION, 20, 120, "nobody", 99), "line 9 changes message 20, outside of what is covered"),
    (change(DELETED, 20, 120), "line 9 changes message 20, outside of what is covered"),
    (change(VERSION, 3, 120, "three", 99), "line 9 changes message 3, which was deleted"),
    (change(DELETED, 3, 120), "line 9 changes message 3, which was deleted"),
    (change(RESTORED, 4, 120, "four"), "line 9 restores message 4, which was there"),
])
def test_verify_knows_what_cannot_follow(tmp_path: Path, wrong: Change, said: str) -> None:
    assert said in damage(put(tmp_path / "a", [*CHANGES, wrong]))


def test_verify_knows_the_order_of_versions(tmp_path: Path) -> None:
    late = [change(VERSION, 4, 120, "new", 99), change(VERSION, 4, 121, "old", 98)]
    archive = put(tmp_path / "a", [*CHANGES, *late], versions=4)
    assert damage(archive) == ["line 10 is a version of message 4 that is older than the one before it"]


def test_verify_finds_every_other_bit(tmp_path: Path) -> None:
    archive = put(tmp_path / "a")
    assert damage(archive) == []
    path = archive.root / "chats" / str(CHAT) / "changes.jsonl"
    data = path.read_bytes()
    for place in range(0, len(data), 37):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        assert damage(archive), place
    path.write_bytes(data[:-1])
    assert damage(archive)
    path.write_bytes(data + json_line({"kind": "deleted"}))
    assert damage(archive) == []
    report = check_chat(archive, read_journal(archive).chats[CHAT])
    assert any("lie behind" in one.text and one.weight == Weight.UNFINISHED for one in report.findings)
    path.unlink()
    assert damage(archive)
