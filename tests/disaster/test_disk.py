"""Disks that are full, read-only, limited, or taken away."""
from __future__ import annotations

import os
import platform
import resource
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from support import without_memfd
from support.loop import Ext2
from support.rig import CHATS, SLOWLY, Rig, differences
from support.tmpfs import SmallDisk

LARGE, MIDDLE, SMALL = -1003000000001, -1003000000002, -1003000000003
FEW = CHATS[1:]
#: Everything that can be downloaded.
KINDS = ("@sim_kinds",)


@pytest.mark.parametrize(
    ("size", "inodes"),
    [("4k", 0), ("24k", 0), ("80k", 0), ("300k", 0), ("612k", 0), ("3m", 4), ("3m", 7), ("3m", 9), ("3m", 11), ("3m", 13)],
)
def test_a_full_disk(rig: Rig, tmp_path: Path, reference: dict[str, Any], size: str, inodes: int) -> None:
    """Wherever it fills up: archive.json, the lock, journal, chat.json, messages, segments, the summary."""
    with SmallDisk(tmp_path, size, inodes) as disk:
        archive = disk.path / "archive"
        done = rig.export(archive, chats=FEW)
        assert done.returncode == 8, (done.returncode, done.stderr)
        assert "No space left on device" in done.stderr
        assert "Traceback" not in done.stderr
        disk.remount("size=8m,nr_inodes=0")
        done = rig.export(archive, chats=FEW)
        assert done.returncode == 0, done.stderr
        assert differences(archive, reference, MIDDLE, SMALL) == []


def test_a_read_only_disk(rig: Rig, tmp_path: Path) -> None:
    with SmallDisk(tmp_path, "8m") as disk:
        assert rig.export(disk.path / "archive", chats=FEW).returncode == 0
        disk.remount("ro")
        for archive in (disk.path / "archive", disk.path / "other"):
            done = rig.export(archive, chats=FEW)
            assert done.returncode == 8, done.stderr
            assert "Read-only file system" in done.stderr or "you may not write there" in done.stderr


@pytest.mark.parametrize("left", ["full", "room for a file", "read-only"])
def test_a_home_that_takes_nothing(rig: Rig, archive: Path, tmp_path: Path, left: str) -> None:
    """Session, peer cache and pace: each command says which file, and what to do; the login stays as it was."""
    place = tmp_path / "disk"
    place.mkdir()
    with SmallDisk(place, "2m") as disk:
        home = disk.path / "home"
        shutil.copytree(rig.home / "sessions", home / "sessions")
        account = rig.dc.accounts[0]
        login = ["login", "--account", "another", "--phone", account["phone"], "--code", account["code"]]
        if left == "read-only":
            disk.remount("ro")
        else:
            with suppress(OSError), (home / "filling").open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
            if left != "full":
                os.truncate(home / "filling", (home / "filling").stat().st_size - 4096)
        for words in (["chats"], login, ["logout"], ["export", FEW[0], "-o", archive], ["doctor", "--online"]):
            done = rig.run(*words, before=disk.inside, TGBULK_HOME=str(place / "home"))
            assert done.returncode == 8, (words, done.stderr)
            said = done.stdout + done.stderr
            assert "No space left on device" in said or "Read-only file system" in said, words
            assert "a file:" not in said
            assert "Traceback" not in said
        disk.remount("rw,size=8m")
        assert rig.run("chats", before=disk.inside, TGBULK_HOME=str(place / "home")).returncode == 0


def test_a_file_that_may_not_grow(rig: Rig, archive: Path, reference: dict[str, Any]) -> None:
    """A limit on the size of files, as a quota is, met in the middle of a page."""
    with rig.slow():
        export = rig.start(archive, *SLOWLY)
        export.wait_for_commit(archive)
        limit = (700_000, resource.RLIM_INFINITY)
        export.wait_for("write").rlimit(psutil.RLIMIT_FSIZE, limit)
    code, said = export.end()
    assert (code, "File too large" in said) == (8, True), said
    assert rig.finish(archive) == 1
    assert differences(archive, reference) == []


