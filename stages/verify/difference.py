"""Two files of messages of one chat, the archive's and a fresh one, line by line."""
from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from tgbulk.engine.folder import Place
from tgbulk.stages.archive.id_range import IdRange, contains
from tgbulk.stages.archive.versions import ChangedMessage, is_over
from tgbulk.stages.telegram.content import content
from tgbulk.stages.verify.report import Report, Weight

_SHOWN = 5


@dataclass(slots=True)
class Difference:
    """Ids of messages, ascending."""

    #: the server has them, the archive has not
    missing: list[int] = field(default_factory=list)
    #: the archive has them, the server has not: deleted since
    gone: list[int] = field(default_factory=list)
    #: the same of those whose time is over
    auto_deleted: list[int] = field(default_factory=list)
    #: edited since
    changed: list[int] = field(default_factory=list)

    def add_to(self, report: Report, file: str) -> None:
        """What it means for the archive."""
        if self.missing:
            report.add(Weight.UNFINISHED, file, f"{_named(self.missing)}: the server has them, the archive has not")
        if self.gone:
            report.add(Weight.NOTE, file, f"{_named(self.gone)}: deleted at the server since")
        if self.auto_deleted:
            report.add(Weight.NOTE, file, f"{_named(self.auto_deleted)}: auto-deleted since: the time is over")
        if self.changed:
            report.add(Weight.NOTE, file, f"{_named(self.changed)}: changed at the server since")


def compare(archived: Iterable[dict[str, Any]], fresh: Iterable[dict[str, Any]], covered: list[IdRange]) -> Difference:
    """Both ascending by id; only ids that are covered count. archived: in their latest forms, deleted ones, too."""
    found, now = Difference(), time.time()
    ours, theirs = iter(archived), _within(fresh, covered)
    mine, true = next(ours, None), next(theirs, None)
    while mine or true:
        if true is None or (mine is not None and mine["id"] < true["id"]):
            assert mine is not None
            if not _is_deleted(mine):
                (found.auto_deleted if is_over(mine, now) else found.gone).append(mine["id"])
            mine = next(ours, None)
        elif mine is None or true["id"] < mine["id"]:
            found.missing.append(true["id"])
            true = next(theirs, None)
        else:
            if _is_deleted(mine) or content(mine) != content(true):
                found.changed.append(mine["id"])
            mine, true = next(ours, None), next(theirs, None)
    return found


def read_messages(path: Place, first: int = 0) -> Iterator[dict[str, Any]]:
    """The messages of a sound file, from this id on."""
    with path.reader() as file:
        for line in file:
            message = orjson.loads(line)
            if message["id"] >= first:
                yield message


def _within(messages: Iterable[dict[str, Any]], covered: list[IdRange]) -> Iterator[dict[str, Any]]:
    return (message for message in messages if contains(covered, message["id"]))


def _is_deleted(message: dict[str, Any]) -> bool:
    return isinstance(message, ChangedMessage) and message.deleted_at is not None


def _named(ids: list[int]) -> str:
    shown = ", ".join(map(str, ids[:_SHOWN])) + (" ..." if len(ids) > _SHOWN else "")
    return f"{len(ids):,} messages (ids {shown})" if len(ids) > 1 else f"message {shown}"
