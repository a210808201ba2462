"""`make torture`: kills processes of exports at random moments, resumes until each is done, and counts what was lost.

    python tests/disaster/torture.py [--kills 1000] [--seed 1]

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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from rig import CHATS, LEAVE_SECONDS, SERVER, SLOWLY, Export, Rig, content, ended, left_after, lost_and_doubled

from perf.simdc.launcher import SimDC

#: Who is killed, and how often compared with the others.
VICTIMS = {
    "process": 4, "fetch": 2, "write": 2, "forkserver": 1, "collect": 1, "supervisor": 2, "several": 2, "everybody": 1,
    "transcode": 2,
}
#: Milliseconds from request to answer, so that there is time to kill somebody.
TORTURE_LATENCY = 25
#: Seconds between two kills, at most.
LONGEST = 1.4
#: What a run may end with that was killed: complete, given up after too many restarts, or killed itself; or films are left.
EXPECTED = (0, 1, 3, -signal.SIGKILL)
MEDIA = (("@sim_kinds",), "--media", "all")
FILMS = ("--transcode", "auto", "--force-cpu-transcode")


@dataclass(frozen=True)
class Trial:
    """What is exported, and what it must come to."""

    chats: tuple[str, ...]
    words: tuple[str, ...]
    reference: dict[str, Any]

    @classmethod
    def make(cls, rig: Rig, archive: Path, chats: tuple[str, ...], *words: str) -> Trial:
        """From an undisturbed archive."""
        done = rig.export(archive, *words, chats=chats)
        assert done.returncode == 0, done.stderr
        return cls(chats, words, content(archive) | media(archive))

    def differences(self, archive: Path) -> list[str]:
        """What of another archive is not as it should be."""
        found = content(archive) | media(archive)
        names = found.keys() | self.reference.keys()
        return [name for name in sorted(names) if found.get(name) != self.reference.get(name)]


def media(root: Path) -> dict[str, Any]:
    """SHA-256 of every file that was downloaded, by its path; films are made anew each time, and checked by verify."""
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

    def go(self, kills: int) -> None:
        """Until so many processes were killed, and the archive under way is whole."""
        files = len(os.listdir("/proc/self/fd"))
        while self.kills < kills:
            archive = self.folder / f"archive{self.archives}"
            trial = self.trials[self.archives % len(self.trials)]
            while self._run(archive, trial, kills) != 0:
                pass
            self.archives += 1
            lost, doubled = lost_and_doubled(archive, trial.reference)
            self.lost += lost
            self.doubled += doubled
            self.faults += [f"{archive.name}: {name} differ" for name in trial.differences(archive)]
            if trial.words and (checked := self.rig.run("verify", archive)).returncode:
                self.faults.append(f"{archive.name}: verify: {checked.stdout[-1000:]}{checked.stderr[-1000:]}")
            shutil.rmtree(archive)
        self._leak(self.rig.left())
        if len(os.listdir("/proc/self/fd")) != files:
            self._leak(["descriptors of the torture itself"])

    def line(self) -> str:
        return (
            f"{self.kills} kills in {self.runs} runs of {self.archives} archives: {self.lost} messages lost, "
            f"{self.doubled} doubled, {len(self.faults)} faults, {self.leaked} things leaked"
        )

    def _run(self, archive: Path, trial: Trial, kills: int) -> int:
        self.runs += 1
        export = self.rig.start(archive, *SLOWLY, *trial.words, chats=trial.chats)
        while self.kills < kills and not ended(export, self._random.uniform(0.02, LONGEST)):
            self._kill(export)
        code, said = export.end()
        if code not in EXPECTED or "Traceback" in said:
            self.faults.append(f"a run ended with {code}: {said[-2000:]}")
        return code

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
            self._leak([f"process {name}" for name in left_after(LEAVE_SECONDS, list(members.values()))])
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
        rig = Rig.make(dc, home)
        trials = [Trial.make(rig, Path(name) / "plain", CHATS), Trial.make(rig, Path(name) / "media", *MEDIA)]
        if shutil.which("ffmpeg") and shutil.which("ffprobe"):
            trials.append(Trial.make(rig, Path(name) / "films", *MEDIA, *FILMS))
        else:
            print("no films are made: ffmpeg or ffprobe is not installed", flush=True)
        torture = Torture(rig, trials, Path(name), options.seed, tell_every=100)
        dc.control("set", latency_ms=TORTURE_LATENCY)
        torture.go(options.kills)
    print(torture.line())
    for fault in torture.faults:
        print(fault)
    return 1 if torture.faults or torture.lost or torture.doubled else 0


if __name__ == "__main__":
    sys.exit(main())
