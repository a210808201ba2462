"""A place does what pathlib's Path does; what it does with links and other things in its way, test_folder.py has."""
from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

import pytest

from tgbulk.engine.folder import DEPTH, LinkError, Place, UnsafeNameError


def test_its_names_are_those_of_its_path(tmp_path: Path) -> None:
    root = Place(tmp_path)
    place = root / "a" / "b/c.tar.gz"
    path = tmp_path / "a/b/c.tar.gz"
    assert (place.path, str(place), os.fspath(place)) == (path, str(path), str(path))
    assert (place.name, place.stem) == (path.name, path.stem)
    assert place.parent == root / "a/b"
    assert place.with_name("d") == root / "a/b/d"
    for name in ("..", ""):
        with pytest.raises(UnsafeNameError):
            place.with_name(name)


def test_a_root_has_names_as_well(tmp_path: Path) -> None:
    """Its owner gave it: the folder it lies in is one to be trusted."""
    root = Place(tmp_path / "root.d")
    assert (root.name, root.stem, root.path) == ("root.d", "root", tmp_path / "root.d")
    assert root.parent == Place(tmp_path)
    assert root.with_name("other") == Place(tmp_path, ("other",))
    with pytest.raises(UnsafeNameError):
        root.with_name("../other")


def test_a_path_as_a_place(tmp_path: Path) -> None:
    place = Place(tmp_path) / "a"
    assert Place.of(place) is place
    assert Place.of(tmp_path / "a") == place
    for path in (Path("/"), Path(), tmp_path / ".."):
        assert Place.of(path) == Place(path)


def test_places_are_sorted_and_looked_up(tmp_path: Path) -> None:
    one, two = Place(tmp_path) / "1", Place(tmp_path) / "2"
    assert sorted([two, one]) == [one, two]
    assert {one, two, Place(tmp_path, ("1",))} == {two, one}


def test_a_file_is_made_with_a_mode_and_cut_where_that_is_wanted(tmp_path: Path) -> None:
    place = Place(tmp_path) / "file"
    before = os.umask(0o022)
    try:
        os.close(place.open(os.O_WRONLY | os.O_CREAT))
        os.close((Place(tmp_path) / "own").open(os.O_WRONLY | os.O_CREAT, 0o600))
    finally:
        os.umask(before)
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("file", "own")] == [0o644, 0o600]
    (tmp_path / "file").write_bytes(b"content")
    descriptor = place.open()
    assert os.read(descriptor, 99) == place.read_bytes() == b"content"
    assert not os.get_inheritable(descriptor)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.write(descriptor, b"more")
    os.close(descriptor)
    os.close(place.open(os.O_RDWR))
    assert place.read_bytes() == b"content"
    os.close(place.open(os.O_RDWR | os.O_TRUNC))
    assert place.read_bytes() == b""


@pytest.mark.parametrize("flags", [os.O_RDWR, os.O_WRONLY, os.O_WRONLY | os.O_TRUNC])
def test_what_has_a_second_name_is_not_cut_either(tmp_path: Path, flags: int) -> None:
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / "file").hardlink_to(tmp_path / "victim")
    with pytest.raises(LinkError, match="it is not a file of its own") as caught:
        (Place(tmp_path) / "file").open(flags)
    assert (caught.value.errno, caught.value.filename) == (errno.ELOOP, str(tmp_path / "file"))
    assert (tmp_path / "victim").read_bytes() == b"precious"


def test_what_there_is(tmp_path: Path) -> None:
    """Of a link it is the link; at a root it is what the link leads to."""
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    (tmp_path / "dangling").symlink_to("nothing")
    place = Place(tmp_path)
    names = ["file", "folder", "link", "dangling", "none", "file/none"]
    assert [name for name in names if (place / name).exists()] == ["file", "folder", "link", "dangling"]
    assert [name for name in names if (place / name).is_file()] == ["file"]
    assert [name for name in names if (place / name).is_dir()] == ["folder"]
    assert [name for name in names if (place / name).is_link()] == ["link", "dangling"]
    root = Place(tmp_path / "link")
    assert (root.exists(), root.is_dir(), root.is_link()) == (True, True, False)
    assert not Place(tmp_path / "dangling").exists()
    assert (place / "file").stat().st_ino == (tmp_path / "file").stat().st_ino


