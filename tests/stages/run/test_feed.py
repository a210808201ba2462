"""Lines of a feed, from a real pipe."""
from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tgbulk.stages.protocol.event import ChatEnded, ChatFailed, FedName, NameEnded, NameFetched
from tgbulk.stages.run.feed import LONGEST, MOST_NAMES, FeedInput


class Pipe:
    """A feed and who writes to it."""

    def __init__(self) -> None:
        reading, self.writing = os.pipe()
        self.reading = reading
        self.kept: list[list[str]] = []
        self.feed = FeedInput(reading, self.kept.append)

    def write(self, data: bytes) -> list[FedName | ChatFailed | NameEnded]:
        os.write(self.writing, data)
        self.feed.read()
        return list(self.feed.take())

    def end(self) -> list[FedName | ChatFailed | NameEnded]:
        os.close(self.writing)
        self.feed.read()
        return list(self.feed.take())


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    os.close(made.reading)


def test_lines_may_come_in_pieces(pipe: Pipe) -> None:
    assert pipe.write(b"@sim_o") == []
    assert pipe.write(b"ne\r\n# no\n\nme") == [FedName(1, "@sim_one")]
    assert pipe.end() == [FedName(4, "me")]
    assert pipe.feed.over
    assert pipe.feed.watched is None
    assert pipe.kept == [["@sim_one"], ["@sim_one", "me"]]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"\xff\xfe", "it is not UTF-8"),
        (b"a b", "'a b' is no chat"),
        (b"a" * (LONGEST + 1), f"it has more than {LONGEST} bytes"),
        (b"a" * 3 * LONGEST, f"it has more than {LONGEST} bytes"),
    ],
)
def test_bad_lines_are_named_and_end(pipe: Pipe, line: bytes, reason: str) -> None:
    pieces = [pipe.write(line[start : start + LONGEST + 1]) for start in range(0, len(line), LONGEST + 1)]
    assert not any(pieces)
    failed, end, name = pipe.write(b"\nme\n")
    assert isinstance(failed, ChatFailed)
    assert failed.reason == f"line 1: {reason}"
    assert isinstance(end, NameEnded)
    assert (end.line, end.complete, end.code) == (1, [], 4)
    assert name == FedName(2, "me")


def test_what_is_too_much_waits(pipe: Pipe) -> None:
    """Beyond so many names nothing is read; an end makes room for one."""
    names = b"".join(b"%d\n" % number for number in range(1, MOST_NAMES + 3))
    assert len(pipe.write(names)) == MOST_NAMES
    assert pipe.feed.watched is None
    assert pipe.feed.left == MOST_NAMES + 2
    assert [one.line for one in pipe.feed.fetched(NameFetched(5, [], 4))] == [5]
    assert list(pipe.feed.take()) == [FedName(MOST_NAMES + 1, str(MOST_NAMES + 1))]
    assert len(pipe.kept[-1]) == MOST_NAMES
    assert pipe.end() == []
    assert not pipe.feed.over


def test_an_end_is_told_when_all_its_chats_are_durable(pipe: Pipe) -> None:
    pipe.write(b"@sim_one\nme\n")
    assert list(pipe.feed.ended(ChatEnded(7, 70, 1, 1, 0, 1))) == []
    assert list(pipe.feed.fetched(NameFetched(1, [7, 8], 0))) == []
    assert pipe.feed.uncommitted == 1
    (end,) = pipe.feed.ended(ChatEnded(8, 80, 1, 1, 0, 1))
    assert end == NameEnded(1, "@sim_one", [70, 80], 0)
    assert pipe.feed.again() == [FedName(2, "me")]
