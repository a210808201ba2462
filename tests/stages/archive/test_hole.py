from __future__ import annotations

from pathlib import Path
from zlib import crc32

import pytest

from tgbulk.engine.folder import Place
from tgbulk.stages.archive.hole import without
from tgbulk.stages.archive.row import CoveredRange


def line(number: int) -> bytes:
    return b'{"_":"message","id":%d,"message":"%s"}\n' % (number, b"x" * number)


def made(lo: int, hi: int, *ids: int) -> CoveredRange:
    data = b"".join(map(line, ids))
    return CoveredRange(lo, hi, len(data), crc32(data))


@pytest.mark.parametrize(
    ("missing", "left"),
    [
        ([], [made(1, 10, 2, 4, 8), made(20, 30, 21)]),
        ([3], [made(1, 3, 2), made(4, 10, 4, 8), made(20, 30, 21)]),
        ([5, 7], [made(1, 5, 2, 4), made(8, 10, 8), made(20, 30, 21)]),
        ([1], [made(2, 10, 2, 4, 8), made(20, 30, 21)]),
        ([9], [made(1, 9, 2, 4, 8), made(20, 30, 21)]),
        ([1, 3, 9, 20, 29], [made(2, 3, 2), made(4, 9, 4, 8), made(21, 29, 21)]),
        ([9, 22, 23, 29], [made(1, 9, 2, 4, 8), made(20, 22, 21)]),
        ([5, 25], [made(1, 5, 2, 4), made(6, 10, 8), made(20, 25, 21), made(26, 30)]),
    ],
)
def test_ids_are_taken_out_of_what_is_covered(tmp_path: Path, missing: list[int], left: list[CoveredRange]) -> None:
    path = tmp_path / "messages.jsonl"
    path.write_bytes(b"".join(map(line, (2, 4, 8, 21))))
    assert without(Place(tmp_path) / path.name, [made(1, 10, 2, 4, 8), made(20, 30, 21)], missing) == left
    assert path.stat().st_size == sum(one.size for one in left)


def test_what_is_missing_on_both_sides_of_a_seam(tmp_path: Path) -> None:
    path = tmp_path / "messages.jsonl"
    path.write_bytes(b"".join(map(line, (2, 14))))
    left = [made(1, 9, 2), made(12, 20, 14)]
    assert without(Place(tmp_path) / path.name, [made(1, 10, 2), made(10, 20, 14)], [9, 10, 11]) == left
