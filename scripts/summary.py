"""runs/<run id>/: how a run ended, and metrics.json where the process that writes it did not."""
from __future__ import annotations

import secrets
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import orjson

from engine import document
from engine.durable import make_folder, write_whole
from engine.error import StorageError
from scripts.outcome import Outcome
from stages.collect.config import CollectConfig
from stages.collect.report import FORMAT
from stages.write.archive import Archive


def make_summary(outcome: Outcome, config: CollectConfig, archive: Archive) -> dict[str, Any]:
    """What the summary says of a run that has just ended; docs/archive.md lists the fields."""
    return {
        "exit_code": int(outcome.exit_code),
        "result": outcome.exit_code.name.lower(),
        "started": int(config.started),
        "seconds": round(config.seconds, 3),
        "messages": sum(chat.messages for chat in outcome.complete),
        "new_messages": sum(chat.new for chat in outcome.complete),
        "complete": [_row(chat, outcome) for chat in outcome.complete],
        "failed": [_row(failure, outcome) for failure in outcome.failed],
        "left": outcome.left,
        "media": _media(outcome),
        "stopped": asdict(outcome.stopped) if outcome.stopped else None,
        "journal_bytes": archive.journal.stat().st_size if archive.journal.exists() else 0,
    }


def _media(outcome: Outcome) -> dict[str, Any] | None:
    if outcome.media is None:
        return None
    return asdict(outcome.media) | {"films": asdict(outcome.films) if outcome.films else None}


def make_run_id(started: float) -> str:
    """The name of a run that begins at a Unix time."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(started)) + "-" + secrets.token_hex(3)


def keep_summary(folder: Path, summary: dict[str, Any]) -> None:
    """Write summary.json into the run's folder."""
    _keep(folder / "summary.json", document.dump(summary))


def keep_metrics(config: CollectConfig, outcome: Outcome) -> None:
    """Write what is known without the collect process, when it is lost."""
    found = {
        "format": FORMAT,
        "run": config.run,
        "complete": False,
        "reason": outcome.unmeasured,
        "started": round(config.started, 3),
        "seconds": round(config.seconds, 3),
        "messages": sum(chat.new for chat in outcome.complete),
    }
    _keep(config.folder / "metrics.json", orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def _keep(path: Path, data: bytes) -> None:
    """A disk that is full has been reported by then."""
    try:
        make_folder(path.parent)
        write_whole(path, data)
    except OSError as error:
        failure = StorageError(error.filename or path.parent, error.strerror)
        click.echo(f"tgbulk: error: {path.name} could not be kept: {failure}", err=True)


def _row(event: Any, outcome: Outcome) -> dict[str, Any]:
    values = {name: value for name, value in asdict(event).items() if name != "stream"}
    return values | {"statement": outcome.statements.get(event.marked_id)}
