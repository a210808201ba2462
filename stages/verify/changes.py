"""The lines of changes.jsonl: each a change of a message that the chat has, and each after the one before it."""
from __future__ import annotations

from collections.abc import Container

from tgbulk.engine.folder import Place
from tgbulk.stages.archive.changes import Change, ChangeIndex, ChangeKind
from tgbulk.stages.archive.id_range import contains
from tgbulk.stages.archive.row import ChatRow
from tgbulk.stages.telegram.content import edited_at
from tgbulk.stages.verify.lines import Extent, read_extents
from tgbulk.stages.verify.report import Report, Weight

#: What parsing a line that is no change can raise.
_ERRORS = (ValueError, KeyError, TypeError, AttributeError)


def changed_ids(place: Place, row: ChatRow) -> set[int]:
    """Ids of messages of which the committed lines tell, of those that can be read."""
    found = set()
    extent = Extent(row.change_bytes, row.change_crc, "")
    for _, line, _ in read_extents(place, [extent], Report(place.root, row.marked_id), Weight.NOTE):
        try:
            change = Change.parse(line)
        except _ERRORS:
            continue
        if change.kind is not ChangeKind.CLEARED:
            found.add(change.id)
    return found


class ChangeCheck:
    """Reads changes.jsonl of one chat, and counts."""

    def __init__(self, row: ChatRow, first: Container[int], report: Report) -> None:
        """first: ids that have a line in messages.jsonl, of those that changed_ids gave."""
        self._row = row
        self._first = first
        self._report = report
        self._index = ChangeIndex()
        self._covered = row.covered
        #: id -> when its latest form was edited, of those that have a later form
        self._edited: dict[int, int] = {}
        self._versions = self._late = 0

    def read(self, place: Place, beyond: Weight) -> None:
        """`beyond` is what it means to find more than what is committed."""
        row, where = self._row, self._report.where(place)
        offset = 0
        extents = [Extent(row.change_bytes, row.change_crc, "its lines")]
        for number, line, _ in read_extents(place, extents, self._report, beyond):
            problem = self._take(line, offset)
            if problem:
                self._report.add(Weight.DAMAGE, where, f"line {number} {problem}")
            offset += len(line)
        found, wanted = (self._versions, self._late), (row.versions, row.late)
        if found != wanted:
            text = f"{found[0]:,} versions and {found[1]:,} late ones where {wanted[0]:,} and {wanted[1]:,} were committed"
            self._report.add(Weight.DAMAGE, where, text)
        deleted = sum(self._index.is_deleted(one) for one in self._index.ids())
        if deleted != row.deleted and not self._index.cleared:
            text = f"{deleted:,} messages are deleted where {row.deleted:,} were committed"
            self._report.add(Weight.DAMAGE, where, text)

    def _take(self, line: bytes, offset: int) -> str:
        """What is wrong with the line, "" for nothing."""
        try:
            change = Change.parse(line)
        except _ERRORS:
            return "is no change"
        number, kind = change.id, change.kind
        problem = "" if kind is ChangeKind.CLEARED else self._problem(change)
        self._index.take(kind, number, offset)
        if change.message is not None:
            self._edited[number] = edited_at(change.message)
        return problem

    def _problem(self, change: Change) -> str:
        number, index = change.id, self._index
        known = number in self._first or index.version(number) is not None
        deleted = index.is_deleted(number)
        if not contains(self._covered, number):
            return f"changes message {number}, outside of what is covered"
        if change.kind is ChangeKind.RESTORED:
            self._late += not known
            return f"restores message {number}, which was there" if known and not deleted else ""
        self._versions += change.kind is ChangeKind.VERSION
        if not known:
            return f"changes message {number}, which the chat does not have"
        if deleted:
            return f"changes message {number}, which was deleted"
        if change.message is not None and edited_at(change.message) < self._edited.get(number, 0):
            return f"is a version of message {number} that is older than the one before it"
        return ""
