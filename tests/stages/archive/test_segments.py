"""Ranges of one chat on disk against a model: in any order, crashed at any system call, the file comes out the same."""
from __future__ import annotations

import math
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from support.durability import watched
from support.open_files import open_files
from tgbulk.engine import heartbeat
from tgbulk.engine.folder import Place
from tgbulk.engine.group_sync import sync_together
from tgbulk.stages.archive import segments as segments_module
from tgbulk.stages.archive.folder import ChatFolder
from tgbulk.stages.archive.id_range import UNBOUNDED, IdRange
from tgbulk.stages.archive.lines import Piece
from tgbulk.stages.archive.row import ChatRow, CoveredRange
from tgbulk.stages.archive.segments import DamagedChatError, Segments, committed_pieces
from tgbulk.stages.fetch.missing import MissingRanges, WalkRange

#: Messages of a page.
LIMIT = 4
#: What changes a file or a folder, or makes it durable.
CALLS = ("pwrite", "ftruncate", "fdatasync", "fsync", "unlink", "rmdir", "open", "mkdir")

Row = tuple[int, list[list[int]]]


class CrashError(BaseException):
    """The process ends here."""


def line(number: int) -> bytes:
    return b'{"id": %d, "text": "%s"}\n' % (number, b"x" * (number * 7919 % 50))


class Session:
    """One run of write over one chat: what is committed is a row, kept by the test."""

    def __init__(self, folder: Path, row: Row, ids: list[int]) -> None:
        self.row = row
        self._ids = ids
        joined, ranges = row
        covered = [CoveredRange(*values) for values in ranges]
        self.segments = Segments(ChatFolder(Place(folder)), covered, joined, self.commit)

    def commit(self) -> None:
        """As ChatFile and Writer do it."""
        self.segments.join()
        sync_together(self.segments.unsynced())
        ranges = [[one.lo, one.hi, one.size, one.crc] for one in self.segments.ranges]
        self.row = self.segments.joined, ranges
        self.segments.committed()

    def page(self, one: WalkRange, source: random.Random) -> None:
        found = [n for n in self._ids if one.next <= n < one.hi][: source.choice([LIMIT, LIMIT, 1])]
        hi = found[-1] + 1 if found else min(one.hi, self._ids[-1] + 1 if self._ids else 1)
        lines = b"".join(map(line, found))
        assert self.segments.append(one.start, IdRange(one.next, hi), lines)
        if source.random() < 0.2 and hi > one.next:
            assert not self.segments.append(one.start, IdRange(one.next, hi), lines)
        one.next = max(one.next, hi)

    def covered(self) -> list[IdRange]:
        return [one.ids for one in self.segments.ranges]

    def abandon(self) -> None:
        """What the kernel does for a dead process, which may have closed them itself just before."""
        for descriptor in [self.segments._messages, *self.segments._open.values()]:
            with suppress(OSError):
                os.close(descriptor)


def step(session: Session, missing: MissingRanges, source: random.Random) -> None:
    one = source.choice(missing.ranges)
    if one.hi - one.next > 10 and one.hi != UNBOUNDED and source.random() < 0.4:
        missing.split(one)
    top = session._ids[-1] if session._ids else 0
    if one.hi == UNBOUNDED and source.random() < 0.3:
        missing.bound(top)
    session.page(one, source)
    missing.advance(one, one.next, one.next > top)
    if source.random() < 0.2:
        session.commit()


def work(session: Session, source: random.Random, start: int, end: int, steps: int) -> None:
    """Some pages of a selection; the end of a run joins everything."""
    missing = MissingRanges.of(session.covered(), IdRange(start, end))
    while steps and not missing.done:
        steps -= 1
        step(session, missing, source)
    if source.random() < 0.7:
        session.segments.join(everything=True)
        session.commit()


def check(folder: Path, session: Session, ids: list[int]) -> None:
    """Everything that a row says is true of the files."""
    segments = session.segments
    whole = (folder / "messages.jsonl").read_bytes()
    assert whole == b"".join(map(line, ids))
    assert segments.joined == len(segments.ranges)
    offset = 0
    for one in segments.ranges:
        assert crc32(whole[offset : offset + one.size]) == one.crc
        offset += one.size
    assert offset == len(whole)
    segments.close()
    assert os.listdir(folder) == ["messages.jsonl"]


@contextmanager
def crashing(after: int, torn: bool) -> Iterator[Callable[[], bool]]:
    """The process dies at the call of this number: before it, or half way through a write."""
    left = [after]

    def watched(call: Any) -> Any:
        def doomed(*arguments: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                if torn and call is real["pwrite"]:
                    call(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2], arguments[2])
                raise CrashError
            return call(*arguments, **named)

        return doomed

    real = {name: getattr(os, name) for name in CALLS}
    with pytest.MonkeyPatch.context() as patch:
        for name, call in real.items():
            patch.setattr(os, name, watched(call))
        yield lambda: left[0] > 0


