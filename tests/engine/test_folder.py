"""Places below a root: whatever is planted there, nothing outside of it is read, written, made or removed."""
from __future__ import annotations

import os
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tgbulk.engine.durable import make_folder, open_new, sync_folder, write_whole
from tgbulk.engine.folder import LinkError, Place, UnsafeNameError, check_name

#: Everything that can be done to a place.
CALLS: dict[str, Callable[[Place], object]] = {
    "read": Place.read_bytes,
    "write": lambda place: os.close(place.open(os.O_RDWR | os.O_CREAT)),
    "cut": lambda place: os.close(place.open(os.O_WRONLY | os.O_CREAT | os.O_TRUNC)),
    "replace": lambda place: write_whole(place, b"ours"),
    "part": lambda place: os.close(open_new(place)),
    "list": Place.iterdir,
    "walk": lambda place: list(place.walk()),
    "mkdir": Place.mkdir,
    "folder": make_folder,
    "unlink": Place.unlink,
    "rmdir": Place.rmdir,
    "rename": lambda place: place.rename("other"),
    "sync": sync_folder,
    "stat": Place.stat,
}


@pytest.mark.parametrize(
    "name", ["", ".", "..", "/", "a/b", "../a", "/a", "a/", "a\0b", "\0", "x" * 256, "\u00e4" * 128, "\ud800"]
)
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(UnsafeNameError):
        check_name(name)


@pytest.mark.parametrize("name", ["a", "...", "..a", "-", "a b", "a\\b", "x" * 255, "\u00e4" * 127, "\udcff", "\n"])
def test_what_is_one(name: str, tmp_path: Path) -> None:
    os.close(open_new(Place(tmp_path) / name))
    assert os.listdir(os.fsencode(tmp_path)) == [os.fsencode(name)]


def contents_of(folder: Path) -> dict[str, object]:
    """The same without what a second name of a file changes when it goes."""
    return {str(path): path.is_file() and not path.is_symlink() and path.read_bytes() for path in folder.rglob("*")}


def outside_of(folder: Path) -> dict[str, object]:
    """What lies there, to be compared."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        found[str(path)] = status.st_ino, status.st_mtime_ns, status.st_mode, path.is_file() and path.read_bytes()
    return found


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("depth", [0, 1, 2, 3])
@pytest.mark.parametrize("target", ["folder", "file", "nothing"])
def test_a_link_leads_nowhere(tmp_path: Path, call: str, depth: int, target: str) -> None:
    """The link stands for the file itself, or for a folder on the way to it."""
    outside = tmp_path / "outside"
    (outside / "folder" / "b" / "c").mkdir(parents=True)
    for path in ("folder/victim", "folder/b/victim", "folder/b/c/d", "folder/d", "file"):
        (outside / path).write_bytes(b"precious")
    root = tmp_path / "root"
    root.mkdir()
    names = ["a", "b", "c", "d"]
    link = root.joinpath(*names[: depth + 1])
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(outside / target)
    before = outside_of(outside)
    place = Place(root) / "/".join(names)
    with suppress(OSError):
        CALLS[call](place)
    assert outside_of(outside) == before
    assert not any(one.is_symlink() for one in outside.rglob("*"))


def plant(path: Path, source: random.Random, outside: Path) -> None:
    """Something that should not be there."""
    kind = source.randrange(5)
    if kind == 0:
        path.mkdir()
    elif kind == 1:
        path.touch()
    elif kind == 2:
        os.mkfifo(path)
    elif kind == 3:
        path.symlink_to(source.choice([outside, outside / "folder", outside / "file", Path(".."), Path(".")]))
    else:
        path.hardlink_to(outside / "file")


def test_random_trees_of_links(tmp_path: Path) -> None:
    """A hundred trees that somebody else made: nothing outside changes, whatever is done where."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(b"precious")
    (outside / "folder").mkdir()
    (outside / "folder" / "0").write_bytes(b"precious")
    for seed in range(100):
        source = random.Random(seed)
        root = tmp_path / str(seed)
        root.mkdir()
        for _ in range(12):
            path = root.joinpath(*(str(source.randrange(3)) for _ in range(source.randint(1, 3))))
            with suppress(OSError):
                plant(path, source, outside)
        before = contents_of(outside)
        for _ in range(60):
            place = Place(root, tuple(str(source.randrange(3)) for _ in range(source.randint(1, 3))))
            with suppress(OSError):
                CALLS[source.choice(list(CALLS))](place)
        assert contents_of(outside) == before


def test_an_error_names_the_whole_path(tmp_path: Path) -> None:
    place = Place(tmp_path) / "a/b/c"
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        place.read_bytes()
    (tmp_path / "a" / "b").mkdir(parents=True)
    with pytest.raises(FileNotFoundError) as caught:
        place.read_bytes()
    assert caught.value.filename == str(tmp_path / "a/b/c")
    (tmp_path / "a" / "b" / "c").symlink_to(tmp_path)
    with pytest.raises(LinkError, match="a link, which is not followed") as linked:
        place.read_bytes()
    assert linked.value.filename == str(place)


def test_the_root_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "root").symlink_to(tmp_path / "disk")
    place = Place(tmp_path / "root") / "a/b"
    make_folder(place.parent)
    write_whole(place, b"content")
    assert (tmp_path / "disk" / "a" / "b").read_bytes() == place.read_bytes() == b"content"
    assert [str(one) for one in Place(tmp_path / "root").walk()] == [str(place)]


def test_a_file_with_a_second_name_is_read_and_not_written(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "a").hardlink_to(tmp_path / "victim")
    place = Place(tmp_path / "root") / "a"
    assert place.read_bytes() == b"precious"
    with pytest.raises(LinkError):
        place.open(os.O_RDWR)
    write_whole(place, b"ours")
    assert (tmp_path / "victim").read_bytes() == b"precious"


def test_no_descriptor_is_left(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "none", "a/b"):
        for call in CALLS.values():
            with suppress(OSError):
                call(Place(tmp_path) / name)
    assert len(os.listdir("/proc/self/fd")) == before
