"""Which ids of a chat are still to be asked for: ranges, walked ascending, split where capacity is idle.

Every range is half-open, [next, hi), anchored by ids alone, so inserts, deletes and edits cannot shift it
(docs/spec/history-fetching.md 2). The last one is unbounded: it is the tail, where new messages appear, and comes when
nothing else is left. A range keeps the id at which it began, `start`, as its name on disk.
"""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from tgbulk.stages.archive.id_range import EVERYTHING, UNBOUNDED, IdRange
from tgbulk.stages.fetch.history import LIMIT

#: Messages that a range must still have, as far as one can tell, to be worth two: a split costs up to one page more.
WORTH_SPLITTING = 300
#: Messages that a split leaves below, at most: lower ranges end early, and the file of a large chat grows from below. Halves
#: would all end at the same time, and then be copied together at once.
LEFT_BELOW = 10_000
#: The highest id that a message can have: 32 bits with a sign.
LAST_ID = (1 << 31) - 1
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
class WalkRange:
    """Ids from next to below hi are missing."""

    start: int
    next: int
    hi: int
    phase: Phase = Phase.READY
    #: messages to ask for at a time; fewer where a page could not be decoded
    limit: int = LIMIT
    #: how often it came empty at this id, where it could not be
    doubts: int = 0


@dataclass(slots=True)
class MissingRanges:
    """The missing ids of one chat."""

    #: ascending and apart
    ranges: list[WalkRange] = field(default_factory=list)
    #: messages per id, as far as it is known
    density: float = 1.0

    @classmethod
    def of(cls, covered: Iterable[IdRange], *wanted: IdRange) -> MissingRanges:
        """What is missing of the wanted ids (ascending and apart; every id for none), where the archive holds the covered
        ones."""
        missing: list[WalkRange] = []
        held = sorted(covered)
        for want in wanted or (EVERYTHING,):
            place = start = want.lo
            for one in held:
                if place < min(one.lo, want.hi):
                    missing.append(WalkRange(start, place, min(one.lo, want.hi)))
                if one.hi >= place:
                    place, start = one.hi, one.lo
            if place < want.hi and place <= LAST_ID:
                missing.append(WalkRange(start, place, want.hi))
        return cls(missing)

    @property
    def done(self) -> bool:
        return not self.ranges

    def take(self) -> WalkRange | None:
        """A range to ask for next, the lowest first; the tail only when it is alone."""
        for one in self.ranges:
            if one.phase is Phase.READY and (one.hi != UNBOUNDED or len(self.ranges) == 1):
                one.phase = Phase.ASKED
                return one
        return None

    def largest(self) -> WalkRange | None:
        """The range with most messages left, if it can be split and is worth it."""
        candidates = [one for one in self.ranges if one.phase is Phase.ASKED and one.hi != UNBOUNDED]
        best = max(candidates, key=_width, default=None)
        return best if best is not None and _width(best) * self.density > WORTH_SPLITTING else None

    def split(self, one: WalkRange) -> WalkRange:
        """Take the upper part of a range that is under way, to be asked for at once."""
        middle = one.next + min(_width(one) // 2, int(LEFT_BELOW / self.density))
        upper = WalkRange(middle, middle, one.hi, Phase.ASKED)
        one.hi = middle
        self.ranges.insert(self.ranges.index(one) + 1, upper)
        return upper

    def bound(self, top: int) -> None:
        """Cut the tail at the newest id: what lies below can be split."""
        tail = self.ranges[-1]
        if tail.hi == UNBOUNDED and tail.next <= top:
            tail.hi = top + 1
            if top < LAST_ID:
                self.ranges.append(WalkRange(top + 1, top + 1, UNBOUNDED))

    def cut(self, places: list[int]) -> None:
        """Let no range reach over these ids: what lies above is a range of its own."""
        for place in places:
            for one in self.ranges:
                if one.next < place < one.hi:
                    self.ranges.insert(self.ranges.index(one) + 1, WalkRange(place, place, one.hi))
                    one.hi = place
                    break

    def advance(self, one: WalkRange, next_id: int, ended: bool) -> None:
        """A page of this range is with write; it goes on from `next_id`, or ended there."""
        if next_id > one.next:
            one.next, one.doubts = next_id, 0
        one.phase = Phase.READY
        one.limit = min(LIMIT, 2 * one.limit)
        if ended or one.next >= one.hi or one.next > LAST_ID:
            self.ranges.remove(one)

    def narrow(self, one: WalkRange) -> None:
        """A page of this range could not be decoded: ask for fewer messages, to find those that are to blame."""
        one.limit = max(1, one.limit // NARROWING)
        one.phase = Phase.READY

    def skip(self, one: WalkRange, next_id: int) -> None:
        """Go on with this range at an id above what could not be decoded, as a range of its own; 0: there is none."""
        if next_id and next_id < one.hi:
            one.start = one.next = next_id
            one.phase = Phase.READY
        else:
            self.ranges.remove(one)


def _width(one: WalkRange) -> int:
    return one.hi - one.next
