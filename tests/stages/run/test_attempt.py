"""What a run makes of what happens to its processes: they are played by the test, their channels and contexts are real."""
from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from support.rehearsal import KILLED, Rehearsal, Stage, finishes, is_closed, sent, with_
from tgbulk.engine.channel import Channel, ChannelClosed
from tgbulk.engine.error import ExitCode, StorageError
from tgbulk.engine.frame import DATA_LIMIT
from tgbulk.engine.hop import Ack, Attach, Block, Page
from tgbulk.engine.metric import Snapshot
from tgbulk.engine.ring import BLOCK_SIZE, FRAME_SIZE, SLOTS
from tgbulk.engine.supervisor import Event, Signalled
from tgbulk.stages.collect.status import Measured
from tgbulk.stages.fetch.config import MediaConfig
from tgbulk.stages.protocol.event import (
    ChatEnded,
    Fetched,
    Finish,
    NewNames,
)
from tgbulk.stages.run.attempt import (
    MEASURE_SECONDS,
    PRELOAD,
    STOP_SECONDS,
)
from tgbulk.stages.telegram.medium import MediaSelection
from tgbulk.stages.transcode.config import TranscodeConfig

Play = Iterator[Event]


def test_each_process_has_what_it_needs_of_the_ring_and_nobody_else_holds_it(rehearsal: Rehearsal) -> None:
    """Pages go from fetch to a worker, blocks to write, acks to fetch, measurements to collect; who leaves is noticed."""
    setup = rehearsal.setup

    def script(stage: Stage) -> Play:
        assert stage.living == ["collect", "write", "fetch", "process-0", "process-1"]
        assert [actor.child.patience for actor in stage.actors.values()] == [7, 35, 7, 7, 7]
        assert [actor.entry.split(":")[0].split(".")[-2:] for actor in stage.actors.values()] == [
            ["collect", "main"], ["write", "main"], ["fetch", "main"], ["process", "worker"], ["process", "worker"],
        ]
        collect, write, fetch = (stage[name] for name in ("collect", "write", "fetch"))
        workers = [stage["process-0"], stage["process-1"]]
        assert write.told() == fetch.told() == [Attach(0), Attach(1)]
        assert [actor.context.config for actor in (collect, write, fetch)] == [setup.collect, setup.write, setup.fetch]
        assert write.context.lock.path == setup.archive_lock.path
        assert [lock.path for lock in fetch.context.session_locks] == [lock.path for lock in setup.session_locks]
        assert (fetch.context.videos, fetch.context.lease) == (False, None)
        into = [Channel.from_descriptor(os.dup(one.fileno()), DATA_LIMIT) for one in fetch.attached()]
        out = [Channel.from_descriptor(os.dup(one.fileno()), DATA_LIMIT) for one in write.attached()]
        for number, worker in enumerate(workers):
            page = Page(number, 1, 4, 0, 0, 0, 0, 0)
            fetch.context.frames.write(number, b"page")
            assert sent(into[number], page, worker.context.pages) == page
            assert worker.context.frames.read(number, 4) == b"page"
            block = Block(number, 1, 0, 0, 5, 0, 0, 0)
            worker.context.blocks.write(number, b"block")
            assert sent(worker.context.out, block, out[number]) == block
            assert write.context.blocks.read(number, 5) == fetch.context.blocks.read(number, 5) == b"block"
        assert (fetch.context.frames.slots, fetch.context.frames.slot_size) == (SLOTS, FRAME_SIZE)
        assert (fetch.context.blocks.slots, fetch.context.blocks.slot_size) == (SLOTS, BLOCK_SIZE)
        assert sent(write.context.fetch, Ack(1, 1, 5), fetch.context.written) == Ack(1, 1, 5)
        for actor in (write, fetch, *workers):
            name = actor.child.name
            assert actor.context.outlet.process == name
            shot = Snapshot(name, 1, 0, 0, 0, 0, 0, False, "", 0, [], [])
            assert sent(actor.context.outlet.channel, shot, collect.context.snapshots) == shot
        yield stage.exit("process-1")
        assert [is_closed(one) for one in out] == [False, True]
        with pytest.raises(ChannelClosed):
            into[1].send(Page(9, 1, 4, 0, 0, 0, 0, 0))
        for one in (*into, *out):
            one.close()
        yield stage.exit("collect", KILLED)
        with pytest.raises(ChannelClosed):
            write.context.outlet.channel.send(Ack(1, 1, 5))
        yield stage.exit("write", KILLED)
        assert is_closed(fetch.context.written)
        yield from stage.leave()

    assert rehearsal.run(script)
    assert rehearsal.stage.patience == 7


