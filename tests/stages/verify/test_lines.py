"""What a line of a chat may be: whatever else is there is damage, and verify goes on behind it."""
from __future__ import annotations

from pathlib import Path
from zlib import crc32

import pytest

from tgbulk.engine.folder import Place
from tgbulk.stages.archive.row import ChatRow, CoveredRange
from tgbulk.stages.verify import lines as lines_module
from tgbulk.stages.verify.lines import Extent, MessageCheck, check_peers, read_extents
from tgbulk.stages.verify.report import PLANTED, Report, Weight

OTHERS = [b"", b"{", b"\xff", b"5", b"null", b"[]", b"[1]", b'"id"', b"{}", b'{"id":5}', b'{"_":"user"}']


@pytest.mark.parametrize("line", [*OTHERS, b'{"_":5,"id":5}', b'{"_":"user","id":[]}', b'{"_":"channel","id":null}'])
def test_a_line_that_is_no_peer(tmp_path: Path, line: bytes) -> None:
    data = b'{"_":"user","id":5}\n' + line + b'\n{"_":"channel","id":9}\n'
    (tmp_path / "peers.jsonl").write_bytes(data)
    report = Report(tmp_path)
    row = ChatRow(5, 77, peer_bytes=len(data), peer_crc=crc32(data))
    assert check_peers(Place(tmp_path) / "peers.jsonl", row, report, Weight.NOTE) == {5, -1000000000009}
    assert [(one.weight, one.text) for one in report.findings] == [(Weight.DAMAGE, "line 2 is no user or chat")]


@pytest.mark.parametrize(
    "line", [*OTHERS, b'{"_":"message","id":"2"}', b'{"_":"message","id":true}', b'{"_":"user","id":2}']
)
def test_a_line_that_is_no_message(tmp_path: Path, line: bytes) -> None:
    assert checked(tmp_path, line) == (2, 0, ["line 2 is no message"])


@pytest.mark.parametrize(("number", "said"), [
    (1, "is message 1 again"), (0, "is message 0, outside of ids 1 to 9"), (10, "is message 10, outside of ids 1 to 9"),
])
def test_a_message_that_cannot_follow(tmp_path: Path, number: int, said: str) -> None:
    assert checked(tmp_path, b'{"_":"messageService","id":%d}' % number) == (3, 1, [f"line 2 {said}"])


def test_a_message_before_the_last_one(tmp_path: Path) -> None:
    lines = b'{"_":"message","id":5}\n{"_":"message","id":4}'
    assert checked(tmp_path, lines, 6) == (4, 0, ["line 3 is message 4, after 5"])


def checked(folder: Path, middle: bytes, last: int = 3) -> tuple[int, int, list[str]]:
    """Messages, services and what is wrong, of lines between two messages in ids 1 to 9."""
    data = b'{"_":"message","id":1}\n' + middle + b'\n{"_":"message","id":%d}\n' % last
    (folder / "messages.jsonl").write_bytes(data)
    report = Report(folder)
    check = MessageCheck(report, set())
    check.read(Place(folder) / "messages.jsonl", [CoveredRange(1, 10, len(data), crc32(data))], Weight.NOTE)
    return check.messages, check.services, [one.text for one in report.findings]


PARTS = [b"one\ntwo\n", b"", b"three\n"]


def extents(parts: list[bytes]) -> list[Extent]:
    return [Extent(len(one), crc32(one), f"part {number}") for number, one in enumerate(parts)]


def read(
    folder: Path, data: bytes | None, wanted: list[Extent]
) -> tuple[list[tuple[int, bytes, int]], list[tuple[Weight, str]]]:
    """(the lines, what was found) of a file with these bytes."""
    report = Report(folder)
    if data is not None:
        (folder / "file").write_bytes(data)
    found = list(read_extents(Place(folder) / "file", wanted, report, Weight.UNFINISHED))
    assert {one.file for one in report.findings} <= {"file"}
    return found, [(one.weight, one.text) for one in report.findings]


