"""Names that are fed to a run, whose processes the test plays."""
from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from support.rehearsal import KILLED, Rehearsal, Stage, with_
from tgbulk.engine.error import ExitCode, StorageError
from tgbulk.engine.hop import Attach
from tgbulk.engine.supervisor import Event, Readable, Signalled
from tgbulk.stages.protocol.event import (
    ChatEnded,
    ChatFailed,
    FedName,
    FeedClosed,
    Fetched,
    NameEnded,
    NameFetched,
    Stopped,
)
from tgbulk.stages.run.feed import MOST_NAMES, FeedInput

Play = Iterator[Event]
DISK = Stopped("the disk is full", "make room", ExitCode.STORAGE)


class Feed:
    """A pipe on which names come."""

    def __init__(self) -> None:
        self.descriptor, self.writing = os.pipe()
        self.input = FeedInput(self.descriptor, lambda names: None)

    def write(self, text: str) -> Readable:
        os.write(self.writing, text.encode())
        return Readable()

    def end(self) -> Readable:
        os.close(self.writing)
        self.writing = -1
        return Readable()


@pytest.fixture
def feed() -> Iterator[Feed]:
    made = Feed()
    yield made
    os.close(made.descriptor)
    if made.writing >= 0:
        os.close(made.writing)


def test_names_of_a_feed_reach_fetch_and_their_ends_are_told(rehearsal: Rehearsal, feed: Feed) -> None:
    def script(stage: Stage) -> Play:
        fetch = stage["fetch"]
        fetch.told()
        assert stage.watched == [feed.descriptor]
        yield feed.write("@sim_one\nno chat\nme\n")
        assert fetch.told() == [FedName(1, "@sim_one"), FedName(3, "me")]
        yield stage.say("fetch", NameFetched(1, [0], 0))
        yield stage.say("write", ChatEnded(0, 7, 9, 4, 0, 9))
        yield feed.end()
        assert fetch.told() == [FeedClosed()]
        assert stage.watched[-1] is None
        yield stage.say("fetch", NameFetched(3, [], 4))
        assert fetch.told() == []
        yield stage.say("fetch", Fetched(1, 0))
        yield from stage.leave()

    assert with_(rehearsal, feed=feed.input).run(script) is None
    told = [event for event in rehearsal.heard.events if isinstance(event, NameEnded)]
    assert told == [NameEnded(2, "no chat", [], 4), NameEnded(1, "@sim_one", [7], 0), NameEnded(3, "me", [], 4)]
    assert [failed.name for failed in rehearsal.outcome.failed] == ["no chat"]
    assert [event.name for event in rehearsal.heard.events if isinstance(event, ChatFailed)] == ["no chat"]
    outcome = rehearsal.outcome
    assert (outcome.stopped, outcome.left, outcome.open) == (None, 0, False)


def test_names_that_are_too_many_wait_for_ends(rehearsal: Rehearsal, feed: Feed) -> None:
    def script(stage: Stage) -> Play:
        fetch = stage["fetch"]
        yield feed.write("".join(f"{number}\n" for number in range(1, MOST_NAMES + 2)))
        assert len([one for one in fetch.told() if isinstance(one, FedName)]) == MOST_NAMES
        assert stage.watched[-1] is None
        yield stage.say("fetch", NameFetched(1, [], 4))
        assert fetch.told() == [FedName(MOST_NAMES + 1, str(MOST_NAMES + 1))]
        yield Signalled(signal.SIGTERM)
        yield stage.say("fetch", NameFetched(2, [], 4))
        assert stage.watched[-1] is None
        yield from stage.leave()

    assert with_(rehearsal, feed=feed.input).run(script) is None
    outcome = rehearsal.outcome
    assert (outcome.left, outcome.open, outcome.stopped) == (MOST_NAMES - 1, True, None)


def test_processes_that_were_started_again_get_the_names_again(rehearsal: Rehearsal, feed: Feed) -> None:
    def first(stage: Stage) -> Play:
        yield feed.write("@sim_one\nme\n")
        yield stage.say("fetch", NameFetched(1, [], 4))
        yield feed.end()
        yield stage.exit("write", KILLED)
        yield from stage.leave()

    def second(stage: Stage) -> Play:
        assert stage["fetch"].told() == [Attach(0), Attach(1), FedName(2, "me"), FeedClosed()]
        yield from stage.leave()

    assert with_(rehearsal, feed=feed.input).run(first) == "the write process was killed by signal 9"
    assert rehearsal.run(second) is None


def test_what_fetch_calls_done_and_write_does_not_is_no_complete_feed(rehearsal: Rehearsal, feed: Feed) -> None:
    def script(stage: Stage) -> Play:
        yield feed.write("@sim_one\n")
        yield stage.say("fetch", NameFetched(1, [0], 0))
        if fetched:
            yield stage.say("fetch", Fetched(1, 0))
        yield from stage.leave()

    fetched = True
    assert with_(rehearsal, feed=feed.input).run(script) is None
    stopped = rehearsal.outcome.stopped
    assert stopped is not None
    assert (stopped.reason, stopped.code) == ("1 names were fetched and not committed", ExitCode.INTERNAL)
    rehearsal.outcome.stopped = DISK
    rehearsal.run(Stage.leave)
    assert rehearsal.outcome.stopped == DISK


@pytest.mark.parametrize("before", [None, DISK])
def test_names_that_cannot_be_kept_end_the_run(rehearsal: Rehearsal, before: Stopped | None) -> None:
    def keep(_: list[str]) -> None:
        raise StorageError("names", "no room")

    def script(stage: Stage) -> Play:
        os.write(writing, b"me\n")
        yield Readable()
        assert stage.killed == ["collect", "write", "fetch", "process-0", "process-1"]
        yield from stage.deaths()

    reading, writing = os.pipe()
    rehearsal.outcome.stopped = before
    with_(rehearsal, feed=FeedInput(reading, keep)).run(script)
    os.close(reading)
    os.close(writing)
    stopped = rehearsal.outcome.stopped
    assert stopped is not None
    assert stopped.reason == (before or Stopped.of(StorageError("names", "no room"))).reason