def life(folder: Path, source: random.Random) -> tuple[bytes, bytes]:
    """A chat from nothing to everything, through several runs, some of which die: its file, and what it must be."""
    folder.mkdir()
    ids = sorted(source.sample(range(1, 400), source.choice([1, 30, 120])))
    row: Row = (0, [])
    for _ in range(source.randrange(1, 7)):
        start = source.choice([1, source.randrange(1, 400)])
        end = source.choice([UNBOUNDED, start + source.randrange(1, 200)])
        deadly = source.choice([10**9, source.randrange(1, 120)])
        session = None
        try:
            with crashing(deadly, source.random() < 0.5):
                session = Session(folder, row, ids)
                work(session, source, start, end, source.choice([5, 30, 1000]))
                session.segments.close()
        except CrashError:
            if session is not None:
                session.abandon()
        if session is not None:
            row = session.row
    session = Session(folder, row, ids)
    missing = MissingRanges.of(session.covered())
    while not missing.done:
        step(session, missing, source)
    session.segments.join(everything=True)
    session.commit()
    check(folder, session, ids)
    return (folder / "messages.jsonl").read_bytes(), b"".join(map(line, ids))


@pytest.mark.parametrize("part", range(8))
def test_any_order_and_any_crash_leave_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: int) -> None:
    monkeypatch.setattr(segments_module, "_COPY", 100)
    for seed in range(part * 20, part * 20 + 20):
        found, expected = life(tmp_path / str(seed), random.Random(seed))
        assert found == expected, seed


def test_a_range_stays_a_segment_until_it_is_reached_from_below_and_is_one_with_what_reached_it(tmp_path: Path) -> None:
    ids = list(range(1, 11))
    session = Session(tmp_path, (0, []), ids)
    for lo in (1, 9):
        session.segments.append(lo, IdRange(lo, lo + 2), line(lo) + line(lo + 1))
    session.commit()
    assert (session.row[0], session.covered()) == (1, [IdRange(1, 3), IdRange(9, 11)])
    assert (tmp_path / "messages.jsonl").read_bytes() == line(1) + line(2)
    assert os.listdir(tmp_path / "segments") == ["9.jsonl"]
    session.segments.append(1, IdRange(3, 9), b"".join(map(line, range(3, 9))))
    session.commit()
    assert (session.row[0], session.covered()) == (1, [IdRange(1, 11)])
    check(tmp_path, session, ids)


@pytest.mark.parametrize("after", range(1, 25))
def test_killed_at_any_call_while_all_is_parted_for_what_lies_below(tmp_path: Path, after: int) -> None:
    session = Session(tmp_path, (0, []), [1, 9])
    session.segments.append(9, IdRange(9, 10), line(9))
    session.commit()
    with crashing(after, False), suppress(CrashError):
        session.segments.append(1, IdRange(1, 9), line(1))
        session.commit()
    session.abandon()
    session = Session(tmp_path, session.row, [1, 9])
    session.segments.append(1, IdRange(1, 9), line(1))
    session.commit()
    assert session.covered() == [IdRange(1, 10)]
    check(tmp_path, session, [1, 9])


def test_damage_is_refused_and_nothing_is_left_open(tmp_path: Path) -> None:
    session = Session(tmp_path, (0, []), list(range(1, 50)))
    source = random.Random(1)
    for one in (WalkRange(1, 1, 20), WalkRange(20, 20, 40)):
        session.page(one, source)
    sync_together(session.segments.unsynced())
    row: Row = (1, [[one.lo, one.hi, one.size, one.crc] for one in session.segments.ranges])
    session.segments.close()
    before = len(os.listdir("/proc/self/fd"))
    segment = tmp_path / "segments" / "20.jsonl"
    os.truncate(segment, segment.stat().st_size - 1)
    with pytest.raises(DamagedChatError, match="bytes where the journal committed"):
        Session(tmp_path, row, [])
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_page_beyond_a_gap_is_a_bug_not_a_hole(tmp_path: Path) -> None:
    session = Session(tmp_path, (0, []), [])
    session.segments.append(1, IdRange(1, 5), line(1))
    with pytest.raises(RuntimeError, match="ids 5 to 9 of the range from 1 are missing"):
        session.segments.append(1, IdRange(9, 12), line(10))
    session.segments.close()


def test_a_link_in_the_place_of_a_file_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "chat").mkdir()
    (tmp_path / "chat" / "messages.jsonl").symlink_to(victim)
    with pytest.raises(OSError, match="a link, which is not followed"):
        Session(tmp_path / "chat", (0, []), [])
    assert victim.read_text() == "precious"


