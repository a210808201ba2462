"""`make living`: chats whose messages come, change and go while exports and followers run, are killed, and go on.

    PYTHONPATH=tests python -m disaster.living [--count 100] [--first 1] [--lanes 2] [--short]

A schedule follows from its number, but for what earlier ones left of the chats of its lane's server. At its end the archive
must say of every message what the server says, and must never have said anything else than the server did
(docs/spec/updates.md 10, invariants).
"""
from __future__ import annotations

import argparse
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from support.changed import disagreements
from support.command import at_home
from support.exporter import HISTORY, Exporter
from tgbulk.engine import journal
from tgbulk.perf.simdc.launcher import SimDC
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.row import LastRows

#: Arguments of a lane's server, and its chats that change: two supergroups, a private chat.
SERVER = ("--accounts", "2", "--bulk", "lively=130", "--bulk", "other=60")
CHATS = {"@sim_lively": -1003000000001, "@sim_other": -1003000000002, "@sim_account_1": 5000000002}
CHANNELS = ("@sim_lively", "@sim_other")
#: As a server starts.
CALM: dict[str, Any] = {
    "lose": 0.0, "double": 0.0, "reorder": 0.0, "delay": 0.0, "too_long": 0.0, "short": False, "seq": False, "lag": 0.0,
    "outdated": 0.0, "slice": 1000, "keep": 100_000, "by_limit": False, "unnamed": 0.0, "batch": 100,
}
PATIENCE = 180.0
DOINGS = ("insert", "insert", "edit", "edit", "edit", "delete", "react", "step", "restore", "kick", "fleeting")
#: Seconds that messages live which delete themselves.
FLEETING = 2


class LivingChats:
    """The chats of one server while they change, and what goes wrong there."""

    def __init__(self, dc: SimDC, chance: random.Random, forgets: bool) -> None:
        """forgets: boxes do, or a difference may be too long: then all that is unknown is looked at again."""
        self._dc = dc
        self._random = chance
        self._deleted: dict[str, list[int]] = defaultdict(list)
        #: when the last message is gone that deletes itself
        self.dead = 0.0
        self._forgets = forgets

    def disturb(self) -> None:
        """Faults from now on."""
        draw = self._random.choice
        faults = {
            "lose": draw([0, 0, 0.2, 0.5]), "double": draw([0, 0.3]), "reorder": draw([0, 0.4]), "delay": draw([0, 0.3]),
            "too_long": draw([0, 0, 0.1]), "short": draw([False, True]), "seq": draw([False, True]),
            "lag": draw([0, 0, 1.0]), "outdated": draw([0, 0, 0.1]), "slice": draw([3, 1000]), "batch": draw([1, 100]),
        }
        if self._forgets:
            faults |= {"keep": draw([5, 100_000]), "by_limit": draw([False, True])}
        self._dc.control("boxes", **(CALM | faults))

    def change(self, count: int) -> None:
        """So many times, each a few messages of one chat."""
        for _ in range(count):
            name = self._random.choice(list(CHATS))
            chat = CHATS[name]
            do = self._random.choice(DOINGS)
            if do == "restore":
                if self._deleted[name] and self._random.random() < 0.5:
                    self._dc.control("mutate", chat=chat, restore=[self._deleted[name].pop()])
            elif do == "fleeting":
                self._dc.control("mutate", chat=chat, insert=self._random.randint(1, 3), ttl=FLEETING)
                self.dead = time.monotonic() + 2 * FLEETING
            elif do == "kick":
                if name in CHANNELS and self._random.random() < 0.3:
                    self._dc.control("alter", chat=chat, private=self._random.random() < 0.5, account=0)
            else:
                done = self._dc.control("mutate", chat=chat, **{do: self._random.randint(1, 4)})
                self._deleted[name] += done.get("delete", [])
        if self._random.random() < 0.1:
            self._dc.control("mutate", chat=CHATS["@sim_account_1"], clear=True)
            self._deleted["@sim_account_1"].clear()

    def calm(self) -> None:
        """No faults, and everybody may read everything."""
        self._dc.control("boxes", **CALM)
        for name in CHANNELS:
            self._dc.control("alter", chat=CHATS[name], private=False, account=0)


