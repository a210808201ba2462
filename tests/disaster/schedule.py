"""`make schedules`: exports of chats that change, from a server in every kind of trouble at once; hundreds, each another.

    PYTHONPATH=tests python -m disaster.schedule [--count 300] [--first 1] [--lanes 6] [--accounts 2]

A schedule follows from its number: --first N --count 1 draws the same one again, though what meets what depends on
the machine. Three schedules of ten use all accounts; with more than two accounts every one does.
"""
from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import orjson

from support.rig import PATIENCE, Export, Rig, ended
from tgbulk.perf.simdc.launcher import SimDC
from tgbulk.stages.telegram.peer import marked_id

HISTORY = "messages.getHistory"
ACCOUNTS = 2
#: Arguments of a lane's server. Its chats by name, with their marked ids; that of "me" is an account's own.
SERVER = ("--bulk", "few=90", "--bulk", "some=400", "--bulk", "many=1500")
CHATS = {
    "@sim_few": -1003000000001, "@sim_some": -1003000000002, "@sim_many": -1003000000003,
    "@sim_busy": -1001500000001, "@sim_hollow": -1001500000012,
}
#: All but the one that has nothing but messageEmpty in whole pages.
CHANGING = ("@sim_few", "@sim_some", "@sim_many", "@sim_busy", "me")
CALM: dict[str, Any] = {"latency_ms": 0, "jitter_ms": 0, "error_rate": 0, "drop_rate": 0, "methods": []}
#: One archive in so many is verified as well.
CHECKED = 4
#: Exports until one must have come to its end in spite of everything.
RUNS = 6


@dataclass(frozen=True, slots=True)
class Schedule:
    """What happens to one archive."""

    number: int
    chats: tuple[str, ...]
    #: changes a second of each of the chats that can change
    rates: dict[str, float]
    #: of the server (perf/simdc/fault.py), and the rate and burst above which it answers FLOOD_WAIT
    faults: dict[str, Any]
    flood: tuple[float, float]
    #: seconds between two moments at which every connection is lost, on average
    drops: float
    words: tuple[str, ...]
    #: how runs are ended before their time, and after how many seconds; one more follows
    stops: tuple[tuple[signal.Signals, float], ...]
    #: seconds of each run in which chats change: one that gets new messages faster than it is asked for them has no end
    changing: float

    @classmethod
    def draw(cls, number: int, accounts: int = ACCOUNTS) -> Schedule:
        """The schedule of this number, from servers with so many accounts."""
        source = random.Random(number)
        latency = source.choice([0, 10, 40])
        takeout = source.choice([False, False, True])
        everybody = ["main", *(f"account{index}" for index in range(1, accounts))]
        readers = everybody if source.random() < 0.3 or accounts > ACCOUNTS else []
        return cls(
            number,
            tuple(source.sample([*CHANGING, "@sim_hollow"], source.randint(1, 4))),
            {do: source.choice([0, 5, 25, 50]) for do in ("insert", "edit", "delete")},
            {
                "latency_ms": latency,
                "jitter_ms": source.choice([latency, 40]),
                "error_rate": source.choice([0.02, 0.05, 0.12]),
                "drop_rate": source.choice([0, 0.01, 0.04]),
                "methods": source.choice([[], [HISTORY]]),
            },
            (source.choice([15, 30, 60]), source.choice([4, 10])),
            source.uniform(0.3, 2.0),
            (
                "--max-in-flight", str(source.choice([1, 2, 4, 16, 28])), "--workers", str(source.choice([1, 2])),
                *(("--takeout", "yes") if takeout else ()), *(word for name in readers for word in ("--account", name)),
            ),
            tuple(
                (source.choice([signal.SIGINT, signal.SIGTERM, signal.SIGKILL]), source.uniform(0.5, 2.5))
                for _ in range(source.choice([0, 0, 0, 1, 2]))
            ),
            source.uniform(2, 8),
        )


class Lane:
    """One server with its accounts, and what schedule after schedule leaves of its chats."""

    def __init__(self, dc: SimDC, folder: Path, accounts: int) -> None:
        self._dc = dc
        self._folder = folder
        self.accounts = accounts
        self._rig = Rig.make(dc, folder / "home", accounts=accounts)
        dc.control("mutate", chat="sim_account_0", insert=1)
        self._chats = CHATS | {"me": dc.control("mutations")[0]["chat"]}

    def run(self, schedule: Schedule) -> list[str]:
        """What is wrong after it: sentences."""
        archive = self._folder / f"archive{schedule.number}"
        chats = [self._chats[name] for name in schedule.chats]
        readers = range(schedule.words.count("--account") or 1)
        since = time.time()
        before = self._truth("before", chats, readers)
        with self._trouble(schedule):
            codes, said = self._export(schedule, archive)
        if codes[-1]:
            return [f"exits {codes}: {said[-3000:]}"]
        after = self._truth("after", chats, readers)
        log = self._dc.control("mutations", since=since)
        wrong = [text for chat in chats for text in _wrong(archive, chat, before, after, log)]
        if schedule.number % CHECKED == 0:
            checked = self._rig.run("verify", archive)
            if checked.returncode:
                wrong.append(f"verify: {checked.returncode}: {checked.stdout[-2000:]}{checked.stderr[-1000:]}")
        wrong += self._rig.left()
        for folder in (archive, before, after):
            shutil.rmtree(folder)
        return wrong

    def _truth(self, name: str, chats: list[int], readers: range) -> Path:
        """The truth of each account that reads: media have another access hash for each."""
        for account in readers:
            seen = [chat for chat in chats if chat < 0 or not account]  # the first account's saved messages are its own
            self._dc.control("truth", folder=str(self._folder / name), chats=seen, account=account)
        return self._folder / name

    @contextmanager
    def _trouble(self, schedule: Schedule) -> Iterator[None]:
        try:
            self._dc.control("set", **schedule.faults)
            rate, burst = schedule.flood
            self._dc.control("flood", method=HISTORY, rate=rate, burst=burst)
            yield
        finally:
            self._change(schedule, dict.fromkeys(schedule.rates, 0))
            self._dc.control("set", **CALM)
            self._dc.control("flood", method=HISTORY)

    def _change(self, schedule: Schedule, rates: dict[str, float]) -> None:
        for name in schedule.chats:
            if name in CHANGING:
                self._dc.control("mutate", chat=self._chats[name], rates=rates)

    def _export(self, schedule: Schedule, archive: Path) -> tuple[list[int], str]:
        """Exit codes of the runs that it took, and what the last one said."""
        source = random.Random(f"{schedule.number} drops")
        codes: list[int] = []
        said = ""
        stops = list(schedule.stops)
        while len(codes) < RUNS and (stops or 0 not in codes[-1:]):
            self._change(schedule, schedule.rates)
            export = self._rig.start(archive, *schedule.words, chats=schedule.chats)
            number, seconds = stops.pop(0) if stops else (None, 0.0)
            began = time.monotonic()
            while not ended(export, source.expovariate(1 / schedule.drops)):
                self._dc.control("drop")
                if time.monotonic() > began + schedule.changing:
                    self._change(schedule, dict.fromkeys(schedule.rates, 0))
                if time.monotonic() > began + PATIENCE:
                    export.close()
                    return [*codes, -1], f"no end after {PATIENCE} seconds"
                if number is not None and time.monotonic() > began + seconds:
                    _end(export, number)
                    number = None
            code, said = export.end()
            codes.append(code)
        return codes, said