def test_a_run_ends_in_the_order_in_which_its_data_flow(rehearsal: Rehearsal) -> None:
    """Write is told to finish once nothing comes to it any more, collect at the very end; what they say is kept."""
    ended = ChatEnded(0, 1, 9, 4, 0, 9)

    def script(stage: Stage) -> Play:
        write, snapshots = stage["write"], stage["collect"].context.snapshots
        write.told()
        yield stage.say("write", ended)
        yield stage.say("fetch", Fetched(1, 0))
        yield stage.exit("fetch")
        yield stage.exit("process-1")
        assert finishes(write) == 0
        yield stage.exit("process-0")
        assert finishes(write) == 1
        yield stage.tick()
        assert not is_closed(snapshots)
        yield stage.exit("write")
        assert is_closed(snapshots)
        yield stage.say("collect", Measured("Telegram's limit", ""))
        yield stage.tick(MEASURE_SECONDS - 1)
        assert stage.killed == []
        yield stage.exit("collect")

    assert rehearsal.run(script) is None
    outcome, heard = rehearsal.outcome, rehearsal.heard
    assert heard.events == [ended, Fetched(1, 0), Measured("Telegram's limit", "")]
    assert heard.ticks == 2
    assert (outcome.ended, outcome.exit_code, outcome.stopped, outcome.measured) == ([ended], ExitCode.COMPLETE, None, True)
    assert (outcome.interrupted, outcome.signal, outcome.left, outcome.unmeasured) == (False, 0, 0, "")


def test_write_is_told_once_however_often_others_leave_before_it(rehearsal: Rehearsal) -> None:
    def script(stage: Stage) -> Play:
        stage["write"].told()
        for name in ("process-0", "process-1", "fetch", "collect"):
            yield stage.exit(name)
        assert finishes(stage["write"]) == 1
        yield stage.exit("write")

    assert rehearsal.run(script) is None


def test_collect_has_its_time_to_measure_and_no_more(rehearsal: Rehearsal) -> None:
    def script(stage: Stage) -> Play:
        for name in ("fetch", "process-0", "process-1", "write"):
            yield stage.exit(name)
        yield stage.tick(MEASURE_SECONDS)
        assert stage.killed == []
        yield stage.tick(0.1)
        assert stage.killed == ["collect"]
        yield from stage.deaths()

    assert rehearsal.run(script) is None
    assert rehearsal.heard.notices == ["collect was killed by signal 9; the run continues without metrics"]
    assert rehearsal.outcome.unmeasured == "collect was killed by signal 9"


@pytest.mark.parametrize(
    ("last", "status", "unmeasured", "notices"),
    [
        (None, 0, "collect ended with status 0", ["collect ended with status 0; the run continues without metrics"]),
        (None, 1, "collect ended with status 1", ["collect ended with status 1; the run continues without metrics"]),
        (Measured("", "no room"), 1, "no room", []),
        (Measured("disk", ""), 1, "", []),
    ],
)
def test_collect_ends_before_the_others(
    rehearsal: Rehearsal, last: Measured | None, status: int, unmeasured: str, notices: list[str]
) -> None:
    def script(stage: Stage) -> Play:
        if last:
            yield stage.say("collect", last)
        yield stage.exit("collect", status)
        yield from stage.leave()

    assert rehearsal.run(script) is None
    assert (rehearsal.outcome.unmeasured, rehearsal.heard.notices) == (unmeasured, notices)


def test_the_first_signal_asks_and_has_its_time(rehearsal: Rehearsal) -> None:
    def script(stage: Stage) -> Play:
        stage["fetch"].told()
        yield Signalled(signal.SIGTERM)
        assert stage["fetch"].told() == [Finish()]
        assert stage.watched[-1] is None
        yield stage.tick(STOP_SECONDS)
        assert stage.killed == []
        yield stage.tick(0.1)
        assert stage.killed == ["collect", "write", "fetch", "process-0", "process-1"]
        yield from stage.deaths()

    assert rehearsal.run(script) == "the write process was killed by signal 9"
    outcome = rehearsal.outcome
    assert (outcome.interrupted, outcome.signal, outcome.left) == (True, signal.SIGTERM, 1)
    assert rehearsal.heard.notices[0].startswith("stopping: pages in flight are still written")


