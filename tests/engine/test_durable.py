from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.durability import watched
from support.open_files import open_files
from support.small_disk import run_on_small_disk
from tgbulk.engine.durable import make_folder, open_new, sync, sync_folder, write_all, write_whole
from tgbulk.engine.folder import Place

FULL_DISK = """
import os, sys
from pathlib import Path
from tgbulk.engine.durable import write_all, write_whole
folder = Path(sys.argv[1])
write_whole(folder / "file", b"old")
try:
    write_whole(folder / "file", bytes(1 << 20))
except OSError as error:
    print(error.errno, (folder / "file").read_bytes(), os.listdir(folder))
descriptor = os.open(folder / "other", os.O_RDWR | os.O_CREAT)
try:
    write_all(descriptor, bytes(1 << 20), 0)
except OSError as error:
    print(error.errno)
"""
KILLED = """
import os, signal, sys
from pathlib import Path
from tgbulk.engine import durable
os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
durable.write_whole(Path(sys.argv[1]), b"new")
"""


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content in (b"first", b"", b"x" * 100_000):
        write_whole(path, content)
        assert path.read_bytes() == content
        assert os.listdir(tmp_path) == ["file"]


def test_a_full_disk_keeps_the_old_content_and_no_rest(tmp_path: Path) -> None:
    assert run_on_small_disk(tmp_path, "64k", FULL_DISK) == "28 b'old' ['file']\n28\n"


def test_a_kill_before_the_sync_keeps_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_whole(path, b"old")
    assert subprocess.run([sys.executable, "-c", KILLED, str(path)]).returncode == -9
    assert path.read_bytes() == b"old"
    write_whole(path, b"newer")
    assert os.listdir(tmp_path) == ["file"]


def test_all_is_written_where_it_belongs(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    write_all(descriptor, b"", 0)
    write_all(descriptor, b"tail", 6)
    write_all(descriptor, b"middle", 0)
    os.close(descriptor)
    assert (tmp_path / "file").read_bytes() == b"middletail"


def test_folders_are_made_with_their_parents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_folder(tmp_path / "a" / "b" / "c")
    make_folder(tmp_path / "a" / "b" / "c")
    sync_folder(tmp_path / "a")
    monkeypatch.chdir(tmp_path)
    make_folder(Path("relative/d"))
    assert (tmp_path / "a/b/c").is_dir()
    assert (tmp_path / "relative/d").is_dir()


@pytest.mark.parametrize("folder", ["file", "file/below", "file/far/below"])
def test_a_file_where_a_folder_has_to_be(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").write_bytes(b"kept")
    with pytest.raises(NotADirectoryError, match="it is not a folder"):
        make_folder(tmp_path / folder)
    assert (tmp_path / "file").read_bytes() == b"kept"


def test_a_file_has_its_bytes_before_its_name_and_both_are_durable(tmp_path: Path) -> None:
    before = open_files()
    with watched() as disk:
        for content in (b"first", b"second"):
            write_whole(tmp_path / "file", content, 0o600)
            assert (disk.early, disk.lost) == ([], [])
    assert disk.renamed == 2
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
    write_whole(tmp_path / "open", b"")
    assert (tmp_path / "open").stat().st_mode & 0o777 == 0o644
    assert open_files() == before


def test_each_new_folder_is_durable(tmp_path: Path) -> None:
    with watched() as disk:
        make_folder(tmp_path / "a" / "b" / "c", 0o700)
        assert disk.lost == []
        (tmp_path / "d").mkdir()
        assert disk.lost == [tmp_path.name]
        sync_folder(tmp_path)
        assert disk.lost == []
    assert (tmp_path / "a/b/c").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "a/b").stat().st_mode & 0o077


def test_a_file_that_was_removed_is_no_durable_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    sync(descriptor, path)
    path.unlink()
    with pytest.raises(FileNotFoundError) as caught:
        sync(descriptor, path)
    assert (caught.value.filename, caught.value.strerror) == (str(path), "it was removed while it was written")
    os.close(descriptor)


def test_a_new_file_takes_the_place_of_whatever_is_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    os.link(tmp_path / "file", tmp_path / "other")
    descriptor = open_new(Place(tmp_path) / "file", 0o600)
    write_all(descriptor, b"new", 0)
    os.close(descriptor)
    assert [(tmp_path / name).read_bytes() for name in ("file", "other")] == [b"new", b"old"]
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EIO])
def test_only_a_file_system_that_cannot_sync_a_folder_is_forgiven(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """No file system here refuses; its answer does."""

    def refused(descriptor: int) -> None:
        raise OSError(number, "refused")

    monkeypatch.setattr(os, "fsync", refused)
    if number != errno.EIO:
        sync_folder(tmp_path)
        return
    with pytest.raises(OSError, match="refused") as caught:
        sync_folder(tmp_path)
    assert caught.value.errno == errno.EIO


def test_a_folder_that_somebody_makes_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mkdir = os.mkdir

    def late(name: str, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        mkdir(name, mode, dir_fd=dir_fd)
        mkdir(name, mode, dir_fd=dir_fd)

    with monkeypatch.context() as patch:
        patch.setattr(os, "mkdir", late)
        make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


def test_a_file_is_for_others_to_read_unless_somebody_says_otherwise(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        os.close(open_new(Place(tmp_path) / "file"))
        make_folder(tmp_path / "folder")
    finally:
        os.umask(before)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("file", "folder")] == [0o644, 0o755]


@pytest.mark.parametrize("there", [True, False])
def test_why_a_file_could_not_be_made_is_what_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    """A disk without room for another file; what a crash left of an earlier one goes."""
    opened = os.open

    def full(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if flags & os.O_CREAT:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return opened(path, flags, mode, dir_fd=dir_fd)

    if there:
        (tmp_path / "file.part").touch()
    monkeypatch.setattr(os, "open", full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        write_whole(tmp_path / "file", b"content")
    assert caught.value.errno == errno.ENOSPC
    assert os.listdir(tmp_path) == []


def test_a_file_is_written_to_its_end_however_little_is_taken_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda descriptor, data, offset: pwrite(descriptor, data[:3], offset))
    write_whole(tmp_path / "file", b"some content")
    assert (tmp_path / "file").read_bytes() == b"some content"


def test_what_is_in_the_place_of_a_file_stays(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="not a file of its own"):
        write_whole(tmp_path / "folder", b"content")
    assert os.listdir(tmp_path) == ["folder"]
