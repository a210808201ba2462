"""runs/<run id>/summary.json: how a run ended."""
from __future__ import annotations

import secrets
import time
from dataclasses import asdict
from typing import Any

import click

from engine import document
from engine.durable import make_folder, write_whole
from engine.error import StorageError
from scripts.run import Outcome
from stages.write.archive import Archive


def make_summary(outcome: Outcome, started: float, archive: Archive) -> dict[str, Any]:
    """What the summary says, for a run that began at a Unix time and has just ended; docs/archive.md lists the fields."""
    return {
        "exit_code": int(outcome.exit_code),
        "result": outcome.exit_code.name.lower(),
        "started": int(started),
        "seconds": round(time.time() - started, 3),
        "messages": sum(chat.messages for chat in outcome.complete),
        "new_messages": sum(chat.new for chat in outcome.complete),
        "complete": [_row(chat, outcome) for chat in outcome.complete],
        "failed": [_row(failure, outcome) for failure in outcome.failed],
        "left": outcome.left,
        "stopped": asdict(outcome.stopped) if outcome.stopped else None,
        "journal_bytes": archive.journal.stat().st_size if archive.journal.exists() else 0,
    }


def keep_summary(archive: Archive, started: float, summary: dict[str, Any]) -> None:
    """A disk that is full has been reported by then."""
    run_id = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(started)) + "-" + secrets.token_hex(3)
    try:
        make_folder(archive.runs / run_id)
        write_whole(archive.runs / run_id / "summary.json", document.dump(summary))
    except OSError as error:
        failure = StorageError(error.filename or archive.runs, error.strerror)
        click.echo(f"tgbulk: error: the summary could not be kept: {failure}", err=True)


def _row(event: Any, outcome: Outcome) -> dict[str, Any]:
    values = {name: value for name, value in asdict(event).items() if name != "stream"}
    return values | {"statement": outcome.statements.get(event.marked_id)}
