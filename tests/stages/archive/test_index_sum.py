"""The checksum of media.sqlite: no bit of it can change unseen."""
from __future__ import annotations

import random
import shutil
import sqlite3
from pathlib import Path

import pytest

from support.durability import watched
from support.open_files import open_files
from tgbulk.engine import heartbeat
from tgbulk.engine.folder import Place
from tgbulk.stages.archive.index_sum import SUM, keep_sum, remove_sum, what_is_wrong


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sum") / "media.sqlite"
    with sqlite3.connect(path) as database:
        database.execute("create table file (number integer primary key, path text, sha256 blob)")
        rows = [(f"video/{number}", bytes(32)) for number in range(500)]
        database.executemany("insert into file (path, sha256) values (?, ?)", rows)
    database.close()
    keep_sum(Place.of(path))
    return path


@pytest.fixture
def index(whole: Path, tmp_path: Path) -> Path:
    for name in ("media.sqlite", f"media.sqlite{SUM}"):
        shutil.copy(whole.with_name(name), tmp_path / name)
    return tmp_path / "media.sqlite"


def test_any_flipped_bit_is_found(index: Path) -> None:
    """Of the header, where the count of transactions is, and of every page."""
    data = index.read_bytes()
    assert what_is_wrong(Place.of(index)) == ""
    chance = random.Random(3)
    for place in [*range(100), *(chance.randrange(len(data)) for _ in range(300)), len(data) - 1]:
        spoilt = bytearray(data)
        spoilt[place] ^= 1 << chance.randrange(8)
        index.write_bytes(spoilt)
        assert what_is_wrong(Place.of(index)) == "it is not what was written", place


@pytest.mark.parametrize("size", [0, 1, 27, 4096, -1])
def test_a_cut_index_is_found(index: Path, size: int) -> None:
    data = index.read_bytes()
    index.write_bytes(data[:size])
    if size >= 28 or size < 0:
        assert what_is_wrong(Place.of(index)) == "it is not what was written"


def test_another_program_may_write(index: Path) -> None:
    """Then nobody can tell, and SQLite is to be believed."""
    with sqlite3.connect(index) as database:
        database.execute("delete from file where number = 7")
    database.close()
    assert what_is_wrong(Place.of(index)) == ""


def test_a_damaged_sum_is_said_and_a_missing_one_is_not(index: Path) -> None:
    place = index.with_name(index.name + SUM)
    place.write_bytes(place.read_bytes()[:-4])
    assert what_is_wrong(Place.of(index)) == "its checksum cannot be read"
    opened, beats = open_files(), heartbeat._own[0]
    with watched() as disk:
        keep_sum(Place.of(index))
        assert (disk.lost, disk.early) == ([], [])
    assert heartbeat._own[0] > beats
    with watched() as disk:
        remove_sum(Place.of(index))
        assert (disk.lost, disk.unnamed) == ([], {})
    assert open_files() == opened
    assert not place.exists()
    assert what_is_wrong(Place.of(index)) == ""
    remove_sum(Place.of(index))
