from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stages.fetch.media.part import PartFile

PART = 4096
SIZE = 5 * PART + 100
DATA = random.Random(1).randbytes(SIZE)


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
