"""The processes of a run, from their start to the end of the last one, wired as fetch -> process x N -> write -> fetch."""
from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from typing import Any

from tgbulk.engine.arena import Arena
from tgbulk.engine.channel import ChannelClosed, control_pair, data_pair
from tgbulk.engine.durable import make_folder, write_whole
from tgbulk.engine.entry import Context, EntryPoint
from tgbulk.engine.error import ExitCode, TgbulkError
from tgbulk.engine.hop import Attach
from tgbulk.engine.lease import Lease
from tgbulk.engine.lock import Lock
from tgbulk.engine.metric import Outlet
from tgbulk.engine.restart_policy import RestartPolicy
from tgbulk.engine.ring import BLOCK_SIZE, FRAME_SIZE, SLOTS
from tgbulk.engine.supervisor import (
    PATIENCE,
    Child,
    Exited,
    ForkServerEndedError,
    Hung,
    Readable,
    Received,
    Signalled,
    Supervisor,
    Tick,
)
from tgbulk.stages.collect.config import CollectConfig, CollectContext
from tgbulk.stages.fetch.config import FetchConfig, FetchContext
from tgbulk.stages.fetch.name import parse_name
from tgbulk.stages.process.config import WorkerContext
from tgbulk.stages.protocol.event import (
    ABANDONED,
    ChatEnded,
    FedName,
    FeedClosed,
    Finish,
    NameFetched,
    NewNames,
    Notice,
    PoisonFound,
    Standstill,
    Stopped,
)
from tgbulk.stages.protocol.transcode import TranscodeAttached
from tgbulk.stages.run.feed import FeedInput
from tgbulk.stages.run.outcome import Outcome
from tgbulk.stages.run.watcher import Watcher
from tgbulk.stages.transcode.config import TranscodeConfig, TranscodeContext
from tgbulk.stages.write.config import WriteConfig, WriteContext

#: What the fork server imports once for everybody; and what only some runs need, which is a tenth of it.
PRELOAD = [
    "tgbulk.stages.fetch.main",
    "tgbulk.stages.process.worker",
    "tgbulk.stages.write.main",
    "tgbulk.stages.collect.main",
    "tgbulk.stages.telegram.schema:read_source",
]
PRELOAD_MEDIA = ["tgbulk.stages.fetch.media.downloads", "tgbulk.stages.write.media"]
PRELOAD_FOLLOW = ["tgbulk.stages.fetch.following"]
PRELOAD_VIDEOS = ["tgbulk.stages.transcode.main"]


class EntryPoints:
    """Where each process begins."""

    fetch: EntryPoint[FetchContext] = EntryPoint("tgbulk.stages.fetch.main:main")
    process: EntryPoint[WorkerContext] = EntryPoint("tgbulk.stages.process.worker:main")
    write: EntryPoint[WriteContext] = EntryPoint("tgbulk.stages.write.main:main")
    collect: EntryPoint[CollectContext] = EntryPoint("tgbulk.stages.collect.main:main")
    transcode: EntryPoint[TranscodeContext] = EntryPoint("tgbulk.stages.transcode.main:main")
#: Seconds for an orderly stop after the first signal.
STOP_SECONDS = 30.0
#: Seconds that collect has to write the metrics when all others have left.
MEASURE_SECONDS = 5.0
#: Workers that may be started again within so many seconds, and those of them at once; the others after a pause.
RESPAWNS, RESPAWN_WINDOW, RESPAWNS_AT_ONCE = 20, 60.0, 8
#: Write has so many times the patience of the others: a slow disk may take long over one sync.
WRITE_PATIENCE = 5


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
    #: None does not transcode
    videos: TranscodeConfig | None = None
    #: the run ends with it
    lease: Lease | None = None
    #: gives the chats anew at SIGHUP; None: that is a signal to stop, as others
    reload: Callable[[], list[str]] | None = None
    #: names chats while the run goes on
    feed: FeedInput | None = None


