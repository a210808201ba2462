"""What verify finds, and what it says of a chat."""
from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any

from tgbulk.engine.error import ExitCode
from tgbulk.engine.folder import Place
from tgbulk.stages.archive.folder import is_aside
from tgbulk.stages.archive.id_range import IdRange
from tgbulk.stages.archive.statement import Statement

#: Findings told of one chat; the others are counted.
SHOWN = 10
#: What is said of a link, a pipe or another thing that is no plain file: it is not looked into.
PLANTED = "it is not a file of its own"


class Weight(IntEnum):
    """What a finding means."""

    #: good to know; the archive is whole
    NOTE = 0
    #: not there yet: the next export goes on
    UNFINISHED = 1
    #: not what was committed
    DAMAGE = 2


#: What the command returns when nothing is worse.
EXIT_CODE = {Weight.NOTE: ExitCode.COMPLETE, Weight.UNFINISHED: ExitCode.PARTIAL, Weight.DAMAGE: ExitCode.DAMAGED}


def stranger(place: Place) -> str:
    """What is said of a file that is none of an archive's."""
    if is_aside(place):
        return "`tgbulk verify --repair` moved it aside; delete it when it is of no more use"
    return "it does not belong to the archive"


@dataclass(slots=True)
class Finding:
    """One of them; `file` is relative to the archive."""

    weight: Weight
    file: str
    text: str


@dataclass(slots=True)
class Report:
    """What was found in one chat, or in the archive itself."""

    #: of the archive
    root: Path
    #: None for the archive itself
    marked_id: int | None = None
    title: str = ""
    #: as the journal has it: open, complete or failed
    state: str = ""
    #: ids on disk, ascending
    covered: list[IdRange] = field(default_factory=list)
    #: ids of messages that the server has and that should be there, ascending
    missing: list[int] = field(default_factory=list)
    #: of the archive itself: files below media/ that are not there as they came or were made
    lost: list[str] = field(default_factory=list)
    #: lines that are messages
    messages: int = 0
    worst: Weight = Weight.NOTE
    findings: list[Finding] = field(default_factory=list)
    #: findings beyond those
    more: int = 0
    statement: Statement | None = None

    def add(self, weight: Weight, file: str, text: str) -> None:
        self.worst = max(self.worst, weight)
        if len(self.findings) < SHOWN:
            self.findings.append(Finding(weight, file, text))
        else:
            self.more += 1

    def where(self, path: Path | Place) -> str:
        """The path as findings have it."""
        return str(Path(path).relative_to(self.root))

    @property
    def verdict(self) -> str:
        """One word."""
        return ("whole", "unfinished", "damaged")[self.worst]

    def document(self) -> dict[str, Any]:
        """The report as --json shows it."""
        return {
            "id": self.marked_id,
            "verdict": self.verdict,
            "title": self.title,
            "state": self.state,
            "messages": self.messages,
            "statement": self.statement and self.statement.document(),
            "findings": [asdict(one) | {"weight": one.weight.name.lower()} for one in self.findings],
            "more_findings": self.more,
        }
