"""One host of a fleet: leases accounts, takes jobs for them, and runs for each chat the commands that people run."""
from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from tgbulk.engine.error import ExitCode
from tgbulk.stages.fleet.queue import AgainLaterError, ChatLeftError, DatabaseAwayError, Queue

#: What a host says of a chat is cut to so many characters.
_SAID = 300
#: Bytes of what a publisher says that are kept.
_KEPT = 8192
#: Seconds after which a chat is tried again whose account or network failed.
_LATER = 60
#: What was killed a moment ago may have its locks still.
_WAIT = ("--wait-lock", "20")
#: Exit codes after which somebody else, or the same one later, may go on.
_AGAIN = (
    ExitCode.INTERRUPTED, ExitCode.LOCKED, ExitCode.NETWORK, ExitCode.DELAYED, ExitCode.PARKED, ExitCode.LIMIT,
)


@dataclass(frozen=True, slots=True)
class HostConfig:
    """Built once at the command line."""

    store: str
    #: accounts that are logged in here
    accounts: tuple[str, ...]
    #: where the archives lie, one for each account
    folder: Path
    #: seconds after which what this host had goes to others when it is not heard of
    lease: float
    #: seconds between two looks of a publisher
    every: float


class Host:
    """Runs until it is asked to stop; ends its process where another host may have what it leased."""

    def __init__(self, queue: Queue, config: HostConfig, say: Callable[[str], None]) -> None:
        self._queue = queue
        self._config = config
        self._say = say
        self._stopping = asyncio.Event()
        self._workers: dict[str, asyncio.Task[None]] = {}
        #: accounts whose logins have ended, and why
        self.dropped: dict[str, str] = {}

    def stop(self) -> None:
        """Hand over: exports end in order, are published, and their jobs go to others."""
        self._stopping.set()

    async def run(self) -> None:
        serving = asyncio.ensure_future(asyncio.gather(*map(self._serve, self._config.accounts)))
        rescuing = asyncio.create_task(self._rescue())
        stopped = asyncio.create_task(self._stopping.wait())
        ends: list[asyncio.Future[Any]] = [stopped, serving]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                serving.result()
        finally:
            for one in (stopped, rescuing, serving):
                one.cancel()
            await asyncio.gather(stopped, rescuing, serving, return_exceptions=True)

    async def _serve(self, account: str) -> None:
        """Work for an account as soon as no other host does."""
        config = self._config
        while True:
            try:
                connection = await self._queue.connect(config.lease)
                locked = "SELECT pg_try_advisory_lock(hashtextextended('tgbulk account ' || %s, 0))"
                async with self._queue.answering():
                    (mine,) = await (await connection.execute(locked, [account])).fetchone()
            except DatabaseAwayError as error:
                self._say(f"{account}: {error}")
                mine = False
            if mine:
                break
            with suppress(Exception):
                await connection.close()
            await asyncio.sleep(config.lease / 4)
        self._say(f"account {account} is leased")
        keeping = asyncio.create_task(self._keep(connection))
        work = _Work(self, account).export
        worker = self._workers[account] = asyncio.create_task(self._queue.work(account, config.lease, work))
        try:
            await asyncio.wait([keeping, worker], return_when=asyncio.FIRST_COMPLETED)
            if account not in self.dropped:
                reason = worker.exception() if worker.done() and not worker.cancelled() else None
                self.lose(f"account {account}: {reason or 'its lease is over'}")
        finally:
            worker.cancel()
            await asyncio.gather(worker, return_exceptions=True)
            keeping.cancel()
            await connection.close()

    async def _keep(self, connection: Any) -> None:
        """Until the connection that holds the account's lock is lost."""
        errors: tuple[type[Exception], ...] = (TimeoutError, *self._queue.errors)
        while True:
            await asyncio.sleep(self._config.lease / 4)
            try:
                await asyncio.wait_for(connection.execute("SELECT 1"), self._config.lease)
            except errors:
                return

    async def _rescue(self) -> None:
        while True:
            with suppress(DatabaseAwayError):
                if count := await self._queue.rescue(self._config.lease):
                    self._say(f"{count} chats of hosts that are not heard of are handed out again")
            await asyncio.sleep(min(1.0, self._config.lease / 16))

    def lose(self, why: str) -> NoReturn:
        """At once: what Procrastinate would still say of a job, it would say of another host's."""
        self._say(f"{why}; this host leaves at once")
        sys.stderr.flush()
        os._exit(ExitCode.LOST)

    def drop(self, account: str, why: str) -> None:
        """Take no more jobs for an account, whose login has ended; others take those that any can do."""
        self.dropped[account] = why
        self._workers[account].cancel()

    @property
    def stopping(self) -> asyncio.Event:
        return self._stopping

    @property
    def config(self) -> HostConfig:
        return self._config

    @property
    def queue(self) -> Queue:
        return self._queue

    def say(self, text: str) -> None:
        self._say(text)


