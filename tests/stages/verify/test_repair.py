"""What a repair moves aside, what it asks for again, and what it says; the export and Telegram's files are the test's."""
from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support import telegram_page as made
from support.downloaded import DATA, downloaded
from support.line import Line
from support.walks import CHAT, record
from tgbulk.engine.error import ExitCode, LockedError
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.id_range import IdRange
from tgbulk.stages.archive.media_index import MediaIndex
from tgbulk.stages.archive.row import read_journal
from tgbulk.stages.protocol.event import Notice
from tgbulk.stages.telegram.medium import MediaOutcome, MediaSelection
from tgbulk.stages.verify import repair as repair_module
from tgbulk.stages.verify.archive import check_archive
from tgbulk.stages.verify.repair import HOLES, Repair, Repairs
from tgbulk.stages.verify.report import Report, Weight

NOTHING = MediaSelection(frozenset())


def walked(root: Path, count: int = 300, asked: list[int] | None = None) -> Archive:
    line = Line(root)
    line.begin(record())
    line.page(made.page([made.message(n) for n in range(1, count + 1)]), 1)
    line.end(replace(record(), asked=asked))
    line.close()
    archive = Archive(root)
    with closing(MediaIndex(archive.media_index, NOTHING)) as index:
        index.keep_scanned(CHAT, [IdRange(1, count + 1)])
        index.commit()
    return archive


class Export:
    """What an export would be asked for; afterwards it is checked that nobody held the archive."""

    def __init__(self, archive: Archive, code: ExitCode = ExitCode.COMPLETE) -> None:
        self.asked: list[tuple[list[str], Path]] = []
        self._archive, self._code = archive, code

    def __call__(self, names: list[str], root: Path) -> ExitCode:
        self._archive.open().release()
        self.asked.append((names, root))
        return self._code


def repaired(archive: Archive, repairs: Repairs, export: Export) -> tuple[ExitCode, list[str]]:
    """(what it returned, what it said)."""
    told: list[Any] = []
    code = Repair(archive, [], export, 3, told.append).run(repairs)
    assert {type(one) for one in told} <= {Notice}
    return code, [one.text for one in told]


def scanned(archive: Archive) -> list[IdRange]:
    with closing(MediaIndex(archive.media_index, NOTHING)) as index:
        return index.scanned(CHAT)


def report(archive: Archive, worst: Weight = Weight.NOTE, missing: tuple[int, ...] = ()) -> Report:
    return Report(archive.root, CHAT, missing=list(missing), worst=worst)


def test_what_is_to_be_repaired(tmp_path: Path) -> None:
    """Chats with damage or holes, lost media; what else is damaged, no export brings back."""
    archive = Archive(tmp_path)
    own = Report(tmp_path)
    whole, unfinished, holes, damaged = (Report(tmp_path, number) for number in range(1, 5))
    unfinished.add(Weight.UNFINISHED, "chats/2", "not there yet")
    holes.missing = [7]
    damaged.add(Weight.DAMAGE, "chats/4", "damaged")
    assert not Repairs.of(archive, [own, whole, unfinished])
    assert (bool(Repairs()), Repairs().beyond) == (False, False)
    found = Repairs.of(archive, [own, whole, unfinished, holes, damaged])
    assert (found.chats, found.lost, found.beyond, bool(found)) == ({3: holes, 4: damaged}, [], False, True)
    own.lost = ["document/a"]
    own.add(Weight.DAMAGE, "media/document/a", "it is missing")
    own.add(Weight.NOTE, "notes.txt", "it does not belong to the archive")
    found = Repairs.of(archive, [own, whole])
    assert (found.chats, found.lost, found.beyond, bool(found)) == ({}, ["document/a"], False, True)
    own.add(Weight.DAMAGE, "journal", "damaged")
    assert Repairs.of(archive, [own]).beyond


def test_a_damaged_chat_is_moved_aside_and_exported_from_its_beginning(tmp_path: Path) -> None:
    archive = walked(tmp_path)
    export = Export(archive)
    code, said = repaired(archive, Repairs({CHAT: report(archive, Weight.DAMAGE, (5,))}), export)
    (aside,) = (tmp_path / "chats").iterdir()
    assert (code, said) == (ExitCode.COMPLETE, [f"chat {CHAT}: moved to {aside}"])
    assert aside.name.startswith(f"{CHAT}.damaged-")
    assert export.asked == [([str(CHAT)], tmp_path)]
    assert scanned(archive) == []


def test_a_few_holes_are_opened_and_no_line_moves(tmp_path: Path) -> None:
    archive = walked(tmp_path)
    before = archive.chat(CHAT).messages.read_bytes()
    export = Export(archive)
    holes = tuple(range(2, 2 * HOLES + 2, 2))
    code, said = repaired(archive, Repairs({CHAT: report(archive, missing=holes)}), export)
    assert (code, said, len(export.asked)) == (ExitCode.COMPLETE, [], 1)
    assert archive.chat(CHAT).messages.read_bytes() == before
    row = read_journal(archive).chats[CHAT]
    assert (row.state, len(row.covered)) == ("open", HOLES + 1)
    assert [one for one in range(1, 301) if not any(one in part for part in scanned(archive))] == list(holes)


@pytest.mark.parametrize(("asked", "holes"), [(None, HOLES + 1), ([1, 400], 1), ([2, 0], 1)])
def test_a_chat_is_moved_aside_for_many_holes_or_where_a_part_of_it_was_asked_for(
    tmp_path: Path, asked: list[int] | None, holes: int
) -> None:
    archive = walked(tmp_path, asked=asked)
    missing = tuple(range(2, 2 * holes + 2, 2))
    code, said = repaired(archive, Repairs({CHAT: report(archive, missing=missing)}), Export(archive))
    assert (code, [text.split(" to ")[0] for text in said]) == (ExitCode.COMPLETE, [f"chat {CHAT}: moved"])
    assert scanned(archive) == []


