from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.child_target import Given, Word
from support.open_files import open_files
from tgbulk.engine.arena import Arena
from tgbulk.engine.channel import MAX_DESCRIPTORS, data_pair
from tgbulk.engine.entry import EntryPoint
from tgbulk.engine.error import LockedError, TgbulkError
from tgbulk.engine.lock import Lock
from tgbulk.engine.supervisor import Child, Event, Exited, Hung, Received, Signalled, Supervisor

#: Seconds after which a test has waited long enough.
PATIENCE = 20.0


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder of our own, where the fork server finds child_target; nothing is left anywhere."""
    monkeypatch.setenv("PYTHONPATH", os.path.dirname(os.path.dirname(__file__)), prepend=os.pathsep)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    files, handlers = open_files(), [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    yield tmp_path
    assert open_files() == files
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == handlers
    assert os.listdir(tmp_path) == []
    assert not [name for name in os.listdir("/dev/shm") if "tgbulk" in name]


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    with Supervisor(["support.child_target"]) as started:
        yield started


@pytest.fixture
def handlers() -> Iterator[None]:
    """Put back what a supervisor leaves in place that was asked to stop."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def until(supervisor: Supervisor, enough: Callable[[list[Event]], bool]) -> list[Event]:
    """The events, ticks apart, up to the first that is enough."""
    seen: list[Event] = []
    until = time.monotonic() + PATIENCE
    for event in supervisor.events():
        if isinstance(event, Received | Exited | Hung | Signalled):
            seen.append(event)
            if enough(seen):
                return seen
        assert time.monotonic() < until, seen
    raise AssertionError("the events ended")


def deaths(count: int) -> Callable[[list[Event]], bool]:
    return lambda seen: sum(isinstance(event, Exited) for event in seen) == count


def told(count: int) -> Callable[[list[Event]], bool]:
    return lambda seen: sum(isinstance(event, Received) for event in seen) == count


def words(seen: list[Event], child: Child | None = None) -> list[str]:
    return [event.frame.text for event in seen if isinstance(event, Received) and child in (None, event.child)]


