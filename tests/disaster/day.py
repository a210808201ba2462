"""`make day`: a follower for a whole day, of which an hour takes seconds: nothing of it may grow, and nothing be missed.

    PYTHONPATH=tests python -m disaster.day [--hours 24] [--speed 60] [--seed 1]

Clocks and waits of tgbulk and of the simulated Telegram are so many times as fast (tests/support/fast_clock.c). Messages
come, change and go in bursts; the server stops, closes every connection or says nothing, for minutes to hours; connections
are cut, pushes lost, boxes forget. At the end SIGTERM ends the follower, and the archive must say what the server says.
"""
from __future__ import annotations

import argparse
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median

import psutil

from disaster.living import CHANNELS, CHATS, SERVER, LivingChats
from support.changed import disagreements
from support.command import COMMAND, Tgbulk, at_home
from support.exporter import Exporter, members
from support.fast_clock import FastClock
from tgbulk.perf.simdc.launcher import SimDC

HOUR = 3600.0
#: Seconds of the simulated day: between two bursts on average, two samples, two cuts of all connections, two sets of faults.
BURST, SAMPLE, CUT, FAULTS = 240.0, 300.0, 2700.0, 3600.0
#: Changes of a burst, at most, and seconds between two of them.
MOST_CHANGES, APART = 24, 5.0
#: Seconds without the server, of 24 hours; evenly over them. And what it does then, by turns.
OUTAGES = (120.0, 600.0, 2400.0, 10_800.0, 300.0, 1200.0)
WAYS = ("stopped", "close", "silence")
#: Seconds at the end without faults, in which the follower looks at everything once more, and between what it is told then.
CALM, TOLD = 2400.0, 1200.0
#: Bytes by which the memory of all processes may grow from the day's first third to its last: that of ids that changed.
MOST_GROWTH = 6_000_000
#: Seconds, of ours, to be ready, and to end.
PATIENCE = 180.0
MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Sample:
    """The follower's processes at one moment of the day, by name: proportional set size in bytes, open descriptors."""

    moment: float
    memory: dict[str, int]
    descriptors: dict[str, int]


