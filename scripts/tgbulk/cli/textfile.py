"""Metrics of a run that has ended, for the textfile collector of node_exporter: a run that cron starts is never scraped."""
from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tgbulk.engine.durable import write_whole
from tgbulk.engine.error import ExitCode, file_error
from tgbulk.stages.archive.summary import RunSummary

#: Unix time of the last run with exit code 0; later runs that fail keep it.
SUCCESS = "tgbulk_last_success_timestamp_seconds"


def write_textfile(path: Path, archive: Path, code: int, summary: RunSummary | None) -> None:
    """Replace the file at once, as node_exporter wants it. summary: None where the run never began. StorageError."""
    registry = CollectorRegistry()
    label = {"archive": str(archive)}

    def gauge(name: str, text: str, value: float) -> None:
        Gauge(name, text, list(label), registry=registry).labels(**label).set(value)

    now = time.time()
    success = now if code == ExitCode.COMPLETE else _last_success(path, str(archive))
    gauge("tgbulk_last_run_timestamp_seconds", "Unix time at which the last run ended.", now)
    gauge(SUCCESS, "Unix time at which the last run with exit code 0 ended, 0 for none.", success)
    gauge("tgbulk_last_run_exit_code", "Exit code of the last run; docs/exit-codes.md explains it.", code)
    if summary is not None:
        gauge("tgbulk_last_run_duration_seconds", "How long the last run took.", summary.seconds)
        gauge("tgbulk_last_run_new_messages", "Messages that the last run added.", summary.new_messages)
        gauge("tgbulk_last_run_chats_complete", "Chats that the last run brought to their end.", summary.all_complete)
        gauge("tgbulk_last_run_chats_failed", "Chats that failed in the last run.", summary.all_failed)
        gauge("tgbulk_last_run_chats_left", "Chats that a stop cut short or never let begin.", summary.left)
    try:
        write_whole(path, generate_latest(registry))
    except OSError as error:
        raise file_error(error, path) from error
    path.chmod(0o644)  # another user reads it


def _last_success(path: Path, archive: str) -> float:
    with suppress(OSError, ValueError):
        for family in text_string_to_metric_families(path.read_text("utf-8")):
            for sample in family.samples:
                if sample.name == SUCCESS and sample.labels.get("archive") == archive:
                    return float(sample.value)
    return 0.0