class _Work:
    """The jobs of one account, one after the other."""

    def __init__(self, host: Host, account: str) -> None:
        self._host = host
        self._account = account
        self._archive = host.config.folder / account
        #: of the job under way, by the clock that counts while the machine sleeps
        self._beat = 0.0

    async def export(self, chat: str, options: list[str], job: int, worker: int) -> None:
        """One chat, from its name to its last publication. AgainLaterError, ChatLeftError."""
        if self._host.stopping.is_set():
            raise AgainLaterError
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        self._beat = _now()
        beating = asyncio.create_task(self._beats(job, worker, writing))
        try:
            await self._export(chat, options, reading)
        finally:
            beating.cancel()
            os.close(writing)
            with suppress(OSError):
                os.close(reading)
            self._require()

    async def _export(self, chat: str, options: list[str], lease: int) -> None:
        store = ["--store", self._host.config.store]
        code, out, said = await self._run("resolve", "--json", "--account", self._account, *_WAIT, "--", chat)
        found = _parsed(out)
        if found.get("id") is None:
            self._end(chat, code, str(found.get("reason") or said))
            raise ChatLeftError(f"{chat} was not found")
        marked, space = str(found["id"]), str(found["space"])
        claimed, out, said = await self._run(
            "pull", "--claim", "--replace", "--json", "-o", str(self._archive), "--space", space, *_WAIT, *store, "--",
            marked,
        )
        if claimed:
            self._end(chat, ExitCode.NETWORK if claimed == ExitCode.PARTIAL else claimed, said)
        epoch = str(_parsed(out)["epoch"])
        publisher = await self._start(
            "push", str(self._archive), "--epoch", epoch, "--every", f"{self._host.config.every:g}", *store, "--", marked
        )
        saying = asyncio.create_task(_last_said(publisher))
        summary = self._archive.with_name(f"{self._account}.summary.json")
        try:
            summary.unlink(missing_ok=True)
            code, _, said = await self._run(
                "export", "-o", str(self._archive), "--account", self._account, "--quiet", "--summary", str(summary),
                *_WAIT, "--lease-fd", str(lease), "--lease", f"{0.75 * self._host.config.lease:g}", *options, "--", chat,
                lease=lease,
            )
            about = _parsed(summary.read_text() if summary.exists() else "")
        finally:
            with suppress(ProcessLookupError):
                publisher.terminate()
            last = await saying
            await publisher.wait()
        if publisher.returncode == ExitCode.LOST:
            self._host.lose(f"{chat}: {_sentence(last)}")
        if publisher.returncode:
            self._end(chat, publisher.returncode, last)
        self._end(chat, code, said, about)

    def _end(self, chat: str, code: int, said: str, about: dict[str, Any] | None = None) -> None:
        """Draw the consequences of an exit code."""
        said = _sentence(said)
        if code == ExitCode.COMPLETE:
            self._host.say(f"{chat}: complete")
            return
        ended = f"ended by signal {-code}" if code < 0 else f"exit code {code}"
        self._host.say(f"{chat}: {said or ended}")
        if code == ExitCode.AUTH:
            self._host.drop(self._account, said)
            raise AgainLaterError
        if code == ExitCode.LOST or code < 0:
            raise AgainLaterError
        if code in _AGAIN:
            wait = ((about or {}).get("stopped") or {}).get("retry_after") or _LATER
            raise AgainLaterError(0 if code == ExitCode.INTERRUPTED else int(wait))
        raise ChatLeftError(f"{chat}: exit code {code}")

    async def _beats(self, job: int, worker: int, writing: int) -> None:
        """While the database says that the job is ours, the exporter may go on."""
        lease = self._host.config.lease
        while True:
            asked = _now()
            try:
                mine = await asyncio.wait_for(self._host.queue.beat(job, worker), lease)
            except (DatabaseAwayError, TimeoutError):
                mine = None
            if mine is False or _now() - self._beat > lease:
                self._host.lose("the lease is over")
            if mine:
                self._beat = asked
                with suppress(OSError):
                    os.write(writing, b".")
            await asyncio.sleep(min(1.0, lease / 8))

    def _require(self) -> None:
        """Say nothing of a job that may be another's by now."""
        if _now() - self._beat > self._host.config.lease:
            self._host.lose("the lease is over")

    async def _run(self, *words: str, lease: int | None = None) -> tuple[int, str, str]:
        """A command to its end, or until the host is to stop: (exit code, standard output, standard error)."""
        process = await self._start(*words, lease=lease, output=True)
        ending = asyncio.create_task(process.communicate())
        stopping = asyncio.create_task(self._host.stopping.wait())
        await asyncio.wait([ending, stopping], return_when=asyncio.FIRST_COMPLETED)
        if not ending.done():
            with suppress(ProcessLookupError):
                process.terminate()
            # Its orderly end, and the last publication behind it, have to fit into the lease.
            await asyncio.wait([ending], timeout=self._host.config.lease / 2)
            if not ending.done():
                with suppress(ProcessLookupError):
                    process.kill()
        stopping.cancel()
        out, said = await ending
        assert process.returncode is not None
        return process.returncode, out.decode(errors="replace"), said.decode(errors="replace")

    async def _start(self, *words: str, lease: int | None = None, output: bool = False) -> asyncio.subprocess.Process:
        command, *rest = words
        dying = ["--die-with-parent", "--parent-pid", str(os.getpid())] if command in ("export", "push") else []
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tgbulk", command, *dying, *rest, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE if output else asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
            pass_fds=[] if lease is None else [lease],
        )


async def _last_said(process: asyncio.subprocess.Process) -> str:
    """The end of standard error, which is read all the time: nobody waits for a pipe that is full."""
    assert process.stderr is not None
    last = b""
    while data := await process.stderr.read(_KEPT):
        last = (last + data)[-_KEPT:]
    return last.decode(errors="replace")


def _sentence(said: str) -> str:
    """From the last error on, where one was told."""
    _, found, rest = said.rpartition("tgbulk: error: ")
    words = " ".join((found + rest).split())
    return words[:_SAID] if found else words[-_SAID:]


def _parsed(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text.splitlines()[0] if "\n{" in text else text)
    except (ValueError, IndexError):
        return {}
    return found if isinstance(found, dict) else {}


def _now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
