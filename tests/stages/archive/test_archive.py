from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tgbulk.engine.error import ExitCode, LockedError, NewerFormatError, StorageError
from tgbulk.stages.archive.folder import FIRST_FORMAT, FORMAT, Archive, NotAnArchiveError

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


def test_an_archive_opens_again_unchanged(archive: Archive) -> None:
    before = (archive.root / "archive.json").read_bytes()
    (archive.root / "journal").write_bytes(b"kept")
    archive.open().release()
    assert (archive.root / "archive.json").read_bytes() == before
    assert (archive.root / "journal").read_bytes() == b"kept"


def test_one_run_at_a_time(archive: Archive) -> None:
    with archive.open():
        with pytest.raises(LockedError) as caught:
            archive.open()
    assert str(caught.value) == f"archive {archive.root} is in use by process {os.getpid()}"
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
