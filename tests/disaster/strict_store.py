"""A part of `make fleet-test`: push, pull, claims and kills against a strict S3 server (support/ceph.py).

The server that `make test` has checks no credentials, and is one process in which nothing happens at the same time.
"""
from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Barrier

from disaster.publishing import LATENCY, Publishing
from support.rig import CHATS, SERVER, Rig, content
from support.s3 import reached
from support.written_archive import WrittenArchive, file, text, user
from tgbulk.perf.simdc.launcher import SimDC
from tgbulk.stages.archive.committed import PUBLIC
from tgbulk.stages.fleet.head import LostChatError, claim_chat, head_folder, head_number, media_key
from tgbulk.stages.fleet.store import CHUNK, ObjectStore

CHAT = -1000000000005
#: Hosts that claim one chat at once, and how often.
CLAIMANTS, ROUNDS = 8, 10
#: Parts of the large file.
PARTS = 5


@dataclass
class StrictStore:
    """One server, and a folder for archives."""

    endpoint: str
    folder: Path
    kills: int
    seed: int
    #: sentences
    faults: list[str] = field(default_factory=list)
    said: str = ""

    def run(self) -> str:
        """What came of it, beside faults."""
        with reached(self.endpoint) as variables, SimDC(*SERVER) as dc:
            home = self.folder / "home"
            home.mkdir()
            rig = Rig.make(dc, home)
            self._check(rig, variables)
            self._refused(rig, variables)
            self._large(rig, variables)
            self._claims()
            self._claimed(rig, variables)
            return self._killed(rig, variables)

    def _check(self, rig: Rig, variables: dict[str, str]) -> None:
        done = rig.run("store", "check", "s3://archives/check", **variables)
        self._expect("store check", done.returncode, 0, done.stdout + done.stderr)
        if left := list(ObjectStore("s3://archives").objects("check")):
            self.faults.append(f"store check left {left}")

    def _refused(self, rig: Rig, variables: dict[str, str]) -> None:
        """Whom the server does not know, or whose secret is wrong, writes and reads nothing, and is told so."""
        archive = WrittenArchive(self.folder / "refused")
        archive.chat(CHAT, [text(1, "public")], [user(1)])
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            wrong, where = variables | {name: "another"}, ("--store", "s3://archives/refused")
            for words in (("push", archive.root), ("pull", "-o", self.folder / "none")):
                done = rig.run(*words, *where, **wrong)
                self._expect(f"{words[0]} with a wrong {name}", done.returncode, 8, done.stderr)
                if "refused the access: 403 Forbidden" not in done.stderr:
                    self.faults.append(f"{words[0]} with a wrong {name} says {done.stderr}")

    def _large(self, rig: Rig, variables: dict[str, str]) -> None:
        """A file that is uploaded in parts, there and back again; the second push uploads nothing."""
        message = text(1, "large", media=file(44, "large.bin"))
        archive, data = WrittenArchive(self.folder / "large"), os.urandom(CHUNK * PARTS + 1)
        archive.chat(CHAT, [message], [user(1)])
        (place,) = archive.files(CHAT, [message], {44: data})
        where = "--store", "s3://archives/large"
        for uploaded in (4, 0):
            done = rig.run("push", archive.root, *where, "--json", **variables)
            self._expect("push", done.returncode, 0, done.stderr)
            if json.loads(done.stdout)["objects"] != uploaded:
                self.faults.append(f"push uploaded {done.stdout}, not {uploaded} objects")
        back = self.folder / "large-back"
        done = rig.run("pull", "-o", back, *where, **variables)
        self._expect("pull", done.returncode, 0, done.stderr)
        if (back / place.relative_to(archive.root)).read_bytes() != data:
            self.faults.append("a large file came back as another one")
        store = ObjectStore("s3://archives/large")
        if len(list(store.objects(f"{PUBLIC}/media"))) != 1 or store.size(media_key(PUBLIC, "0" * 64)) is not None:
            self.faults.append("files are not in the store by what is in them")

    def _claims(self) -> None:
        """Of many who want a chat at once each number goes to one, and none is left out."""
        store, begin, lost = ObjectStore("s3://archives/claims"), Barrier(CLAIMANTS), 0

        def claim(_: int) -> int:
            mine = ObjectStore(store.url)
            begin.wait()
            try:
                return claim_chat(mine, PUBLIC, CHAT).epoch
            except LostChatError:
                return 0

        won: list[int] = []
        with ThreadPoolExecutor(CLAIMANTS) as pool:
            for _ in range(ROUNDS):
                found = list(pool.map(claim, range(CLAIMANTS)))
                won += filter(None, found)
                lost += found.count(0)
        there = sorted(head_number(one.key) for one in store.objects(head_folder(PUBLIC, CHAT)))
        # Who was told of a later head has made one all the same, which nobody writes with.
        if len(set(won)) != len(won) or not set(won) <= set(there) or there != list(range(1, there[-1] + 1)):
            self.faults.append(f"claims at once got {won}, and the store has {there}")
        self.said = f"{CLAIMANTS * ROUNDS} claims at once, {lost} refused"

    def _claimed(self, rig: Rig, variables: dict[str, str]) -> None:
        """Whose chat was claimed by another publishes it no more."""
        archive, where = WrittenArchive(self.folder / "claimed"), ("--store", "s3://archives/claimed")
        archive.chat(CHAT, [text(1, "public")], [user(1)])
        for code in (0, 75):
            if not code:
                done = rig.run("pull", CHAT, "--claim", "-o", self.folder / "one", "--json", *where, **variables)
                epoch = json.loads(done.stdout)["epoch"]
            else:
                claim_chat(ObjectStore("s3://archives/claimed"), PUBLIC, CHAT)
            done = rig.run("push", archive.root, CHAT, "--epoch", epoch, *where, **variables)
            self._expect("push with a claim", done.returncode, code, done.stderr)

    def _killed(self, rig: Rig, variables: dict[str, str]) -> str:
        done = rig.export(self.folder / "reference", chats=CHATS)
        self._expect("export", done.returncode, 0, done.stderr)
        torture = Publishing(rig, content(self.folder / "reference"), self.folder, self.seed, store="s3://archives/killed",
                             variables=variables)
        rig.dc.control("set", latency_ms=LATENCY)
        torture.go(self.kills)
        self.faults += torture.faults
        return f"{self.said}; {torture.line()}"

    def _expect(self, what: str, code: int, wanted: int, said: str) -> None:
        if code != wanted or "Traceback" in said:
            self.faults.append(f"{what} ended with {code}, not {wanted}: {said[-2000:]}")

