"""What a run makes of processes that die or do not move; they are played by the test, their channels are real."""
from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.rehearsal import KILLED, Rehearsal, Stage, sent, with_
from tgbulk.engine.error import ExitCode
from tgbulk.engine.hop import Attach
from tgbulk.engine.supervisor import Event, Hung, Signalled
from tgbulk.stages.protocol.event import (
    ABANDONED,
    Finish,
    Notice,
    PoisonFound,
    Standstill,
    Stopped,
)
from tgbulk.stages.protocol.transcode import TranscodeAttached
from tgbulk.stages.run.attempt import (
    RESPAWN_WINDOW,
    RESPAWNS,
    RESPAWNS_AT_ONCE,
    EntryPoints,
)
from tgbulk.stages.transcode.config import TranscodeConfig

Play = Iterator[Event]
DISK = Stopped("the disk is full", "make room", ExitCode.STORAGE)


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