def test_each_part_of_a_chat_is_where_it_is_said_to_be_and_durable(tmp_path: Path) -> None:
    """Whether a file is new or grows; the first range of all needs no segment."""
    before = open_files()
    folder = ChatFolder(Place(tmp_path))
    with watched() as disk:
        session = Session(tmp_path, (0, []), [])
        assert session.segments.pieces() == []
        assert (session.segments.unsynced(), session.segments.is_whole) == ([], True)
        for hi in (3, 4):
            session.segments.append(2, IdRange(hi - 1, hi), line(hi - 1))
            assert not (tmp_path / "segments").exists()
            session.commit()
            assert disk.lost == [tmp_path.name]  # whoever owns the folder syncs it
        for hi in (10, 11):
            session.segments.append(9, IdRange(hi - 1, hi), line(hi - 1))
            assert "9.jsonl" in disk.lost
            session.commit()
            assert (disk.lost, session.segments.unsynced()) == ([], [])
        session.segments.append(20, IdRange(20, 21), b"")
        session.commit()
        assert (session.segments.is_whole, session.row[0], disk.lost) == (False, 1, [])
        sizes = len(line(2) + line(3)), len(line(9) + line(10))
        assert session.segments.pieces() == [
            Piece(folder.messages, 0, sizes[0]), Piece(folder.segment(9), 0, sizes[1]),
        ]
        beats = heartbeat._own[0]
        assert session.segments.join(everything=True) == sizes[1]
        assert heartbeat._own[0] == beats + 1
        assert session.segments.pieces() == [Piece(folder.messages, 0, sum(sizes))]
        session.commit()
        assert disk.lost == []
    assert (session.segments.is_whole, session.row[0]) == (True, 3)
    assert session.segments.join(everything=True) == 0
    session.segments.close()
    assert open_files() == before


def test_only_what_lies_above_is_parted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is copied at a time, the files hold no byte more."""
    monkeypatch.setattr(segments_module, "_COPY", 10)
    session = Session(tmp_path, (0, []), [1, 2, 9, 20])
    for lo in (1, 9, 20):
        session.segments.append(lo, IdRange(lo, lo + 1), line(lo))
    session.segments.join(everything=True)
    session.commit()
    session.segments.append(1, IdRange(2, 3), line(2))
    assert (tmp_path / "messages.jsonl").read_bytes() == line(1) + line(2)
    assert sorted(os.listdir(tmp_path / "segments")) == ["20.jsonl", "9.jsonl"]
    assert [(tmp_path / "segments" / f"{lo}.jsonl").read_bytes() for lo in (9, 20)] == [line(9), line(20)]
    session.segments.join(everything=True)
    (tmp_path / "segments" / "9.jsonl").unlink()
    session.commit()
    check(tmp_path, session, [1, 2, 9, 20])


def test_what_was_killed_while_all_was_parted_goes_on_above_and_below(tmp_path: Path) -> None:
    (tmp_path / "segments").mkdir()
    (tmp_path / "segments" / "9.jsonl").write_bytes(line(9))
    session = Session(tmp_path, (0, [[9, 10, len(line(9)), crc32(line(9))]]), [1, 9, 20])
    for lo, hi, lines in ((20, 21, line(20)), (1, 9, line(1))):
        session.segments.append(lo, IdRange(lo, hi), lines)
        assert session.segments.joined == (lo == 1)
    session.segments.join(everything=True)
    session.commit()
    check(tmp_path, session, [1, 9, 20])


@pytest.mark.parametrize(("most", "moved", "left"), [(0, 0, 3), (1, 1, 2), (2, 2, 1), (9, 3, 0), (math.inf, 3, 0)])
def test_no_more_is_joined_than_one_turn_allows(tmp_path: Path, most: float, moved: int, left: int) -> None:
    session = Session(tmp_path, (0, []), [])
    for lo in (1, 11, 21, 31):
        session.segments.append(lo, IdRange(lo, lo + 1), b"x")
    assert session.segments.join() == 0
    assert session.segments.join(True, most) == moved
    assert (len(session.segments.ranges), len(session.segments.ranges) - session.segments.joined) == (4, left)
    session.segments.close()


def test_committed_lines_are_where_the_row_says(tmp_path: Path) -> None:
    folder = ChatFolder(Place(tmp_path))
    ranges = [CoveredRange(lo, lo + 1, size) for lo, size in ((1, 5), (4, 6), (6, 0), (8, 4))]
    row = ChatRow(1, 7, joined=2, ranges=ranges)
    assert committed_pieces(folder, row) == [Piece(folder.messages, 0, 11), Piece(folder.segment(8), 0, 4)]
    assert committed_pieces(folder, ChatRow(1, 7)) == []


def test_what_is_parted_is_durable_before_it_is_cut_off(tmp_path: Path) -> None:
    """A page between two joined ranges makes the upper one a segment again."""
    (tmp_path / "segments").mkdir()
    with watched() as disk:
        session = Session(tmp_path, (0, []), [1, 9])
        for number in (1, 9):
            assert session.segments.append(number, IdRange(number, number + 1), line(number))
        session.segments.join(everything=True)
        session.commit()
        real, lost = session.segments._commit, list[list[str]]()

        def commit() -> None:
            session.commit()
            lost.append(disk.lost)

        session.segments._commit = commit
        assert session.segments.append(3, IdRange(3, 4), line(3))
        session.segments._commit = real
        assert lost == [[]]
        assert (tmp_path / "messages.jsonl").read_bytes() == line(1)
        session.segments.join(everything=True)
        session.commit()
    check(tmp_path, session, [1, 3, 9])
