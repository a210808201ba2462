"""`make fleet-test`: three hosts export sixty chats, are killed and suspended, lose the database and the store, which is a
strict S3 server's where Debian's packages of Ceph can be had.

    PYTHONPATH=tests python -m disaster.fleet_scenario [--kills 50] [--seed 1] [--only kills]
"""
from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from disaster.fleet import Fleet, FleetHost
from disaster.fleet_log import HISTORY, FleetLog
from disaster.strict_store import StrictStore
from support.ceph import NoCephError, ceph_server
from support.postgres import Postgres, postgres, programs
from support.proxy import Proxy
from support.s3 import reached, s3_server
from tgbulk.perf.simdc.launcher import SimDC
from tgbulk.stages.archive.committed import PUBLIC
from tgbulk.stages.fleet.puller import chats_of

#: Seconds beyond the lease until a killed host's chat is another's.
TAKEOVER = 2.0
#: Seconds for which the database and the store are away.
AWAY = 15.0
#: Seconds for which the chats keep all accounts busy meanwhile, at the least.
WORK = 90.0
#: Of all blows, those that suspend.
SUSPENDED = 0.2
#: Kills of exports and publishers, of all blows, that meet the strict server alone.
STRICT = 0.4


@dataclass
class Scenario:
    """Its parts, one after the other on the same simulated Telegram; each has a database and a store of its own."""

    dc: SimDC
    folder: Path
    chats: int
    #: pages of messages, of all chats together
    pages: int
    hosts: int
    lease: float
    kills: int
    chance: random.Random
    #: sentences
    faults: list[str] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """The first is the large one."""
        return [f"@sim_chat{number}" for number in range(self.chats)]

    def takeover(self) -> None:
        """A host is killed amid the large chat, and two others wait for work."""
        with postgres() as database, ExitStack() as running:
            log, fleet = FleetLog(self.dc), running.enter_context(self._fleet(database, "takeover"))
            self.dc.control("set", latency_ms=100)  # so that it is amid the chat
            fleet.plan(self.names[:1])
            fleet.start()
            victim, chat = self._amid(fleet, log)
            before = fleet.heads(chat)[-1]
            kept = before.row.messages if before.row else 0
            killed, killed_at = time.monotonic(), time.time()
            victim.kill()
            victim.process = None
            self.dc.control("set", latency_ms=0)
            done = fleet.wait(1)
            fleet.stop()
            taken = next((one for one in fleet.starts() if one > killed_at), 0.0) - killed_at
            claimed = next((one.written for one in fleet.heads(chat) if one.epoch == one.number > before.number), 0.0)
            asked = min((one.when for one in log.rows() if one.chat == chat and one.account != victim.index
                         and one.method in HISTORY), default=0.0)
            self._say(f"a host was killed amid a chat of which {kept:,} messages were published: another took it over after "
                      f"{taken:.1f} s, claimed it after {claimed - killed_at:.1f} s, asked for messages after "
                      f"{asked - killed:.1f} s (lease {self.lease:g} s)")
            if not 0 < taken <= self.lease + TAKEOVER:
                self.faults.append(f"taken over after {taken:.1f} s")
            self._check(fleet, log, done, 1)

    def tormented(self) -> None:
        """Random kills and suspensions; then empty machines with the same store and an empty database."""
        with postgres() as database, ExitStack() as running:
            log, fleet = FleetLog(self.dc), running.enter_context(self._fleet(database, "kills"))
            self._say(f"{fleet.plan(self.names).strip()}; then {fleet.plan(self.names).strip()}")
            began = time.monotonic()
            fleet.start()
            kills, suspended, rounds = self._torment(fleet, log)
            done = fleet.wait(self.chats * rounds)
            self._say(f"{kills} kills, {suspended} suspensions, chats planned {rounds} times, "
                      f"{time.monotonic() - began:.0f} s: {done}")
            fleet.stop()
            self._check(fleet, log, done, self.chats)
            self._say_codes(fleet)
            database.forget()
            self._empty_machines(database, fleet.url)

    def _empty_machines(self, database: Postgres, url: str) -> None:
        log, began = FleetLog(self.dc), time.monotonic()
        with self._fleet(database, "empty", url) as fleet:
            before = {chat: fleet.heads(chat)[-1] for chat in chats_of(fleet.store, PUBLIC)}
            fleet.plan(self.names)
            fleet.start()
            done = fleet.wait(self.chats)
        pages = log.pages()
        self._say(f"the database was dropped, the machines are empty: {time.monotonic() - began:.0f} s, "
                  f"{sum(pages.values())} requests for messages of {len(before)} chats")
        for chat, head in before.items():
            after = fleet.heads(chat)[-1]
            if pages[chat] > 1 or after.parts["messages.jsonl"] != head.parts["messages.jsonl"]:
                self.faults.append(f"chat {chat} was asked for {pages[chat]} times, or has new messages")
        self._check(fleet, log, done, self.chats)

    def away(self) -> None:
        """The database is away for a while, then the store is."""
        with postgres() as database, self._s3() as endpoint, Proxy(int(endpoint.rpartition(":")[2])) as way:
            server = f"http://127.0.0.1:{way.port}"
            with reached(server) as s3, self._fleet(database, "away", "s3://archives/fleet", **s3) as fleet:
                log = FleetLog(self.dc)
                self.dc.control("flood", method="messages.getHistory", rate=self.pages / self.hosts / WORK, burst=5)
                fleet.plan(self.names)
                began = time.monotonic()
                fleet.start()
                self._amid(fleet, log)
                database.stop()
                self._pass(fleet)
                database.start()
                self._amid(fleet, FleetLog(self.dc))
                way.refuse()
                self._pass(fleet)
                way.accept()
                self.dc.control("flood", method="messages.getHistory")
                done = fleet.wait(self.chats)
                fleet.stop()
                self._say(f"the database, then the store, was away for {AWAY:g} s: {time.monotonic() - began:.0f} s, {done}")
                self._say_codes(fleet)
                self._check(fleet, log, done, self.chats)

    def strict(self) -> None:
        """What one host at a time does with a store, on a server that checks what it is asked."""
        folder = self.folder / "strict"
        folder.mkdir()
        try:
            with ceph_server() as endpoint:
                store = StrictStore(endpoint, folder, round(self.kills * STRICT), self.chance.randrange(1 << 16))
                self._say(f"a strict S3 server: {store.run()}")
                self.faults += store.faults
        except NoCephError as error:
            self._say(f"SKIPPED: the strict S3 server cannot be had: {error}")

    @contextmanager
    def _s3(self) -> Iterator[str]:
        """A strict server, or the small one where that cannot be had."""
        folder = self.folder / "s3"
        folder.mkdir()
        with ExitStack() as running:
            try:
                endpoint = running.enter_context(ceph_server())
            except NoCephError as error:
                self._say(f"SKIPPED: the strict S3 server cannot be had, a small one stands in: {error}")
                endpoint = running.enter_context(s3_server(folder))
            yield endpoint

    def _fleet(self, database: Postgres, name: str, url: str = "", **variables: str) -> Fleet:
        return Fleet(self.dc, database, self.folder / name, self.hosts, self.lease, url, **variables)

    def _torment(self, fleet: Fleet, log: FleetLog) -> tuple[int, int, int]:
        """Until there were as many blows as wanted: kills, suspensions, and how often the chats were planned, since they are
        exported once more where all are done meanwhile."""
        kills, suspended, rounds = 0, 0, 1
        while kills + suspended < self.kills:
            time.sleep(self.chance.uniform(0.2, 2.5))
            if sum(fleet.jobs().get(one, 0) for one in ("succeeded", "failed")) >= self.chats * rounds:
                fleet.plan(self.names, "--again")
                rounds += 1
            host = self.chance.choice(fleet.hosts)
            if self.chance.random() < SUSPENDED:
                able = [one for one in fleet.hosts if one.exports()]
                if not able:
                    continue  # others have no lease to lose
                host = self.chance.choice(able)
                woken, gone = host.suspend(self.lease + 2)
                suspended += 1
                if asked := log.history(host.index, woken, gone):
                    self.faults.append(f"{host.account} asked for messages {asked} times after it was suspended")
            elif self.chance.random() < 0.5:
                host.kill()
                kills += 1
            elif family := host.family():
                with suppress(psutil.NoSuchProcess):
                    self.chance.choice(family).kill()
                kills += 1
            fleet.look()
        return kills, suspended, rounds

    def _amid(self, fleet: Fleet, log: FleetLog) -> tuple[FleetHost, int]:
        """Who exports which chat now, of which something is published."""
        until = time.monotonic() + 120
        while True:
            fleet.look()
            for one in reversed(log.rows()):
                if one.method == "messages.getHistory" and fleet.published(one.chat) > 3:
                    return fleet.hosts[one.account], one.chat
            if time.monotonic() > until:
                raise AssertionError(fleet.logs())
            time.sleep(0.1)

    def _pass(self, fleet: Fleet) -> None:
        until = time.monotonic() + AWAY
        while time.monotonic() < until:
            fleet.look()
            time.sleep(0.5)

    def _check(self, fleet: Fleet, log: FleetLog, done: dict[str, int], chats: int) -> None:
        found = [*fleet.differences(chats), *log.shared()]
        if done.get("failed"):
            found.append(f"{done['failed']} chats failed")
        if found:
            print(fleet.logs())
        self.faults += found

    def _say_codes(self, fleet: Fleet) -> None:
        self._say("hosts ended with " + "; ".join(f"{host.account}: {host.codes}" for host in fleet.hosts))

    def _say(self, text: str) -> None:
        print(text, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--chats", type=int, default=60)
    parser.add_argument("--messages", type=int, default=190_000)
    parser.add_argument("--hosts", type=int, default=3)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--lease", type=float, default=8.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--only", choices=["strict", "takeover", "kills", "away"])
    options = parser.parse_args()
    if programs() is None:
        print("PostgreSQL is not installed: apt-get install postgresql")
        return 1
    print(f"seed {options.seed}", flush=True)
    large = options.messages // 3
    small = (options.messages - large) // max(options.chats - 1, 1)
    bulk = [word for number in range(options.chats) for word in ("--bulk", f"chat{number}={small if number else large}")]
    with tempfile.TemporaryDirectory(prefix="fleet-") as name, SimDC("--accounts", f"{options.hosts}", *bulk) as dc:
        chance = random.Random(options.seed)
        pages = options.messages // 100
        scenario = Scenario(dc, Path(name), options.chats, pages, options.hosts, options.lease, options.kills, chance)
        parts: dict[str, Callable[[], None]] = {
            "strict": scenario.strict, "takeover": scenario.takeover, "kills": scenario.tormented, "away": scenario.away,
        }
        for part, run in parts.items():
            if options.only in (None, part):
                run()
    print(f"{len(scenario.faults)} faults")
    for fault in scenario.faults:
        print(fault)
    return 1 if scenario.faults else 0


if __name__ == "__main__":
    sys.exit(main())
