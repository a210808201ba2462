"""Files that somebody or some disk has changed, and two runs that want the same."""
from __future__ import annotations

import os
import shutil
import struct
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgpack
import pytest

from support.rig import CHATS, SLOWLY, Rig, differences
from tgbulk.engine.journal import Journal
from tgbulk.stages.archive.row import ChatRow

MIDDLE, SMALL = -1003000000002, -1003000000003
FEW = CHATS[1:]


@pytest.fixture(scope="module")
def exported(shared: Rig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of FEW, in more than one commit."""
    archive = tmp_path_factory.mktemp("damage") / "archive"
    for chats in (FEW[:1], FEW):
        done = shared.export(archive, chats=chats)
        assert done.returncode == 0, done.stderr
    return archive


@pytest.fixture
def whole(rig: Rig, exported: Path, archive: Path) -> Path:
    """A copy of it, to be damaged."""
    return Path(shutil.copytree(exported, archive))


def records(data: bytes | bytearray) -> Iterator[tuple[int, int, list[list[Any]]]]:
    """Where each record of a journal begins and ends, and its rows; how many there are depends on the machine."""
    begin = 0
    while begin < len(data):
        end = begin + 12 + struct.unpack_from("<I", data, begin)[0]
        yield begin, end, msgpack.unpackb(data[begin + 12 : end])
        begin = end


@pytest.mark.parametrize("place", [3, 20, 60])
def test_a_flipped_byte_in_the_middle_of_the_journal_is_refused(rig: Rig, whole: Path, place: int) -> None:
    data = bytearray((whole / "journal").read_bytes())
    hit = next(begin for begin, end, _ in records(data) if place < end)
    data[place] ^= 0x10
    (whole / "journal").write_bytes(data)
    before = {path: path.read_bytes() for path in whole.glob("chats/*/*")}
    done = rig.export(whole, chats=FEW)
    assert done.returncode == 8, done.stderr
    assert f"{whole / 'journal'} is damaged at byte {hit}:" in done.stderr
    assert {path: path.read_bytes() for path in whole.glob("chats/*/*")} == before


@pytest.mark.parametrize("opened", [False, True])
@pytest.mark.parametrize("cut", [1, 40, 10_000])
def test_a_journal_that_was_cut_loses_no_message(
    rig: Rig, whole: Path, reference: dict[str, Any], cut: int, opened: bool
) -> None:
    """A chat of which it has lost records stays as it is, until somebody lets it come anew.

    opened: the journal has the row of a chat that was opened, without a message yet.
    """
    data = (whole / "journal").read_bytes()
    told = next(end for _, end, rows in records(data) if any(row[:1] == [SMALL] and row[3] for row in rows))
    os.truncate(whole / "journal", max(0, told - cut))
    if opened:
        last = {row[0]: row for _, _, rows in records(data) for row in rows}
        known = ChatRow.unpack(last.pop(SMALL))
        begun = ChatRow(SMALL, known.account, pts=known.pts - 1, looked=known.looked)
        with closing(Journal(whole / "journal", lambda _: None)) as journal:
            journal.append([begun.pack(), *last.values()])
    before = {path: path.read_bytes() for path in whole.glob("chats/*/*.jsonl")}
    done = rig.export(whole, chats=FEW)
    assert done.returncode in (3, 4), done.stderr
    assert "@sim_small: its chat.json knows of more messages than the journal, which has lost records" in done.stderr
    assert {path: path.read_bytes() for path in whole.glob("chats/*/*.jsonl")} == before
    assert rig.run("verify", whole).returncode == 12
    assert rig.run("verify", whole, "--repair").returncode == 0
    assert differences(whole, reference, MIDDLE, SMALL) == []


def test_a_message_file_that_was_cut_fails_its_chat_alone(rig: Rig, whole: Path, reference: dict[str, Any]) -> None:
    path = whole / f"chats/{MIDDLE}/messages.jsonl"
    os.truncate(path, path.stat().st_size // 2)
    done = rig.export(whole, chats=FEW)
    assert done.returncode == 3, done.stderr
    assert "@sim_middle: its files in the archive are shorter than what was committed" in done.stderr
    assert differences(whole, reference, SMALL) != differences(whole, reference, MIDDLE, SMALL)
    shutil.move(path.parent, whole.parent / "away")
    assert rig.export(whole, chats=FEW).returncode == 0
    assert differences(whole, reference, MIDDLE, SMALL) == []


def test_a_message_file_that_was_changed_is_found(rig: Rig, whole: Path) -> None:
    path = whole / f"chats/{MIDDLE}/messages.jsonl"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert rig.run("verify", whole).returncode == 12


def test_an_archive_json_that_was_changed_is_refused(rig: Rig, whole: Path) -> None:
    (whole / "archive.json").write_text('{"format": 99, "tool": "tgbulk 9"}')
    done = rig.export(whole, chats=FEW)
    assert (done.returncode, "has format 99" in done.stderr) == (8, True)


@pytest.mark.parametrize("same", ["account", "archive"])
def test_a_second_run_is_kept_away(rig: Rig, archive: Path, reference: dict[str, Any], same: str, tmp_path: Path) -> None:
    """By the session's lock, or by the archive's when it comes from another home."""
    other = Rig.make(rig.dc, tmp_path / "home", first=2) if same == "archive" else rig
    with rig.slow():
        export = rig.start(archive, *SLOWLY)
        export.wait_for_commit(archive)
        rig.dc.control("set", latency_ms=3000)  # what is left lasts a minute, or until the end of the block
        done = other.export(archive if same == "archive" else tmp_path / "other")
        assert done.returncode == 6, done.stderr
        assert f"in use by process {export.process.pid}" in done.stderr
    code, said = export.end()
    assert code == 0, said
    assert differences(archive, reference) == []
