"""What a line of a chat may be: whatever else is there is damage, and verify goes on behind it."""
from __future__ import annotations

from pathlib import Path
from zlib import crc32

import pytest

from tgbulk.engine.folder import Place
from tgbulk.stages.archive.row import ChatRow, CoveredRange
from tgbulk.stages.verify.lines import MessageCheck, check_peers
from tgbulk.stages.verify.report import Report, Weight

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