def ended(pid: int) -> bool:
    """True soon after a process that is no child of ours has ended."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([pidfd], [], [], 5)[0])
    finally:
        os.close(pidfd)


def test_children_start_in_the_order_told(supervisor: Supervisor) -> None:
    children = [supervisor.start(f"number-{n}", EntryPoint[None]("support.child_target:wait"), None) for n in range(5)]
    seen = until(supervisor, told(5))
    for _ in supervisor.events():
        if all(child.pid for child in children):
            break
    pids = [child.pid for child in children]
    assert pids == sorted(pids)
    assert [int(words(seen, child)[0]) for child in children] == pids
    assert supervisor.children == children


@pytest.mark.parametrize("delay", [0.0, 0.2])
def test_all_that_a_child_said_comes_before_its_death(supervisor: Supervisor, delay: float) -> None:
    """Also when it was long dead before anybody looked."""
    said = [str(n) for n in range(40)]
    children = [supervisor.start("talker", EntryPoint[list[str]]("support.child_target:say"), said) for _ in range(4)]
    time.sleep(delay)
    seen = until(supervisor, deaths(4))
    for child in children:
        own = [event for event in seen if event.child is child]  # type: ignore[union-attr]
        assert words(own) == said
        assert isinstance(own[-1], Exited)
        assert child.status == 0
    assert supervisor.children == []


def test_the_last_words_of_a_child_that_did_not_listen(supervisor: Supervisor) -> None:
    child = supervisor.start("deaf", EntryPoint[str]("support.child_target:say_without_listening"), "the result")
    until(supervisor, told(1))
    child.control.send(Word("never read"))
    time.sleep(0.1)
    assert words(until(supervisor, deaths(1))) == ["the result"]


@pytest.mark.parametrize(
    ("target", "argument", "status"),
    [("leave", 0, 0), ("leave", 11, 11), ("fail", None, 70), ("kill_itself", signal.SIGKILL, -9),
     ("kill_itself", signal.SIGSEGV, -11), ("missing", None, 70), ("break_output", None, 0)],
)
def test_how_a_child_ended(capfd: pytest.CaptureFixture[str], target: str, argument: int | None, status: int) -> None:
    entry = EntryPoint[int | None](f"support.child_target:{target}")
    with Supervisor(["support.child_target"]) as supervisor:
        child = supervisor.start("one", entry, argument)
        seen = until(supervisor, deaths(1))
    assert child.status == status
    assert words(seen) == ["last word"] * (target == "kill_itself")
    errors = capfd.readouterr().err
    assert ("RuntimeError: on purpose" in errors) == (target == "fail")
    assert ("AttributeError" in errors) == (target == "missing")


def test_a_child_has_what_it_was_given_and_nothing_else(supervisor: Supervisor) -> None:
    arena = Arena.create("tgbulk-given", 1, 10)
    ours, theirs = data_pair()
    neighbour = supervisor.start("neighbour", EntryPoint[None]("support.child_target:wait"), None)
    child = supervisor.start("curious", EntryPoint[list[object]]("support.child_target:list_descriptors"), [arena, theirs])
    listed = words(until(supervisor, deaths(1)), child)[0].splitlines()
    others = [line.split(" ", 1)[1] for line in listed if int(line.split(" ", 1)[0]) > 2]
    kinds = [target.partition(":")[0] if "memfd" not in target else target for target in others]
    # A map holds a descriptor of its own. Signs of life and stacks are every child's.
    given = ["/memfd:tgbulk-given (deleted)"] * 2 + ["socket"] * 2
    assert sorted(kinds) == sorted([*given, "/memfd:tgbulk-heartbeat (deleted)", "pipe"]), (listed, neighbour)
    assert listed[0].split() == ["0", "/dev/null"]
    arena.close()
    ours.close()
    theirs.close()


def test_arenas_channels_and_locks_arrive(supervisor: Supervisor, tmp_path: Path) -> None:
    arena = Arena.create("tgbulk-shared", 2, 10)
    arena.write(0, b"hello")
    sent_by_child, events = data_pair()
    lock = Lock(tmp_path / "lock", "the thing").acquire()
    child = supervisor.start("user", EntryPoint[Given]("support.child_target:use"), Given(arena, sent_by_child, lock))
    sent_by_child.close()
    lock.release()
    until(supervisor, told(1))
    assert arena.read(1, 5) == b"olleh"
    assert events.receive()[0] == Word(f"process {os.getpid()}")
    with pytest.raises(LockedError):
        Lock(tmp_path / "lock", "the thing").acquire()
    child.control.send(Word("echo"))
    assert words(until(supervisor, told(1))) == ["echo"]
    supervisor.kill()
    until(supervisor, deaths(1))
    assert child.status == -9
    with Lock(tmp_path / "lock", "the thing") as again:
        again.remove()
    arena.close()
    events.close()


def test_more_descriptors_than_a_request_takes(supervisor: Supervisor) -> None:
    pair = data_pair()
    entry = EntryPoint[list[object]]("support.child_target:wait")
    with pytest.raises(ValueError, match="descriptors"):
        supervisor.start("greedy", entry, list[object]([pair[0]] * (MAX_DESCRIPTORS - 1)))
    assert supervisor.children == []
    for channel in pair:
        channel.close()


def test_signals_are_reported_once_each_and_children_do_not_get_them(handlers: None, supervisor: Supervisor) -> None:
    child = supervisor.start("one", EntryPoint[None]("support.child_target:signals"), None)
    ignored, name = words(until(supervisor, deaths(1)), child)[0].split(" ", 1)[::-1]
    assert (name, ignored) == ("tgbulk-one", "SIGINT SIGTERM SIGHUP")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(os.getpid(), number)
    seen = until(supervisor, lambda events: len(events) == 3)
    assert seen == [Signalled(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]


def test_a_signal_that_was_ignored_stays_ignored(handlers: None) -> None:
    """As under nohup."""
    old = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Supervisor(["support.child_target"]) as supervisor:
            os.kill(os.getpid(), signal.SIGHUP)
            os.kill(os.getpid(), signal.SIGTERM)
            assert until(supervisor, lambda seen: True) == [Signalled(signal.SIGTERM)]
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, old)


def test_a_killed_fork_server_is_an_error_and_takes_its_children_with_it() -> None:
    with Supervisor(["support.child_target"]) as supervisor:
        for behaviour in ("wait", "sleep"):
            supervisor.start(behaviour, EntryPoint[None](f"support.child_target:{behaviour}"), None)
        pids = [int(word) for word in words(until(supervisor, told(2)))]
        server = int(Path(f"/proc/{pids[0]}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(server, signal.SIGKILL)
        with pytest.raises(TgbulkError, match="fork server ended before its time"):
            until(supervisor, deaths(3))
        assert all(map(ended, pids))
        with pytest.raises(TgbulkError, match="fork server ended before its time"):
            supervisor.start("late", EntryPoint[None]("support.child_target:wait"), None)


def test_a_fork_server_that_cannot_start_is_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with Supervisor(["no_such_module"]) as supervisor:
        supervisor.start("one", EntryPoint[None]("support.child_target:wait"), None)
        supervisor.start("two", EntryPoint[None]("support.child_target:wait"), None)
        with pytest.raises(TgbulkError, match="fork server ended before its time"):
            until(supervisor, deaths(1))
    assert "No module named 'no_such_module'" in capfd.readouterr().err


def test_modules_of_the_working_directory_are_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder called engine where the command is run is not ours."""
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "__init__.py").touch()
    monkeypatch.chdir(tmp_path)
    with Supervisor(["support.child_target"]) as supervisor:
        supervisor.start("one", EntryPoint[list[str]]("support.child_target:say"), ["here"])
        assert words(until(supervisor, deaths(1))) == ["here"]
    (tmp_path / "engine" / "__init__.py").unlink()
    (tmp_path / "engine").rmdir()


