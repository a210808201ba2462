"""A supervisor in a process of its own, which is killed."""
from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

SUPERVISOR = """
import sys, time
from support import child_target
from tgbulk.engine.entry import EntryPoint
from tgbulk.engine.supervisor import Supervisor, Received, Signalled
with Supervisor(["support.child_target"]) as supervisor:
    for number, behaviour in enumerate(sys.argv[2:]):
        supervisor.start(f"child-{number}", EntryPoint[str]("support.child_target:announce"), behaviour)
    if sys.argv[1] == "deaf":
        time.sleep(60)
    for event in supervisor.events():
        if isinstance(event, Signalled):
            print("signal", event.number, len(supervisor.children), flush=True)
"""


class Command:
    """A supervisor and its children, leader of a process group of its own."""

    def __init__(self, kind: str, *behaviours: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SUPERVISOR, kind, *behaviours],
            stdout=subprocess.PIPE, text=True, start_new_session=True,
        )
        try:
            children = [int(self.line()) for _ in behaviours]
        except BaseException:
            self.process.kill()
            raise
        server = int(Path(f"/proc/{children[0]}/stat").read_text().rpartition(")")[2].split()[1])
        self.descendants = [os.pidfd_open(pid) for pid in (server, *children)]
        self.command_line = Path(f"/proc/{server}/cmdline").read_text().split("\0")

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def left(self, seconds: float) -> int:
        """How many descendants still live after so many seconds."""
        until = time.monotonic() + seconds
        living = set(self.descendants)
        while living and (rest := until - time.monotonic()) > 0:
            living -= set(select.select(list(living), [], [], rest)[0])
        return len(living)

    def close(self) -> None:
        for pidfd in self.descendants:
            try:
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            except ProcessLookupError:
                pass
            os.close(pidfd)
        self.process.kill()
        self.process.communicate()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("PYTHONPATH", os.path.dirname(os.path.dirname(__file__)), prepend=os.pathsep)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    yield
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(("kind", "behaviours"), [("listening", ["wait"] * 3), ("deaf", ["wait", "sleep"])])
def test_a_killed_supervisor_leaves_no_process_behind(kind: str, behaviours: list[str]) -> None:
    """Not even a child that ignores its end of file, nor when the fork server's reports were never read."""
    command = Command(kind, *behaviours)
    assert "tgbulk.engine.forkserver" in command.command_line
    try:
        command.process.kill()
        command.process.wait()
        assert command.left(5.0) == 0
    finally:
        command.close()


def test_a_whole_group_that_is_killed_leaves_no_process_behind() -> None:
    command = Command("listening", "wait", "sleep")
    try:
        os.killpg(command.process.pid, signal.SIGKILL)
        assert command.left(5.0) == 0
    finally:
        command.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_whole_group_reaches_the_supervisor_alone(number: signal.Signals) -> None:
    """As of Ctrl-C, or a terminal that hangs up."""
    command = Command("listening", "wait", "sleep")
    try:
        for _ in range(2):
            os.killpg(command.process.pid, number)
            assert command.line() == f"signal {int(number)} 2\n"
        assert command.left(0.2) == 3
        assert command.process.poll() is None
    finally:
        command.close()
