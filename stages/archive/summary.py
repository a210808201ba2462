"""runs/<run id>/summary.json: how a run ended; docs/archive.md lists the fields."""
from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from tgbulk.engine import document
from tgbulk.engine.document import DamagedDocumentError
from tgbulk.engine.durable import make_folder, write_whole
from tgbulk.stages.archive.folder import Archive, RunFolder


@dataclass(frozen=True, slots=True)
class RunSummary:
    """The fields of summary.json in their order."""

    exit_code: int
    #: the name of the exit code
    result: str
    #: Unix time
    started: int
    seconds: float
    #: in the chats that are complete; in all, by this run
    messages: int
    new_messages: int
    #: archived messages that were edited, deleted, and restored, as this run learnt, in whatever chat
    edited: int
    deleted: int
    restored: int
    #: of each chat what the run said of it
    complete: list[dict[str, Any]]
    failed: list[dict[str, Any]]
    #: how many more were complete, and failed, where there were too many to list
    unlisted: dict[str, int]
    #: chats that a stop cut short or never let begin
    left: int
    media: dict[str, Any] | None
    #: what ended the run before its time
    stopped: dict[str, Any] | None
    #: length of the journal
    journal_bytes: int

    @property
    def all_complete(self) -> int:
        """How many chats came to their end, listed or not."""
        return len(self.complete) + self.unlisted["complete"]

    @property
    def all_failed(self) -> int:
        """How many failed."""
        return len(self.failed) + self.unlisted["failed"]

    def document(self) -> dict[str, Any]:
        return {one.name: getattr(self, one.name) for one in fields(self)}

    def write(self, folder: RunFolder) -> None:
        """Durably. OSError."""
        make_folder(folder.path)
        write_whole(folder.summary, document.dump(self.document()))


@dataclass(frozen=True, slots=True)
class FailedChat:
    """A chat that a run did not bring to its end."""

    #: as it was called
    name: str
    #: 0 where it was not even found
    marked_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class LastRun:
    """What the newest run that kept a summary said."""

    #: as it was read
    document: dict[str, Any]
    started: int
    result: str
    new_messages: int
    failed: list[FailedChat]
    #: what ended the run before its time, "" for nothing
    stopped: str
    #: bytes of the journal at its end
    journal_bytes: int


def last_run(archive: Archive) -> LastRun | None:
    """None where no summary can be read."""
    for run in reversed(archive.runs()):
        try:
            found = document.load(run.summary)
            failed = [FailedChat(one["name"], one["marked_id"], one["reason"]) for one in found["failed"]]
            stopped = found["stopped"]["reason"] if found["stopped"] else ""
            numbers = found["started"], found["result"], found["new_messages"]
            return LastRun(found, *numbers, failed, stopped, found.get("journal_bytes", 0))
        except (DamagedDocumentError, OSError, KeyError, TypeError):
            continue
    return None
