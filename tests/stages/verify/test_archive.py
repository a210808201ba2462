"""What verify says of an archive's own files: an archive that a test wrote, with one thing wrong at a time."""
from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from support.lines_archive import CHAT, LinesArchive, message, user
from tgbulk.engine import document
from tgbulk.engine.error import LockedError, NewerFormatError, StorageError, UsageError
from tgbulk.engine.lock import Lock
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.verify.archive import CURE, check_archive, held
from tgbulk.stages.verify.report import PLANTED, Report, Weight

NOTE, UNFINISHED, DAMAGE = Weight
OTHERS = [5, -7]
Found = list[tuple[Weight, str, str]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three chats and the summary of a run."""
    made = LinesArchive(tmp_path / "archive")
    peers = [user(7, "Ann"), {"_": "channel", "id": 1234567890, "title": "A chat"}]
    for chat in (CHAT, *OTHERS):
        made.put([message(1), message(2)], peers, chat)
    summary(made.root, (made.root / "journal").stat().st_size)
    return made.root


def summary(root: Path, journal_bytes: int, run: str = "20260101T000000Z") -> None:
    folder = root / "runs" / run
    folder.mkdir(parents=True, exist_ok=True)
    about: dict[str, Any] = {"failed": [], "stopped": None, "started": 1, "result": "complete", "new_messages": 0}
    (folder / "summary.json").write_bytes(document.dump({**about, "journal_bytes": journal_bytes}))


def reports(root: Path, only: list[int] | None = None, media: bool = True) -> dict[int | None, Report]:
    return {one.marked_id: one for one in check_archive(Archive(root), only, media)}


def own(root: Path) -> Found:
    return [(one.weight, one.file, one.text) for one in reports(root)[None].findings]


def test_chats_come_after_the_archive_in_the_order_of_their_ids_or_of_their_names(root: Path) -> None:
    assert list(reports(root)) == [None, CHAT, -7, 5]
    assert all(one.findings == [] for one in reports(root).values())
    assert list(reports(root, [5, CHAT])) == [None, 5, CHAT]
    assert list(reports(root, [])) == [None]
    with pytest.raises(UsageError, match="the archive has no chat 6"):
        reports(root, [9, 5, 6])
    (root / "chats" / "9").mkdir()
    assert list(reports(root)) == [None, CHAT, -7, 5, 9]
    assert list(reports(root, [9, 5])) == [None, 9, 5]


def test_media_are_looked_at_where_that_is_wanted(root: Path) -> None:
    (root / "media").mkdir()
    (root / "media/1.jpg").write_bytes(b"x")
    assert own(root) == [(DAMAGE, "media.sqlite", "it is missing; the next export with media rebuilds it")]
    assert reports(root, media=False)[None].findings == []
    assert len(next(check_archive(Archive(root))).findings) == 1


@pytest.mark.parametrize("content", [None, b"{", b"link"])
def test_archive_json_is_not_as_it_was(root: Path, tmp_path: Path, content: bytes | None) -> None:
    """The chats are checked all the same."""
    path = root / "archive.json"
    path.unlink()
    if content == b"link":
        path.symlink_to(tmp_path / "outside")
    elif content:
        path.write_bytes(content)
    said = "it is missing" if content is None else PLANTED if content == b"link" else "it cannot be read"
    assert own(root) == [(DAMAGE, "archive.json", said)]
    assert list(reports(root)) == [None, CHAT, -7, 5]


def test_a_newer_archive_and_none_at_all(root: Path, tmp_path: Path) -> None:
    (root / "archive.json").write_bytes(document.dump({"format": 99, "tool": "of tomorrow"}))
    with pytest.raises(NewerFormatError):
        reports(root)
    with pytest.raises(StorageError, match="there is no archive"):
        reports(tmp_path)


@pytest.mark.parametrize(("kept", "said"), [(0, None), (1, DAMAGE), (-1, None)])
def test_the_journal_is_as_long_as_the_last_run_left_it(root: Path, kept: int, said: Weight | None) -> None:
    """It may have grown since."""
    size = (root / "journal").stat().st_size
    summary(root, size - 1000, "20250101T000000Z")
    summary(root, size + kept)
    text = f"{size:,} bytes of it are good; the last run ended with {size + kept:,}"
    assert own(root) == ([(said, "journal", text)] if said is not None else [])


def test_the_last_record_of_the_journal_is_torn(root: Path) -> None:
    size = (root / "journal").stat().st_size
    with open(root / "journal", "ab") as file:
        file.write(b"torn")
    text = f"its last record, 4 bytes at byte {size:,}, is not whole and does not count"
    assert own(root) == [(UNFINISHED, "journal", text)]
    assert list(reports(root)) == [None, CHAT, -7, 5]


@pytest.mark.parametrize("kind", ["damaged", "link"])
def test_without_the_journal_no_chat_can_be_checked(root: Path, tmp_path: Path, kind: str) -> None:
    path = root / "journal"
    data = path.read_bytes()
    path.unlink()
    if kind == "link":
        path.symlink_to(tmp_path / "outside")
        said = f"{PLANTED}; no chat can be checked"
    else:
        path.write_bytes(data[:5] + b"?" + data[6:])
        said = "at byte 0, the length of a record is not what was written; no chat can be checked"
    assert own(root) == [(DAMAGE, "journal", said)]
    assert list(reports(root)) == [None]


def test_the_journal_is_gone(root: Path) -> None:
    """Where no run said how long it was, chats tell that there was one."""
    shutil.rmtree(root / "runs")
    (root / "journal").unlink()
    assert own(root) == [(DAMAGE, "journal", "it is missing")]
    shutil.rmtree(root / "chats")
    assert own(root) == []


@pytest.mark.parametrize("name", ["summary.json", "request.json", "options.json"])
def test_a_document_of_a_run_is_not_as_it_was(root: Path, tmp_path: Path, name: str) -> None:
    path = root / "runs/20260101T000000Z" / name
    path.write_bytes(b"{")
    shown = f"runs/20260101T000000Z/{name}"
    assert own(root) == [(DAMAGE, shown, f"it cannot be read; {CURE}")]
    path.unlink()
    path.symlink_to(tmp_path / "outside")
    assert own(root) == [(DAMAGE, shown, f"{PLANTED}; {CURE}")]


def test_what_is_none_of_the_archive_s(root: Path) -> None:
    for name in ("notes.txt", "chats/x", f"chats/{CHAT}.damaged-20260101T000000Z"):
        (root / name).write_text("x")
    stranger = "it does not belong to the archive"
    aside = "`tgbulk verify --repair` moved it aside; delete it when it is of no more use"
    assert own(root) == [
        (NOTE, f"chats/{CHAT}.damaged-20260101T000000Z", aside), (NOTE, "chats/x", stranger), (NOTE, "notes.txt", stranger),
    ]


def test_a_chat_with_a_link_in_it_is_named_and_the_next_ones_are_checked(root: Path, tmp_path: Path) -> None:
    (root / f"chats/{CHAT}/annexes.json").symlink_to(tmp_path / "outside")
    found = reports(root)
    assert list(found) == [None, CHAT, -7, 5]
    (said,) = found[CHAT].findings
    assert (said.weight, said.file, said.text) == (DAMAGE, f"chats/{CHAT}/annexes.json", PLANTED)
    assert found[CHAT].state == "complete"
    assert found[-7].findings == found[5].findings == []


@pytest.mark.parametrize(
    ("about", "line", "begun"),
    [({"state": "open"}, "{}", True), ({"state": "open", "covered": [[1, 2]]}, "", False), ({"state": "failed"}, "", False),
     (None, "", True), (None, "{}", False)],
)
def test_a_chat_of_which_the_journal_has_nothing_was_begun_or_is_lost(
    root: Path, about: dict[str, object] | None, line: str, begun: bool
) -> None:
    folder = root / "chats/9"
    folder.mkdir()
    (folder / "messages.jsonl").write_text(line)
    if about:
        (folder / "chat.json").write_bytes(document.dump({"id": 9, "title": "Lost one", **about}))
    report = reports(root)[9]
    assert (report.title, report.state) == ("Lost one" if about else "", "")
    said = "a run was killed before it committed anything of it" if begun else "the journal has nothing of this chat"
    assert [(one.weight, one.file, one.text) for one in report.findings] == [
        (UNFINISHED if begun else DAMAGE, "chats/9", said)
    ]


def test_who_checks_keeps_runs_away_and_leaves_nothing(root: Path) -> None:
    archive = Archive(root)
    with held(archive):
        assert (root / "lock").exists()
        with pytest.raises(LockedError, match=f"process {os.getpid()}"):
            archive.open()
    assert not (root / "lock").exists()
    with pytest.raises(RuntimeError), held(archive):
        raise RuntimeError
    assert not (root / "lock").exists()
    with archive.open(), pytest.raises(LockedError), held(archive):
        raise AssertionError
    with pytest.raises(StorageError, match="there is no archive"), held(Archive(root / "nowhere")):
        raise AssertionError


def test_where_nothing_can_be_written_a_run_is_looked_for_alone(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(lock: Lock) -> int:
        raise StorageError(lock.path, "cannot be locked: Read-only file system")

    running = Archive(root).open()
    monkeypatch.setattr(Lock, "_open", read_only)
    with pytest.raises(LockedError) as caught, held(Archive(root)):
        raise AssertionError
    assert str(caught.value) == f"archive {root} is in use by process {os.getpid()}"
    running.release()
    entered = False
    with held(Archive(root)):
        entered = True
    assert entered
    assert (root / "lock").exists()
