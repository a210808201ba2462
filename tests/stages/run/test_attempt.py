"""What a run makes of what happens to its processes: they are played by the test, their channels and contexts are real."""
from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from support.open_files import open_files
from support.rehearsal import KILLED, Rehearsal, Stage, finishes
from tgbulk.engine.channel import Channel, ChannelClosed
from tgbulk.engine.error import ExitCode, StorageError
from tgbulk.engine.frame import DATA_LIMIT
from tgbulk.engine.hop import Ack, Attach, Block, Page
from tgbulk.engine.lock import Lock
from tgbulk.engine.metric import Snapshot
from tgbulk.engine.ring import BLOCK_SIZE, FRAME_SIZE, SLOTS
from tgbulk.engine.supervisor import Event, ForkServerEndedError, Hung, Readable, Signalled
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.collect.config import CollectConfig
from tgbulk.stages.collect.status import Measured
from tgbulk.stages.fetch.config import FetchConfig, MediaConfig
from tgbulk.stages.protocol.event import (
    ABANDONED,
    ChatEnded,
    ChatFailed,
    FedName,
    FeedClosed,
    Fetched,
    Finish,
    NameEnded,
    NameFetched,
    NewNames,
    Notice,
    PoisonFound,
    Standstill,
    Stopped,
)
from tgbulk.stages.protocol.transcode import TranscodeAttached
from tgbulk.stages.run.attempt import (
    MEASURE_SECONDS,
    PRELOAD,
    RESPAWN_WINDOW,
    RESPAWNS,
    RESPAWNS_AT_ONCE,
    STOP_SECONDS,
    EntryPoints,
    Setup,
)
from tgbulk.stages.run.feed import MOST_NAMES, FeedInput
from tgbulk.stages.telegram.medium import MediaSelection
from tgbulk.stages.transcode.config import TranscodeConfig
from tgbulk.stages.write.config import WriteConfig

Play = Iterator[Event]
DISK = Stopped("the disk is full", "make room", ExitCode.STORAGE)


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[Setup]:
    """Of two workers; nothing is left open behind the run."""
    with ExitStack() as stack:
        archive, main, second = (
            stack.enter_context(Lock(tmp_path / name, f"{name} of the test")) for name in ("archive", "main", "second")
        )
        collect = CollectConfig("run", Archive(tmp_path).run("run"), 0.0, 0.0, os.getpid())
        before = shared()
        yield Setup(FetchConfig([], [], 1), WriteConfig(tmp_path), collect, [main, second], archive, 2, patience=7.0)
        assert shared() == before


def shared() -> list[str]:
    """What this process has open of what processes share."""
    return sorted(path for path in open_files().values() if path.startswith(("socket:", "/memfd:")))


@pytest.fixture
def rehearsal(monkeypatch: pytest.MonkeyPatch, setup: Setup) -> Rehearsal:
    return Rehearsal(monkeypatch, setup)


def with_(rehearsal: Rehearsal, **fields: object) -> Rehearsal:
    rehearsal.setup = replace(rehearsal.setup, **fields)  # type: ignore[arg-type]
    rehearsal.outcome.fed = rehearsal.setup.feed is not None
    return rehearsal


def is_closed(channel: Channel) -> bool:
    """Whether nobody can send any more."""
    channel.set_blocking(False)
    try:
        channel.receive()
    except ChannelClosed:
        return True
    except BlockingIOError:
        return False
    raise AssertionError("there is something to receive")


def sent(channel: Channel, frame: object, other: Channel) -> object:
    """What arrives at the other end."""
    channel.send(frame)
    return other.receive()[0]


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


def test_a_worker_that_died_is_replaced_and_attached(rehearsal: Rehearsal) -> None:
    """Not one that left in order, and none once pages cannot come or go any more."""
    def script(stage: Stage) -> Play:
        write, fetch = stage["write"], stage["fetch"]
        yield stage.exit("process-0", KILLED)
        assert write.told() == fetch.told() == [Attach(0), Attach(1), Attach(2)]
        assert stage.living == ["collect", "write", "fetch", "process-1", "process-2"]
        yield stage.exit("process-1", 70)
        assert stage.living == ["collect", "write", "fetch", "process-2", "process-3"]
        yield stage.exit("process-2")
        yield stage.exit("fetch")
        yield stage.exit("process-3", KILLED)
        assert stage.living == ["collect", "write"]
        yield from stage.leave()

    assert rehearsal.run(script) is None
    assert rehearsal.heard.notices == [
        "process-0 was killed by signal 9; its pages go to another worker",
        "process-1 ended with status 70; its pages go to another worker",
    ]