def test_what_lies_in_it(tmp_path: Path) -> None:
    root = Place(tmp_path)
    for name in ("b.txt", "a.txt", "c/d.txt", "c/e/f", "g"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert root.iterdir() == [root / name for name in ("a.txt", "b.txt", "c", "g")]
    assert root.glob() == root.iterdir()
    assert root.glob("*.txt") == [root / "a.txt", root / "b.txt"]
    assert (root / "c").glob("*.txt") == [root / "c/d.txt"]
    assert (root / "none").glob() == (root / "g").glob() == []
    assert list(root.walk()) == [root / name for name in ("a.txt", "b.txt", "c/d.txt", "c/e/f", "g")]
    assert list(root.walk(1)) == [root / name for name in ("a.txt", "b.txt", "c/d.txt", "c/e", "g")]
    assert list(root.walk(0)) == root.iterdir()
    with pytest.raises(FileNotFoundError):
        (root / "none").iterdir()


@pytest.mark.parametrize("depth", [DEPTH, DEPTH + 1])
def test_folders_too_deep_are_not_looked_into(tmp_path: Path, depth: int) -> None:
    path = tmp_path.joinpath(*"a" * depth)
    path.mkdir(parents=True)
    (path / "file").touch()
    (found,) = Place(tmp_path).walk()
    assert found.path == (path / "file" if depth == DEPTH else path)


def test_a_folder_is_made(tmp_path: Path) -> None:
    place = Place(tmp_path) / "a"
    before = os.umask(0o022)
    try:
        place.mkdir()
        (place / "own").mkdir(0o700)
    finally:
        os.umask(before)
    assert [stat.S_IMODE(one.stat().st_mode) for one in (place, place / "own")] == [0o755, 0o700]
    place.mkdir(exist_ok=True)
    with pytest.raises(FileExistsError):
        place.mkdir()
    with pytest.raises(FileNotFoundError):
        (place / "b/c").mkdir()


@pytest.mark.parametrize("exist_ok", [False, True])
def test_what_is_no_folder_is_in_its_way(tmp_path: Path, exist_ok: bool) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(LinkError, match="it is a link, which is not followed"):
        (Place(tmp_path) / "link").mkdir(exist_ok=exist_ok)
    (tmp_path / "file").touch()
    with pytest.raises(LinkError if exist_ok else FileExistsError) as caught:
        (Place(tmp_path) / "file").mkdir(exist_ok=exist_ok)
    assert caught.value.strerror == ("it is not a folder" if exist_ok else "File exists")
    assert caught.value.filename == str(tmp_path / "file")


def test_what_goes_and_what_is_renamed(tmp_path: Path) -> None:
    root = Place(tmp_path)
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
    (tmp_path / "folder").mkdir()
    assert (root / "one").rename("two") == root / "two"
    assert (root / "two").read_bytes() == b"one"
    assert os.listdir(tmp_path) in (["two", "folder"], ["folder", "two"])
    with pytest.raises(UnsafeNameError):
        (root / "two").rename("../two")
    (root / "two").unlink()
    (root / "two").unlink(missing_ok=True)
    with pytest.raises(FileNotFoundError) as caught:
        (root / "two").unlink()
    assert caught.value.filename == str(tmp_path / "two")
    (root / "none/two").unlink(missing_ok=True)
    with pytest.raises(LinkError):
        (root / "folder").unlink()
    (root / "folder").rmdir()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["file", "pipe"])
def test_what_stands_where_a_folder_should_be_is_told_from_a_link(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(name)
    with pytest.raises(LinkError) as caught:
        (Place(tmp_path) / name / "a").read_bytes()
    assert (caught.value.errno, caught.value.strerror) == (errno.ENOTDIR, "it is not a folder")
    with pytest.raises(LinkError) as caught:
        (Place(tmp_path) / "link/a").read_bytes()
    assert (caught.value.errno, caught.value.strerror) == (errno.ELOOP, "link is a link, which is not followed")
    assert caught.value.filename == str(tmp_path / "link")


def test_what_cannot_be_looked_at_is_no_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have gone meanwhile."""
    (tmp_path / "file").touch()

    def gone(*_: object, **__: object) -> os.stat_result:
        raise FileNotFoundError

    monkeypatch.setattr(os, "stat", gone)
    with pytest.raises(LinkError, match="it is not a folder"):
        (Place(tmp_path) / "file/a").read_bytes()


def test_an_error_of_another_file_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, Place(tmp_path).descriptor():
        (tmp_path / "another").read_bytes()
    assert caught.value.filename == str(tmp_path / "another")
    with pytest.raises(OSError, match="of no file") as nameless, Place(tmp_path).descriptor():
        raise OSError(errno.EIO, "of no file")
    assert nameless.value.filename == str(tmp_path)


def test_what_is_in_the_way_has_no_descriptor_left(tmp_path: Path) -> None:
    (tmp_path / "victim").touch()
    (tmp_path / "second").hardlink_to(tmp_path / "victim")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "a/b").mkdir(parents=True)
    before = os.listdir("/proc/self/fd")
    for name in ("second", "pipe", "a", "a/b", "a/b/none", "victim/none"):
        with suppress(OSError):
            os.close((Place(tmp_path) / name).open(os.O_RDWR))
    with (Place(tmp_path) / "a/b").descriptor() as descriptor:
        assert os.fstat(descriptor).st_ino == (tmp_path / "a/b").stat().st_ino
    assert os.listdir("/proc/self/fd") == before