class Living:
    """One schedule."""

    def __init__(self, number: int, exporter: Exporter, folder: Path, short: bool = False) -> None:
        """short: two rounds from the first moment on, and one run behind them."""
        self._random = random.Random(number)
        self._short = short
        self._dc = exporter.dc
        self._exporter = exporter
        self._archive = folder / "archive"
        self._chats = LivingChats(self._dc, self._random, forgets=self._random.random() < 0.4)
        self._words = ["--recheck", "all"]

    def run(self) -> list[str]:
        """What is wrong at the end."""
        self._chats.calm()
        if not self._short:
            self._export()
        for _ in range(2 if self._short else self._random.randint(2, 4)):
            self._chats.disturb()
            self._chats.change(self._random.randint(2, 12))
            if self._random.random() < 0.55:
                self._follow()
            else:
                self._export(self._random.random() < 0.5)
        self._chats.calm()
        time.sleep(max(0.0, self._chats.dead - time.monotonic()))
        for name in CHANNELS:  # so that each of them is named
            self._dc.control("mutate", chat=CHATS[name], step=1)
        code = self._export()
        wrong = [f"exit code {code}"] if code else []
        if not self._short:
            wrong += self._unchanged()
        wrong += [text for chat in CHATS.values() for text in disagreements(self._dc, self._archive, chat)]
        wrong += self._journal()
        return wrong + self._verify()

    def _unchanged(self) -> list[str]:
        """Invariant 5: nothing is walked where nothing changed."""
        self._exporter.calm()
        code = self._export()
        calls = self._exporter.calls()[HISTORY]
        wrong = [f"exit code {code}"] if code else []
        return [*wrong, f"{calls} history calls for chats that did not change"] if calls else wrong

    def _export(self, kill: bool = False) -> int:
        """The exit code; changes go on meanwhile where it is killed."""
        process = self._exporter.tgbulk.start("export", *CHATS, "-o", str(self._archive), "-q", *self._words)
        if kill:
            time.sleep(self._random.uniform(0.5, 4.0))
            self._chats.change(2)
            process.send_signal(signal.SIGKILL)
        return self._ended(process)

    def _follow(self) -> None:
        """For a while, with changes, and to one end or the other."""
        process = self._exporter.tgbulk.start("follow", str(self._archive), *CHATS, "-q", *self._words)
        time.sleep(self._random.uniform(1.0, 6.0))
        for _ in range(self._random.randint(1, 6)):
            self._chats.change(self._random.randint(1, 5))
            if self._random.random() < 0.2:
                self._dc.control("drop")
            time.sleep(self._random.uniform(0.0, 0.8))
        process.send_signal(self._random.choice([signal.SIGKILL, signal.SIGTERM]))
        self._ended(process)

    def _ended(self, process: subprocess.Popen[str]) -> int:
        try:
            _, said = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise AssertionError("it does not end") from None
        if "Traceback" in said:
            raise AssertionError(said[-3000:])
        return process.returncode

    def _journal(self) -> list[str]:
        """Invariant 3: no pts goes back, unless the server forgot."""
        wrong: list[str] = []
        last: dict[int, int] = {}
        rows = LastRows()

        def take(record: list[list[Any]]) -> None:
            rows.take(record)
            now = {chat: row.pts for chat, row in rows.chats().items() if row.pts}
            now |= {account: state.pts for account, state in rows.accounts().items()}
            for key, pts in now.items():
                if pts < last.get(key, 0):
                    wrong.append(f"the pts of {key} went from {last[key]} to {pts}")
                last[key] = pts

        journal.read(Archive(self._archive).journal, take)
        return wrong

    def _verify(self) -> list[str]:
        done = self._exporter.tgbulk("verify", str(self._archive))
        return [] if done.returncode == 0 else [f"verify: {done.returncode}: {done.stdout[-1500:]}{done.stderr[-1500:]}"]


@contextmanager
def lanes(folder: Path, number: int) -> Iterator[SimpleQueue[Exporter]]:
    """So many servers, each with two accounts that are logged in, for whoever needs one."""
    free: SimpleQueue[Exporter] = SimpleQueue()
    with ExitStack() as stack:
        for index in range(number):
            home = folder / f"lane{index}"
            home.mkdir()
            free.put(Exporter(at_home(stack.enter_context(SimDC(*SERVER)), home)))
        yield free


def run(free: SimpleQueue[Exporter], number: int, folder: Path, short: bool = False) -> list[str]:
    """What is wrong after the schedule of this number; its archive stays in `folder` then."""
    own, exporter = folder / f"living{number}", free.get()
    own.mkdir()
    try:
        heard = exporter.dc.log.stat().st_size
        wrong = Living(number, exporter, own, short).run()
        with exporter.dc.log.open() as log:
            log.seek(heard)
            noise = log.read()
        if "Traceback" in noise:
            wrong.append(f"the server: {noise[-2000:]}")
    except Exception:
        wrong = [traceback.format_exc()]
    finally:
        free.put(exporter)
    if not wrong:
        shutil.rmtree(own)
    return [f"schedule {number}: {text}" for text in wrong]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--lanes", type=int, default=2)
    parser.add_argument("--short", action="store_true")
    options = parser.parse_args()
    faults = 0
    numbers = range(options.first, options.first + options.count)
    with tempfile.TemporaryDirectory(prefix="living-") as name, lanes(Path(name), options.lanes) as free:
        with ThreadPoolExecutor(options.lanes) as pool:
            for done, wrong in enumerate(pool.map(lambda number: run(free, number, Path(name), options.short), numbers), 1):
                faults += bool(wrong)
                print(*wrong, sep="\n", end="\n" if wrong else "", flush=True)
                if done % 10 == 0 or done == options.count:
                    print(f"{done} schedules: {faults} with faults", flush=True)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