def test_the_second_signal_ends_all_but_collect_at_once(rehearsal: Rehearsal) -> None:
    rehearsal.outcome.left = 3

    def script(stage: Stage) -> Play:
        yield from stage.signal(signal.SIGINT, signal.SIGTERM)
        assert stage.killed == ["write", "fetch", "process-0", "process-1"]
        yield from stage.deaths()

    rehearsal.run(script, bytes([signal.SIGTERM]))
    outcome = rehearsal.outcome
    assert (outcome.interrupted, outcome.signal, outcome.left) == (True, signal.SIGINT, 3)
    assert outcome.exit_code is ExitCode.INTERRUPTED


@pytest.mark.parametrize("told", [True, False])
def test_a_stop_meets_processes_that_are_gone(rehearsal: Rehearsal, told: bool) -> None:
    """Whether their exit was told already or not."""
    def script(stage: Stage) -> Play:
        for name in ("fetch", "transcode-0"):
            if told:
                yield stage.exit(name)
            else:
                stage[name].control.close()
        yield Signalled(signal.SIGTERM)
        yield from stage.leave()

    assert with_(rehearsal, videos=TranscodeConfig()).run(script) is None
    assert rehearsal.outcome.interrupted


@pytest.mark.parametrize("left", [0, 3])
def test_a_signal_after_the_last_event_counts(rehearsal: Rehearsal, left: int) -> None:
    """The first of them, where several came."""
    rehearsal.outcome.left = left
    assert rehearsal.run(Stage.leave, bytes([signal.SIGTERM, signal.SIGINT])) is None
    outcome = rehearsal.outcome
    assert (outcome.interrupted, outcome.signal, outcome.left) == (True, signal.SIGTERM, max(left, 1))


def test_chats_are_read_anew_at_sighup(rehearsal: Rehearsal) -> None:
    """Where that fails, they stay; where a stop is under way, it is a signal as others."""
    lists = iter([["@sim_one", "me"], ["@sim_one", "no chat"], None])

    def reload() -> list[str]:
        found = next(lists)
        if found is None:
            raise StorageError("the list", "gone")
        return found

    def script(stage: Stage) -> Play:
        stage["fetch"].told()
        yield from stage.signal(signal.SIGHUP, signal.SIGHUP, signal.SIGHUP)
        assert stage["fetch"].told() == [NewNames(["@sim_one", "me"])]
        assert not rehearsal.outcome.interrupted
        yield from stage.signal(signal.SIGTERM, signal.SIGHUP)
        assert stage.killed
        yield from stage.deaths()

    with_(rehearsal, reload=reload).run(script)
    first, second, third, *_ = rehearsal.heard.notices
    assert first == "2 chats from now on"
    assert second == "'no chat' is no chat; the chats stay as they are"
    assert third.endswith("gone; the chats stay as they are")
    assert rehearsal.outcome.signal == signal.SIGTERM


def test_sighup_stops_a_run_that_has_nothing_to_read_anew(rehearsal: Rehearsal) -> None:
    def script(stage: Stage) -> Play:
        yield Signalled(signal.SIGHUP)
        yield from stage.leave()

    assert rehearsal.run(script) is None
    assert (rehearsal.outcome.interrupted, rehearsal.outcome.signal) == (True, signal.SIGHUP)


def test_the_fork_server_imports_what_the_run_needs(rehearsal: Rehearsal, tmp_path: Path) -> None:
    fetch = rehearsal.setup.fetch
    media = MediaConfig(tmp_path, MediaSelection(frozenset()), 1)
    for wanted, more in (
        ({}, []), ({"fetch": replace(fetch, media=media)}, ["fetch.media.downloads", "write.media"]),
        ({"fetch": replace(fetch, follow=True)}, ["fetch.following"]), ({"videos": TranscodeConfig()}, ["transcode.main"]),
    ):
        with_(rehearsal, fetch=fetch, videos=None)
        with_(rehearsal, **wanted).run(Stage.leave)
        assert rehearsal.stage.preload == PRELOAD + [f"tgbulk.stages.{name}" for name in more]