@pytest.mark.parametrize("first", ["fetch", "write"])
def test_no_worker_is_started_where_fetch_or_write_is_gone(rehearsal: Rehearsal, first: str) -> None:
    def script(stage: Stage) -> Play:
        yield stage.exit(first, KILLED)
        yield stage.exit("process-0", ABANDONED)
        assert "process-2" not in stage.actors
        yield from stage.leave()

    assert rehearsal.run(script) == f"the {first} process was killed by signal 9"


def test_a_worker_is_attached_to_who_is_left(rehearsal: Rehearsal) -> None:
    """Fetch may have died with its exit not yet told."""
    def script(stage: Stage) -> Play:
        stage["fetch"].control.close()
        yield stage.exit("process-0", KILLED)
        assert stage["write"].told()[-1] == Attach(2)
        yield stage.exit("fetch", KILLED)
        yield from stage.leave()

    assert rehearsal.run(script) == "the fetch process was killed by signal 9"


def test_workers_that_die_one_after_the_other_wait_and_then_end_the_run(rehearsal: Rehearsal) -> None:
    def script(stage: Stage) -> Play:
        for number in range(RESPAWNS):
            yield stage.exit(f"process-{number}", KILLED)
            assert (f"process-{number + 2}" in stage.actors) == (number < RESPAWNS_AT_ONCE)
            yield from stage.wait_for(f"process-{number + 2}")
        assert stage.killed == []
        yield stage.exit(f"process-{RESPAWNS}", ExitCode.LIMIT)
        assert stage.killed == ["fetch"]
        assert f"process-{RESPAWNS + 2}" not in stage.actors
        yield stage.exit(f"process-{RESPAWNS + 1}", KILLED)
        yield stage.exit("fetch", KILLED)
        yield from stage.leave()

    assert rehearsal.run(script) == "the fetch process was killed by signal 9"
    stopped = rehearsal.outcome.stopped
    assert stopped is not None
    assert stopped.reason == (
        f"{RESPAWNS} workers died within {RESPAWN_WINDOW:.0f} seconds; the last one ran out of memory or of open files"
    )
    assert stopped.code == ExitCode.INTERNAL
    assert stopped.hint


def test_what_stopped_a_run_stays_what_stopped_it(rehearsal: Rehearsal) -> None:
    """Though all workers die of it."""
    def script(stage: Stage) -> Play:
        yield stage.say("write", DISK)
        for number in range(RESPAWNS + 1):
            yield stage.tick(5)
            yield stage.exit(f"process-{number}", KILLED)
        assert stage.killed == []
        yield from stage.leave(write=ExitCode.STORAGE)

    assert rehearsal.run(script) is None
    assert rehearsal.outcome.stopped == DISK


@pytest.mark.parametrize("kind", ["process", "transcode"])
def test_what_died_of_a_page_that_was_found_does_not_count(rehearsal: Rehearsal, kind: str) -> None:
    def script(stage: Stage) -> Play:
        number = 0
        for _ in range(2):
            for _ in range(RESPAWNS):
                yield from stage.wait_for(f"{kind}-{number}")
                yield stage.exit(f"{kind}-{number}", KILLED)
                number += 1
            yield stage.say("fetch", PoisonFound())
        yield from stage.wait_for(f"{kind}-{number}")
        yield from stage.leave()

    assert with_(rehearsal, videos=TranscodeConfig()).run(script) is None
    assert rehearsal.outcome.stopped is None


def test_videos_have_a_process_of_their_own(rehearsal: Rehearsal) -> None:
    """It is replaced, fetch gets its channels and learns how the one before it ended; what stops it stops nothing else."""
    def script(stage: Stage) -> Play:
        assert stage.living == ["collect", "write", "fetch", "transcode-0", "process-0", "process-1"]
        fetch, first = stage["fetch"], stage["transcode-0"]
        assert first.entry == EntryPoints.transcode.name
        assert fetch.context.videos
        assert first.context.config == rehearsal.setup.videos
        assert first.context.outlet.process == "transcode-0"
        assert TranscodeAttached("") in fetch.told()
        jobs, results, *_ = fetch.attached()
        assert sent(jobs, Finish(), first.context.jobs) == Finish()
        assert sent(first.context.results, Finish(), results) == Finish()
        for one in (jobs, results):
            one.close()
        yield stage.say("transcode-0", Notice("a GPU"))
        yield stage.say("transcode-0", DISK)
        yield stage.exit("transcode-0", KILLED)
        assert fetch.told() == [TranscodeAttached("was killed by signal 9")]
        assert len(fetch.attached()) == 2
        yield stage.exit("transcode-1", 70)
        assert fetch.told() == [TranscodeAttached("ended with status 70")]
        yield stage.exit("transcode-2")
        assert "transcode-3" not in stage.actors
        yield from stage.leave()

    assert with_(rehearsal, videos=TranscodeConfig()).run(script) is None
    assert rehearsal.outcome.stopped is None
    assert rehearsal.heard.notices == [
        "a GPU", "videos: the disk is full", "transcode-0 was killed by signal 9; a new process takes its videos",
        "transcode-1 ended with status 70; a new process takes its videos",
    ]


