"""`make torture`: kills processes of exports at random moments, resumes until each is done, and counts what was lost.

Every run has another number of workers, requests in flight and slots, slots of another size, and another flood limit.

    PYTHONPATH=tests python -m disaster.torture [--kills 1000] [--seed 1]

The same seed makes the same choices, though not at the same instants: those depend on the machine.
"""
from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from support.rig import BULK, CHATS, LEAVE_SECONDS, PATIENCE, Export, Rig, content, ended, left_after
from tgbulk.perf.simdc.launcher import SimDC

#: Who is killed, and how often compared with the others.
VICTIMS = {
    "process": 4, "fetch": 2, "write": 2, "forkserver": 1, "collect": 1, "supervisor": 2, "several": 2, "everybody": 1,
    "transcode": 2,
}
#: Milliseconds from request to answer, so that there is time to kill somebody.
TORTURE_LATENCY = 25
#: Accounts that share the chats of one archive in three or four.
ACCOUNTS = 20
SERVER = ("--accounts", str(ACCOUNTS), *BULK)
#: Seconds between two kills, at most; or this part of those that an undisturbed run takes.
LONGEST, SHARE = 1.4, 0.5
#: One run in so many is killed by nobody: it must come to its end.
SPARED = 1 / 6
#: What each run draws one of: workers, requests in flight, slots, bytes of a slot for a page and for what became of it, and
#: the server's limit as calls a second and at once, above which it answers FLOOD_WAIT.
WORKERS, IN_FLIGHT, SLOTS, SLOT_BYTES = (1, 2, 3), (1, 2, 2, 5, 28), (1, 2, 3, 8, 32), (4096, 8192, 512 << 10)
FLOODS = (None, None, (60, 10), (30, 4), (15, 4))
#: Runs in every Python process: rings as drawn.
RINGS = """
import os, sys
if "export" in sys.orig_argv:
    from tgbulk.stages.run import attempt
    attempt.SLOTS, attempt.FRAME_SIZE, attempt.BLOCK_SIZE = map(int, os.environ["RING"].split())
"""
#: What a run may end with that was killed: complete, given up after too many restarts, or killed itself; or videos are left.
EXPECTED = (0, 1, 3, -signal.SIGKILL)
MEDIA = (("@sim_kinds",), "--media", "all")
VIDEOS = ("--transcode", "auto", "--force-cpu-transcode")


@dataclass(frozen=True)
class Trial:
    """What is exported, and what it must come to."""

    chats: tuple[str, ...]
    words: tuple[str, ...]
    reference: dict[str, Any]
    longest: float = LONGEST

    @classmethod
    def make(cls, rig: Rig, archive: Path, chats: tuple[str, ...], *words: str) -> Trial:
        """From an undisturbed archive."""
        began = time.monotonic()
        done = rig.export(archive, *words, chats=chats)
        assert done.returncode == 0, done.stderr
        longest = max(LONGEST, SHARE * (time.monotonic() - began))
        return cls(chats, words, found(rig, archive, words), longest)


def found(rig: Rig, archive: Path, words: Sequence[str]) -> dict[str, Any]:
    """All that must be equal after a run with these words."""
    return content(archive, "--account" in (*rig.readers, *words)) | media(archive)


def media(root: Path) -> dict[str, Any]:
    """SHA-256 of every file that was downloaded, by its path; videos are transcoded each time, and checked by verify."""
    paths = [path for path in (root / "media").rglob("*") if path.is_file() and ".h264." not in path.name]
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).digest() for path in paths}


