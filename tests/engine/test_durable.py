from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_disk import run_on_small_disk

from engine.durable import make_folder, sync_folder, write_all, write_whole

FULL_DISK = """
import os, sys
from pathlib import Path
from engine.durable import write_all, write_whole
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
from engine import durable
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