def test_leaving_ends_children_that_listen_to_nobody() -> None:
    with Supervisor(["support.child_target"]) as supervisor:
        supervisor.start("orderly", EntryPoint[None]("support.child_target:wait"), None)
        supervisor.start("deaf", EntryPoint[None]("support.child_target:sleep"), None)
        pids = [int(word) for word in words(until(supervisor, told(2)))]
    assert all(map(ended, pids))


@pytest.mark.parametrize("behaviour", ["stand_still", "stand_stopped"])
def test_a_child_without_a_sign_of_life_tells_where_it_stands_and_is_killed(
    supervisor: Supervisor, behaviour: str
) -> None:
    living = supervisor.start("living", EntryPoint[None]("support.child_target:live"), None, patience=1.0)
    child = supervisor.start("standing", EntryPoint[None](f"support.child_target:{behaviour}"), None, patience=0.5)
    seen = until(supervisor, deaths(1))
    stacks = [event.stack for event in seen if isinstance(event, Hung)]
    assert len(stacks) == 1
    assert f"in {behaviour}" in stacks[0]
    assert (child.hung, child.status, living.status) == (True, -signal.SIGKILL, None)
    assert isinstance(seen[-1], Exited)


def test_a_supervisor_that_stood_still_itself_blames_nobody(supervisor: Supervisor) -> None:
    child = supervisor.start("living", EntryPoint[None]("support.child_target:live"), None, patience=2.5)
    pid = int(words(until(supervisor, told(1)))[0])
    os.kill(pid, signal.SIGSTOP)
    time.sleep(3)
    os.kill(pid, signal.SIGCONT)
    assert not [event for _, event in zip(range(10), supervisor.events(), strict=False) if isinstance(event, Hung)]
    assert child.status is None


def test_a_fork_server_that_stands_still_is_killed() -> None:
    with Supervisor(["support.child_target"], patience=0.5) as supervisor:
        child = supervisor.start("one", EntryPoint[None]("support.child_target:live"), None)
        for _ in supervisor.events():
            if child.pid:
                break
        pid = child.pid
        server = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(server, signal.SIGSTOP)
        with pytest.raises(TgbulkError, match="fork server ended before its time"):
            until(supervisor, deaths(1))
    assert ended(pid)


@pytest.mark.parametrize("heard", [True, False], ids=["heard", "too late"])
def test_after_a_signal_another_one_does_not_cut_the_end_short(handlers: None, heard: bool) -> None:
    with Supervisor(["support.child_target"]) as supervisor:
        if heard:
            os.kill(os.getpid(), signal.SIGTERM)
            assert until(supervisor, lambda seen: True) == [Signalled(signal.SIGTERM)]
        else:
            supervisor.start("one", EntryPoint[None]("support.child_target:wait"), None)
            until(supervisor, told(1))
            os.kill(os.getpid(), signal.SIGTERM)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(os.getpid(), number)  # ends this process where nobody takes it
    assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL


def test_a_signal_that_nobody_heard_any_more_is_kept(handlers: None) -> None:
    with Supervisor(["support.child_target"]) as supervisor:
        supervisor.start("one", EntryPoint[None]("support.child_target:wait"), None)
        pid = int(words(until(supervisor, told(1)))[0])
        os.kill(os.getpid(), signal.SIGTERM)
    assert list(supervisor.signals) == [signal.SIGTERM]
    assert ended(pid)
