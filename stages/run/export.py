"""An export from what somebody wants to its outcome: the one entry for the command line, a fleet or an API."""
from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tgbulk.engine.error import UsageError, file_error
from tgbulk.engine.lease import Lease
from tgbulk.engine.supervisor import PATIENCE
from tgbulk.stages.archive.annex import AnnexName
from tgbulk.stages.archive.folder import Archive, RunFolder
from tgbulk.stages.archive.listed import ListedChat, keep_listed
from tgbulk.stages.archive.request import keep_options, keep_request, settle
from tgbulk.stages.collect.config import CollectConfig
from tgbulk.stages.fetch.access import Access
from tgbulk.stages.fetch.config import FetchConfig, MediaConfig, Recheck, Selection
from tgbulk.stages.fetch.error import AuthNeededError
from tgbulk.stages.fetch.name import parse_name
from tgbulk.stages.fetch.session import Session
from tgbulk.stages.protocol.event import Notice
from tgbulk.stages.run.attempt import Setup
from tgbulk.stages.run.feed import FeedInput
from tgbulk.stages.run.log import LogFile
from tgbulk.stages.run.outcome import Outcome
from tgbulk.stages.run.run import Run
from tgbulk.stages.run.summary import keep_metrics, keep_summary, make_run_id, make_summary
from tgbulk.stages.run.watcher import Tee, Watcher
from tgbulk.stages.transcode.config import TranscodeConfig
from tgbulk.stages.write.config import WriteConfig

#: Every message of a chat.
EVERYTHING = Selection()
#: Of the last week, where Telegram cannot tell what changed.
RECHECK = Recheck()
#: History requests of one account at a time, at most: where nothing else is said, and of what can be said.
IN_FLIGHT = 32
MOST_IN_FLIGHT = 100


class PortInUseError(UsageError):
    """port {0} for metrics cannot be had: {1}"""

    advice = "Choose another one; 0 takes any that is free."


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """Everything that an export depends on."""

    archive: Path
    accesses: list[Access]
    #: chats, as people name them
    names: list[str]
    selection: Selection = EVERYTHING
    #: None downloads nothing
    media: MediaConfig | None = None
    #: None does not transcode; goes with media
    transcode: TranscodeConfig | None = None
    #: what is kept of each chat beside its messages; comments: the groups in which channels are discussed come along
    annexes: tuple[AnnexName, ...] = ()
    comments: bool = False
    #: requests of one account on the way at a time, at most, and a second; None: as many a second as Telegram allows
    in_flight: int = IN_FLIGHT
    rate: float | None = None
    #: no, yes, or try: go on without where Telegram delays it
    takeout: str = "no"
    recheck: Recheck = RECHECK
    #: go on with what changes until a signal comes; and what gives the chats anew at SIGHUP
    follow: bool = False
    reload: Callable[[], list[str]] | None = None
    #: descriptor on which names of more chats come, a line each; the run goes on until that is closed
    feed: int | None = None
    #: decoding processes, None for one less than there are cores
    workers: int | None = None
    #: seconds without a sign of life after which a process is killed
    patience: float = PATIENCE
    #: loopback port that serves OpenMetrics; 0 any, None none
    metrics_port: int | None = None
    #: how it was asked for, for a run that repeats it: option -> text, list of texts, or on and off; None keeps nothing
    options: dict[str, Any] | None = None
    #: seconds to wait for an account or an archive that another process has
    wait_lock: float = 0.0
    #: no request is made when it is over
    lease: Lease | None = None
    #: by marked id: where the account's list has chats, for a choice from the archive; empty where nobody asked
    listed: Mapping[int, ListedChat] = field(default_factory=dict)


def run_export(request: ExportRequest, watcher: Watcher) -> Outcome:
    """Export to the end, whichever it is. TgbulkError for what is wrong before it begins; all that comes later is in the
    outcome."""
    chats = [parse_name(name) for name in request.names]
    _check_port(request.metrics_port)
    sessions = [require_session(access) for access in request.accesses]
    archive = Archive(request.archive)
    media, videos = request.media, request.transcode
    with ExitStack() as outer, ExitStack() as stack:
        session_locks = [stack.enter_context(session.lock.acquire(request.wait_lock)) for session in sessions]
        archive_lock = stack.enter_context(archive.open(request.wait_lock))
        started, began = time.time(), time.monotonic()
        run_id = make_run_id(started)
        folder = archive.run(run_id)
        names = [chat.text for chat in chats]
        keep_request(folder, names)
        if request.listed:
            keep_listed(archive, request.listed)
        if request.options is not None:
            keep_options(folder, request.options)
        log = outer.enter_context(_open_log(folder, watcher))
        everybody = Tee([log, watcher])
        everybody.on_start(run_id, len(chats))
        collect = CollectConfig(run_id, folder, started, began, os.getpid(), request.metrics_port, watcher.live)
        setup = Setup(
            FetchConfig(
                request.accesses, chats, request.in_flight, request.rate, request.takeout, request.selection, media,
                request.annexes, request.comments,
                request.recheck,
                request.follow,
                request.feed is not None,
            ),
            WriteConfig(request.archive, media.selection if media else None, videos.policy if videos else None),
            collect,
            session_locks,
            archive_lock,
            request.workers or max(1, (os.cpu_count() or 1) - 1),
            request.patience,
            videos,
            request.lease,
            request.reload,
            None if request.feed is None else FeedInput(request.feed, partial(keep_request, folder)),
        )
        outcome = Run(setup, everybody).execute()
        summary = make_summary(outcome, collect, archive)
        keep_summary(folder, summary, everybody.on_event)
        if outcome.unmeasured:
            keep_metrics(collect, outcome, everybody.on_event)
        if setup.feed and not setup.feed.left:
            keep_request(folder, names)
        if not outcome.left and not outcome.stopped:
            settle(archive, names)
        archive_lock.remove()
        stack.close()
        everybody.on_end(outcome, summary)
    return outcome


def _open_log(folder: RunFolder, watcher: Watcher) -> AbstractContextManager[LogFile]:
    try:
        return closing(LogFile(folder, lambda text: watcher.on_event(Notice(text))))
    except OSError as error:
        raise file_error(error, error.filename or folder.path) from error


def require_session(access: Access) -> Session:
    """The account's session; AuthNeededError where there is none."""
    session = Session.of(access.home, access.server, access.account)
    if not session.exists():
        raise AuthNeededError(access.account, f"there is no session for {access.server_name}")
    return session


def _check_port(port: int | None) -> None:
    """PortInUseError while it is early enough to say so."""
    if port:
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError as error:
            raise PortInUseError(port, error.strerror) from error
