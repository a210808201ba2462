from __future__ import annotations

import asyncio
import os
import random
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from zlib import crc32

import pytest

from support.durability import watched
from tgbulk.stages.fetch.media.store import MAGIC, PartFile, Store, in_thread

PART = 4096
SIZE = 5 * PART + 100
DATA = random.Random(1).randbytes(SIZE)


TOO_LARGE = """
import os, resource, sys
from tgbulk.stages.fetch.media.store import PartFile
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, -1))
descriptor = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
try:
    PartFile(descriptor, 100_000, 4096)
except OSError as error:
    print(error.errno, os.fstat(descriptor).st_size)
"""


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[], int]]:
    descriptors: list[int] = []

    def again() -> int:
        descriptors.append(os.open(tmp_path / "file.part", os.O_RDWR | os.O_CREAT))
        return descriptors[-1]

    yield again
    for one in descriptors:
        os.close(one)


def piece(index: int) -> bytes:
    return DATA[index * PART : (index + 1) * PART]


def test_parts_in_any_order(opened: Callable[[], int], tmp_path: Path) -> None:
    parts = PartFile(opened(), SIZE, PART)
    assert parts.missing == {0, 1, 2, 3, 4, 5}
    for index in (5, 0, 3, 1, 4, 2):
        assert parts.length(index) == len(piece(index))
        parts.write(index, piece(index))
    assert not parts.missing
    parts.finish()
    assert (tmp_path / "file.part").read_bytes() == DATA


@pytest.mark.parametrize("there", [[], [2], [0, 1, 5], [0, 1, 2, 3, 4, 5]])
def test_what_is_there_is_taken_up(opened: Callable[[], int], there: list[int]) -> None:
    parts = PartFile(opened(), SIZE, PART)
    for index in there:
        parts.write(index, piece(index))
    again = PartFile(opened(), SIZE, PART)
    assert again.missing == {0, 1, 2, 3, 4, 5} - set(there)
    assert all(again.read(index) == piece(index) for index in there)


def test_a_part_that_did_not_reach_the_disk_is_missing(opened: Callable[[], int]) -> None:
    descriptor = opened()
    parts = PartFile(descriptor, SIZE, PART)
    for index in range(6):
        parts.write(index, piece(index))
    os.pwrite(descriptor, bytes(PART), 2 * PART)
    os.pwrite(descriptor, b"?", SIZE - 1)
    assert PartFile(opened(), SIZE, PART).missing == {2, 5}