@dataclass
class Torture:
    """Archives, one after the other, each tormented until it is whole."""

    rig: Rig
    #: one after the other
    trials: list[Trial]
    folder: Path
    seed: int
    tell_every: int = 0
    kills: int = 0
    runs: int = 0
    archives: int = 0
    lost: int = 0
    doubled: int = 0
    #: sentences: what differs, what was left behind, what ended otherwise than it may
    faults: list[str] = field(default_factory=list)
    leaked: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._told = 0
        (self.folder / "rings").mkdir()
        (self.folder / "rings/sitecustomize.py").write_text(RINGS)

    def go(self, kills: int) -> None:
        """Until so many processes were killed, and the archive under way is whole."""
        files = len(os.listdir("/proc/self/fd"))
        while self.kills < kills:
            archive = self.folder / f"archive{self.archives}"
            trial = self.trials[self.archives % len(self.trials)]
            while self._run(archive, trial, kills) != 0:
                pass
            self.archives += 1
            self._compare(archive.name, trial.reference, found(self.rig, archive, trial.words))
            if trial.words and (checked := self.rig.run("verify", archive)).returncode:
                self.faults.append(f"{archive.name}: verify: {checked.stdout[-1000:]}{checked.stderr[-1000:]}")
            shutil.rmtree(archive)
        self._limit(None)
        self._leak(self.rig.left())
        if len(os.listdir("/proc/self/fd")) != files:
            self._leak(["descriptors of the torture itself"])

    def _compare(self, archive: str, wanted: dict[str, Any], there: dict[str, Any]) -> None:
        for name in sorted(wanted.keys() | there.keys()):
            if wanted.get(name) == there.get(name):
                continue
            self.faults.append(f"{archive}: {name} differ")
            if name.endswith(" messages"):
                lines = there.get(name, b"").splitlines()
                self.lost += len(set(wanted.get(name, b"").splitlines()) - set(lines))
                self.doubled += len(lines) - len(set(lines))

    def line(self) -> str:
        return (
            f"{self.kills} kills in {self.runs} runs of {self.archives} archives: {self.lost} messages lost, "
            f"{self.doubled} doubled, {len(self.faults)} faults, {self.leaked} things leaked"
        )

    def _run(self, archive: Path, trial: Trial, kills: int) -> int:
        self.runs += 1
        draw = self._random.choice
        ring, flood = f"{draw(SLOTS)} {draw(SLOT_BYTES)} {draw(SLOT_BYTES)}", draw(FLOODS)
        words = ["--workers", draw(WORKERS), "--max-in-flight", draw(IN_FLIGHT), "--quiet", *trial.words]
        self._limit(flood)
        path = os.pathsep.join([str(self.folder / "rings"), *filter(None, [os.environ.get("PYTHONPATH")])])
        export = self.rig.start(archive, *words, chats=trial.chats, PYTHONPATH=path, RING=ring)
        spared = self._random.random() < SPARED
        while not spared and self.kills < kills and not ended(export, self._random.uniform(0.02, trial.longest)):
            self._kill(export)
        if not ended(export, PATIENCE):
            export.close()
            raise AssertionError(f"{archive.name}: no end after {PATIENCE} seconds: {words}, ring {ring}, flood {flood}")
        code, said = export.end()
        if code not in EXPECTED or "Traceback" in said:
            self.faults.append(f"a run ended with {code}: {words}, ring {ring}, flood {flood}: {said[-2000:]}")
        return code

    def _limit(self, flood: tuple[int, int] | None) -> None:
        limit = {"rate": flood[0], "burst": flood[1]} if flood else {}
        self.rig.dc.control("flood", method="messages.getHistory", **limit)

    def _kill(self, export: Export) -> None:
        members = export.members()
        chosen = self._choose(members)
        for name in chosen:
            try:
                members[name].kill()
                self.kills += 1
            except psutil.NoSuchProcess:
                pass
        if "supervisor" in chosen:
            export.process.wait()
            patience = LEAVE_SECONDS * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
            self._leak([f"process {name}" for name in left_after(patience, list(members.values()))])
        if self.tell_every and self.kills // self.tell_every > self._told:
            self._told = self.kills // self.tell_every
            print(self.line(), flush=True)

    def _choose(self, members: dict[str, psutil.Process]) -> list[str]:
        victim = self._random.choices(list(VICTIMS), list(VICTIMS.values()))[0]
        names = sorted(members)
        if victim == "everybody":
            return names
        if victim == "several":
            return self._random.sample(names, min(len(names), self._random.randint(2, 4)))
        return [name for name in names if name.startswith(victim)][:1]

    def _leak(self, what: list[str]) -> None:
        self.leaked += len(what)
        self.faults += what


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="torture-") as name, SimDC(*SERVER) as dc:
        home = Path(name) / "home"
        home.mkdir()
        rig = Rig.make(dc, home, accounts=ACCOUNTS)
        everybody = [word for number in range(1, ACCOUNTS) for word in ("--account", f"account{number}")]
        trials = [
            Trial.make(rig, Path(name) / "plain", CHATS),
            Trial.make(rig, Path(name) / "media", *MEDIA),
            Trial.make(rig, Path(name) / "many", CHATS, "--account", "main", *everybody),
        ]
        if shutil.which("ffmpeg") and shutil.which("ffprobe"):
            trials.append(Trial.make(rig, Path(name) / "videos", *MEDIA, *VIDEOS))
        else:
            print("no videos are transcoded: ffmpeg or ffprobe is not installed", flush=True)
        torture = Torture(rig, trials, Path(name), options.seed, tell_every=100)
        dc.control("set", latency_ms=TORTURE_LATENCY)
        torture.go(options.kills)
    print(torture.line())
    for fault in torture.faults:
        print(fault)
    return 1 if torture.faults or torture.lost or torture.doubled else 0


if __name__ == "__main__":
    sys.exit(main())