class Attempt:
    """One set of processes. Use run() once."""

    def __init__(self, setup: Setup, outcome: Outcome, watcher: Watcher) -> None:
        self._setup = setup
        self._outcome = outcome
        self._watcher = watcher
        #: transcodes, where that is wanted
        self._transcode: Child | None = None
        self._spawned = self._transcoders = 0
        self._restarts = RestartPolicy(RESPAWNS, RESPAWN_WINDOW, RESPAWNS_AT_ONCE)
        self._video_restarts = RestartPolicy(RESPAWNS, RESPAWN_WINDOW, RESPAWNS_AT_ONCE)
        self._finishing = False
        #: whether fetch knows that no more names come
        self._fed = False
        self._deadline: float | None = None

    def run(self) -> str | None:
        """Until all have left. Returns what killed them, if something did, as the start of a sentence."""
        with ExitStack() as stack:
            self._frames = stack.enter_context(closing(Arena.create("tgbulk-frames", SLOTS, FRAME_SIZE)))
            self._blocks = stack.enter_context(closing(Arena.create("tgbulk-blocks", SLOTS, BLOCK_SIZE)))
            self._snapshots, self._received = map(stack.enter_context, map(closing, control_pair()))
            supervisor = self._supervisor = Supervisor(_preload(self._setup), self._setup.patience)
            try:
                with supervisor:
                    self._start()
                    self._watch()
            except ForkServerEndedError as error:
                cause: str | None = str(error)
            else:
                cause = self._cause_of_end()
            if self._setup.feed:
                self._end_feed(self._setup.feed)
            if supervisor.signals:
                self._outcome.interrupted = True
                self._outcome.signal = self._outcome.signal or supervisor.signals[0]
                self._outcome.left = max(self._outcome.left, 1)
        return cause

    def _start(self) -> None:
        setup = self._setup
        self._collect = self._start_one("collect", EntryPoints.collect, CollectContext(setup.collect, self._received))
        self._received.close()
        events_of_write, fetch_events = data_pair()
        with ExitStack() as stack:
            stack.enter_context(closing(events_of_write))
            stack.enter_context(closing(fetch_events))
            outlet = Outlet("write", self._snapshots)
            writing = WriteContext(setup.write, self._blocks, events_of_write, setup.archive_lock, outlet)
            self._write = self._start_one("write", EntryPoints.write, writing, WRITE_PATIENCE * setup.patience)
            fetching = FetchContext(
                setup.fetch,
                self._frames,
                self._blocks,
                fetch_events,
                tuple(setup.session_locks),
                setup.videos is not None,
                Outlet("fetch", self._snapshots),
                setup.lease,
            )
            self._fetch = self._start_one("fetch", EntryPoints.fetch, fetching)
        self._start_transcode()
        for _ in range(setup.workers):
            self._start_worker()
        if setup.feed:
            for name in setup.feed.again():
                self._notify(self._fetch, name)
            self._hand_on(setup.feed)

    def _start_transcode(self, exit_status: str = "") -> None:
        """Start transcoding; fetch gets the channels, and how the process before it ended."""
        videos = self._setup.videos
        if videos is None or self._is_over:
            return
        name = f"transcode-{self._transcoders}"
        self._transcoders += 1
        jobs, taken = control_pair()
        answered, results = control_pair()
        with closing(jobs), closing(taken), closing(answered), closing(results):
            context = TranscodeContext(videos, taken, answered, Outlet(name, self._snapshots))
            self._transcode = self._start_one(name, EntryPoints.transcode, context)
            self._notify(self._fetch, TranscodeAttached(exit_status), [jobs.fileno(), results.fileno()])

    def _start_one(
        self, name: str, entry: EntryPoint[Context], context: Context, patience: float | None = None
    ) -> Child:
        return self._supervisor.start(name, entry, context, patience or self._setup.patience)

    def _start_worker(self) -> None:
        number = self._spawned
        self._spawned += 1
        name = f"process-{number}"
        to_worker, pages = data_pair()
        blocks, from_worker = data_pair()
        with closing(to_worker), closing(pages), closing(blocks), closing(from_worker):
            outlet = Outlet(name, self._snapshots)
            context = WorkerContext(pages, blocks, self._frames, self._blocks, outlet)
            self._start_one(name, EntryPoints.process, context)
            try:
                self._write.control.send(Attach(number), [from_worker.fileno()])
                self._fetch.control.send(Attach(number), [to_worker.fileno()])
            except ChannelClosed:
                pass  # the run is ending; the worker sees its end of file

    def _watch(self) -> None:
        for event in self._supervisor.events():
            match event:
                case Received(child, frame):
                    self._receive(child, frame)
                case Exited(child):
                    self._on_exit(child)
                case Hung(child, stack):
                    self._report_hang(child, stack)
                case Signalled(signal.SIGHUP) if self._setup.reload is not None and not self._outcome.interrupted:
                    self._reload(self._setup.reload)
                case Signalled(number):
                    self._stop(number)
                case Readable() if self._setup.feed:
                    self._setup.feed.read()
                    self._hand_on(self._setup.feed)
                case Tick():
                    self._watcher.tick()
                    self._guard()
                    self._restarts.start_due()
                    self._video_restarts.start_due()
            if self._deadline is not None and time.monotonic() > self._deadline:
                self._supervisor.kill()
            if self._write.status is not None and not self._supervisor.children:
                return

    def _guard(self) -> None:
        """A lock file that somebody removed keeps nobody out: it is made again, or another run has the archive, and this
        one ends before both write."""
        for lock in (self._setup.archive_lock, *self._setup.session_locks):
            try:
                if lock.renew():
                    self._watcher.on_event(Notice(f"{lock.path} was removed while {lock.what} is in use; it was made again"))
            except TgbulkError as error:
                self._outcome.stopped = self._outcome.stopped or Stopped.of(error)
                self._supervisor.kill()

    def _reload(self, names: Callable[[], list[str]]) -> None:
        """Hand on what the chats are now; where that cannot be told, they stay."""
        try:
            found = names()
            for name in found:
                parse_name(name)
        except TgbulkError as error:
            self._watcher.on_event(Notice(f"{error}; the chats stay as they are"))
            return
        self._watcher.on_event(Notice(f"{len(found)} chats from now on"))
        self._notify(self._fetch, NewNames(found))

    def _receive(self, child: Child, frame: Any) -> None:
        if child is self._transcode and isinstance(frame, Stopped):
            frame = Notice(f"videos: {frame.reason}")  # nothing but they ends with it
        if isinstance(frame, PoisonFound):
            self._restarts.reset()
            self._video_restarts.reset()
        if isinstance(frame, Standstill):
            where = self._keep_state(child, frame.state)
            text = f"nothing has moved for {frame.seconds} s, and nothing says why; {where}"
            frame = Notice(f"{text}; the run ends if that lasts {frame.most} s")
        self._tell(frame)
        feed = self._setup.feed
        if feed and isinstance(frame, NameFetched | ChatEnded):
            for end in feed.fetched(frame) if isinstance(frame, NameFetched) else feed.ended(frame):
                self._tell(end)
            self._hand_on(feed)

    def _tell(self, frame: Any) -> None:
        self._outcome.receive(frame)
        self._watcher.on_event(frame)

    def _hand_on(self, feed: FeedInput) -> None:
        """Give fetch the names that are there, and read on where there is room for more."""
        if self._outcome.interrupted:
            return
        try:
            for frame in feed.take():
                if isinstance(frame, FedName):
                    self._notify(self._fetch, frame)
                else:
                    self._tell(frame)
        except TgbulkError as error:
            self._outcome.stopped = self._outcome.stopped or Stopped.of(error)
            self._supervisor.kill()
        self._supervisor.watch_input(feed.watched)
        if feed.over and not self._fed:
            self._fed = True
            self._notify(self._fetch, FeedClosed())

    def _end_feed(self, feed: FeedInput) -> None:
        """What was named and is not done is left; and what fetch calls done, write must have committed."""
        self._outcome.left, self._outcome.open = feed.left, feed.open
        if self._outcome.fetched and feed.uncommitted and not self._outcome.stopped:
            advice = "Run the same command again; if this repeats, it is a bug."
            text = f"{feed.uncommitted} names were fetched and not committed"
            self._outcome.stopped = Stopped(text, advice, ExitCode.INTERNAL)

    def _on_exit(self, child: Child) -> None:
        """Draw the consequences of an exit."""
        outcome = self._outcome
        if child is self._collect:
            if not outcome.measured and not outcome.unmeasured:
                outcome.unmeasured = f"collect {exit_status(child)}"
                self._watcher.on_event(Notice(f"{outcome.unmeasured}; the run continues without metrics"))
        elif child is self._transcode:
            self._replace_transcode(child)
        elif child not in (self._fetch, self._write) and child.status != 0:
            self._replace(child)
        if child in (self._fetch, self._write) and self._transcode:
            self._notify(self._transcode, Finish())  # nobody takes what it makes
        living = {one.number for one in self._supervisor.children} - {self._collect.number}
        if not living and self._collect.status is None:
            self._snapshots.close()  # the end of file at which collect writes what it has
            self._deadline = time.monotonic() + MEASURE_SECONDS
        if living == {self._write.number} and not self._finishing:
            self._finishing = True
            self._notify(self._write, Finish())

    def _replace(self, child: Child) -> None:
        if self._fetch.status is not None or self._write.status is not None:
            return
        if self._restarts.restart(self._start_worker):
            self._watcher.on_event(Notice(f"{child.name} {exit_status(child)}; its pages go to another worker"))
        elif self._outcome.stopped is None:
            reason = f"{RESPAWNS} workers died within {RESPAWN_WINDOW:.0f} seconds; the last one {exit_status(child)}"
            self._outcome.stopped = Stopped(reason, "What was exported is kept. Please report this bug.", ExitCode.INTERNAL)
            # Without workers nothing drains any more; write still commits what it has.
            self._supervisor.kill(self._fetch)

    def _replace_transcode(self, child: Child) -> None:
        if self._is_over or child.status == 0:
            return
        end = exit_status(child)
        if self._video_restarts.restart(partial(self._start_transcode, end)):
            self._watcher.on_event(Notice(f"{child.name} {end}; a new process takes its videos"))
        else:
            self._watcher.on_event(Notice(f"{child.name} {end}; the videos that are left wait for the next run"))
            self._notify(self._fetch, TranscodeAttached(end))

    @property
    def _is_over(self) -> bool:
        """Nothing is to be started any more."""
        return self._outcome.interrupted or self._fetch.status is not None or self._write.status is not None

    def _report_hang(self, child: Child, stack: str) -> None:
        """Keep where it hung, in the run's folder."""
        where = self._keep_state(child, stack or "The process did not report its stack.\n")
        text = f"{child.name} did not respond for {child.patience:g} seconds and was killed; {where}"
        self._watcher.on_event(Notice(text))

    def _keep_state(self, child: Child, state: str) -> str:
        """Where it can be read."""
        path = self._setup.collect.folder.stack(child.name, child.pid)
        try:
            make_folder(path.parent)
            write_whole(path, state.encode())
        except OSError as error:
            return f"its state cannot be saved: {error}"
        return f"its state is in {path}"

    def _stop(self, number: int) -> None:
        """The first signal asks for an orderly stop, the second ends everything at once; both can be resumed."""
        if self._outcome.interrupted:
            for child in self._supervisor.children:
                if child is not self._collect:  # it ends when all others have, and writes the metrics
                    self._supervisor.kill(child)
            return
        self._outcome.interrupted = True
        self._supervisor.watch_input(None)
        self._outcome.signal = number
        self._outcome.left = max(self._outcome.left, 1)
        self._deadline = time.monotonic() + STOP_SECONDS
        self._watcher.on_event(Notice("stopping: pages in flight are still written; interrupt again to stop at once"))
        self._notify(self._fetch, Finish())
        if self._transcode:
            self._notify(self._transcode, Finish())

    def _notify(self, child: Child, frame: object, descriptors: Sequence[int] = ()) -> None:
        try:
            child.control.send(frame, descriptors)
        except (ChannelClosed, OSError):
            pass  # it ended a moment ago, which is the next event

    def _cause_of_end(self) -> str | None:
        """A signal that ended fetch or write is bad luck; an exit status of their own is a bug, unless they sent Stopped."""
        pair = [child for child in (self._write, self._fetch) if child.status]
        for child in pair:
            if child.status is not None and child.status < 0:
                return f"the {child.name} process {exit_status(child)}"
        reasons = [child for child in pair if child.status != ABANDONED] or pair
        if reasons and not self._outcome.stopped and not self._outcome.interrupted:
            advice = "What was exported is kept; run the same command again to continue."
            status = reasons[0].status
            code = ExitCode(status) if status in (ExitCode.LIMIT, ExitCode.STORAGE) else ExitCode.INTERNAL
            self._outcome.stopped = Stopped(f"the {reasons[0].name} process {exit_status(reasons[0])}", advice, code)
        return None


def _preload(setup: Setup) -> list[str]:
    media = PRELOAD_MEDIA if setup.fetch.media else []
    return PRELOAD + media + (PRELOAD_FOLLOW if setup.fetch.follow else []) + (PRELOAD_VIDEOS if setup.videos else [])


def exit_status(child: Child) -> str:
    """How a child ended, as the end of a sentence."""
    if child.hung:
        return "did not respond and was killed"
    status = child.status or 0
    if status == ExitCode.LIMIT:
        return "ran out of memory or of open files"
    if status == ExitCode.STORAGE:
        return "cannot use a file or folder"
    return f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
