"""One run: the processes of an export, wired together, watched to their end."""
from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Protocol

from engine.arena import Arena
from engine.channel import ChannelClosed, control_pair, data_pair
from engine.error import ExitCode
from engine.hop import Attach
from engine.lock import Lock
from engine.metric import Outlet
from engine.ring import BLOCK_SIZE, FRAME_SIZE, SLOTS
from engine.supervisor import Child, Died, Signalled, Supervisor, Tick, Told
from stages.collect.config import CollectConfig
from stages.collect.status import Measured
from stages.event import ChatEnded, ChatFailed, ChatStated, Fetched, Finish, Notice, Stopped
from stages.fetch.config import FetchConfig
from stages.medium import MediaStated
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
}
#: Seconds for an orderly stop after the first signal.
STOP_SECONDS = 30.0
#: Workers that may die in one run before it is given up.
RESPAWNS = 20
#: Seconds that collect has to write the metrics when all others have left.
MEASURE_SECONDS = 5.0


class Watcher(Protocol):
    """Who is told of everything, to show it."""

    def told(self, frame: Any) -> None: ...

    def tick(self) -> None: ...


@dataclass(slots=True)
class Outcome:
    """How a run ended."""

    complete: list[ChatEnded] = field(default_factory=list)
    failed: list[ChatFailed] = field(default_factory=list)
    #: by marked id: what can be said of the completeness of a chat that came to its end
    statements: dict[int, dict[str, Any]] = field(default_factory=dict)
    #: what ended the run before its time
    stopped: Stopped | None = None
    interrupted: bool = False
    #: chats that the stop cut short or never let begin
    left: int = 0
    #: the sentence that names the bottleneck, "" where there are no metrics, and why there are none
    bottleneck: str = ""
    #: what became of media, None where none were wanted, or write did not come to its end
    media: MediaStated | None = None
    unmeasured: str = ""

    @property
    def exit_code(self) -> ExitCode:
        """The command's exit code; docs/exit-codes.md."""
        if self.stopped:
            return ExitCode(self.stopped.code)
        media_left = self.media is not None and self.media.waiting > 0
        if self.interrupted and (self.left or media_left):
            return ExitCode.INTERRUPTED
        if not self.failed:
            media_failed = self.media is not None and bool(self.media.failed)
            return ExitCode.PARTIAL if media_left or media_failed else ExitCode.COMPLETE
        if self.complete:
            return ExitCode.PARTIAL
        codes = {failure.code for failure in self.failed}
        return ExitCode(codes.pop()) if len(codes) == 1 else ExitCode.NOTHING


