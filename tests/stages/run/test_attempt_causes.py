"""What a run ended by, where several things did."""
from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.rehearsal import KILLED, Rehearsal, Stage
from tgbulk.engine.error import ExitCode
from tgbulk.engine.lock import Lock
from tgbulk.engine.supervisor import Event, ForkServerEndedError, Signalled
from tgbulk.stages.protocol.event import (
    ABANDONED,
    Stopped,
)
from tgbulk.stages.run.attempt import (
    RESPAWNS,
)

Play = Iterator[Event]
DISK = Stopped("the disk is full", "make room", ExitCode.STORAGE)


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
