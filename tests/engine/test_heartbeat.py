"""A process that hangs is asked for its stack."""
from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from support.open_files import open_files
from tgbulk.engine import heartbeat
from tgbulk.engine.heartbeat import LATE_SECONDS, PLACES, STACK_SECONDS, STACK_SIGNAL, Watch

#: Writes its stack in two parts, as one does that a busy machine takes the processor from in the middle.
SLOW_WRITER = """
import os, signal, sys, time
def write(number, frame):
    for part in (b"File one, ", b"File two"):
        os.write(int(sys.argv[2]), part)
        time.sleep(0.1)
signal.signal(int(sys.argv[1]), write)
print(flush=True)
while True:
    signal.pause()
"""

#: Its main thread walks up and down its stack, two others sleep and wake.
BUSY = """
import sys, threading, time
from tgbulk.engine.heartbeat import leave_stack_to_main, share
share(int(sys.argv[1]), int(sys.argv[2]))
def aside():
    leave_stack_to_main()
    while True:
        threading.Event().wait(0.001)
def climb(height):
    return climb(height - 1) if height else 0
for _ in range(2):
    threading.Thread(target=aside, daemon=True).start()
def main():
    print(flush=True)
    while True:
        climb(50)
main()
"""


def test_a_stack_is_read_to_its_end() -> None:
    watch = Watch()
    arguments = [sys.executable, "-c", SLOW_WRITER, str(int(STACK_SIGNAL)), str(watch.stacks)]
    with subprocess.Popen(arguments, pass_fds=[watch.stacks], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            watch.add(1, process.pid, 0.0)
            time.sleep(0.01)
            assert watch.look() == [(1, "File one, File two")]
            assert watch.look() == []
        finally:
            process.kill()
            watch.close()


def test_the_main_thread_of_one_that_goes_on_writes_its_own_stack() -> None:
    watch = Watch()
    arguments = [sys.executable, "-c", BUSY, str(watch.counters), str(watch.stacks)]
    with subprocess.Popen(
        arguments, pass_fds=[watch.counters, watch.stacks], stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            for _ in range(10):
                process.send_signal(signal.SIGSTOP)
                watch.add(1, process.pid, 0.0)
                time.sleep(0.01)
                ((_, stack),) = watch.look()
                assert "in main" in stack
                assert "in aside" not in stack
                assert process.poll() is None
        finally:
            process.kill()
            watch.close()


def test_one_that_is_reaped_has_no_stack_and_one_that_is_removed_is_not_looked_at() -> None:
    watch = Watch()
    try:
        with subprocess.Popen(["true"]) as process:
            process.wait()
        watch.remove(1)
        watch.add(1, process.pid, 0.0)
        time.sleep(0.01)
        assert watch.look() == [(1, "")]
        watch.add(1, process.pid, 0.0)
        watch.remove(1)
        time.sleep(0.01)
        assert watch.look() == []
    finally:
        watch.close()


def test_who_counts_is_not_silent() -> None:
    """However long it runs. Who stopped is, once its patience is over; time in which nobody looked does not count."""
    watch = Watch()
    try:
        watch.add(3, 0, 5.0)
        life = watch._lives[3]
        life.seen = 100.0
        for now in range(100, 130):
            watch._counts[3] += 1
            assert not watch._is_silent(3, life, float(now), False)
        assert [watch._is_silent(3, life, now, False) for now in (134.0, 134.5)] == [False, True]
        assert [watch._is_silent(3, life, now, True) for now in (150.0, 190.0)] == [False, False]
        assert not watch._is_silent(3, life, 195.0, False)
    finally:
        watch.close()


@pytest.fixture
def watch() -> Iterator[Watch]:
    before = open_files()
    made = Watch()
    yield made
    made.close()
    assert open_files() == before


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = float(int(time.monotonic()))  # whole, so that sums are

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(heartbeat, "time", made)
    return made


@pytest.fixture
def reaped() -> int:
    """The id of a process that is no more."""
    with subprocess.Popen(["true"]) as process:
        process.wait()
    return process.pid


def test_who_does_not_count_hangs_after_its_patience(watch: Watch, clock: Clock, reaped: int) -> None:
    """One at a time, once each; the others at the next look."""
    watch.add(1, reaped, 5.0)
    watch.add(2, reaped, 5.0)
    watch.add(3, reaped, 500.0)
    seen = []
    for _ in range(20):
        clock.now += 0.5
        seen.append(watch.look())
    first = [number for number, found in enumerate(seen) if found]
    assert first == [first[0], first[0] + 1]
    assert 9 < first[0] < 13  # a process is seen at a time that nobody sets
    assert [found for found in seen if found] == [[(1, "")], [(2, "")]]


@pytest.mark.parametrize("pause", [LATE_SECONDS, LATE_SECONDS + 0.1])
def test_seconds_in_which_nobody_looked_are_not_held_against_it(
    watch: Watch, clock: Clock, reaped: int, pause: float
) -> None:
    watch.add(1, reaped, 5.0)
    found = []
    for _ in range(8):
        clock.now += pause
        found += watch.look()
    assert found == ([] if pause > LATE_SECONDS else [(1, "")])


def test_a_process_counts_at_its_place(watch: Watch, clock: Clock) -> None:
    """Also where there are more processes than places."""
    code = (
        "import sys; from tgbulk.engine.heartbeat import beat, count_at, share\n"
        "beat(); share(int(sys.argv[1]), int(sys.argv[2]))\n"
        "for place in (3, int(sys.argv[3])):\n    count_at(place); beat(); beat()"
    )
    given = [watch.counters, watch.stacks]
    for place in (3, PLACES + 4):
        watch.add(place, 0, 5.0)
    assert [life.count for life in watch._lives.values()] == [0, 0]
    subprocess.run([sys.executable, "-c", code, *map(str, given), str(PLACES + 4)], pass_fds=given, check=True, timeout=60)
    clock.now += 1.0
    assert watch.look() == []
    assert [life.count for life in watch._lives.values()] == [2, 2]
    assert [life.seen for life in watch._lives.values()] == [clock.now] * 2
    watch.add(PLACES + 4, 0, 5.0)
    assert watch._lives[PLACES + 4].count == 2


def test_a_process_that_counts_does_not_hand_its_memory_on(watch: Watch) -> None:
    """What it was given it has mapped: the descriptor is closed."""
    code = (
        "import os, sys; from tgbulk.engine.heartbeat import share\n"
        "share(int(sys.argv[1]), int(sys.argv[2]))\n"
        "os.fstat(int(sys.argv[2]))\n"
        "try:\n    os.fstat(int(sys.argv[1]))\nexcept OSError:\n    print('closed')"
    )
    given = [watch.counters, watch.stacks]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, given)], pass_fds=given, check=True, timeout=60, capture_output=True
    )
    assert done.stdout == b"closed\n"