class Run:
    """The topology of docs/design: fetch -> process x N -> write -> fetch."""

    def __init__(
        self,
        fetch: FetchConfig,
        write: WriteConfig,
        collect: CollectConfig,
        session_locks: list[Lock],
        archive_lock: Lock,
        workers: int,
        watcher: Watcher,
    ) -> None:
        """The locks are held; fetch and write hold them too, for as long as they live."""
        self._fetch_config = fetch
        self._write_config = write
        self._collect_config = collect
        self._session_locks = session_locks
        self._archive_lock = archive_lock
        self._workers = workers
        self._watcher = watcher
        self._outcome = Outcome()
        self._fetched: Fetched | None = None
        self._spawned = 0
        self._finishing = False
        self._deadline: float | None = None
        self._measured = False

    def execute(self) -> Outcome:
        """Run to the end, whichever it is."""
        self._frames = Arena.create("tgbulk-frames", SLOTS, FRAME_SIZE)
        self._blocks = Arena.create("tgbulk-blocks", SLOTS, BLOCK_SIZE)
        self._snapshots, self._heard = control_pair()
        try:
            with Supervisor(PRELOAD) as supervisor:
                self._supervisor = supervisor
                self._start()
                self._watch()
        finally:
            self._frames.close()
            self._blocks.close()
            self._snapshots.close()
        if not self._measured:
            self._outcome.unmeasured = self._outcome.unmeasured or "collect did not finish"
        self._check_count()
        return self._outcome

    def _start(self) -> None:
        self._collect = self._supervisor.start("collect", TARGETS["collect"], self._collect_config, self._heard)
        self._heard.close()
        told_by_write, fetch_hears = data_pair()
        self._write = self._supervisor.start(
            "write",
            TARGETS["write"],
            self._write_config,
            self._blocks,
            told_by_write,
            self._archive_lock,
            Outlet("write", self._snapshots),
        )
        self._fetch = self._supervisor.start(
            "fetch",
            TARGETS["fetch"],
            self._fetch_config,
            self._frames,
            self._blocks,
            fetch_hears,
            Outlet("fetch", self._snapshots),
            *self._session_locks,
        )
        told_by_write.close()
        fetch_hears.close()
        for _ in range(self._workers):
            self._start_worker()

    def _start_worker(self) -> None:
        number = self._spawned
        self._spawned += 1
        name = f"process-{number}"
        to_worker, pages = data_pair()
        blocks, from_worker = data_pair()
        outlet = Outlet(name, self._snapshots)
        self._supervisor.start(name, TARGETS["process"], pages, blocks, self._frames, self._blocks, outlet)
        try:
            self._write.control.send(Attach(number), [from_worker.fileno()])
            self._fetch.control.send(Attach(number), [to_worker.fileno()])
        except ChannelClosed:
            pass  # the run is ending; the worker sees its end of file
        for channel in (to_worker, pages, blocks, from_worker):
            channel.close()

    def _watch(self) -> None:
        for event in self._supervisor.events():
            match event:
                case Told(_, frame):
                    self._hear(frame)
                case Died(child):
                    self._bury(child)
                case Signalled():
                    self._stop()
                case Tick():
                    self._watcher.tick()
            if self._deadline is not None and time.monotonic() > self._deadline:
                self._supervisor.kill()
            if self._write.status is not None and not self._supervisor.children:
                return

    def _hear(self, frame: Any) -> None:
        match frame:
            case ChatEnded():
                self._outcome.complete.append(frame)
            case ChatFailed():
                self._outcome.failed.append(frame)
            case ChatStated():
                self._outcome.statements[frame.marked_id] = frame.statement
            case MediaStated():
                self._outcome.media = frame
            case Fetched():
                self._fetched = frame
                self._outcome.left = frame.left
            case Stopped() if self._outcome.stopped is None:
                self._outcome.stopped = frame
            case Measured():
                self._measured = not frame.problem
                self._outcome.bottleneck = frame.bottleneck
                self._outcome.unmeasured = frame.problem
        self._watcher.told(frame)

    def _bury(self, child: Child) -> None:
        """Draw the consequences of a death."""
        if child is self._collect:
            if not self._measured and not self._outcome.unmeasured:
                self._outcome.unmeasured = f"collect {_cause(child)}"
                self._watcher.told(Notice(f"{self._outcome.unmeasured}; this run goes on without metrics"))
        elif child.status != 0 and child not in (self._fetch, self._write):
            self._replace(child)
        elif child.status != 0 and self._outcome.stopped is None and not self._outcome.interrupted:
            self._outcome.stopped = Stopped(
                f"the {child.name} process {_cause(child)}",
                "What was exported is kept; run the same command again to go on.",
                ExitCode.INTERNAL,
            )
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
        self._watcher.told(Notice(f"{child.name} {_cause(child)}; its pages go to another worker"))
        if self._spawned - self._workers < RESPAWNS:
            self._start_worker()
        elif self._outcome.stopped is None:
            self._outcome.stopped = Stopped(f"{RESPAWNS} workers died", "Please report this bug.", ExitCode.INTERNAL)
            self._tell(self._fetch, Finish())

    def _stop(self) -> None:
        """The first signal asks for an orderly stop, the second ends everything at once; both can be resumed."""
        if self._outcome.interrupted:
            self._supervisor.kill()
            return
        self._outcome.interrupted = True
        self._outcome.left = max(self._outcome.left, 1)
        self._deadline = time.monotonic() + STOP_SECONDS
        self._watcher.told(Notice("stopping: what is on the way is still written; once more to stop at once"))
        self._tell(self._fetch, Finish())

    def _tell(self, child: Child, frame: object) -> None:
        try:
            child.control.send(frame)
        except (ChannelClosed, OSError):
            pass  # it ended a moment ago, which is the next event

    def _check_count(self) -> None:
        """What fetch calls complete, write must have committed; only a stop leaves chats over."""
        outcome = self._outcome
        if not self._fetched or outcome.stopped:
            return
        wrong = ""
        if self._fetched.complete != len(outcome.complete):
            wrong = f"{self._fetched.complete} chats were fetched, {len(outcome.complete)} were committed"
        elif outcome.left and not outcome.interrupted:
            wrong = f"{outcome.left} chats were left over"
        if wrong:
            advice = "Run the same command again; if this repeats, it is a bug."
            outcome.stopped = Stopped(wrong, advice, ExitCode.INTERNAL)


def _cause(child: Child) -> str:
    status = child.status or 0
    return f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
