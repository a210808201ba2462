"""Messages: every line one, ascending, unique, inside of what is covered."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from stages.verify.finding import Report, Weight
from stages.verify.peer import named
from stages.verify.piece import Piece, pieces
from stages.write.coverage import Range

_MESSAGES = ("message", "messageService")
#: Peers that messages name and peers.jsonl has not, kept at most.
_UNKNOWN = 10_000


class MessageCheck:
    """Reads the files of one chat, in any order, and counts."""

    def __init__(self, report: Report, known: set[int]) -> None:
        """known: marked ids of the peers that are there."""
        self.messages = 0
        self.services = 0
        #: peers that are named and not there
        self.unknown: set[int] = set()
        self._report = report
        self._known = known
        self._last = 0

    def read(self, path: Path, ranges: list[Range], behind: Weight) -> None:
        """One file, which holds these ranges back to back."""
        wanted = [Piece(one.size, one.crc, f"ids {one.lo} to {one.next - 1}") for one in ranges]
        before = -1
        for number, line, place in pieces(path, wanted, self._report, behind):
            if place != before:
                before, self._last = place, ranges[place].lo - 1
            problem = self._check(line, ranges[place])
            if problem:
                self._report.add(Weight.DAMAGE, self._report.where(path), f"line {number} {problem}")

    def _check(self, line: bytes, one: Range) -> str:
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
        if len(self.unknown) < _UNKNOWN:
            self.unknown.update(peer for peer in named(line) if peer not in self._known)
        if not one.lo <= number < one.next:
            return f"is message {number}, outside of ids {one.lo} to {one.next - 1}"
        if number <= self._last:
            return f"is message {number} again" if number == self._last else f"is message {number}, after {self._last}"
        self._last = number
        return ""
