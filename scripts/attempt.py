"""The processes of a run, from their start to the end of the last one, wired as fetch -> process x N -> write -> fetch."""
from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from engine.arena import Arena
from engine.budget import Budget
from engine.channel import ChannelClosed, control_pair, data_pair
from engine.error import ExitCode
from engine.hop import Attach
from engine.lock import Lock
from engine.metric import Outlet
from engine.ring import BLOCK_SIZE, FRAME_SIZE, SLOTS
from engine.supervisor import PATIENCE, Child, Died, ForkServerEndedError, Hung, Signalled, Supervisor, Tick, Told
from scripts.outcome import Outcome
from stages.collect.config import CollectConfig
from stages.event import ABANDONED, Blamed, Finish, Notice, Stopped
from stages.fetch.config import FetchConfig
from stages.transcode.config import TranscodeConfig
from stages.transcode.job import Staffed
from stages.write.config import WriteConfig

#: What the fork server imports once for everybody.
PRELOAD = [
    "stages.fetch.main",
    "stages.process.worker",
    "stages.write.main",
    "stages.collect.main",
    "stages.telegram.decoder:warm",
]
#: What each process runs.
TARGETS = {
    "fetch": "stages.fetch.main:main",
    "process": "stages.process.worker:main",
    "write": "stages.write.main:main",
    "collect": "stages.collect.main:main",
    "transcode": "stages.transcode.main:main",
}
#: Seconds for an orderly stop after the first signal.
STOP_SECONDS = 30.0
#: Seconds that collect has to write the metrics when all others have left.
MEASURE_SECONDS = 5.0
#: Workers that may be started again within so many seconds, and those of them at once; the others after a pause.
RESPAWNS, RESPAWN_WINDOW, RESPAWNS_AT_ONCE = 20, 60.0, 8
#: Write has so many times the patience of the others: a slow disk may take long over one sync.
WRITE_PATIENCE = 5


