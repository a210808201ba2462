"""How a run ended, kept in its folder; and the metrics, where the process that writes them did not."""
from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import orjson

from tgbulk.engine.durable import make_folder, write_whole
from tgbulk.engine.error import file_error
from tgbulk.engine.folder import Place
from tgbulk.stages.archive.folder import Archive, RunFolder
from tgbulk.stages.archive.row import journal_size
from tgbulk.stages.archive.summary import RunSummary
from tgbulk.stages.collect.config import FORMAT, CollectConfig
from tgbulk.stages.protocol.event import Notice
from tgbulk.stages.run.outcome import Outcome

Notify = Callable[[Notice], None]


def make_summary(outcome: Outcome, config: CollectConfig, archive: Archive) -> RunSummary:
    """What the summary says of a run that has just ended."""
    return RunSummary(
        exit_code=int(outcome.exit_code),
        result=outcome.exit_code.name.lower(),
        started=int(config.started),
        seconds=round(config.seconds, 3),
        messages=outcome.messages,
        new_messages=outcome.new_messages,
        edited=outcome.edited,
        deleted=outcome.deleted,
        restored=outcome.restored,
        complete=[_row(chat, outcome) for chat in outcome.complete],
        failed=[_row(failure, outcome) for failure in outcome.failed],
        unlisted={"complete": outcome.unlisted.complete, "failed": outcome.unlisted.failed},
        left=outcome.left,
        media=_media(outcome),
        stopped=asdict(outcome.stopped) if outcome.stopped else None,
        journal_bytes=journal_size(archive),
    )


def _media(outcome: Outcome) -> dict[str, Any] | None:
    if outcome.media is None:
        return None
    return asdict(outcome.media) | {"videos": asdict(outcome.videos) if outcome.videos else None}


def make_run_id(started: float) -> str:
    """The name of a run that begins at a Unix time."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(started)) + "-" + os.urandom(3).hex()


def keep_summary(folder: RunFolder, summary: RunSummary, notify: Notify) -> None:
    """Write the summary into the run's folder."""
    with _reporting(folder.summary, notify):
        summary.write(folder)


def keep_metrics(config: CollectConfig, outcome: Outcome, notify: Notify) -> None:
    """Write what is known without the collect process, when it is lost."""
    found = {
        "format": FORMAT,
        "run": config.run,
        "complete": False,
        "reason": outcome.unmeasured,
        "started": round(config.started, 3),
        "seconds": round(config.seconds, 3),
        "messages": outcome.new_messages,
    }
    with _reporting(config.folder.metrics, notify):
        make_folder(config.folder.path)
        data = orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        write_whole(config.folder.metrics, data)


@contextmanager
def _reporting(path: Place, notify: Notify) -> Iterator[None]:
    """A run is not lost with the file; a disk that is full has been reported by then."""
    try:
        yield
    except OSError as error:
        failure = file_error(error, error.filename or path.parent)
        notify(Notice(f"error: {path.name} could not be kept: {failure}"))


def _row(event: Any, outcome: Outcome) -> dict[str, Any]:
    values = {name: value for name, value in asdict(event).items() if name != "stream"}
    return values | {"statement": outcome.statements.get(event.marked_id)}