def test_videos_wait_for_the_next_run_where_their_process_dies_too_often(rehearsal: Rehearsal) -> None:
    def script(stage: Stage) -> Play:
        for number in range(RESPAWNS):
            yield stage.exit(f"transcode-{number}", KILLED)
            yield from stage.wait_for(f"transcode-{number + 1}")
        stage["fetch"].told()
        stage["fetch"].attached()
        yield stage.exit(f"transcode-{RESPAWNS}", KILLED)
        assert stage["fetch"].told() == [TranscodeAttached("was killed by signal 9")]
        assert stage["fetch"].attached() == []
        assert stage.killed == []
        yield from stage.leave()

    assert with_(rehearsal, videos=TranscodeConfig()).run(script) is None
    assert rehearsal.heard.notices[-1] == (
        f"transcode-{RESPAWNS} was killed by signal 9; the videos that are left wait for the next run"
    )


@pytest.mark.parametrize("end", ["signal", "fetch", "write"])
def test_videos_end_with_the_run(rehearsal: Rehearsal, end: str) -> None:
    """Their process is told, and not started again, not even one whose pause is not over."""
    def script(stage: Stage) -> Play:
        for number in range(RESPAWNS_AT_ONCE + 1):
            yield stage.exit(f"transcode-{number}", KILLED)
        yield stage.tick(1)
        last = f"transcode-{RESPAWNS_AT_ONCE + 1}"
        yield stage.exit("fetch") if end == "fetch" else stage.exit("write") if end == "write" else Signalled(15)
        assert stage[last].told() == [Finish()]
        yield stage.exit(last, KILLED)
        yield stage.tick(9)
        assert [name for name in stage.living if name.startswith("transcode")] == []
        yield from stage.leave()

    assert with_(rehearsal, videos=TranscodeConfig()).run(script) is None
    notices = rehearsal.heard.notices
    assert len(notices) - sum(one.startswith("stopping") for one in notices) == RESPAWNS_AT_ONCE + 1


def test_a_video_process_whose_pause_ends_after_the_run_is_not_started(rehearsal: Rehearsal) -> None:
    def script(stage: Stage) -> Play:
        for number in range(RESPAWNS_AT_ONCE):
            yield stage.exit(f"transcode-{number}", KILLED)
        yield stage.exit(f"transcode-{RESPAWNS_AT_ONCE}", KILLED)
        yield Signalled(signal.SIGTERM)
        yield stage.tick(1)
        assert [name for name in stage.living if name.startswith("transcode")] == []
        yield from stage.leave()

    assert with_(rehearsal, videos=TranscodeConfig()).run(script) is None


def test_the_state_of_who_does_not_move_is_kept(rehearsal: Rehearsal) -> None:
    """Of one that hangs, where it stood; of a standstill, who waits for what."""
    folder = rehearsal.setup.collect.folder

    def script(stage: Stage) -> Play:
        fetch, worker, other = (stage[name].child for name in ("fetch", "process-0", "process-1"))
        yield stage.say("fetch", Standstill(60, 300, "fetch waits for write"))
        assert Path(folder.stack("fetch", fetch.pid)).read_text() == "fetch waits for write"
        yield Hung(worker, "at line 7")
        yield stage.exit("process-0", KILLED, hung=True)
        assert Path(folder.stack("process-0", worker.pid)).read_text() == "at line 7"
        yield Hung(other, "")
        assert Path(folder.stack("process-1", other.pid)).read_text() == "The process did not report its stack.\n"
        yield from stage.leave()

    assert rehearsal.run(script) is None
    where = f"its state is in {folder.path}/hang-"
    still, hung, replaced, _ = rehearsal.heard.notices
    assert still.startswith(f"nothing has moved for 60 s, and nothing says why; {where}fetch-")
    assert still.endswith(".txt; the run ends if that lasts 300 s")
    assert hung.startswith(f"process-0 did not respond for 7 seconds and was killed; {where}process-0-")
    assert replaced == "process-0 did not respond and was killed; its pages go to another worker"