def test_lines_come_with_their_number_and_the_part_they_are_in(tmp_path: Path) -> None:
    found, said = read(tmp_path, b"".join(PARTS), extents(PARTS))
    assert found == [(1, b"one\n", 0), (2, b"two\n", 0), (3, b"three\n", 2)]
    assert said == []


@pytest.mark.parametrize(
    ("data", "lines", "said"),
    [
        (b"one\ntwo\nthree\nmore", 3, [(Weight.UNFINISHED, "4 bytes lie behind the 14 that are committed")]),
        (b"one\ntwo\nthr", 2, [(Weight.DAMAGE, "it has 11 bytes where 14 were committed"),
                              (Weight.DAMAGE, "line 3 is cut off")]),
        (b"one\ntwo\n", 2, [(Weight.DAMAGE, "it has 8 bytes where 14 were committed")]),
        (b"", 0, [(Weight.DAMAGE, "it has 0 bytes where 14 were committed")]),
        (b"one\ntwo\nThree\n", 3, [(Weight.DAMAGE, "part 2 (bytes 8 to 14) do not have their checksum")]),
        (b"One\ntwo\nthree\n", 3, [(Weight.DAMAGE, "part 0 (bytes 0 to 8) do not have their checksum")]),
        (b"one\ntwo three\n", 2, [(Weight.DAMAGE, "line 2 is cut off"),
                                 (Weight.DAMAGE, "part 0 (bytes 0 to 8) do not have their checksum")]),
        (b"one\ntwo\n" + bytes(6), 2, [(Weight.DAMAGE, "line 3 is cut off"),
                                       (Weight.DAMAGE, "part 2 (bytes 8 to 14) do not have their checksum")]),
        (None, 0, [(Weight.DAMAGE, "it is missing; 14 bytes were committed")]),
    ],
)
def test_what_does_not_add_up(tmp_path: Path, data: bytes | None, lines: int, said: list[tuple[Weight, str]]) -> None:
    found, told = read(tmp_path, data, extents(PARTS))
    assert (len(found), told) == (lines, said)


def test_of_a_file_of_which_nothing_counts_nothing_need_be_there(tmp_path: Path) -> None:
    assert read(tmp_path, None, []) == read(tmp_path, None, extents([b""])) == ([], [])
    assert read(tmp_path, b"a\n", [])[1] == [(Weight.UNFINISHED, "2 bytes lie behind the 0 that are committed")]


@pytest.mark.parametrize("wanted", [[], extents(PARTS)])
def test_what_is_no_plain_file_is_not_looked_into(tmp_path: Path, wanted: list[Extent]) -> None:
    (tmp_path / "file").mkdir()
    assert read(tmp_path, None, wanted) == ([], [(Weight.DAMAGE, PLANTED)])