@pytest.mark.parametrize(("size", "part"), [(SIZE + 1, PART), (SIZE, 2 * PART), (SIZE - 4096, PART)])
def test_another_files_parts_are_no_use(opened: Callable[[], int], size: int, part: int) -> None:
    parts = PartFile(opened(), SIZE, PART)
    parts.write(0, piece(0))
    assert len(PartFile(opened(), size, part).missing) == -(-size // part)


@pytest.mark.parametrize("spoil", [0, 1, 100, SIZE, SIZE + 10, SIZE + 23, SIZE + 24, SIZE + 30])
def test_a_file_that_ends_anywhere_begins_anew(opened: Callable[[], int], spoil: int) -> None:
    descriptor = opened()
    PartFile(descriptor, SIZE, PART).write(0, piece(0))
    os.ftruncate(descriptor, spoil)
    again = PartFile(opened(), SIZE, PART)
    assert len(again.missing) == 6
    for index in range(6):
        again.write(index, piece(index))
    again.finish()
    assert os.pread(descriptor, 2 * SIZE, 0) == DATA


def test_a_whole_file_of_the_same_name_is_no_map(opened: Callable[[], int]) -> None:
    """Killed between finish and its new name: without its map nothing is known, so nothing is trusted."""
    descriptor = opened()
    parts = PartFile(descriptor, SIZE, PART)
    for index in range(6):
        parts.write(index, piece(index))
    parts.finish()
    assert len(PartFile(opened(), SIZE, PART).missing) == 6


def test_a_longer_file_that_was_there_leaves_nothing(opened: Callable[[], int]) -> None:
    descriptor = opened()
    os.pwrite(descriptor, b"\xff" * 100_000, 0)
    PartFile(descriptor, SIZE, PART).write(0, piece(0))
    assert os.fstat(descriptor).st_size == SIZE + 24 + 8 * 6
    assert os.pread(descriptor, 8 * 5, SIZE + 24 + 8) == bytes(8 * 5)
    assert PartFile(opened(), SIZE, PART).missing == {1, 2, 3, 4, 5}


def test_without_room_nothing_is_left(tmp_path: Path) -> None:
    path = tmp_path / "file.part"
    path.write_bytes(b"old")
    done = subprocess.run([sys.executable, "-c", TOO_LARGE, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout == "27 0\n"


def test_a_file_is_durable_before_its_map_goes_and_before_its_name(tmp_path: Path) -> None:
    path = "document/0a/10.bin"
    with watched() as disk:
        store = Store(tmp_path)
        descriptor = store.open_part(path)
        parts = PartFile(descriptor, SIZE, PART)
        for index in range(6):
            parts.write(index, piece(index))
        assert disk.written
        parts.finish()
        assert (disk.written, disk.cut) == ({}, {})
        store.publish(path, descriptor, 1_600_000_000)
        assert (disk.lost, disk.early, disk.renamed) == ([], [], 1)
        os.close(descriptor)
        store.keep("photo/0a/11.jpg", b"picture", 0)
        assert (disk.lost, disk.early, disk.renamed) == ([], [], 2)
    assert (tmp_path / "media" / path).read_bytes() == DATA


def test_who_is_cancelled_waits_for_what_holds_a_file() -> None:
    begun, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        may_end.wait(10)
        ended.set()

    async def main() -> bool:
        task = asyncio.create_task(in_thread(work))
        while not begun.is_set():
            await asyncio.sleep(0.001)
        task.cancel()
        asyncio.get_running_loop().call_later(0.05, may_end.set)
        with pytest.raises(asyncio.CancelledError):
            await task
        return ended.is_set()

    assert asyncio.run(main())


def test_what_is_known_of_parts(opened: Callable[[], int]) -> None:
    """Sizes in bytes; the last part is the rest, and as long as the others where nothing is over."""
    for size, lengths in ((SIZE, [PART] * 5 + [100]), (2 * PART, [PART] * 2), (1, [1])):
        parts = PartFile(opened(), size, PART)
        assert (parts.size, parts.part, parts.count) == (size, PART, len(lengths))
        assert [parts.length(index) for index in range(parts.count)] == lengths


@pytest.mark.parametrize("size", [SIZE, 2 * PART])
def test_a_file_under_way_has_the_form_that_is_described(opened: Callable[[], int], size: int) -> None:
    """Its bytes, then a head, then a number for each part: an earlier version's is gone on with."""
    descriptor = opened()
    parts = PartFile(descriptor, size, PART)
    parts.write(1, piece(1))
    data = os.pread(descriptor, 2 * SIZE, 0)
    assert data[PART : 2 * PART] == piece(1)
    entries = [(1 << 32 | crc32(piece(1))) * (index == 1) for index in range(parts.count)]
    assert data[size:] == struct.pack(f"<8sQII{parts.count}Q", MAGIC, size, PART, 0, *entries)
    assert PartFile(opened(), size, PART).missing == set(range(parts.count)) - {1}


@pytest.mark.parametrize("place", [0, 7, 8, 16, 20])
def test_a_head_of_another_file_begins_anew(opened: Callable[[], int], place: int) -> None:
    descriptor = opened()
    parts = PartFile(descriptor, SIZE, PART)
    parts.write(0, piece(0))
    before = os.pread(descriptor, 1, SIZE + place)
    os.pwrite(descriptor, bytes([before[0] ^ 1]), SIZE + place)
    assert len(PartFile(opened(), SIZE, PART).missing) == 6
    assert os.pread(descriptor, 1, SIZE + place) == before


@pytest.mark.parametrize("entry", [crc32(piece(0)), 1, (1 << 64) - 1, (1 << 32 | crc32(piece(0))) + 1])
def test_an_entry_that_is_not_that_of_its_part_is_none(opened: Callable[[], int], entry: int) -> None:
    """Nor is its sum without the mark, for it may be 0."""
    descriptor = opened()
    PartFile(descriptor, SIZE, PART).write(0, piece(0))
    os.pwrite(descriptor, struct.pack("<Q", entry), SIZE + 24)
    assert 0 in PartFile(opened(), SIZE, PART).missing


def test_a_file_that_is_longer_than_its_map_begins_anew(opened: Callable[[], int]) -> None:
    descriptor = opened()
    PartFile(descriptor, SIZE, PART).write(0, piece(0))
    os.pwrite(descriptor, b"?", os.fstat(descriptor).st_size)
    assert len(PartFile(opened(), SIZE, PART).missing) == 6


def test_what_a_thread_returns_or_raises_is_what_its_caller_gets() -> None:
    def work(value: int, *, fail: bool = False) -> int:
        if fail:
            raise OSError("as it comes")
        return value

    async def main() -> None:
        assert await in_thread(work, 5) == 5
        with pytest.raises(OSError, match="as it comes"):
            await in_thread(work, 5, fail=True)

    asyncio.run(main())