def test_a_state_that_cannot_be_kept_is_no_end(rehearsal: Rehearsal, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("in the way")

    def script(stage: Stage) -> Play:
        yield Hung(stage["process-0"].child, "at line 7")
        yield from stage.leave()

    assert rehearsal.run(script) is None
    assert "was killed; its state cannot be saved: " in rehearsal.heard.notices[0]


@pytest.mark.parametrize("name", ["archive", "second"])
def test_a_lock_that_was_removed_is_made_again(rehearsal: Rehearsal, tmp_path: Path, name: str) -> None:
    def script(stage: Stage) -> Play:
        (tmp_path / name).unlink()
        yield stage.tick()
        assert (tmp_path / name).exists()
        yield stage.tick()
        yield from stage.leave()

    assert rehearsal.run(script) is None
    assert rehearsal.heard.notices == [
        f"{tmp_path / name} was removed while {name} of the test is in use; it was made again"
    ]


@pytest.mark.parametrize("before", [None, DISK])
def test_another_one_has_the_lock(rehearsal: Rehearsal, tmp_path: Path, before: Stopped | None) -> None:
    """All are killed before both write; what had stopped the run before that is what stopped it."""
    rehearsal.outcome.stopped = before

    def script(stage: Stage) -> Play:
        (tmp_path / "main").unlink()
        with Lock(tmp_path / "main", "main"):
            yield stage.tick()
            assert stage.killed == ["collect", "write", "fetch", "process-0", "process-1"]
            yield from stage.deaths()

    rehearsal.run(script)
    stopped = rehearsal.outcome.stopped
    assert stopped is not None
    assert stopped.code == (before.code if before else ExitCode.LOCKED)


@pytest.mark.parametrize(
    ("write", "fetch", "cause", "reason", "code"),
    [
        (KILLED, ABANDONED, "the write process was killed by signal 9", "", 0),
        (ABANDONED, KILLED, "the fetch process was killed by signal 9", "", 0),
        (70, KILLED, "the fetch process was killed by signal 9", "", 0),
        (70, ABANDONED, None, "the write process ended with status 70", ExitCode.INTERNAL),
        (ABANDONED, 70, None, "the fetch process ended with status 70", ExitCode.INTERNAL),
        (0, 70, None, "the fetch process ended with status 70", ExitCode.INTERNAL),
        (1, 1, None, "the write process ended with status 1", ExitCode.INTERNAL),
        (ABANDONED, 0, None, f"the write process ended with status {ABANDONED}", ExitCode.INTERNAL),
        (ExitCode.LIMIT, 0, None, "the write process ran out of memory or of open files", ExitCode.LIMIT),
        (ExitCode.STORAGE, 0, None, "the write process cannot use a file or folder", ExitCode.STORAGE),
        (-1, 0, "the write process was killed by signal 1", "", 0),
        (ABANDONED, 120, None, "the fetch process ended with status 120", ExitCode.INTERNAL),
        (ExitCode.STORAGE, 70, None, "the write process cannot use a file or folder", ExitCode.STORAGE),
        (70, ExitCode.LIMIT, None, "the write process ended with status 70", ExitCode.INTERNAL),
        (0, 0, None, "", 0),
    ],
)
def test_how_fetch_and_write_ended_is_how_the_run_ended(
    rehearsal: Rehearsal, write: int, fetch: int, cause: str | None, reason: str, code: int
) -> None:
    """A signal is bad luck, and a cause to start again; an exit of their own is not."""
    assert rehearsal.run(lambda stage: stage.leave(write=write, fetch=fetch)) == cause
    stopped = rehearsal.outcome.stopped
    assert (stopped.reason, stopped.code) == (reason, code) if stopped else not reason
    assert stopped is None or stopped.hint


@pytest.mark.parametrize("name", ["fetch", "write"])
def test_who_hung_and_was_killed_is_a_cause(rehearsal: Rehearsal, name: str) -> None:
    def script(stage: Stage) -> Play:
        yield stage.exit(name, KILLED, hung=True)
        yield from stage.leave()

    assert rehearsal.run(script) == f"the {name} process did not respond and was killed"


def test_an_exit_that_was_explained_or_asked_for_needs_no_other_reason(rehearsal: Rehearsal) -> None:
    def explained(stage: Stage) -> Play:
        yield stage.say("write", DISK)
        yield from stage.leave(write=ExitCode.STORAGE, fetch=ABANDONED)

    def asked(stage: Stage) -> Play:
        yield Signalled(signal.SIGTERM)
        yield from stage.leave(write=1)

    assert rehearsal.run(explained) is None
    assert rehearsal.outcome.stopped == DISK
    rehearsal.outcome.stopped = None
    assert rehearsal.run(asked) is None
    assert rehearsal.outcome.stopped is None


def test_the_fork_server_dies(rehearsal: Rehearsal) -> None:
    def script(stage: Stage) -> Play:
        yield stage.tick()
        raise ForkServerEndedError

    assert rehearsal.run(script) == "the fork server ended before its time"
    assert rehearsal.outcome.stopped is None


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
