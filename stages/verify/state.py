"""What an archive says of itself, read without touching it, even while a run is going on."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine import document, journal
from engine.document import DamagedDocumentError
from stages.write.archive import Archive
from stages.write.chat import LastRows, Progress


@dataclass(frozen=True, slots=True)
class State:
    """The journal's last word on every chat."""

    chats: dict[int, Progress]
    #: bytes of whole records, and bytes behind them
    journal_end: int
    torn: int


def read_state(archive: Archive) -> State:
    """DamagedJournalError, OSError; an archive without a journal has no chats."""
    if not archive.journal.exists():
        return State({}, 0, 0)
    rows = LastRows()
    end, size = journal.read(archive.journal, rows.take)
    return State(rows.progress(), end, size - end)


def summaries(archive: Archive) -> list[Path]:
    """The summaries of the runs, oldest first."""
    return sorted(archive.runs.glob("*/summary.json"))


def last_summary(archive: Archive) -> dict[str, Any] | None:
    """What the newest run that kept a summary said, as far as one can be read."""
    for path in reversed(summaries(archive)):
        try:
            return document.load(path)
        except (DamagedDocumentError, OSError):
            continue
    return None


def read_about(archive: Archive, marked_id: int) -> dict[str, Any]:
    """A chat's chat.json, {} where it cannot be read."""
    try:
        return document.load(archive.chat(marked_id) / "chat.json")
    except (DamagedDocumentError, OSError):
        return {}