class Day:
    """One of them."""

    def __init__(self, tgbulk: Tgbulk, clock: FastClock, folder: Path, hours: float, speed: float, seed: int) -> None:
        self._dc = tgbulk.dc
        self._tgbulk = tgbulk
        self._clock = clock
        self._folder = folder
        self._archive = folder / "archive"
        self._said = folder / "said"
        self._span = hours * HOUR
        self._speed = speed
        self._random = random.Random(seed)
        self._chats = LivingChats(self._dc, self._random, forgets=True)
        self._samples: list[Sample] = []
        self._stopped = False
        self.changes = 0

    def run(self) -> list[str]:
        """What is wrong at its end."""
        plan = sorted(self._plan(), key=lambda pair: pair[0])
        with self._following() as process:
            self._clock.run(self._speed)
            began = self._now()
            for moment, do in plan:
                time.sleep(max(0.0, (began + moment - self._now()) / self._speed))
                if process.poll() is not None:
                    return [f"it ended after {moment / HOUR:.1f} hours with {process.returncode}: {self._end_of_said()}"]
                do(process, moment)
            self._clock.run(1.0)
            process.send_signal(signal.SIGTERM)
            wrong = [] if (code := process.wait(PATIENCE)) == 0 else [f"exit code {code}"]
        said = self._said.read_text()
        wrong += [f"it said: {line}" for line in said.splitlines() if "Traceback" in line or "did not respond" in line]
        wrong += self._growth()
        return wrong + [text for chat in CHATS.values() for text in disagreements(self._dc, self._archive, chat)]

    def result(self) -> str:
        """What happened, in one line."""
        calls = self._dc.counters()["methods"]
        asked = sum(calls.get(f"updates.get{name}Difference", {"calls": 0})["calls"] for name in ("", "Channel"))
        pushes = self._dc.control("boxes")["pushes"]
        first, last = self._thirds()
        memory = " to ".join(f"{median(sum(one.memory.values()) for one in some) / MEGABYTE:.1f}" for some in (first, last))
        open_files = " to ".join(f"{median(sum(one.descriptors.values()) for one in some):.0f}" for some in (first, last))
        return (
            f"{self._span / HOUR:g} hours: {self.changes:,} changes, {pushes:,} pushes, {asked:,} differences; "
            f"{memory} MB, {open_files} descriptors"
        )

    def table(self) -> str:
        """Memory and descriptors of each process in the day's thirds."""
        first, last = self._thirds()
        lines = []
        for name in sorted({name for one in first + last for name in one.memory}):
            parts = []
            for some in (first, last):
                sizes = [one.memory[name] / MEGABYTE for one in some if name in one.memory]
                files = [one.descriptors[name] for one in some if name in one.descriptors]
                parts.append(f"{median(sizes):.1f} MB, {min(files)} to {max(files)} descriptors" if sizes else "none")
            lines.append(f"{name}: {'; '.join(parts)}")
        return "\n".join(lines)

    def _plan(self) -> Iterator[tuple[float, Callable[[subprocess.Popen[bytes], float], None]]]:
        """(second of the day, what is to be done then)."""
        busy = self._span - CALM
        moment = 0.0
        while (moment := moment + self._random.expovariate(1 / BURST)) < busy:
            for number in range(self._random.randint(1, MOST_CHANGES)):
                yield moment + number * APART, self._change
        for number in range(int(busy / FAULTS)):
            yield number * FAULTS, lambda *_: self._asking(self._chats.disturb)
        for number in range(1, int(busy / CUT)):
            yield number * CUT, lambda *_: self._asking(partial(self._dc.control, "drop"))
        for number, seconds in enumerate(OUTAGES):
            moment = (number + 0.5) / len(OUTAGES) * busy
            way = WAYS[number % len(WAYS)]
            yield moment, lambda *_, way=way: self._begin_outage(way)
            yield moment + seconds * busy / (24 * HOUR - CALM), lambda *_: self._end_outage()
        for number in range(1, int(self._span / SAMPLE)):
            yield number * SAMPLE, self._sample
        yield busy, lambda *_: self._chats.calm()
        for moment in (busy + 60, busy + TOLD):
            yield moment, lambda *_: self._step()
        yield self._span, lambda *_: None

    def _change(self, *_: object) -> None:
        if not self._stopped:
            self._chats.change(1)
            self.changes += 1

    def _step(self) -> None:
        """Each channel is named."""
        for name in CHANNELS:
            self._dc.control("mutate", chat=CHATS[name], step=1)

    def _asking(self, ask: Callable[[], object]) -> None:
        if not self._stopped:  # it would not answer
            ask()

    def _begin_outage(self, way: str) -> None:
        if way == "stopped":
            self._stopped = True
            os.kill(self._dc.pid, signal.SIGSTOP)
        else:
            self._dc.control("set", greeting=way)
            self._dc.control("drop")

    def _end_outage(self) -> None:
        if self._stopped:
            os.kill(self._dc.pid, signal.SIGCONT)
            self._stopped = False
        self._dc.control("set", greeting="")

    def _sample(self, process: subprocess.Popen[bytes], moment: float) -> None:
        memory: dict[str, int] = defaultdict(int)
        descriptors: dict[str, int] = defaultdict(int)
        for one in members(process.pid):
            try:
                name = Path(f"/proc/{one.pid}/comm").read_text().strip()
                memory[name] += one.memory_full_info().pss
                descriptors[name] += one.num_fds()
            except (psutil.NoSuchProcess, FileNotFoundError):
                pass  # ended since it was listed
        self._samples.append(Sample(moment, memory, descriptors))

    def _thirds(self) -> tuple[list[Sample], list[Sample]]:
        return (
            [one for one in self._samples if one.moment < self._span / 3],
            [one for one in self._samples if one.moment > self._span * 2 / 3],
        )

    def _growth(self) -> list[str]:
        first, last = self._thirds()
        grown = median(sum(one.memory.values()) for one in last) - median(sum(one.memory.values()) for one in first)
        wrong = [f"{grown / MEGABYTE:.1f} MB more than at first"] if grown > MOST_GROWTH else []
        for name in last[-1].descriptors:
            before, now = (median(one.descriptors.get(name, 0) for one in some) for some in (first, last))
            if now > before:
                wrong.append(f"{name} has {now:.0f} descriptors, {before:.0f} at first")
        return wrong

    def _now(self) -> float:
        """By the fast clock."""
        return time.monotonic() + self._clock.ahead

    @contextmanager
    def _following(self) -> Iterator[subprocess.Popen[bytes]]:
        """The follower, once it is ready; nothing of it is left behind."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service, self._said.open("wb") as said:
            address = self._folder / "notify"
            service.bind(str(address))
            service.settimeout(PATIENCE)
            words = ["follow", str(self._archive), *CHATS, "--quiet", "--recheck", "all", "--hang-after", f"{HOUR:.0f}"]
            process = subprocess.Popen(
                [COMMAND, *words], env={**self._tgbulk.environment, "NOTIFY_SOCKET": str(address)}, cwd=self._folder,
                stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True,
            )
            try:
                try:
                    service.recv(4096)
                except TimeoutError:
                    raise AssertionError(f"it does not catch up: {self._end_of_said()}") from None
                yield process
            finally:
                for one in members(process.pid):
                    one.kill()
                process.kill()
                process.wait()

    def _end_of_said(self) -> str:
        return self._said.read_text()[-2000:]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--speed", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="day-") as name:
        folder = Path(name)
        clock = FastClock(folder / "clock")
        os.environ.update(clock.variables)  # of the server, and of all that is started here; not of this process
        home = folder / "home"
        home.mkdir()
        with SimDC(*SERVER) as dc:
            tgbulk = at_home(dc, home)
            tgbulk = replace(tgbulk, environment={**tgbulk.environment, **clock.variables})
            Exporter(tgbulk)
            day = Day(tgbulk, clock, folder, options.hours, options.speed, options.seed)
            try:
                wrong = day.run()
            finally:
                day._end_outage()
            if noise := dc.log.read_text().partition("Traceback")[2]:
                wrong.append(f"the server: {noise[-2000:]}")
            if wrong:
                print(*wrong, day.table(), sep="\n")
            print(f"{day.result()}; {time.monotonic() - began:.0f} s; {'faults' if wrong else 'nothing is missed'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
