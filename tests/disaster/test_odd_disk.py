"""File systems that refuse some names, sizes, times or calls, and disks that begin to fail: vfat, SMB, FUSE, dying ones.

None of them can be mounted here without their own tools and a kernel that has them, so a preloaded library answers for them.
"""
from __future__ import annotations

import errno
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.rig import Rig, content

SMALL = -1003000000003
#: A chat with files, and one without.
CHATS = ("@sim_kinds", "@sim_small")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> str:
    """disk.c, compiled."""
    if not shutil.which("gcc"):
        pytest.skip("there is no gcc, and nothing else makes these file systems")
    path = tmp_path_factory.mktemp("disk") / "disk.so"
    source = Path(__file__).parents[1] / "support" / "disk.c"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", path, source, "-ldl"], check=True)
    return str(path)


@pytest.fixture(scope="module")
def names(shared: Rig, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The names of files that are asked for; the first has several parts."""
    archive = tmp_path_factory.mktemp("odd") / "archive"
    done = shared.export(archive, "--media", "all", chats=CHATS)
    assert done.returncode == 0, done.stderr
    files = [path for path in archive.glob("media/*/*/*") if path.parts[-3] != "photo"]
    found = [path.name for path in sorted(files, key=lambda path: path.stat().st_size, reverse=True)]
    return [name for name in found if sum(name in other for other in found) == 1]


def messages(archive: Path, shared: bool) -> bytes:
    found: bytes = content(archive, shared)[f"{SMALL} messages"]
    return found


def test_files_that_are_refused_fail_alone(
    rig: Rig, archive: Path, reference: dict[str, Any], library: str, names: list[str]
) -> None:
    """For their names, their size, or the rights in their folder; a time that cannot be set is no reason at all."""
    refusals = [
        ("write", errno.EFBIG), ("create", errno.EINVAL), ("rename", errno.EILSEQ), ("create", errno.ENAMETOOLONG),
        ("rename", errno.EINVAL), ("create", errno.EPERM), ("create", errno.EACCES), ("write", errno.EFBIG),
    ]
    refused = names[: len(refusals)]
    faults = ";".join(f"{call}:{number}:{name}" for (call, number), name in zip(refusals, refused, strict=True))
    faults += f";utime:{errno.EPERM}:;fsync-folder:{errno.EINVAL}:"
    done = rig.export(archive, "--media", "all", chats=CHATS, LD_PRELOAD=library, DISK_FAULTS=faults)
    assert done.returncode == 3, (done.returncode, done.stderr)
    assert f"{len(refused)} failed" in done.stderr
    for number in {number for _, number in refusals}:
        assert os.strerror(number) in done.stderr
    assert messages(archive, reference["shared"]) == reference[f"{SMALL} messages"]
    left = [name for name in refused if list(archive.glob(f"media/*/*/{name}"))]
    assert left == []
    faults = f"fsync-folder:{errno.ENOTSUP}:"
    done = rig.export(archive, "--media", "all", chats=CHATS, LD_PRELOAD=library, DISK_FAULTS=faults)
    assert done.returncode == 0, done.stderr
    assert len([name for name in refused if list(archive.glob(f"media/*/*/{name}"))]) == len(refused)


def test_a_file_system_without_locks(rig: Rig, archive: Path, library: str) -> None:
    done = rig.export(archive, chats=CHATS[1:], LD_PRELOAD=library, DISK_FAULTS=f"flock:{errno.ENOLCK}:{archive}")
    assert done.returncode == 8, done.stderr
    assert "its file system has no locks" in done.stderr
    assert str(archive) in done.stderr


def test_a_file_system_without_modes(rig: Rig, library: str) -> None:
    """Nobody is told to change them."""
    session, dotenv = next((rig.home / "sessions").glob("*/main.session")), rig.home / ".env"
    dotenv.write_text("TGBULK_ACCOUNT=main\n")
    dotenv.chmod(0o666)
    session.chmod(0o640)
    try:
        plain = rig.run("chats").stderr
        odd = rig.run("chats", LD_PRELOAD=library, DISK_FAULTS=f"modes:0:{rig.home}").stderr
    finally:
        session.chmod(0o600)
        dotenv.unlink()
    assert plain.count("chmod 600 ") == 2, plain
    assert "chmod" not in odd
    for path in (session, dotenv.name):
        assert f"move {path} to a file system that keeps modes, or mount this one with umask=077" in odd


@pytest.mark.parametrize(
    ("what", "number"),
    [("write:{}:/chats/", errno.EIO), ("fsync:{}:/journal", errno.EROFS), ("write:{}:/media/", errno.EIO)],
)
def test_a_disk_that_fails_in_mid_run(
    rig: Rig, archive: Path, reference: dict[str, Any], library: str, what: str, number: int
) -> None:
    """It ends the run, for every file would meet it; the next one goes on."""
    faults = {"LD_PRELOAD": library, "DISK_FAULTS": what.format(number)}
    done = rig.export(archive, "--media", "all", chats=CHATS, **faults)
    assert done.returncode == 8, (done.returncode, done.stderr)
    assert "Traceback" not in done.stderr
    assert os.strerror(number) in done.stderr
    done = rig.export(archive, "--media", "all", chats=CHATS)
    assert done.returncode == 0, done.stderr
    assert messages(archive, reference["shared"]) == reference[f"{SMALL} messages"]
