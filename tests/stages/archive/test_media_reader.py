"""The index of media is read as a run that was killed, or one that goes on, left it, and is not changed by that."""
from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tgbulk.stages.archive.media_index import DamagedIndexError, MediaIndex
from tgbulk.stages.archive.media_reader import MediaReader
from tgbulk.stages.telegram.medium import FoundMedia, MediaSelection, Medium

FILES = 2000
#: Writes more than SQLite holds in memory, so that the file itself is half written, and says so.
WRITER = """
import sys, time
from pathlib import Path
from tgbulk.stages.archive.media_index import MediaIndex
from tgbulk.stages.telegram.medium import MediaSelection
index = MediaIndex(Path(sys.argv[1]), MediaSelection(frozenset({"document"})))
index.execute("pragma cache_size = 10") if sys.argv[2] == "spill" else None
index.execute("update file set state = 'done', reason = printf('%0500d', number)")
print("written", flush=True)
time.sleep(120)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "archive" / "media.sqlite"
    path.parent.mkdir()
    index = MediaIndex(path, MediaSelection(frozenset({"document"})))
    index.add(-100, 1, FoundMedia([
        Medium("document", one, "", "document", 3, 0, 2, f"document/{one}.txt", 9, message=one)
        for one in range(1, FILES + 1)
    ]))
    index.commit()
    index.close()
    return path


def started(path: Path, how: str) -> subprocess.Popen[str]:
    """A process within a transaction of the index."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path), how], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "written\n"
    return process


def killed(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)


def content(path: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in path.parent.iterdir()}


def states(path: Path) -> set[str]:
    with closing(MediaReader(path)) as reader:
        found = [one.state for one in reader.files()]
    assert len(found) == FILES
    return set(found)


def test_a_run_that_was_killed_within_a_transaction(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    reader = MediaReader(path)  # was there before
    killed(started(path, "spill"))
    assert path.with_name("media.sqlite-journal").stat().st_size > 0
    before = content(path)
    assert states(path) == {"pending"}
    assert {one.state for one in reader.files()} == {"pending"}
    assert content(path) == before
    assert [one.name for one in tmp_path.iterdir()] == ["archive"]

    index = MediaIndex(path, MediaSelection(frozenset({"document"})))  # the next run sets it right
    index.execute("update file set state = 'done'")
    index.commit()
    index.close()
    assert {one.state for one in reader.files()} == {"done"}
    reader.close()


def test_a_run_that_is_within_a_transaction(path: Path) -> None:
    process = started(path, "held")
    try:
        assert states(path) == {"pending"}
    finally:
        killed(process)
    assert states(path) == {"pending"}


@pytest.mark.parametrize("closed", [True, False])
def test_a_write_ahead_log_counts(path: Path, closed: bool) -> None:
    code = ("import os, sqlite3, sys; one = sqlite3.connect(sys.argv[1]); one.execute('pragma journal_mode = wal');"
            "one.execute('update file set state = ?', ('done',)); one.commit(); os._exit(0)")
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, timeout=60)
    assert path.with_name("media.sqlite-wal").stat().st_size > 0
    if closed:
        path.with_name("media.sqlite-shm").unlink()  # as in a copy of the archive
    before = content(path)
    assert states(path) == {"done"}
    if closed:
        assert content(path) == before
    else:
        assert content(path).keys() == before.keys()


def test_an_archive_that_cannot_be_written_to(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("pragma journal_mode = wal")
    assert sorted(content(path)) == ["media.sqlite", "media.sqlite.sum"]
    os.chmod(path.parent, 0o500)
    try:
        assert states(path) == {"pending"}
    finally:
        os.chmod(path.parent, 0o700)
    assert sorted(content(path)) == ["media.sqlite", "media.sqlite.sum"]


def test_an_index_that_was_just_begun_is_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "media.sqlite").write_bytes(b"")
    with closing(MediaReader(tmp_path / "media.sqlite")) as reader:
        assert reader.empty
        assert (list(reader.files()), reader.states(), reader.pictures(), reader.get("document", 1)) == ([], {}, {}, None)


def test_what_is_no_database_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "media.sqlite").write_bytes(b"no database " * 1000)
    with pytest.raises(DamagedIndexError):
        MediaReader(tmp_path / "media.sqlite")
