"""The lines of one chat: every byte was committed; every line is a message or a peer, and where it belongs."""
from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import orjson

from tgbulk.engine.folder import Place
from tgbulk.stages.archive.row import ChatRow, CoveredRange
from tgbulk.stages.telegram.peer import marked_id, named_peers
from tgbulk.stages.verify.report import PLANTED, Report, Weight

#: Bytes that a line can have; a damaged file may have no line feed for long.
LINE_LIMIT = 64 << 20
#: Peers that messages name and the chat does not have, kept at most.
UNKNOWN_LIMIT = 10_000

_MESSAGES = ("message", "messageService")


@dataclass(frozen=True, slots=True)
class Extent:
    """So many bytes of a file with this CRC-32."""

    size: int
    crc: int
    #: what it holds, for people
    what: str


def read_extents(path: Place, wanted: list[Extent], report: Report, beyond: Weight) -> Iterator[tuple[int, bytes, int]]:
    """(line number from 1 on, line, place of its extent) of the file, which has these back to back and nothing more.

    What does not add up goes to the report, with the weight `beyond` for bytes after the last extent.
    """
    total = sum(extent.size for extent in wanted)
    where = report.where(path)
    if not path.exists():
        if total:
            report.add(Weight.DAMAGE, where, f"it is missing; {total:,} bytes were committed")
        return
    if not path.is_file():
        report.add(Weight.DAMAGE, where, PLANTED)
        return
    size = path.stat().st_size
    if size < total:
        report.add(Weight.DAMAGE, where, f"it has {size:,} bytes where {total:,} were committed")
    elif size > total:
        report.add(beyond, where, f"{size - total:,} bytes lie behind the {total:,} that are committed")
    with path.reader() as file:
        number = offset = 0
        for place, extent in enumerate(wanted):
            left, crc = extent.size, 0
            while left and (line := file.readline(min(left, LINE_LIMIT))):
                number += 1
                left -= len(line)
                crc = crc32(line, crc)
                if line[-1:] == b"\n":
                    yield number, line, place
                else:
                    report.add(Weight.DAMAGE, where, f"line {number} is cut off")
            if crc != extent.crc and not left:
                end = offset + extent.size
                report.add(Weight.DAMAGE, where, f"{extent.what} (bytes {offset:,} to {end:,}) do not have their checksum")
            offset += extent.size


class MessageCheck:
    """Reads the files of one chat, in any order, and counts: ascending, unique, inside of what is covered."""

    #: id of the message before, in the same range
    _last: int

    def __init__(self, report: Report, known: set[int], changed: Container[int] = ()) -> None:
        """known: marked ids of the peers that are there; changed: ids to look out for."""
        self.messages = 0
        self.services = 0
        #: peers that are named and not there
        self.unknown: set[int] = set()
        #: those of `changed` that there are
        self.found: set[int] = set()
        self._report = report
        self._known = known
        self._changed = changed

    def read(self, path: Place, ranges: list[CoveredRange], beyond: Weight) -> None:
        """One file, which holds these ranges back to back."""
        wanted = [Extent(one.size, one.crc, f"ids {one.lo} to {one.hi - 1}") for one in ranges]
        before: int | None = None
        for number, line, place in read_extents(path, wanted, self._report, beyond):
            if place != before:
                before, self._last = place, ranges[place].lo - 1
            problem = self._check(line, ranges[place])
            if problem:
                self._report.add(Weight.DAMAGE, self._report.where(path), f"line {number} {problem}")

    def _check(self, line: bytes, one: CoveredRange) -> str:
        """What is wrong with the line, "" for nothing."""
        try:
            message: Any = orjson.loads(line)
            number, name = message["id"], message["_"]
        except (ValueError, KeyError, TypeError):
            return "is no message"
        if type(number) is not int or name not in _MESSAGES:
            return "is no message"
        self.messages += 1
        self.services += name == "messageService"
        if number in self._changed:
            self.found.add(number)
        if len(self.unknown) < UNKNOWN_LIMIT:
            self.unknown.update(peer for peer in named_peers(line) if peer not in self._known)
        if number not in one.ids:
            return f"is message {number}, outside of ids {one.lo} to {one.hi - 1}"
        if number <= self._last:
            return f"is message {number} again" if number == self._last else f"is message {number}, after {self._last}"
        self._last = number
        return ""


def check_peers(path: Place, row: ChatRow, report: Report, beyond: Weight) -> set[int]:
    """Marked ids of the peers in the file; `beyond` is what it means to find more than what is committed."""
    found: set[int] = set()
    wanted = [Extent(row.peer_bytes, row.peer_crc, "its lines")]
    for number, line, _ in read_extents(path, wanted, report, beyond):
        try:
            found.add(marked_id(orjson.loads(line)))
        except (ValueError, KeyError, TypeError, AttributeError):
            report.add(Weight.DAMAGE, report.where(path), f"line {number} is no user or chat")
    return found
