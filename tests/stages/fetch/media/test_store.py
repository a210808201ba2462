from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest

from tgbulk.engine.folder import UnsafeNameError
from tgbulk.stages.fetch.media import store as store_module
from tgbulk.stages.fetch.media.store import Store

PATH = "document/0a/10_name.txt"
DATA = b"content" * 1000


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_a_whole_file_with_its_time_and_mode(store: Store, tmp_path: Path) -> None:
    assert store.existing(PATH) is None
    assert store.keep(PATH, DATA, 1_600_000_000) == hashlib.sha256(DATA).digest()
    file = tmp_path / "media" / PATH
    assert file.read_bytes() == DATA
    assert file.stat().st_mtime == 1_600_000_000
    assert stat.S_IMODE(file.stat().st_mode) & 0o133 == 0
    assert store.existing(PATH) == (len(DATA), hashlib.sha256(DATA).digest())
    assert [one.name for one in file.parent.iterdir()] == ["10_name.txt"]


def test_a_part_is_taken_up_and_a_longer_one_cut(store: Store, tmp_path: Path) -> None:
    descriptor = store.open_part(PATH)
    os.write(descriptor, b"z" * 100_000)
    os.close(descriptor)
    descriptor = store.open_part(PATH)
    assert os.fstat(descriptor).st_size == 100_000
    os.close(descriptor)
    store.keep(PATH, DATA, 0)
    assert (tmp_path / "media" / PATH).read_bytes() == DATA
    store.discard(PATH)
    assert (tmp_path / "media" / PATH).exists()
    descriptor = store.open_part(PATH)
    os.write(descriptor, b"rest")
    os.close(descriptor)
    store.keep(PATH, b"", 0)
    assert (tmp_path / "media" / PATH).read_bytes() == b""


def test_a_link_where_the_part_should_be_is_replaced(store: Store, tmp_path: Path) -> None:
    store.keep(PATH, b"", 0)
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    part = tmp_path / "media" / (PATH + ".part")
    for make in (part.symlink_to, part.hardlink_to):
        make(victim)
        store.keep(PATH, DATA, 0)
        assert victim.read_bytes() == b"mine"
        assert (tmp_path / "media" / PATH).read_bytes() == DATA
    os.mkfifo(part)
    store.keep(PATH, DATA, 0)


def test_a_link_where_the_file_should_be_is_replaced(store: Store, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(DATA)
    file = tmp_path / "media" / PATH
    file.parent.mkdir(parents=True)
    file.symlink_to(victim)
    assert store.existing(PATH) is None
    store.keep(PATH, b"other", 0)
    assert victim.read_bytes() == DATA
    assert not file.is_symlink()


@pytest.mark.parametrize("linked", ["media/document", "media/document/0a"])
def test_a_link_on_the_way_is_refused(store: Store, tmp_path: Path, linked: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    place = tmp_path / linked
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(outside)
    with pytest.raises(OSError, match="a link, which is not followed"):
        store.keep(PATH, DATA, 0)
    assert list(outside.iterdir()) == []


def test_media_may_be_a_link_to_a_larger_disk(store: Store, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    (tmp_path / "media").rename(disk)
    (tmp_path / "media").symlink_to(disk)
    store.keep(PATH, DATA, 0)
    assert (disk / PATH).read_bytes() == DATA
    assert Store(tmp_path).existing(PATH) == (len(DATA), hashlib.sha256(DATA).digest())


LEADING_OUT = ["../x", "photo/../../x", "/etc/x", "photo//x", "photo/./x", "..", "", "photo/", "a\0b", "x" * 300]


@pytest.mark.parametrize("path", LEADING_OUT)
def test_a_path_that_leads_out_is_refused(store: Store, tmp_path: Path, path: str) -> None:
    before = sorted(tmp_path.rglob("*"))
    for call in (store.existing, store.open_part, store.discard, lambda one: store.keep(one, DATA, 0)):
        with pytest.raises(UnsafeNameError):
            call(path)
    assert sorted(tmp_path.rglob("*")) == before


def test_no_descriptor_is_left(store: Store, tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    store.keep(PATH, DATA, 0)
    store.existing(PATH)
    store.existing("document/0b/none")
    store.discard(PATH)
    (tmp_path / "media" / "photo").symlink_to(tmp_path)
    with pytest.raises(OSError, match="a link, which is not followed"):
        store.keep("photo/00/1.jpg", DATA, 0)
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_sum_is_that_of_a_whole_file_however_long(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "_CHUNK", 1000)
    store.keep(PATH, DATA, 0)
    assert store.existing(PATH) == (len(DATA), hashlib.sha256(DATA).digest())


@pytest.mark.parametrize("date", [0, 1, 2**31 - 1, 2**63])
def test_a_time_that_no_file_can_have_is_left(store: Store, tmp_path: Path, date: int) -> None:
    """And 0 is none."""
    store.keep(PATH, DATA, date)
    found = (tmp_path / "media" / PATH).stat()
    if date in (0, 2**63):
        assert abs(found.st_mtime - found.st_ctime) < 60
    else:
        assert (found.st_mtime, found.st_atime) == (date, date)


def test_a_part_that_will_not_become_whole_goes_and_its_file_stays(store: Store, tmp_path: Path) -> None:
    store.keep(PATH, DATA, 0)
    os.close(store.open_part(PATH))
    folder = (tmp_path / "media" / PATH).parent
    assert sorted(one.name for one in folder.iterdir()) == ["10_name.txt", "10_name.txt.part"]
    store.discard(PATH)
    store.discard(PATH)
    assert [one.name for one in folder.iterdir()] == ["10_name.txt"]
    store.discard("photo/00/1.jpg")


def test_a_part_is_read_and_written(store: Store) -> None:
    descriptor = store.open_part(PATH)
    os.write(descriptor, DATA)
    assert os.pread(descriptor, 7, 0) == b"content"
    os.close(descriptor)
    descriptor = store.open_part(PATH)
    os.pwrite(descriptor, b"C", 0)
    assert os.pread(descriptor, 7, 0) == b"Content"
    store.publish(PATH, descriptor, 0)
    os.close(descriptor)
    assert store.existing(PATH) == (len(DATA), hashlib.sha256(b"C" + DATA[1:]).digest())


def test_no_descriptor_is_left_where_the_disk_is_full(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What came of the file is its .part, which the next try writes over."""
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    before = os.listdir("/proc/self/fd")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            store.keep(PATH, DATA, 0)
    assert os.listdir("/proc/self/fd") == before
    assert store.existing(PATH) is None
    store.keep(PATH, b"short", 0)
    assert (tmp_path / "media" / PATH).read_bytes() == b"short"