def _end(export: Export, number: signal.Signals) -> None:
    try:
        os.killpg(export.process.pid, number)
    except ProcessLookupError:
        pass  # it ended a moment ago


def _wrong(archive: Path, chat: int, before: Path, after: Path, log: list[dict[str, Any]]) -> Iterator[str]:
    """Every message that was there from the first to the last moment is there once, unless it was edited as it was; what
    came or went meanwhile may be there, and nothing else."""
    changed = {do: {c["id"] for c in log if c["chat"] == chat and c["do"] == do} for do in ("insert", "edit", "delete")}
    folder = archive / "chats" / str(chat)
    found = _lines(folder / "messages.jsonl")
    ids = [message["id"] for message in found]
    if ids != sorted(set(ids)):
        yield f"{chat}: ids are not ascending and unique"
    first = {message["id"] for message in _lines(before / "0" / f"{chat}.jsonl")}
    if lost := first - changed["delete"] - set(ids):
        yield f"{chat}: lost {sorted(lost)[:9]}"
    if strange := set(ids) - first - changed["insert"]:
        yield f"{chat}: never there {sorted(strange)[:9]}"
    versions: dict[int, set[bytes]] = {}
    for path in [*before.glob(f"*/{chat}.jsonl"), *after.glob(f"*/{chat}.jsonl")]:
        for message in _lines(path):
            versions.setdefault(message["id"], set()).add(_exact(message))
    for message in found:
        number = message["id"]
        if number not in changed["edit"] and number in versions and _exact(message) not in versions[number]:
            yield f"{chat}: message {number} is another"
    peers = {marked_id(peer) for peer in _lines(folder / "peers.jsonl")}
    senders = {message["from_id"]["user_id"] for message in found if "user_id" in message.get("from_id", {})}
    if missing := senders - peers:
        yield f"{chat}: no peers {sorted(missing)[:9]}"
    about = orjson.loads((folder / "chat.json").read_bytes())
    if (about["state"], about["messages"]) != ("complete", len(ids)):
        yield f"{chat}: {about['state']} with {about['messages']} messages, not {len(ids)}"


def _lines(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def _exact(message: dict[str, Any]) -> bytes:
    return orjson.dumps(message, option=orjson.OPT_SORT_KEYS)


@contextmanager
def lanes(folder: Path, number: int, accounts: int = ACCOUNTS) -> Iterator[SimpleQueue[Lane]]:
    """So many lanes, side by side, for whoever needs one."""
    free: SimpleQueue[Lane] = SimpleQueue()
    with ExitStack() as stack:
        for index in range(number):
            dc = stack.enter_context(SimDC("--accounts", str(accounts), *SERVER))
            free.put(Lane(dc, folder / f"lane{index}", accounts))
        yield free


def run(free: SimpleQueue[Lane], number: int) -> list[str]:
    """What is wrong after the schedule of this number, told with all that is needed to run it again."""
    lane = free.get()
    schedule = Schedule.draw(number, lane.accounts)
    try:
        wrong = lane.run(schedule)
    except Exception:
        wrong = [traceback.format_exc()]
    finally:
        free.put(lane)
    return [f"{schedule}: {text}" for text in wrong]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--lanes", type=int, default=6)
    parser.add_argument("--accounts", type=int, default=ACCOUNTS)
    options = parser.parse_args()
    faults = 0
    numbers = range(options.first, options.first + options.count)
    with tempfile.TemporaryDirectory(prefix="schedules-") as name, lanes(
        Path(name), options.lanes, options.accounts
    ) as free:
        with ThreadPoolExecutor(options.lanes) as pool:
            for done, wrong in enumerate(pool.map(lambda number: run(free, number), numbers), 1):
                faults += bool(wrong)
                print(*wrong, sep="\n", end="\n" if wrong else "", flush=True)
                if done % 50 == 0 or done == options.count:
                    print(f"{done} schedules: {faults} with faults", flush=True)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