def test_a_stack_has_its_time_and_no_more(watch: Watch, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a process that writes nothing, or without end."""
    limits: list[float] = []
    pieces = [b"File \xff"] * 99

    def select(reading: list[int], _: object, __: object, limit: float) -> tuple[list[int], list[int], list[int]]:
        limits.append(limit)
        clock.now += step if pieces else limit
        return (reading if pieces else [], [], [])

    monkeypatch.setattr(heartbeat, "select", SimpleNamespace(select=select))
    monkeypatch.setattr(heartbeat.os, "read", lambda descriptor, size: pieces.pop())  # type: ignore[attr-defined]
    told: list[int] = []
    monkeypatch.setattr(heartbeat.os, "kill", lambda pid, number: told.append(number))  # type: ignore[attr-defined]
    began, step = clock.now, 0.375
    assert watch._stack(os.getpid()) == "File \ufffd" * 3
    assert (round(limits[0], 6), round(max(limits[1:]), 6)) == (STACK_SECONDS, heartbeat.SILENT_SECONDS)
    assert clock.now - began == 3 * step
    assert told == [STACK_SIGNAL, signal.SIGCONT]
    pieces[:], step, began = [b"File"] * 2, 0.0, clock.now
    assert watch._stack(os.getpid()) == "FileFile"
    assert clock.now - began == pytest.approx(heartbeat.SILENT_SECONDS)
    began = clock.now
    assert watch._stack(os.getpid()) == ""
    assert clock.now - began == pytest.approx(STACK_SECONDS)


def test_who_writes_its_stack_waits_for_no_reader(watch: Watch) -> None:
    """And nobody gets the pipe who is not given it."""
    assert not os.get_blocking(watch.stacks)
    assert not os.get_inheritable(watch.stacks)
