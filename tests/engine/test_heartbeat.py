"""A process that hangs is asked for its stack."""
from __future__ import annotations

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
