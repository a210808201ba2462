from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.durability import watched
from support.open_files import open_files
from support.small_disk import run_on_small_disk
from tgbulk.engine import journal as journal_module
from tgbulk.engine.error import ExitCode
from tgbulk.engine.folder import LinkError
from tgbulk.engine.journal import DamagedJournalError, Journal

RECORDS: list[Any] = [[1, "a"], [-1001234567890, 77, 1, [[5, 9]], "open"], [], [2**63 - 1], ["last", b"\0\0\1"]]
FULL = """
import os, sys
from pathlib import Path
from tgbulk.engine.journal import Journal
{limit}
path = Path(sys.argv[1]) / "journal"
journal = Journal(path, print)
kept = 0
try:
    while True:
        before = path.read_bytes()
        journal.append([kept, "x" * 3000])
        kept += 1
except OSError as error:
    assert path.read_bytes() == before, "not as it was"
    print(error.errno, end=" ")
{room}
journal.append(["after"])
journal.close()
records = []
Journal(path, records.append)
print(records == [[number, "x" * 3000] for number in range(kept)] + [["after"]], kept > 10)
"""


@pytest.fixture(autouse=True)
def _leaks_nothing() -> Iterator[None]:
    before = open_files()
    yield
    assert open_files() == before


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal of RECORDS."""
    found = tmp_path / "journal"
    write(found, RECORDS)
    return found


def write(path: Path, records: list[Any]) -> None:
    journal = Journal(path, lambda _: None)
    for record in records:
        journal.append(record)
    journal.close()


def read(path: Path) -> list[Any]:
    records: list[Any] = []
    Journal(path, records.append).close()
    return records


def start_of_last(path: Path) -> int:
    """Where the last record begins."""
    other = path.with_name("shorter")
    write(other, RECORDS[:-1])
    return other.stat().st_size


def test_records_come_back_in_order(path: Path) -> None:
    assert read(path) == RECORDS
    write(path, [["more"]])
    assert read(path) == [*RECORDS, ["more"]]


def test_a_new_journal_is_empty(tmp_path: Path) -> None:
    assert read(tmp_path / "journal") == []
    assert read(tmp_path / "journal") == []


@pytest.mark.parametrize("zeros", [False, True], ids=["cut", "zeros behind the cut"])
def test_torn_at_every_byte_of_the_last_record(path: Path, zeros: bool) -> None:
    whole = path.read_bytes()
    start = start_of_last(path)
    for cut in range(start, len(whole)):
        path.write_bytes(whole[:cut] + bytes(len(whole) - cut) * zeros)
        if path.read_bytes() == whole:
            continue
        assert read(path) == RECORDS[:-1], cut
        assert path.read_bytes() == whole[:start]
        write(path, [RECORDS[-1]])
        assert path.read_bytes() == whole


@pytest.mark.parametrize("length", [1, 11, 12, 13, 5000])
def test_a_tail_of_zeros_is_cut_off(path: Path, length: int) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole + bytes(length))
    assert read(path) == RECORDS
    assert path.read_bytes() == whole


def test_no_flipped_bit_goes_unnoticed(path: Path) -> None:
    whole = path.read_bytes()
    start = start_of_last(path)
    for place in range(len(whole)):
        for bit in range(8):
            flipped = bytearray(whole)
            flipped[place] ^= 1 << bit
            path.write_bytes(flipped)
            try:
                found = read(path)
            except DamagedJournalError:
                assert path.read_bytes() == flipped, "a damaged journal is evidence"
            else:
                assert place >= start, (place, bit)
                assert found == RECORDS[:-1]


def test_damage_is_told_with_its_place(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[13] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedJournalError) as caught:
        Journal(path, lambda _: None)
    assert str(caught.value) == f"{path} is damaged at byte 0: a record is not what was written"
    assert caught.value.exit_code == ExitCode.STORAGE
    assert caught.value.hint


def test_a_failed_append_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    code = FULL.format(
        limit="import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, -1))",
        room="resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))",
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("27 True True\n", "")


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    room = tmp_path / "disk"
    room.mkdir()
    code = FULL.format(
        limit="ballast = Path(sys.argv[1]) / 'ballast'; ballast.write_bytes(bytes(8192))", room="ballast.unlink()"
    )
    assert run_on_small_disk(room, "64k", code) == "28 True True\n"


def test_a_long_journal_opens_without_looking_at_everything_for_each_record(tmp_path: Path) -> None:
    """A day of commits: 86,400 records. Built in one go, for a sync each would take minutes."""
    path = tmp_path / "journal"
    write(path, [[[-1001234567890, 77, 1, "x" * 60]]])
    record = path.read_bytes()
    path.write_bytes(record * 86_400)
    assert len(read(path)) == 86_400


def test_a_folder_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    with pytest.raises(LinkError, match="not a file of its own"):
        Journal(tmp_path / "journal", print)
    assert os.listdir(tmp_path) == ["journal"]


def test_a_record_is_durable_when_append_returns(tmp_path: Path) -> None:
    """And so is the journal's name from the beginning."""
    with watched() as disk:
        journal = Journal(tmp_path / "journal", print)
        assert disk.lost == []
        for record in RECORDS:
            journal.append(record)
            assert disk.lost == []
        journal.close()
    assert (disk.journaled, disk.early) == ([[]] * len(RECORDS), [])


def test_a_record_after_the_first_is_read_from_its_place(path: Path) -> None:
    found: list[Any] = []
    end = path.stat().st_size
    assert journal_module.read(path, found.append, start_of_last(path)) == (end, end)
    assert found == RECORDS[-1:]
    path.write_bytes(path.read_bytes() + b"torn")
    assert journal_module.read(path, print) == (end, end + 4)


def test_a_journal_that_was_removed_is_told(path: Path) -> None:
    journal = Journal(path, lambda _: None)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="it was removed while it was written"):
        journal.append(["lost"])
    journal.close()


@pytest.mark.parametrize("length", [11, 12, 13, 5000])
def test_a_tail_that_is_nobody_s_is_damage_once_it_could_be_a_record(path: Path, length: int) -> None:
    """Less than a header may be torn; what is longer was never written so."""
    whole = path.read_bytes()
    path.write_bytes(whole + b"\1" * length)
    if length < 12:
        assert read(path) == RECORDS
        return
    with pytest.raises(DamagedJournalError) as caught:
        read(path)
    assert caught.value.args == (path, len(whole), "the length of a record is not what was written")


def test_a_header_alone_is_torn(path: Path) -> None:
    whole, start = path.read_bytes(), start_of_last(path)
    path.write_bytes(whole[: start + 12])
    assert read(path) == RECORDS[:-1]
    assert path.read_bytes() == whole[:start]


def test_a_record_before_the_last_is_never_torn(path: Path) -> None:
    data, start = bytearray(path.read_bytes()), start_of_last(path)
    data[start - 1] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedJournalError, match="a record is not what was written"):
        read(path)
