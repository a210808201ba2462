"""`make store-torture`: kills exports and their publishers at random moments; what the store has is whole or unfinished, and
brings along all that an export keeps of a chat: versions, members, stories and the like.

    PYTHONPATH=tests python -m disaster.publishing [--kills 200] [--seed 1]
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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

import tgbulk
from support.rig import CHATS, COMMAND, PATIENCE, SERVER, SLOWLY, Export, Rig, content, ended
from tgbulk.perf.simdc.launcher import SimDC
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.row import read_journal
from tgbulk.stages.fleet.puller import Puller, chats_of, spaces
from tgbulk.stages.fleet.store import ObjectStore
from tgbulk.stages.verify.archive import check_archive

#: Milliseconds from request to answer, so that there is time to kill somebody.
LATENCY = 25
#: Seconds between two kills, at most, and between two looks of a publisher.
LONGEST, EVERY = 1.2, 0.2
#: Kills of one archive, then it is left to come to its end.
KILLS_EACH = 12
#: Who is killed, and how often compared with the others; `host` is everybody, and its archive is lost.
VICTIMS = {"publisher": 3, "export": 2, "write": 1, "host": 2}
#: A channel with all that belongs to it, which changes once it was exported.
TOWN = "@sim_town"
EVERYTHING = ("--info", "--members", "--admin-log", "--stories")
CHANGES = {"edit": 20, "delete": 10, "insert": 30}
#: Hosts that are killed to see what is lost, and how often their publisher looks.
LOSSES, LOSS_EVERY = 5, 1.0
#: Seconds that one look may take on a busy machine.
LOOK = 3.0
#: Files of a chat that are what they are whatever happened: peers differ in their order.
SAME = ("messages", "journal", "about")


@dataclass
class Publishing:
    """Archives that are exported and published, one after the other, each tormented until it is whole."""

    rig: Rig
    reference: dict[str, Any]
    folder: Path
    seed: int
    #: whether there is a town, which changes
    town: bool = False
    #: URL below which the stores are, a folder's without one; and what the commands need to reach it
    store: str = ""
    variables: dict[str, str] = field(default_factory=dict)
    kills: int = 0
    archives: int = 0
    pulls: int = 0
    #: sentences
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def go(self, kills: int) -> None:
        while self.kills < kills:
            self._one(min(kills, self.kills + KILLS_EACH))
            self.archives += 1

    def line(self) -> str:
        return f"{self.kills} kills, {self.pulls} pulls, {self.archives} archives: {len(self.faults)} faults"

    def _one(self, kills: int) -> None:
        url = f"{self.store or f'file://{self.folder}'}/store{self.archives}"
        archive = self.folder / f"archive{self.archives}"
        publisher = self._publisher(archive, url)
        if self.town:
            publisher = self._until_whole(archive, url, publisher, (self.kills + kills) // 2)
            self._change(archive)
        publisher = self._until_whole(archive, url, publisher, kills)
        publisher.terminate()
        _, said = publisher.communicate(timeout=60)
        self._expect("push", publisher.returncode, (0,), said)
        pulled = self._pull(url)
        self._compare(pulled, url)
        self._compare(archive, "the archive itself")
        self._hold_together(pulled, archive)
        shutil.rmtree(archive)

    def _until_whole(
        self, archive: Path, url: str, publisher: subprocess.Popen[str], kills: int
    ) -> subprocess.Popen[str]:
        """Export, tormented until there were so many kills; the publisher then."""
        chats, words = (*CHATS, *([TOWN] if self.town else [])), (*SLOWLY, *(EVERYTHING if self.town else ()))
        while True:
            export = self.rig.start(archive, *words, chats=chats)
            host = True
            while host and self.kills < kills and not ended(export, self._random.uniform(0.1, LONGEST)):
                victim = self._random.choices(list(VICTIMS), list(VICTIMS.values()))[0]
                if victim in ("publisher", "host"):
                    publisher.kill()
                    publisher.wait()
                self._kill(export, victim)
                if victim == "host":
                    export.end()
                    shutil.rmtree(archive, ignore_errors=True)
                    host = False
                self._check(url)
                if victim == "host" and spaces(ObjectStore(url, make=True)):
                    done = self.rig.run("pull", "-o", archive, "--store", url, **self.variables)
                    self._expect("pull", done.returncode, (0,), done.stderr)
                if victim in ("publisher", "host"):
                    publisher = self._publisher(archive, url)
            code, said = export.end()
            self._expect("export", code, (0, 1, 3, -signal.SIGKILL), said)
            if host and code == 0:
                return publisher

    def _change(self, archive: Path) -> None:
        town = tgbulk.open(archive).chat(TOWN)
        self.rig.dc.control("mutate", chat=town.id, **CHANGES)

    def _hold_together(self, pulled: Path, archive: Path) -> None:
        """What was pulled against what was published, file by file, and the town against the truth."""
        for chat in read_journal(Archive(archive)).chats:
            mine, theirs = ({one.name: one.read_bytes() for one in Path(root, "chats", str(chat)).iterdir() if one.is_file()}
                            for root in (pulled, archive))
            self.faults += [f"{chat}/{name} is not what was published" for name in mine.keys() | theirs.keys()
                            if mine.get(name) != theirs.get(name)]
        if not self.town:
            return
        town, truth = tgbulk.open(pulled).chat(TOWN), self.folder / "truth"
        self.rig.dc.control("truth", folder=str(truth), account=0, chats=[town.id])
        lines = map(orjson.loads, (truth / "0" / f"{town.id}.jsonl").open("rb"))
        expected = {one["id"]: one.get("message") for one in lines}
        found = {one.id: one.raw.get("message") for one in town.messages() if one.deleted_at is None}
        belongs = self.rig.dc.control("belong", chat=town.id)
        annexes: dict[str, dict[int, Any]] = {
            "members": town.members, "admin_log": {one["id"]: one for one in town.admin_log},
            "stories": {one["id"]: one for one in town.stories},
        }
        self.faults += [f"{name} of the town differ" for name, one in annexes.items()
                        if {str(key): value for key, value in one.items()} != belongs[name]]
        self.faults += ["messages of the town differ"] if found != expected else []
        self.faults += [] if town.info else ["the town has no profile"]

    def losses(self, rounds: int) -> str:
        """What was committed and not yet published when hosts were killed amid the large chat."""
        found = []
        for number in range(rounds):
            url, archive = f"file://{self.folder}/loss{number}", self.folder / f"loss-archive{number}"
            publisher = self._publisher(archive, url, LOSS_EVERY)
            export = self.rig.start(archive, "--workers", "1", "--max-in-flight", "1", "--quiet", chats=CHATS[:1])
            progress: list[tuple[float, int]] = []
            until, delay = time.time() + PATIENCE, self._random.uniform(0.0, LOSS_EVERY)
            while time.time() < until and not ended(export, 0.05):
                progress.append((time.time(), _committed(archive)))
                if len(list(self.folder.glob(f"loss{number}/public/*/head/*"))) >= 3:
                    until = min(until, time.time() + delay)
            publisher.kill()
            killed, committed = time.time(), _committed(archive)
            publisher.wait()
            export.close()
            pulled = _committed(self._pull(url))
            since = next((when for when, count in progress if count > pulled), killed)
            found.append((killed - since, committed - pulled))
            shutil.rmtree(archive)
        seconds, messages = max(one for one, _ in found), max(one for _, one in found)
        if seconds > LOSS_EVERY + LOOK:
            self.faults.append(f"what was committed {seconds:.1f} s before a kill was not published")
        return (f"{rounds} hosts killed whose publisher looked every {LOSS_EVERY:g} s: at most {messages} messages were "
                f"not published, the oldest committed {seconds:.1f} s before")

    def _publisher(self, archive: Path, url: str, every: float = EVERY) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [COMMAND, "push", str(archive), "--store", url, "--every", f"{every}"], text=True,
            env=self.rig.environment | self.variables, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, cwd=self.rig.home,
        )

    def _kill(self, export: Export, victim: str) -> None:
        members = export.members()
        if victim == "write":
            chosen = [one for name, one in members.items() if name == "write"]
        else:
            chosen = list(members.values()) if victim in ("export", "host") else []
        for one in chosen:
            one.kill()
        self.kills += 1

    def _pull(self, url: str) -> Path:
        """Everything that the store has, into a new archive."""
        target = self.folder / "pulled"
        shutil.rmtree(target, ignore_errors=True)
        archive, store = Archive(target), ObjectStore(url, make=True)
        with archive.open():
            puller = Puller(store, archive)
            for space in spaces(store):
                for chat in chats_of(store, space):
                    puller.pull_chat(space, chat)
            puller.close()
        self.pulls += 1
        return target

    def _check(self, url: str) -> None:
        for report in check_archive(Archive(self._pull(url))):
            if report.verdict == "damaged":
                self.faults.append(f"{report.marked_id} is damaged: {report.findings}")

    def _compare(self, archive: Path, what: str) -> None:
        found = content(archive, self.reference["shared"])
        self.faults += [f"{what}: {name} differ" for name, value in self.reference.items()
                        if name.endswith(SAME) and found.get(name) != value]
        left = [chat for chat, row in read_journal(Archive(archive)).chats.items() if row.state != "complete"]
        self.faults += [f"{what}: {chat} is not complete" for chat in left]

    def _expect(self, what: str, code: int, codes: tuple[int, ...], said: str) -> None:
        if code not in codes or "Traceback" in said:
            self.faults.append(f"{what} ended with {code}: {said[-2000:]}")


def _committed(root: Path) -> int:
    """Messages that count."""
    return sum(row.messages for row in read_journal(Archive(root)).chats.values())


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="publishing-") as name, SimDC(*SERVER, "--community", "town=300/600/150") as dc:
        home = Path(name) / "home"
        home.mkdir()
        rig = Rig.make(dc, home)
        done = rig.export(Path(name) / "reference", chats=CHATS)
        assert done.returncode == 0, done.stderr
        publishing = Publishing(rig, content(Path(name) / "reference"), Path(name), options.seed, True)
        dc.control("set", latency_ms=LATENCY)
        publishing.go(options.kills)
        print(publishing.line(), *publishing.faults, sep="\n", flush=True)
        print(publishing.losses(LOSSES))
    print(f"{len(publishing.faults)} faults", *publishing.faults, sep="\n")
    return 1 if publishing.faults else 0


if __name__ == "__main__":
    sys.exit(main())
