"""A process that hangs is asked for its stack."""
from __future__ import annotations

import signal
import subprocess
import sys
import time

from tgbulk.engine.heartbeat import STACK_SIGNAL, Watch

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
