"""A fleet of hosts, process groups with homes of their own, to be killed and suspended."""
from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from support.postgres import Postgres
from support.rig import COMMAND
from tgbulk.perf.simdc.launcher import SimDC
from tgbulk.stages.archive.committed import PUBLIC
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.fleet.head import Head, head_folder, load_head
from tgbulk.stages.fleet.puller import Puller, chats_of
from tgbulk.stages.fleet.queue import Queue
from tgbulk.stages.fleet.store import ObjectStore
from tgbulk.stages.verify.archive import check_archive

#: Seconds for a fleet to come to its end on a busy machine.
PATIENCE = 1800.0
#: Seconds in which a host has to leave that is asked to, or has lost its lease.
LEAVING = 60.0
_STATUS = "SELECT status::text, count(*) AS jobs FROM procrastinate_jobs GROUP BY status"
_STARTS = "SELECT extract(epoch FROM at)::float AS at FROM procrastinate_events WHERE type = 'started' ORDER BY at"
#: Fields of messages and of what is in them that are the account's own.
OWN = ("access_hash", "out", "mentioned", "media_unread")


@dataclass
class FleetHost:
    """A host: started again whenever it ends, as systemd does."""

    home: Path
    account: str
    #: of the account, in the simulated Telegram
    index: int
    variables: dict[str, str]
    lease: float
    process: subprocess.Popen[bytes] | None = None
    #: exit codes so far
    codes: list[int] = field(default_factory=list)

    def environment(self) -> dict[str, str]:
        tree = {"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}
        return {**tree, "PATH": os.environ["PATH"], "HOME": str(self.home), "LC_ALL": "C.UTF-8",
                "TGBULK_HOME": str(self.home), **self.variables}

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([COMMAND, *words], env=self.environment(), cwd=self.home, capture_output=True, text=True,
                              timeout=300, stdin=subprocess.DEVNULL, check=False)

    def login(self, account: dict[str, str]) -> None:
        words = ["login", "--phone", account["phone"], "--code", account["code"], "--account", self.account]
        if "password" in account:
            (self.home / "password").touch(0o600)
            (self.home / "password").write_text(account["password"])
            words += ["--password-file", str(self.home / "password")]
        done = self.run(*words)
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        words = ["fleet", "host", "--account", self.account, "--lease", f"{self.lease:g}", "--every", "0.5"]
        with open(self.home / "log", "ab") as log:
            self.process = subprocess.Popen([COMMAND, *words], env=self.environment(), cwd=self.home, stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, start_new_session=True)

    def look(self) -> None:
        """Start it again where it has ended."""
        if self.process is not None and (code := self.process.poll()) is not None:
            self.codes.append(code)
            self.start()

    def family(self) -> list[psutil.Process]:
        if self.process is None:
            return []
        try:
            one = psutil.Process(self.process.pid)
            return [one, *one.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def exports(self) -> bool:
        """Whether a chat is under way."""
        for one in self.family():
            with suppress(psutil.NoSuchProcess):
                if "export" in one.cmdline():
                    return True
        return False

    def kill(self) -> None:
        """The host alone: its children see to themselves."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def suspend(self, seconds: float) -> tuple[float, float]:
        """All of it, as a virtual machine is; the moments at which it woke, and at which all of it was gone."""
        family = self.family()
        for one in family:
            with suppress(psutil.NoSuchProcess):
                one.suspend()
        time.sleep(seconds)
        woken = time.monotonic()
        for one in family:
            with suppress(psutil.NoSuchProcess):
                one.resume()
        assert self.process is not None
        self.process.wait(LEAVING)  # else it stays a zombie
        until = time.monotonic() + LEAVING
        while any(map(alive, family)):
            assert time.monotonic() < until, family
            time.sleep(0.02)
        return woken, time.monotonic()

    def stop(self) -> int:
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(120)
        finally:
            for one in self.family():
                with suppress(psutil.NoSuchProcess):
                    one.kill()
            self.process = None


class Fleet:
    """Hosts of one account each, on one data centre, one database and one store."""

    def __init__(self, dc: SimDC, database: Postgres, folder: Path, hosts: int, lease: float, url: str = "",
                 **variables: str) -> None:
        """url: of the store; a folder of its own without one."""
        self.folder, self.dc, self.database = folder, dc, database
        self.url = url or f"file://{folder}/store"
        variables |= {"TGBULK_DATABASE": database.url, "TGBULK_STORE": self.url, "TGBULK_SERVER": str(dc.server_file)}
        self.hosts = []
        for index, account in enumerate(dc.accounts[:hosts]):
            home = folder / f"host{index}"
            home.mkdir(parents=True)
            host = FleetHost(home, f"account{index}", index, variables, lease)
            host.login(account)
            self.hosts.append(host)

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None:
            print(self.logs())
        self.stop()

    def start(self) -> None:
        for host in self.hosts:
            host.start()

    def look(self) -> None:
        for host in self.hosts:
            host.look()

    def plan(self, names: list[str], *words: str) -> str:
        file = self.folder / "chats"
        file.write_text("".join(f"{name}\n" for name in names))
        done = self.hosts[0].run("fleet", "plan", str(file), *words, "--", "--workers", "1")
        assert done.returncode == 0, done.stderr
        return done.stderr

    def jobs(self) -> dict[str, int]:
        """Jobs by status."""
        found: dict[str, int] = {}
        for one in asyncio.run(self._ask(_STATUS)):
            found[one["status"]] = one["jobs"]
        return found

    def starts(self) -> list[float]:
        """When jobs were taken by hosts, by Unix time, ascending."""
        return [one["at"] for one in asyncio.run(self._ask(_STARTS))]

    async def _ask(self, query: str) -> list[dict[str, Any]]:
        async with Queue(self.database.url) as queue:
            found: list[dict[str, Any]] = await queue.app.connector.execute_query_all_async(query)
            return found

    def wait(self, jobs: int) -> dict[str, int]:
        """Until so many have ended; the jobs by status then."""
        until = time.monotonic() + PATIENCE
        while True:
            found = self.jobs()
            if found.get("succeeded", 0) + found.get("failed", 0) >= jobs:
                return found
            if time.monotonic() > until:
                raise AssertionError(f"{found}\n{self.logs()}")
            self.look()
            time.sleep(0.5)

    @property
    def store(self) -> ObjectStore:
        return ObjectStore(self.url, make=True)

    def heads(self, chat: int) -> list[Head]:
        """Of a public chat, ascending."""
        store = self.store
        return [load_head(store, key) for key in sorted(one.key for one in store.objects(head_folder(PUBLIC, chat)))]

    def published(self, chat: int) -> int:
        """How many heads a public chat has."""
        return sum(1 for _ in self.store.objects(head_folder(PUBLIC, chat)))

    def differences(self, chats: int) -> list[str]:
        """What the store has otherwise than the simulated Telegram; so many public chats are there."""
        archive, store = Archive(self.folder / "pulled"), self.store
        ids = chats_of(store, PUBLIC)
        with archive.open():
            puller = Puller(store, archive)
            done = puller.pull(PUBLIC, ids)
            puller.close()
        faults = [f"{chat}: {error}" for chat, error in done.failed.items()]
        faults += [f"{one.marked_id} is {one.verdict}" for one in check_archive(archive) if one.verdict != "whole"]
        if len(ids) != chats:
            faults.append(f"the store has {len(ids)} chats of {chats}")
        truth = self.folder / "truth"
        for chat in ids:
            self.dc.control("truth", folder=str(truth), account=0, chats=[chat])
            lines = archive.chat(chat).messages
            mine = list(plain(lines.read_bytes())) if lines.exists() else []
            theirs = list(plain((truth / "0" / f"{chat}.jsonl").read_bytes()))
            if mine != theirs:
                other = [(one, two) for one, two in zip(mine, theirs, strict=False) if one != two][:1]
                faults.append(f"{chat}: {len(mine)} messages of {len(theirs)}; {other}")
        return faults

    def logs(self) -> str:
        return "\n".join((host.home / "log").read_text()[-3000:] for host in self.hosts if (host.home / "log").exists())

    def stop(self) -> None:
        for host in self.hosts:
            host.stop()


def alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def plain(lines: bytes) -> Iterator[Any]:
    """Messages without what differs from account to account."""
    def keep(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return {name: value for name, value in pairs if name not in OWN}

    return (json.loads(line, object_pairs_hook=keep) for line in lines.splitlines())
