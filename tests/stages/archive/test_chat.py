"""One chat's files: what is durable when, and what of them is there once."""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from support import telegram_page as made
from support.durability import watched
from support.line import Line
from support.open_files import open_files
from support.walks import record
from tgbulk.engine.journal import Journal
from tgbulk.stages.archive.about import read_about
from tgbulk.stages.archive.annex import AnnexFiles
from tgbulk.stages.archive.chat import ChatFile
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.hole import append_row, open_holes
from tgbulk.stages.archive.id_range import IdRange
from tgbulk.stages.archive.quarantine import Quarantine, Undecoded
from tgbulk.stages.archive.row import ChatRow, CoveredRange, LastRows, read_journal
from tgbulk.stages.archive.segments import DamagedChatError
from tgbulk.stages.telegram.peer import peer_line

CHAT = -1000000000009


def test_its_files_have_durable_names_and_its_lines_durable_bytes(tmp_path: Path) -> None:
    before = open_files()
    archive = Archive(tmp_path)
    with watched() as disk:
        chat = ChatFile(archive, ChatRow(CHAT, 7), lambda: None)
        assert disk.lost == []
        assert [chat.add(1, IdRange(1, 3), b"{}\n", [], 1, 0, []) for _ in range(2)] == [3, 0]
        assert disk.lost == ["messages.jsonl"]
        chat.prepare()
        assert disk.lost == []
        chat.committed()
        chat.close()
    assert open_files() == before