class Watcher(Protocol):
    """Who is told of everything, to show it."""

    def told(self, frame: Any) -> None: ...

    def tick(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Setup:
    """What a run's processes need. The locks are held; fetch and write hold them too, for as long as they live."""

    fetch: FetchConfig
    write: WriteConfig
    collect: CollectConfig
    session_locks: list[Lock]
    archive_lock: Lock
    workers: int
    #: seconds without a sign of life after which a process hangs
    patience: float = PATIENCE
    #: None makes no films
    films: TranscodeConfig | None = None


class Attempt:
    """One set of processes. Use run() once."""

    def __init__(self, setup: Setup, outcome: Outcome, watcher: Watcher) -> None:
        self._setup = setup
        self._outcome = outcome
        self._watcher = watcher
        #: makes films, where that is wanted
        self._transcode: Child | None = None
        self._spawned = self._staffed = 0
        self._budget = Budget(RESPAWNS, RESPAWN_WINDOW, RESPAWNS_AT_ONCE)
        self._film_budget = Budget(RESPAWNS, RESPAWN_WINDOW, RESPAWNS_AT_ONCE)
        self._finishing = False
        self._deadline: float | None = None

    def run(self) -> str | None:
        """Until all have left. Returns what killed them, if something did, as the start of a sentence."""
        with ExitStack() as stack:
            self._frames = stack.enter_context(closing(Arena.create("tgbulk-frames", SLOTS, FRAME_SIZE)))
            self._blocks = stack.enter_context(closing(Arena.create("tgbulk-blocks", SLOTS, BLOCK_SIZE)))
            self._snapshots, self._heard = map(stack.enter_context, map(closing, control_pair()))
            preload = [*PRELOAD, "stages.transcode.main"] if self._setup.films else PRELOAD
            supervisor = self._supervisor = Supervisor(preload, self._setup.patience)
            try:
                with supervisor:
                    self._start()
                    self._watch()
            except ForkServerEndedError as error:
                cause: str | None = str(error)
            else:
                cause = self._cause_of_end()
            if supervisor.signals:
                self._outcome.interrupted = True
                self._outcome.left = max(self._outcome.left, 1)
        return cause

    def _start(self) -> None:
        setup = self._setup
        self._collect = self._start_one("collect", setup.collect, self._heard)
        self._heard.close()
        told_by_write, fetch_hears = data_pair()
        with ExitStack() as stack:
            stack.enter_context(closing(told_by_write))
            stack.enter_context(closing(fetch_hears))
            outlet = Outlet("write", self._snapshots)
            arguments = (setup.write, self._blocks, told_by_write, setup.archive_lock, outlet)
            self._write = self._start_one("write", *arguments, patience=WRITE_PATIENCE * setup.patience)
            outlet = Outlet("fetch", self._snapshots)
            arenas = self._frames, self._blocks
            films = setup.films is not None
            self._fetch = self._start_one("fetch", setup.fetch, *arenas, fetch_hears, outlet, films, *setup.session_locks)
        self._start_transcode()
        for _ in range(setup.workers):
            self._start_worker()

    def _start_transcode(self, fate: str = "") -> None:
        """Where films are made; fetch is told, and how the process before it ended."""
        films = self._setup.films
        if films is None or self._is_over:
            return
        name = f"transcode-{self._staffed}"
        self._staffed += 1
        jobs, taken = control_pair()
        answered, results = control_pair()
        with closing(jobs), closing(taken), closing(answered), closing(results):
            self._transcode = self._start_one(name, films, taken, answered, Outlet(name, self._snapshots))
            self._tell(self._fetch, Staffed(fate), [jobs.fileno(), results.fileno()])

    def _start_one(self, name: str, *arguments: object, patience: float | None = None) -> Child:
        target = TARGETS[name.partition("-")[0]]
        return self._supervisor.start(name, target, *arguments, patience=patience or self._setup.patience)

    def _start_worker(self) -> None:
        number = self._spawned
        self._spawned += 1
        name = f"process-{number}"
        to_worker, pages = data_pair()
        blocks, from_worker = data_pair()
        with closing(to_worker), closing(pages), closing(blocks), closing(from_worker):
            self._start_one(name, pages, blocks, self._frames, self._blocks, Outlet(name, self._snapshots))
            try:
                self._write.control.send(Attach(number), [from_worker.fileno()])
                self._fetch.control.send(Attach(number), [to_worker.fileno()])
            except ChannelClosed:
                pass  # the run is ending; the worker sees its end of file

    def _watch(self) -> None:
        for event in self._supervisor.events():
            match event:
                case Told(child, frame):
                    self._hear(child, frame)
                case Died(child):
                    self._bury(child)
                case Hung(child, stack):
                    self._report_hang(child, stack)
                case Signalled():
                    self._stop()
                case Tick():
                    self._watcher.tick()
                    self._budget.start_due()
                    self._film_budget.start_due()
            if self._deadline is not None and time.monotonic() > self._deadline:
                self._supervisor.kill()
            if self._write.status is not None and not self._supervisor.children:
                return

    def _hear(self, child: Child, frame: Any) -> None:
        if child is self._transcode and isinstance(frame, Stopped):
            frame = Notice(f"films: {frame.reason}")  # nothing but they ends with it
        if isinstance(frame, Blamed):
            self._budget.forgive()
            self._film_budget.forgive()
        self._outcome.hear(frame)
        self._watcher.told(frame)

    def _bury(self, child: Child) -> None:
        """Draw the consequences of a death."""
        outcome = self._outcome
        if child is self._collect:
            if not outcome.measured and not outcome.unmeasured:
                outcome.unmeasured = f"collect {fate(child)}"
                self._watcher.told(Notice(f"{outcome.unmeasured}; this run goes on without metrics"))
        elif child is self._transcode:
            self._replace_transcode(child)
        elif child not in (self._fetch, self._write) and child.status != 0:
            self._replace(child)
        if child in (self._fetch, self._write) and self._transcode:
            self._tell(self._transcode, Finish())  # nobody takes what it makes
        living = {one.number for one in self._supervisor.children} - {self._collect.number}
        if not living and self._collect.status is None:
            self._snapshots.close()  # the end of file at which collect writes what it has
            self._deadline = time.monotonic() + MEASURE_SECONDS
        if living == {self._write.number} and not self._finishing:
            self._finishing = True
            self._tell(self._write, Finish())

    def _replace(self, child: Child) -> None:
        if self._fetch.status is not None or self._write.status is not None:
            return
        if self._budget.again(self._start_worker):
            self._watcher.told(Notice(f"{child.name} {fate(child)}; its pages go to another worker"))
        elif self._outcome.stopped is None:
            reason = f"{RESPAWNS} workers died within {RESPAWN_WINDOW:.0f} seconds; the last one {fate(child)}"
            self._outcome.stopped = Stopped(reason, "What was exported is kept. Please report this bug.", ExitCode.INTERNAL)
            # Without workers nothing drains any more; write still commits what it has.
            self._supervisor.kill(self._fetch)

    def _replace_transcode(self, child: Child) -> None:
        if self._is_over or child.status == 0:
            return
        end = fate(child)
        if self._film_budget.again(partial(self._start_transcode, end)):
            self._watcher.told(Notice(f"{child.name} {end}; its films go to another one"))
        else:
            self._watcher.told(Notice(f"{child.name} {end}; the films that are left wait for the next run"))
            self._tell(self._fetch, Staffed(end))

    @property
    def _is_over(self) -> bool:
        """Nothing is to be started any more."""
        return self._outcome.interrupted or self._fetch.status is not None or self._write.status is not None

    def _report_hang(self, child: Child, stack: str) -> None:
        """Keep where it hung, in the run's folder."""
        path = self._setup.collect.folder / f"hang-{child.name}-{child.pid}.txt"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(stack or "It did not even tell where it was.\n")
            where = f"where it was is in {path}"
        except OSError as error:
            where = f"where it was could not be kept: {error}"
        text = f"{child.name} gave no sign of life for {child.patience:g} seconds and is killed; {where}"
        self._watcher.told(Notice(text))

    def _stop(self) -> None:
        """The first signal asks for an orderly stop, the second ends everything at once; both can be resumed."""
        if self._outcome.interrupted:
            for child in self._supervisor.children:
                if child is not self._collect:  # it ends when all others have, and tells what they did
                    self._supervisor.kill(child)
            return
        self._outcome.interrupted = True
        self._outcome.left = max(self._outcome.left, 1)
        self._deadline = time.monotonic() + STOP_SECONDS
        self._watcher.told(Notice("stopping: what is on the way is still written; once more to stop at once"))
        self._tell(self._fetch, Finish())
        if self._transcode:
            self._tell(self._transcode, Finish())

    def _tell(self, child: Child, frame: object, descriptors: Sequence[int] = ()) -> None:
        try:
            child.control.send(frame, descriptors)
        except (ChannelClosed, OSError):
            pass  # it ended a moment ago, which is the next event

    def _cause_of_end(self) -> str | None:
        """A signal that ended fetch or write is bad luck; a status of their own is a bug, unless they said why."""
        pair = [child for child in (self._write, self._fetch) if child.status]
        for child in pair:
            if child.status is not None and child.status < 0:
                return f"the {child.name} process {fate(child)}"
        reasons = [child for child in pair if child.status != ABANDONED] or pair
        if reasons and not self._outcome.stopped and not self._outcome.interrupted:
            advice = "What was exported is kept; run the same command again to go on."
            code = ExitCode.LIMIT if reasons[0].status == ExitCode.LIMIT else ExitCode.INTERNAL
            self._outcome.stopped = Stopped(f"the {reasons[0].name} process {fate(reasons[0])}", advice, code)
        return None


def fate(child: Child) -> str:
    """How a child ended, as the end of a sentence."""
    if child.hung:
        return "gave no sign of life and was killed"
    status = child.status or 0
    if status == ExitCode.LIMIT:
        return "has too little memory, or may open too few files"
    return f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