def test_a_line_without_an_end_is_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None of which is a line; the checksum is that of all."""
    monkeypatch.setattr(lines_module, "LINE_LIMIT", 4)
    data = b"one\n" + b"x" * 9 + b"\ntwo\n"
    found, said = read(tmp_path, data, extents([data]))
    assert found == [(1, b"one\n", 0), (4, b"x\n", 0), (5, b"two\n", 0)]
    assert said == [(Weight.DAMAGE, "line 2 is cut off"), (Weight.DAMAGE, "line 3 is cut off")]


def written(folder: Path, name: str, ranges: dict[tuple[int, int], list[int]]) -> list[CoveredRange]:
    """A file with these messages in each range; ids of services are below 0."""
    covered, data = [], b""
    for (lo, hi), ids in ranges.items():
        lines = b"".join(
            b'{"_":"%s","id":%d,"from_id":{"_":"peerUser","user_id":%d}}\n'
            % (b"message" if number > 0 else b"messageService", abs(number), abs(number) % 3 + 1)
            for number in ids
        )
        covered.append(CoveredRange(lo, hi, len(lines), crc32(lines)))
        data += lines
    (folder / name).write_bytes(data)
    return covered


def test_each_range_has_its_own_ids_in_one_file_or_in_several(tmp_path: Path) -> None:
    """Whatever the order of the files; what is named, and of what else is to be looked for, is gathered over all."""
    report = Report(tmp_path)
    check = MessageCheck(report, {2, 7}, {1, 4, 12, 30})
    late = {(20, 23): [20, 21, -22], (30, 40): [30]}
    early = {(1, 2): [], (2, 3): [-2], (3, 10): [4, 5], (10, 20): [19]}
    for name, ranges in (("late", late), ("early", early)):
        check.read(Place(tmp_path) / name, written(tmp_path, name, ranges), Weight.DAMAGE)
    assert report.findings == []
    assert (check.messages, check.services) == (8, 2)
    assert (check.unknown, check.found) == ({1, 3}, {4, 30})


def test_a_message_that_is_in_another_range_is_told_with_the_range_it_is_in(tmp_path: Path) -> None:
    report = Report(tmp_path)
    check = MessageCheck(report, {1, 2, 3})
    ranges = written(tmp_path, "file", {(1, 5): [1, 5], (5, 9): [4, 5, 5, 8, 7]})
    check.read(Place(tmp_path) / "file", ranges, Weight.DAMAGE)
    assert [(one.weight, one.file, one.text) for one in report.findings] == [
        (Weight.DAMAGE, "file", f"line {text}")
        for text in (
            "2 is message 5, outside of ids 1 to 4", "3 is message 4, outside of ids 5 to 8", "5 is message 5 again",
            "7 is message 7, after 8",
        )
    ]
    assert (check.messages, check.found) == (7, set())


def test_checksums_of_messages_are_those_of_their_range(tmp_path: Path) -> None:
    report = Report(tmp_path)
    first, second = written(tmp_path, "file", {(1, 5): [1, 2], (5, 9): [5]})
    second.crc ^= 1
    MessageCheck(report, {2, 3}).read(Place(tmp_path) / "file", [first, second], Weight.DAMAGE)
    end = first.size + second.size
    (said,) = report.findings
    assert said.text == f"ids 5 to 8 (bytes {first.size:,} to {end:,}) do not have their checksum"
    (tmp_path / "file").write_bytes((tmp_path / "file").read_bytes() + b"more")
    second.crc ^= 1
    report = Report(tmp_path)
    MessageCheck(report, {2, 3}).read(Place(tmp_path) / "file", [first, second], Weight.NOTE)
    assert [(one.weight, one.text) for one in report.findings] == [
        (Weight.NOTE, f"4 bytes lie behind the {end:,} that are committed")
    ]


def test_of_peers_that_are_not_there_so_many_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_module, "UNKNOWN_LIMIT", 2)
    check = MessageCheck(Report(tmp_path), set())
    check.read(Place(tmp_path) / "file", written(tmp_path, "file", {(1, 9): [1, 4, 2, 5, 3]}), Weight.NOTE)
    assert check.unknown == {2, 3}
    line = b'{"_":"message","id":1,"from_id":{"_":"peerUser","user_id":%d},"via_bot_id":%d}\n'
    data = line % (5, 6) + line.replace(b'"id":1', b'"id":2') % (7, 8)
    (tmp_path / "file").write_bytes(line.replace(b'"id":1', b'"id":1') % (4, 4) + data)
    check = MessageCheck(Report(tmp_path), set())
    size = (tmp_path / "file").stat().st_size
    check.read(Place(tmp_path) / "file", [CoveredRange(1, 9, size, 0)], Weight.NOTE)
    assert check.unknown == {4, 5, 6}


def test_peers_beyond_what_counts_are_no_peers(tmp_path: Path) -> None:
    data = b'{"_":"user","id":5}\n'
    (tmp_path / "peers.jsonl").write_bytes(data + b'{"_":"user","id":6}\n')
    report = Report(tmp_path)
    row = ChatRow(5, 77, peer_bytes=len(data), peer_crc=crc32(data) ^ 1)
    assert check_peers(Place(tmp_path) / "peers.jsonl", row, report, Weight.UNFINISHED) == {5}
    assert [(one.weight, one.text) for one in report.findings] == [
        (Weight.UNFINISHED, "20 bytes lie behind the 20 that are committed"),
        (Weight.DAMAGE, "its lines (bytes 0 to 20) do not have their checksum"),
    ]