def test_the_journals_last_word_on_a_chat_counts(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    assert read_journal(archive).chats == {}
    with watched() as disk:
        for messages in (3, 5):
            append_row(archive, ChatRow(CHAT, 7, "open", messages, empty=[IdRange(4, 9)]))
            assert disk.lost == []
    append_row(archive, ChatRow(2, 7))
    found = read_journal(archive)
    assert (found.chats[CHAT].messages, found.chats[CHAT].empty_count, found.torn) == (5, 5, 0)
    assert not found.chats[CHAT].committed
    assert found.end == (tmp_path / "journal").stat().st_size
    with open(tmp_path / "journal", "ab") as file:
        file.write(b"torn")
    assert read_journal(archive).torn == 4
    rows = LastRows()
    Journal(tmp_path / "journal", rows.take).close()
    assert rows.chats() == found.chats


def test_a_hole_is_open_durably_or_nothing_was_done(tmp_path: Path) -> None:
    line = Line(tmp_path)
    line.begin(record())
    line.page(made.page([made.message(n) for n in (1, 2, 5, 9)]), 1)
    line.end(record())
    line.close()
    archive = Archive(tmp_path)
    row = read_journal(archive).chats[CHAT]
    files = archive.journal, archive.chat(CHAT).about
    before = [path.read_bytes() for path in files]
    assert not open_holes(archive, row, [3, 7], 1)
    assert [path.read_bytes() for path in files] == before
    opened = open_files()
    with watched() as disk:
        assert open_holes(archive, row, [3, 7], 2)
        assert (disk.lost, disk.early) == ([], [])
    assert open_files() == opened
    found = read_journal(archive).chats[CHAT]
    assert (found.state, found.covered) == ("open", [IdRange(1, 3), IdRange(4, 7), IdRange(8, 10)])
    about = orjson.loads(archive.chat(CHAT).about.read_bytes())
    assert (about["state"], about.get("statement")) == ("open", None)
    line = Line(tmp_path)
    assert line.begin(record()).covered == found.covered
    line.close()


def test_what_was_told_of_a_chat_is_in_its_chat_json(tmp_path: Path) -> None:
    """Also where no run walks it: its counts, and the server's as far as they follow."""
    line = Line(tmp_path)
    line.begin(record())
    line.page(made.page([made.message(n) for n in (1, 2, 5, 9)]), 1)
    line.end(record())
    line.close()
    archive = Archive(tmp_path)
    row, about = read_journal(archive).chats[CHAT], read_about(archive, CHAT)
    chat = ChatFile(archive, row, lambda: None)
    try:
        chat.restate(about)
        path = archive.chat(CHAT).about
        assert orjson.loads(path.read_bytes()).keys().isdisjoint({"versions", "deleted", "late"})
        row.versions, row.deleted, row.late, row.messages = 4, 3, 1, 5
        chat.restate(about)
        found = orjson.loads(path.read_bytes())
    finally:
        chat.close()
    assert [found[name] for name in ("versions", "deleted", "late", "messages", "total")] == [4, 3, 1, 5, 11]
    assert read_about(archive, CHAT).statement != about.statement


def test_peers_alone_are_to_be_committed_too(tmp_path: Path) -> None:
    chat = ChatFile(Archive(tmp_path), ChatRow(CHAT, 7), lambda: None)
    chat.prepare()
    chat.committed()
    found = peer_line({"_": "user", "id": 5, "first_name": "Ann"})
    for fresh in (True, False):
        assert (chat.add_peers([found]) > 0, chat.dirty) == (fresh, fresh)
        assert len(chat.unsynced()) == fresh
        chat.prepare()
        chat.committed()
    chat.close()


@pytest.mark.parametrize("short", ["messages", "peers", "changes"])
def test_a_chat_whose_files_are_too_short_leaves_none_of_them_open(tmp_path: Path, short: str) -> None:
    row = ChatRow(CHAT, 7)
    if short == "messages":
        row.ranges, row.joined = [CoveredRange(1, 9, 5, 0)], 1
    elif short == "peers":
        row.peer_bytes = 5
    else:
        row.change_bytes = 5
    before = open_files()
    with pytest.raises(DamagedChatError, match=f"{short}.jsonl"):
        ChatFile(Archive(tmp_path), row, lambda: None)
    assert open_files() == before


def test_what_is_set_aside_anew_takes_the_place_of_what_was(tmp_path: Path) -> None:
    """With the same end or another one; the old files go once the journal speaks of the new ones."""
    archive = Archive(tmp_path)
    chat = ChatFile(archive, ChatRow(CHAT, 7), lambda: None)
    for last in (5, 5, 7, 5):
        chat.set_aside(Undecoded(CHAT, 3, last, "why", [], [4], "1", 1), b"%d" % last * 4)
        chat.prepare()
        chat.committed()
        assert chat.row.quarantined == [IdRange(3, last + 1)]
        assert {path.name for path in (tmp_path / "quarantine").iterdir()} == {
            f"{CHAT}-3-{last}.json", f"{CHAT}-3-{last}.tl",
        }
        assert Quarantine(archive.quarantine, CHAT).is_whole(IdRange(3, last + 1))
    chat.close()


@pytest.mark.parametrize(
    ("state", "asked", "stays"),
    [
        ("complete", None, False), ("complete", [3, 0], False), ("failed", None, True), ("gaps", None, True),
        ("complete", [1, 9], True), ("complete", [4, 0], True), ("complete", [1, 1, 2, 0], False),
        ("complete", [1, 1, 20, 0], True),
    ],
)
def test_a_gap_at_the_end_goes_where_the_end_was_reached(
    tmp_path: Path, state: str, asked: list[int] | None, stays: bool
) -> None:
    """A run that asks for everything from there on, and comes to its end, has met nothing there; other gaps stay."""
    archive = Archive(tmp_path)
    chat = ChatFile(archive, ChatRow(CHAT, 7), lambda: None)
    for first, last in ((1, 2), (3, 0)):
        chat.set_aside(Undecoded(CHAT, first, last, "why", [], [4], "1", 1), b"asis")
    ranges = [asked[:2], asked[2:]] if asked and asked[2:] else None
    chat.end(replace(record(), state=state, asked=asked and [asked[0], asked[-1]], asked_ranges=ranges))
    chat.prepare()
    chat.committed()
    gaps = [IdRange(1, 3), *([IdRange(3)] if stays else [])]
    assert chat.row.quarantined == gaps
    assert len(list((tmp_path / "quarantine").iterdir())) == 2 * len(gaps)
    chat.close()


def test_a_gap_whose_ids_are_covered_by_now_is_none(tmp_path: Path) -> None:
    """Of one without an end it is the beginning."""
    archive = Archive(tmp_path)
    chat = ChatFile(archive, ChatRow(CHAT, 7), lambda: None)
    for first, last in ((3, 4), (6, 0)):
        chat.set_aside(Undecoded(CHAT, first, last, "why", [], [4], "1", 1), b"asis")
    bounded, endless = IdRange(3, 5), IdRange(6)
    ends = [(3, [bounded, endless]), (4, [bounded, endless]), (5, [endless]), (6, [endless]), (7, [])]
    lo = 1
    for hi, gaps in ends:
        chat.add(1, IdRange(lo, hi), b"{}\n", [], 1, 0, [])
        chat.prepare()
        chat.committed()
        assert chat.row.quarantined == gaps
        assert len(list((tmp_path / "quarantine").glob("*"))) == 2 * len(gaps)
        lo = hi
    chat.close()


def test_the_annexes_of_a_chat_are_opened_once_and_to_be_committed(tmp_path: Path) -> None:
    before = open_files()
    chat = ChatFile(Archive(tmp_path), ChatRow(CHAT, 7), lambda: None)
    chat.prepare()
    chat.committed()
    assert not chat.dirty
    found = chat.annexes
    assert isinstance(found, AnnexFiles)
    assert chat.dirty
    assert chat.annexes is found
    found.file("members").begin(7, 1)
    chat.close()
    assert open_files() == before
