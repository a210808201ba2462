"""One chat's files: what is durable when, and what of them is there once."""
from __future__ import annotations

from pathlib import Path

import orjson

from support import telegram_page as made
from support.durability import watched
from support.line import Line
from support.open_files import open_files
from support.walks import record
from tgbulk.engine.journal import Journal
from tgbulk.stages.archive.chat import ChatFile
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.hole import append_row, open_holes
from tgbulk.stages.archive.id_range import IdRange
from tgbulk.stages.archive.row import ChatRow, LastRows, read_journal

CHAT = -1000000000009


def test_its_files_have_durable_names_and_its_lines_durable_bytes(tmp_path: Path) -> None:
    before = open_files()
    archive = Archive(tmp_path)
    with watched() as disk:
        chat = ChatFile(archive, ChatRow(CHAT, 7), lambda: None)
        assert disk.lost == []
        assert chat.add(1, IdRange(1, 3), b"{}\n", [], 1, 0, []) == 3
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
