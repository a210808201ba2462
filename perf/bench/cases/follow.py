"""What following costs while messages come: CPU, memory, descriptors."""
from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from tgbulk.perf.bench.case import Bench, Scale
from tgbulk.perf.bench.chat import Chat
from tgbulk.perf.bench.error import BenchError
from tgbulk.perf.bench.row import Goal, Row, Unit
from tgbulk.perf.bench.server import Server
from tgbulk.perf.bench.tgbulk import TgBulk

#: Chats that are followed, and messages a second in all of them together.
CHATS, RATE = 10, 50
MESSAGES = 20
#: Seconds that are measured, after those in which it settles.
SECONDS = {Scale.QUICK: 20, Scale.NORMAL: 120, Scale.FULL: 3600}
SETTLING = 5.0
#: Seconds that it may take to catch up, to write what was pushed last, and to end.
PATIENCE = 120.0
MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Sample:
    """A follower at one moment; memory is the proportional set size of its processes, in bytes."""

    moment: float
    cpu: float
    memory: int
    descriptors: int
    messages: int


def run(bench: Bench) -> list[Row]:
    """From one sample to another, then until every message is there."""
    chats = [Chat(f"lively{number}", MESSAGES) for number in range(CHATS)]
    program, output = TgBulk(), bench.folder / "followed"
    output.mkdir()
    with bench.server(chats) as server:
        home = server.home(program.name, program.prepare)
        with _following(program, server, home, chats, output) as process:
            try:
                server.insert(chats, RATE / CHATS)
                time.sleep(SETTLING)
                first = _sample(program, process, home, output)
                time.sleep(SECONDS[bench.scale])
                last = _sample(program, process, home, output)
                server.insert(chats, 0)
                count = server.inserted() + CHATS * MESSAGES
                _wait(lambda: program.count(home, output) == count, process, f"not every one of {count:,} messages came")
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(PATIENCE)
    span = last.moment - first.moment
    rate = (last.messages - first.messages) / span
    cpu, grown = last.cpu - first.cpu, last.memory - first.memory
    note = f"{rate:.0f} messages a second in {CHATS} chats, for {span:.0f} s; {1e6 * cpu / span / rate:.0f} us a message"
    return [
        Row("CPU of a core while following", Unit.SHARE, cpu / span, goals=(Goal(0.03),), note=note),
        Row("memory that follow takes more", Unit.MEGABYTES, grown / MEGABYTE, note=f"of {last.memory / MEGABYTE:.0f} MB"),
        Row("descriptors that follow takes more", Unit.COUNT, last.descriptors - first.descriptors, goals=(Goal(0),)),
    ]


def _following(
    program: TgBulk, server: Server, home: Path, chats: list[Chat], output: Path
) -> subprocess.Popen[bytes]:
    """A follower that has caught up."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service:
        address = f"\0tgbulk-bench-{time.monotonic_ns()}"
        service.bind(address)
        service.settimeout(PATIENCE)
        launch = program.follow(server, home, chats, output)
        environment = {**launch.environment, "NOTIFY_SOCKET": address.replace("\0", "@")}
        process = subprocess.Popen(
            launch.command, cwd=output, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            service.recv(4096)
        except TimeoutError:
            process.kill()
            raise BenchError("tgbulk follow does not catch up") from None
    return process


def _sample(program: TgBulk, process: subprocess.Popen[bytes], home: Path, output: Path) -> Sample:
    leader = psutil.Process(process.pid)
    members = [leader, *leader.children(recursive=True)]
    times = [one.cpu_times() for one in members]
    return Sample(
        time.monotonic(), sum(one.user + one.system for one in times), sum(one.memory_full_info().pss for one in members),
        sum(one.num_fds() for one in members), program.count(home, output),
    )


def _wait(condition: Callable[[], bool], process: subprocess.Popen[bytes], problem: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            raise BenchError(f"tgbulk follow: {problem}")
        time.sleep(0.2)
