from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.durability import watched
from tgbulk.engine import document
from tgbulk.engine.document import DamagedDocumentError
from tgbulk.engine.error import ExitCode, FileRefusedError, LockedError, NewerFormatError, StorageError
from tgbulk.engine.folder import Place
from tgbulk.engine.lock import PAUSE_SECONDS
from tgbulk.stages.archive.folder import (
    FIRST_FORMAT,
    FORMAT,
    Archive,
    LostJournalError,
    NotAnArchiveError,
    documents,
    is_aside,
    move_aside,
)

AS_NOBODY = """
import os, sys
from pathlib import Path
from tgbulk.engine.error import StorageError
from tgbulk.stages.archive.folder import Archive
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    Archive(Path(sys.argv[1])).open()
except StorageError as error:
    print(error)
"""


def files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture(autouse=True)
def _leaks_nothing() -> Iterator[None]:
    before = files()
    yield
    assert files() == before


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """One that was made before."""
    made = Archive(tmp_path / "archive")
    made.open().release()
    return made


def test_a_new_folder_becomes_an_archive(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "far" / "away")
    archive.open().release()
    about = json.loads((archive.root / "archive.json").read_text())
    assert about["format"] == FIRST_FORMAT
    assert about["tool"].startswith("tgbulk ")
    assert stat.S_IMODE(archive.root.stat().st_mode) == 0o700
    assert sorted(os.listdir(archive.root)) == ["archive.json", "chats", "lock"]
    assert archive.chat(-1001).path.path == archive.root / "chats" / "-1001"
    assert archive.listed.path == archive.root / "listed.json"


def test_an_archive_opens_again_unchanged(archive: Archive) -> None:
    before = (archive.root / "archive.json").read_bytes()
    (archive.root / "journal").write_bytes(b"kept")
    archive.open().release()
    assert (archive.root / "archive.json").read_bytes() == before
    assert (archive.root / "journal").read_bytes() == b"kept"