@pytest.mark.parametrize("what", ["archive", "chats", f"chats/{LARGE}", "journal"])
def test_what_was_deleted_while_it_grew(rig: Rig, archive: Path, reference: dict[str, Any], what: str) -> None:
    """Said in clear words; and exported again from where it can be."""
    with rig.slow():
        export = rig.start(archive, *SLOWLY)
        export.wait_for_commit(archive)
        gone = archive if what == "archive" else archive / what
        if gone.is_dir():
            os.rename(gone, archive.parent / "away")
            shutil.rmtree(archive.parent / "away")
        else:
            gone.unlink()
    code, said = export.end()
    assert code == 8, said
    assert "Traceback" not in said
    assert str(archive) in said
    if what == "journal":
        done = rig.export(archive)
        assert (done.returncode, "no journal that speaks of them" in done.stderr) == (8, True)
        shutil.rmtree(archive)
    assert rig.finish(archive) == 1
    assert differences(archive, reference) == []


def test_a_disk_without_fallocate(rig: Rig, tmp_path: Path, reference: dict[str, Any]) -> None:
    """A block device that fills up, and is enough when something else is deleted."""
    (folder := tmp_path / "ext2").mkdir()
    with Ext2(folder, 8) as disk:
        ballast = disk.path / "ballast"
        with open(ballast, "wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
            os.posix_fallocate(file.fileno(), 0, 64 << 20)
        assert os.statvfs(disk.path).f_bavail == 0
        os.truncate(ballast, ballast.stat().st_size - 400_000)
        archive = disk.path / "archive"
        done = rig.export(archive, chats=FEW)
        assert (done.returncode, "No space left on device" in done.stderr) == (8, True), done.stderr
        ballast.unlink()
        done = rig.export(archive, chats=FEW)
        assert done.returncode == 0, done.stderr
        assert differences(archive, reference, MIDDLE, SMALL) == []


def test_media_on_a_disk_without_fallocate(rig: Rig, tmp_path: Path) -> None:
    """Nor is there a memfd: what is shared between processes lies on that disk as well."""
    if platform.machine() not in without_memfd.NUMBERS:
        pytest.skip("the number of memfd_create is not known here")
    (folder := tmp_path / "ext2").mkdir()
    with Ext2(folder, 96) as disk:
        (disk.path / "tmp").mkdir()
        archive = disk.folder / "archive"
        before = (*disk.inside, sys.executable, without_memfd.__file__)
        done = rig.export(archive, "--media", "all", chats=KINDS, before=before, TMPDIR=str(disk.folder / "tmp"))
        assert done.returncode == 0, done.stderr
        verified = rig.run("verify", archive, before=disk.inside)
        assert verified.returncode == 0, verified.stdout
        assert os.listdir(disk.path / "tmp") == []


@pytest.mark.parametrize(
    ("how", "said"),
    [("full", "No space left on device"), ("read-only", "Read-only file system"), ("file", "media: it is not a folder")],
)
def test_media_that_cannot_be_written(rig: Rig, tmp_path: Path, how: str, said: str) -> None:
    with SmallDisk(tmp_path, "900k" if how == "full" else "64m") as disk:
        archive = disk.path / "archive"
        media = archive / "media"
        if how != "full":
            assert rig.export(archive, chats=CHATS[2:]).returncode == 0
        if how == "file":
            media.write_text("in the way")
        elif how == "read-only":
            media.mkdir()
            disk.bind("archive/media", "ro")
        done = rig.export(disk.folder / "archive", "--media", "all", chats=KINDS, before=disk.inside)
        assert (done.returncode, said in done.stderr) == (8, True), (done.returncode, done.stderr)
        assert "Traceback" not in done.stderr
        if how == "full":
            disk.remount("size=64m")
        elif how == "file":
            media.unlink()
        else:
            disk.bind("archive/media", "rw")
        done = rig.export(disk.folder / "archive", "--media", "all", chats=KINDS, before=disk.inside)
        assert done.returncode == 0, done.stderr
        assert rig.run("verify", disk.folder / "archive", before=disk.inside).returncode == 0
