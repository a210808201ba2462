"""Which ids of a chat are still to be asked for: ranges, walked ascending, split where capacity is idle.

Every range is half-open, [next, hi), anchored by ids alone, so inserts, deletes and edits cannot shift it
(spec/history-fetching.md 2). The last one has no bound: it is the tail, where new messages appear, and comes when nothing
else is left. A range keeps the id at which it began, `lo`, as its name on disk.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from stages.fetch.history import LIMIT

#: A bound above every id.
OPEN = 1 << 62
#: Messages that a range must still have, as far as one can tell, to be worth two: a split costs up to one page more.
WORTH_SPLITTING = 300
#: The part of a page that is asked for after one that could not be decoded.
NARROWING = 10


class Phase(Enum):
    """What is going on with a range."""

    READY = "ready"
    #: asked for, not answered: its bound can still be lowered
    ASKED = "asked"
    #: answered, on its way through process and write: its bound is part of the page
    SENT = "sent"


@dataclass(slots=True)
class Range:
    """Ids from next to below hi are missing."""

    lo: int
    next: int
    hi: int
    phase: Phase = Phase.READY
    #: messages to ask for at a time; fewer where a page could not be decoded
    limit: int = LIMIT


@dataclass(slots=True)
class Coverage:
    """The missing ids of one chat."""

    #: ascending and apart
    missing: list[Range] = field(default_factory=list)
    #: messages per id, as far as it is known
    density: float = 1.0

    @classmethod
    def of(cls, covered: list[list[int]], start: int = 1, end: int = OPEN) -> Coverage:
        """What is missing of [start, end), where the archive holds `covered`: [lo, next] each."""
        missing: list[Range] = []
        place, name = start, start
        for lo, following in sorted(covered):
            if place < min(lo, end):
                missing.append(Range(name, place, min(lo, end)))
            if following >= place:
                place, name = following, lo
        if place < end:
            missing.append(Range(name, place, end))
        return cls(missing)

    @property
    def done(self) -> bool:
        return not self.missing

    def take(self) -> Range | None:
        """A range to ask for next, the lowest first; the tail only when it is alone."""
        for one in self.missing:
            if one.phase is Phase.READY and (one.hi != OPEN or len(self.missing) == 1):
                one.phase = Phase.ASKED
                return one
        return None

    def largest(self) -> Range | None:
        """The range with most messages left, if it can be split and is worth it."""
        candidates = [one for one in self.missing if one.phase is Phase.ASKED and one.hi != OPEN]
        best = max(candidates, key=_width, default=None)
        return best if best is not None and _width(best) * self.density > WORTH_SPLITTING else None

    def split(self, one: Range) -> Range:
        """Take the upper half of a range that is under way, to be asked for at once."""
        middle = one.next + _width(one) // 2
        upper = Range(middle, middle, one.hi, Phase.ASKED)
        one.hi = middle
        self.missing.insert(self.missing.index(one) + 1, upper)
        return upper

    def bound(self, top: int) -> None:
        """Cut the tail at the newest id: what lies below can be split."""
        tail = self.missing[-1]
        if tail.hi == OPEN and tail.next <= top:
            tail.hi = top + 1
            self.missing.append(Range(top + 1, top + 1, OPEN))

    def cut(self, places: list[int]) -> None:
        """Let no range reach over these ids: what lies above is a range of its own."""
        for place in places:
            for one in self.missing:
                if one.next < place < one.hi:
                    self.missing.insert(self.missing.index(one) + 1, Range(place, place, one.hi))
                    one.hi = place
                    break

    def advance(self, one: Range, following: int, ended: bool) -> None:
        """A page of this range is with write; it goes on from `following`, or ended there."""
        one.next = max(one.next, following)
        one.phase = Phase.READY
        one.limit = min(LIMIT, 2 * one.limit)
        if ended or one.next >= one.hi:
            self.missing.remove(one)

    def narrow(self, one: Range) -> None:
        """A page of this range could not be decoded: ask for fewer messages, to find those that are to blame."""
        one.limit = max(1, one.limit // NARROWING)
        one.phase = Phase.READY

    def skip(self, one: Range, behind: int) -> None:
        """Go on with this range at an id behind what could not be decoded, as a range of its own; 0: nothing is there."""
        if behind and behind < one.hi:
            one.lo = one.next = behind
            one.phase = Phase.READY
        else:
            self.missing.remove(one)


def _width(one: Range) -> int:
    return one.hi - one.next