def test_one_run_at_a_time(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for another one who does not say so."""
    pauses: list[float] = []
    monkeypatch.setattr("tgbulk.engine.lock.time.sleep", pauses.append)
    with archive.open():
        with pytest.raises(LockedError) as caught:
            archive.open()
    assert str(caught.value) == f"archive {archive.root} is in use by process {os.getpid()}"
    assert set(pauses) == {PAUSE_SECONDS}
    assert caught.value.exit_code == ExitCode.LOCKED
    archive.open().release()


@pytest.mark.parametrize("found", [FORMAT + 1, 2**40, "next"])
def test_a_newer_format_is_refused_and_not_touched(archive: Archive, found: object) -> None:
    about = archive.root / "archive.json"
    about.write_text(json.dumps({"format": found, "tool": "tgbulk 9"}))
    with pytest.raises(NewerFormatError, match=f"format {found}; this version reads up to format {FORMAT}") as caught:
        archive.open()
    assert caught.value.exit_code == ExitCode.STORAGE
    assert json.loads(about.read_text())["format"] == found


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff\xfe", b'"format"', b"7"])
def test_an_about_that_cannot_be_read(archive: Archive, content: bytes) -> None:
    (archive.root / "archive.json").write_bytes(content)
    with pytest.raises(NotAnArchiveError, match=r"archive\.json cannot be read"):
        archive.open()


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(NotAnArchiveError, match=r"has no archive\.json") as caught:
        Archive(tmp_path).open()
    assert caught.value.exit_code == ExitCode.STORAGE
    assert os.listdir(tmp_path) == ["thesis.txt"]


def test_a_crash_while_the_archive_was_made_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    (tmp_path / "archive.json.part").write_bytes(b"{")
    Archive(tmp_path).open().release()
    assert sorted(os.listdir(tmp_path)) == ["archive.json", "chats", "lock"]


@pytest.mark.parametrize("below", ["", "/archive", "/far/archive"])
def test_a_file_in_place_of_the_folder(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_bytes(b"kept")
    with pytest.raises(StorageError, match=r"file.*(it is not a folder|File exists|Not a directory)") as caught:
        Archive(Path(f"{tmp_path}/file{below}")).open()
    assert caught.value.exit_code == ExitCode.STORAGE
    assert (tmp_path / "file").read_bytes() == b"kept"


def test_a_folder_in_place_of_a_file(archive: Archive) -> None:
    (archive.root / "archive.json").unlink()
    (archive.root / "archive.json").mkdir()
    with pytest.raises(StorageError, match=r"archive\.json: it is not a file of its own"):
        archive.open()


@pytest.mark.parametrize(("mode", "reason"), [(0o555, "you may not write there"), (0o000, "Permission denied")])
def test_a_folder_that_is_not_ours(tmp_path: Path, mode: int, reason: str) -> None:
    """In a process without root's powers."""
    top = tmp_path
    while top != top.parent and not os.stat(top).st_mode & 0o001:
        top.chmod(top.stat().st_mode | 0o111)
        top = top.parent
    folder = tmp_path / "theirs"
    folder.mkdir()
    folder.chmod(mode)
    done = subprocess.run([sys.executable, "-c", AS_NOBODY, str(folder)], capture_output=True, text=True)
    folder.chmod(0o755)
    assert (done.stdout, done.stderr) == (f"{folder}: {reason}\n", "")


def test_only_a_marked_id_names_the_folder_of_a_chat(archive: Archive) -> None:
    for name in ("5", "-7", "-1001", "05", "-0", "--5", "5.damaged-20260101T000000Z", "five", "\u0665", "\u0668", "-"):
        (archive.root / "chats" / name).mkdir()
    assert sorted(archive.chat_folders()) == [-1001, -7, 5]
    assert archive.chat_folders()[-7].messages.path == archive.root / "chats" / "-7" / "messages.jsonl"


@pytest.mark.parametrize("name", ["archive.json", "journal", "chats"])
def test_an_archive_is_there_as_soon_as_one_thing_of_it_is(tmp_path: Path, name: str) -> None:
    archive = Archive(tmp_path)
    assert not archive.exists()
    (tmp_path / name).touch()
    assert archive.exists()


@pytest.mark.parametrize("name", ["messages.jsonl", "peers.jsonl", "changes.jsonl", "members.jsonl"])
def test_chats_without_a_journal_are_not_begun_anew(archive: Archive, name: str) -> None:
    chat = archive.root / "chats" / "5"
    chat.mkdir()
    (chat / "chat.json").touch()
    archive.open().release()
    (chat / name).write_bytes(b"precious")
    with pytest.raises(LostJournalError):
        archive.open()
    (archive.root / "journal").touch()
    archive.open().release()
    assert (chat / name).read_bytes() == b"precious"


def test_what_no_run_has_made_is_found(archive: Archive) -> None:
    chat = archive.root / "chats" / "5"
    (chat / "segments").mkdir(parents=True)
    for name in ("chat.json", "messages.jsonl", "peers.jsonl", "changes.jsonl", "annexes.json", "members.jsonl", "note"):
        (chat / name).touch()
    for name in ("journal", "media.sqlite", "media.sqlite-journal", "runs", "media", "thesis.txt", "chats/copy"):
        (archive.root / name).touch()
    assert [one.path for one in archive.unknown()] == [archive.root / "chats" / "copy", archive.root / "thesis.txt"]
    assert [one.path for one in archive.chat(5).unknown()] == [chat / "note"]
    assert archive.index_cut_short()
    assert (archive.shown(chat / "note"), archive.is_media("media/a"), archive.is_media("mediator")) == (
        "chats/5/note", True, False,
    )


def test_lines_of_a_chat_are_those_that_were_ever_appended(archive: Archive) -> None:
    segments = archive.root / "chats" / "5" / "segments"
    segments.mkdir(parents=True)
    for path in (segments.parent / "messages.jsonl", segments.parent / "chat.json", segments / "9.jsonl"):
        path.touch()
    (segments.parent / "chat.json").write_bytes(b"{}")
    assert (archive.chat(5).exists(), archive.chat(6).exists(), archive.chat(5).has_lines()) == (True, False, False)
    archive.chat(5).segment(9).path.write_bytes(b"a line")
    assert archive.chat(5).has_lines()


def test_runs_and_their_documents_are_in_order(archive: Archive) -> None:
    for run in ("20260102", "20260101"):
        folder = archive.root / "runs" / run
        folder.mkdir(parents=True)
        for name in ("request.json", "summary.json", "options.json", "metrics.json", "log.jsonl"):
            (folder / name).touch()
    (archive.root / "runs" / "20260101" / "summary.json").unlink()
    found = [str(one.path.relative_to(archive.root / "runs")) for one in documents(archive)]
    assert found == [
        "20260101/request.json", "20260101/options.json",
        "20260102/summary.json", "20260102/request.json", "20260102/options.json",
    ]  # fmt: skip
    first = archive.run("20260101")
    assert (first.stack("write", 7).name, first.log.path, first.metrics.name) == (
        "hang-write-7.txt", archive.root / "runs" / "20260101" / "log.jsonl", "metrics.json",
    )


def test_what_is_moved_aside_is_kept_and_known_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "journal").write_bytes(b"damaged")
    with watched() as disk:
        aside = move_aside(Place(tmp_path) / "journal")
        assert disk.lost == []
    assert (is_aside(aside), is_aside(Place(tmp_path) / "journal")) == (True, False)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"damaged"]


