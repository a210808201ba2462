"""`make mutants`: change one thing at a time in the code that carries the promises, and see whether its tests notice.

    PYTHONPATH=tests python -m mutants.runner [--count 200] [--seed 1] [--only engine/] [--jobs 2] [--list]

The same seed makes the same changes to the same code. guards.toml says which tests guard which module; equivalent.toml which
changes change nothing that anybody could see, and why. Exit code 1 when fewer than 95 of 100 others were noticed, or some
were not tried, for the tests of their module fail without a change.
"""
from __future__ import annotations

import argparse
import ctypes
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from mutants.change import Change, changes
from mutants.checkout import ROOT, Checkout

HERE = Path(__file__).parent
#: Of changes that are not equivalent, in a hundred.
WANTED = 95
#: Seconds that tests may take beyond four times what they took without a change; those that wait for ever are caught so.
GRACE = 20
#: Linux's prctl: a signal when the parent ends; orphans of our children become ours.
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


@dataclass(frozen=True)
class Options:
    count: int
    seed: int
    only: str
    jobs: int
    list: bool


@dataclass(frozen=True)
class Found:
    """What became of one change."""

    change: Change
    caught: bool
    #: its tests did not end in time: they wait for ever, or the machine was busier than without the change
    endless: bool
    seconds: float
    was: str
    now: str
    #: of equivalent.toml, for what was not caught
    reason: str = ""

    def __str__(self) -> str:
        verdict = f"equivalent ({self.reason})" if self.reason else "SURVIVED"
        if self.caught:
            verdict = "counted as caught, for there was no end" if self.endless else "caught"
        return f"{verdict} {self.seconds:.0f} s {self.change.file}:{self.change.line}\n  - {self.was}\n  + {self.now}"


def guards() -> dict[str, list[str]]:
    """Module -> tests that guard it, the quickest first."""
    found: dict[str, list[str]] = tomllib.loads((HERE / "guards.toml").read_text("utf-8"))["guards"]
    return found


def equivalent() -> dict[tuple[str, str, str], str]:
    """(file, what was there, what is there now) -> why nobody could see it."""
    rows = tomllib.loads((HERE / "equivalent.toml").read_text("utf-8")).get("change", [])
    return {(row["file"], row["was"], row["now"]): row["reason"] for row in rows}


def chosen(options: Options) -> dict[str, list[Change]]:
    """By module. Places are drawn evenly, then one change of each: a comparison has eleven, a call one."""
    files = [file for file in guards() if options.only in file]
    places = [found for file in files for found in changes(ROOT, file).values()]
    dice = random.Random(options.seed)
    drawn = dice.sample(places, min(options.count, len(places)))
    by_file: dict[str, list[Change]] = defaultdict(list)
    for found in drawn:
        one = dice.choice(found)
        by_file[one.file].append(one)
    return by_file


def check(part: dict[str, list[Change]]) -> Iterator[Found]:
    """Try each of these changes in a copy of the checkout."""
    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    folder = Path(tempfile.mkdtemp(prefix="mutants-"))
    folder.chmod(0o755)  # tests that become another user look into it
    try:
        checkout, known, tests = Checkout(folder), equivalent(), guards()
        for file, wanted in part.items():
            code = (checkout.root / file).read_text("utf-8")
            began = time.monotonic()
            passed, output = checkout.passes(tests[file], 600)
            if not passed:
                print(f"the tests of {file} fail without a change, so none is tried:\n{output}", flush=True)
                continue
            limit = GRACE + 4 * (time.monotonic() - began)
            for number, change in enumerate(wanted, 1):
                was, now = change.lines(code)
                checkout.write(file, change.apply(code), number)
                began = time.monotonic()
                passed, _ = checkout.passes(tests[file], limit)
                reason = known.get((file, was, now), "") if passed else ""
                yield Found(change, not passed, passed is None, time.monotonic() - began, was, now, reason)
            checkout.write(file, code, 0)
    finally:
        shutil.rmtree(folder)


def check_all(part: dict[str, list[Change]]) -> list[Found]:
    found: list[Found] = []
    try:
        for one in check(part):
            print(one, flush=True)
            found.append(one)
    except SystemExit as end:  # the pool would wait for more work
        os._exit(int(str(end)))
    return found


def shares(by_file: dict[str, list[Change]], jobs: int) -> list[dict[str, list[Change]]]:
    """A part for each job, modules kept together."""
    parts: list[dict[str, list[Change]]] = [{} for _ in range(jobs)]
    for file, found in sorted(by_file.items(), key=lambda item: -len(item[1])):
        min(parts, key=lambda part: sum(map(len, part.values())))[file] = found
    return [part for part in parts if part]


def main() -> int:
    options = arguments()
    by_file = chosen(options)
    if options.list:
        for file, wanted in by_file.items():
            code = (ROOT / file).read_text("utf-8")
            for change in wanted:
                print(f"{file}:{change.line}", *change.lines(code), sep="\n  ")
        return 0
    with ProcessPoolExecutor(options.jobs, multiprocessing.get_context("spawn")) as pool:
        found = [one for part in pool.map(check_all, shares(by_file, options.jobs)) for one in part]
    untried = sum(map(len, by_file.values())) - len(found)
    caught = sum(one.caught for one in found)
    survived = [one for one in found if not one.caught and not one.reason]
    judged = caught + len(survived)
    print(f"\n{len(found)} changes: {caught} caught, {len(found) - judged} equivalent, {len(survived)} survived")
    if untried:
        print(f"{untried} were not tried, for their tests fail without a change")
    print(f"{100 * caught / max(judged, 1):.1f} % of {judged} that are not equivalent were noticed (seed {options.seed})")
    for one in [*survived, *(one for one in found if one.endless)]:
        print(one)
    return int(untried > 0 or 100 * caught < WANTED * judged)


def arguments() -> Options:
    parser = argparse.ArgumentParser(prog="mutants", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--count", type=int, default=200, help="changes to try (200)")
    parser.add_argument("--seed", type=int, default=1, help="which changes (1)")
    parser.add_argument("--only", default="", help="modules whose path has this in it")
    parser.add_argument("--jobs", type=int, default=2, help="at a time (2)")
    parser.add_argument("--list", action="store_true", help="say which changes, and try none")
    return Options(**vars(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
