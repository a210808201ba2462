"""The read-only reader: bisection over lines, what is committed and nothing behind it, a chat that is parted meanwhile."""
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import tgbulk
from support.lines_archive import CHAT, LinesArchive, message, user
from tgbulk.engine.error import UsageError
from tgbulk.stages.archive import lines
from tgbulk.stages.archive.media_index import MediaIndex
from tgbulk.stages.archive.reader import ArchiveReader
from tgbulk.stages.archive.row import CoveredRange
from tgbulk.stages.telegram.medium import FoundMedia, MediaSelection, Medium

NUMBERS = [one for one in range(1, 900) if one % 7]


@pytest.fixture
def archive(tmp_path: Path) -> LinesArchive:
    made = LinesArchive(tmp_path / "archive")
    made.put([message(one, "x" * (one % 90)) for one in NUMBERS], [user(7, "Anna"), user(7, "Ann")], CHAT)
    return made


def test_ids_and_dates_are_found(archive: LinesArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "WINDOW", 512)
    chat = ArchiveReader(archive.root).chat(CHAT)
    for one in (0, 1, 6, 7, 8, 450, 895, 896, 899, 2000):
        assert [got["id"] for got in chat.messages(first=one)] == [number for number in NUMBERS if number >= one]
        assert [got["id"] for got in chat.messages(last=one)] == [number for number in NUMBERS if number <= one]
        since = [got["id"] for got in chat.messages(since=1_700_000_000 + 60 * one)]
        assert since == [number for number in NUMBERS if number >= one]
        found = chat.message(one)
        assert (found["id"] if found else None) == (one if one in NUMBERS else None)


def test_bytes_behind_what_is_committed_do_not_count(archive: LinesArchive) -> None:
    with open(archive.root / "chats" / str(CHAT) / "messages.jsonl", "ab") as file:
        file.write(b'{"_":"message","id":9')
    chat = ArchiveReader(archive.root).chat(CHAT)
    assert [got["id"] for got in chat.messages()] == NUMBERS
    assert [got["first_name"] for got in chat.peers.values()] == ["Ann"]


def test_a_chat_that_is_parted_while_it_is_read_goes_on_in_its_segments(
    archive: LinesArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "BLOCK", 4096)
    monkeypatch.setattr(lines.read_blocks, "__defaults__", (4096,))
    folder = archive.root / "chats" / str(CHAT)
    reading = ArchiveReader(archive.root).chat(CHAT).messages()
    seen = [next(reading)["id"]]
    data = (folder / "messages.jsonl").read_bytes()
    cut = data.index(b'{"_":"message","id":500,')
    (folder / "segments").mkdir()
    (folder / "segments" / "500.jsonl").write_bytes(data[cut:])
    row = archive.row(CHAT)
    row.ranges = [CoveredRange(1, 500, cut), CoveredRange(500, 900, len(data) - cut)]
    archive.commit(row)
    with open(folder / "messages.jsonl", "r+b") as file:
        file.truncate(cut)
        file.seek(0, 2)
        file.write(b"something else" * 1000)
    seen += [got["id"] for got in reading]
    assert seen == NUMBERS


def test_files_of_media_are_found(archive: LinesArchive) -> None:
    index = MediaIndex(archive.root / "media.sqlite", MediaSelection(frozenset({"document"})))
    medium = Medium("document", 5, "", "document", 3, 0, 2, "document/05/5_a.txt", 9, message=1)
    index.add(CHAT, 1, FoundMedia([medium]))
    index.commit()
    index.close()
    attributes = [{"_": "documentAttributeFilename", "file_name": "a.txt"}]
    document = {"_": "document", "id": 5, "mime_type": "text/plain", "size": 3, "attributes": attributes}
    holder = {"_": "messageMediaDocument", "document": document}
    archive.put([message(1, media=holder)], [user(7, "Anna")], CHAT)
    media = next(tgbulk.open(archive.root).chat(CHAT).messages()).media
    assert media is not None
    assert (media.file_name, media.path) == ("a.txt", None)  # it is pending
    found = ArchiveReader(archive.root).media.get("document", 5)
    assert found is not None
    assert (found.state, found.path.as_posix()) == ("pending", "media/document/05/5_a.txt")


def test_the_public_reader(archive: LinesArchive) -> None:
    opened = tgbulk.open(archive.root)
    chat = opened.chat(CHAT)
    got = next(chat.messages(min_id=8))
    assert (got.id, got.sender and got.sender.name, got.reply_to, got.media, got.is_service) == (8, "Ann", None, None, False)
    assert [one.id for one in chat.messages(since="2023-11-15", max_id=200)] == [one for one in NUMBERS if 107 <= one <= 200]
    assert "messages" in str(chat.statement)
    with pytest.raises(UsageError):
        opened.chat(5)
    with pytest.raises(UsageError):
        next(chat.messages(since="soon"))


def test_importing_loads_neither_telethon_nor_pyarrow() -> None:
    code = ("import sys, tgbulk; print([name for name in ('telethon', 'pyarrow', 'orjson') if name in sys.modules]);"
            "tgbulk.Archive; print('telethon' in sys.modules, 'pyarrow' in sys.modules)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == ["[]", "False False"], done.stderr