def test_the_format_is_proved_and_raised_when_it_has_to_be(archive: Archive) -> None:
    archive.prove_format()
    archive.raise_format()
    about = archive.root / "archive.json"
    raised = about.read_bytes()
    assert json.loads(raised)["format"] == FORMAT
    archive.prove_format()
    archive.raise_format()
    assert about.read_bytes() == raised
    about.write_bytes(raised.replace(b"tgbulk ", b"tgbulk_"))
    with pytest.raises(DamagedDocumentError):
        archive.prove_format()
    about.write_text(json.dumps({"format": FORMAT + 1}))
    with pytest.raises(NewerFormatError):
        archive.prove_format()
    for other in (FORMAT + 1, 0, "x"):
        about.write_bytes(document.dump({"format": other}))
        with pytest.raises(NewerFormatError):
            archive.prove_format()
    for damage in (b"", b"[]", b"{}"):
        about.write_bytes(damage)
        with pytest.raises(DamagedDocumentError):
            archive.prove_format()


def test_an_archive_that_cannot_be_made_ready_is_not_kept_locked(archive: Archive) -> None:
    (archive.root / "chats").rmdir()
    (archive.root / "chats").touch()
    with pytest.raises(StorageError, match="chats"):
        archive.open()
    (archive.root / "chats").unlink()
    archive.open().release()


def test_media_may_be_elsewhere(archive: Archive, tmp_path: Path) -> None:
    assert (archive.media_elsewhere, archive.index_cut_short()) == (None, False)
    (tmp_path / "disk").mkdir()
    (archive.root / "media").symlink_to(tmp_path / "disk")
    assert archive.media_elsewhere == tmp_path / "disk"


def test_why_nothing_of_an_archive_is_seen(tmp_path: Path) -> None:
    """There is none, or the system shows nobody what is there."""
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(StorageError, match="file: it is not a folder"):
        Archive(tmp_path / "file").check_place()
    for name in ("nothing", "file", "."):
        found = Archive(tmp_path / name).missing()
        assert (type(found), str(found)) == (StorageError, f"{tmp_path / name}: there is no archive")
    refused = Archive(tmp_path / "loop").missing()
    assert isinstance(refused, FileRefusedError)
    assert str(refused).startswith(f"{tmp_path / 'loop'}: ")