def test_a_chat_without_a_folder_and_an_archive_without_media_are_repaired_too(tmp_path: Path) -> None:
    archive = walked(tmp_path)
    shutil.rmtree(archive.chat(CHAT).path.path)
    archive.media_index.path.unlink()
    export = Export(archive)
    assert repaired(archive, Repairs({CHAT: report(archive, Weight.DAMAGE)}), export) == (ExitCode.COMPLETE, [])
    assert len(export.asked) == 1
    assert not archive.media_index.exists()


def test_nothing_is_moved_while_a_run_is_going_on(tmp_path: Path) -> None:
    archive = walked(tmp_path)
    export = Export(archive)
    with archive.open(), pytest.raises(LockedError):
        repaired(archive, Repairs({CHAT: report(archive, Weight.DAMAGE)}), export)
    assert ([path.name for path in (tmp_path / "chats").iterdir()], export.asked) == ([str(CHAT)], [])


def test_an_export_that_ended_before_its_time_ends_the_repair(tmp_path: Path) -> None:
    archive = downloaded(tmp_path, "a")
    (tmp_path / "media" / "document" / "a").write_bytes(DATA.swapcase())
    repairs = Repairs({CHAT: report(archive, Weight.DAMAGE)}, ["document/a"])
    assert repaired(archive, repairs, Export(archive, ExitCode.INTERRUPTED)) == (ExitCode.INTERRUPTED, [])
    assert (tmp_path / "media" / "document" / "a").exists()


def test_media_that_nobody_can_ask_for_are_moved_aside_and_said(tmp_path: Path) -> None:
    """They are asked for again next time."""
    archive = downloaded(tmp_path, "a", "b")
    place = tmp_path / "media" / "document"
    (place / "a").write_bytes(DATA.swapcase())
    (place / "b").unlink()
    export = Export(archive)
    code, said = repaired(archive, Repairs(lost=["document/a", "document/b"]), export)
    (aside,) = place.iterdir()
    assert (code, export.asked, aside.read_bytes()) == (ExitCode.COMPLETE, [], DATA.swapcase())
    assert said == [
        f"a: moved to {aside}",
        f"chat {CHAT}: its media cannot be asked for: its messages are those of another account",
        "media/document/a: it could not be asked for",
        "media/document/b: it could not be asked for",
        "media that came again: 0",
    ]
    with closing(MediaIndex(archive.media_index, NOTHING, damaged=True)) as index:
        assert (index.damaged(), index.exit_status("document/a")) == ([CHAT], ("damaged", ""))


def test_what_became_of_lost_media_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed is asked for again by the next repair; a video that was made here is made again by an export."""
    archive = downloaded(tmp_path, "a", "b", "c")
    outcomes = {"document/a": ("done", ""), "document/b": ("failed", "why"), "document/c": ("unavailable", "it is gone")}

    async def download(
        accesses: list[Any], of: Archive, index: MediaIndex, config: Any, notify: Callable[[object], None]
    ) -> None:
        assert (accesses, of.root, config.archive, config.connections) == ([], tmp_path, tmp_path, 3)
        with closing(sqlite3.connect(archive.media_index.path)) as durable:
            assert {state for state, in durable.execute("select state from file")} == {"damaged"}
        index.want(CHAT)
        for item in index.next(0)[0]:
            index.settle([MediaOutcome(item.number, *outcomes[item.medium.path], len(DATA), b"sum")])
            index.commit()

    monkeypatch.setattr(repair_module, "download", download)
    lost = [*outcomes, "document/a.h264.mp4"]
    code, said = repaired(archive, Repairs(lost=lost), Export(archive))
    assert code == ExitCode.COMPLETE
    assert said[3:] == [
        "media/document/b: why",
        "media/document/c: it is gone",
        "media/document/a.h264.mp4: the next export with --transcode makes it again",
        "media that came again: 1",
    ]
    with closing(MediaIndex(archive.media_index, NOTHING, damaged=True)) as index:
        states = [index.exit_status(name)[0] for name in outcomes]
    assert states == ["done", "damaged", "unavailable"]
    assert Repairs.of(archive, list(check_archive(archive))).lost == ["document/a", "document/b"]


@pytest.mark.parametrize("worst", [Weight.DAMAGE, Weight.NOTE])
def test_a_chat_that_is_repaired_leaves_its_media_as_they_are(tmp_path: Path, worst: Weight) -> None:
    """What failed is tried again by the next export, what was not wanted stays so."""
    archive = downloaded(tmp_path, "a", "b", "c")
    with closing(MediaIndex(archive.media_index, NOTHING, damaged=True)) as index:
        for number, state in ((1, "failed"), (2, "skipped")):
            index.execute("update file set state = ?, reason = 'why' where number = ?", (state, number))
        index.commit()
        index.keep_scanned(CHAT, [IdRange(1, 4)])
        index.commit()
    line = Line(tmp_path)
    line.begin(record())
    line.page(made.page([made.message(n) for n in (1, 3)]), 1)
    line.end(record())
    line.close()
    assert repaired(archive, Repairs({CHAT: report(archive, worst, (2,))}), Export(archive))[0] == ExitCode.COMPLETE
    with closing(MediaIndex(archive.media_index, NOTHING, damaged=True)) as index:
        states = [index.exit_status(f"document/{name}") for name in "abc"]
        assert index.scanned(CHAT) == ([] if worst is Weight.DAMAGE else [IdRange(1, 2), IdRange(3, 4)])
    assert states == [("failed", "why"), ("skipped", "why"), ("done", "")]
