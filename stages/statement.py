"""What can be said of the completeness of a chat's archive, and what cannot."""
from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

#: [first, last] of a run that asks for everything.
EVERYTHING = [1, 0]
_ABOVE_ALL = 1 << 62
#: Ranges in each list of what is told: a frame has its limit.
TOLD = 1_000


@dataclass(slots=True)
class Statement:
    """Counts of messages, and id ranges [first, last] of what is not there; a last of 0 means: and all above."""

    #: the server's count at the end, None when it gave none
    count: int | None
    messages: int
    #: of these, service messages
    services: int
    #: ids that the server answered with messageEmpty: deleted, or not for this account
    empty: int
    #: what the server counts beyond messages and empty ids, and did not give: at least so many, since its count may leave
    #: out the empty ids. None is unknown: it gave no count, or not everything was asked for.
    withheld: int | None
    #: messages beyond the server's count: deleted there since they came, or never counted; None is unknown
    surplus: int | None
    #: not asked for on purpose, by any run
    filtered: list[list[int]]
    #: asked for and not reached: the chat failed before
    missing: list[list[int]]
    #: could not be decoded, and are kept as they came
    quarantined: list[list[int]] = field(default_factory=list)
    #: ranges that these three lists have no room for; chat.json has all
    left_out: int = 0

    def document(self) -> dict[str, Any]:
        return asdict(self)

    def told(self) -> Statement:
        """The same with at most TOLD ranges in each list."""
        lists = self.filtered, self.missing, self.quarantined
        filtered, missing, quarantined = (one[:TOLD] for one in lists)
        left_out = sum(max(0, len(one) - TOLD) for one in lists)
        return replace(self, filtered=filtered, missing=missing, quarantined=quarantined, left_out=left_out)

    def __str__(self) -> str:
        """One line for people."""
        parts = [counted(self.messages, "message")]
        if self.services:
            parts.append(f"{self.services:,} of them service")
        if self.empty:
            parts.append(counted(self.empty, "empty id"))
        if self.missing:
            parts.append(f"not reached: ids {_ids(self.missing)}")
        if self.filtered:
            parts.append(f"not asked for: ids {_ids(self.filtered)}")
        if self.quarantined:
            parts.append(f"not decodable and kept as they came: ids {_ids(self.quarantined)}")
        if self.left_out:
            parts.append(f"and {self.left_out:,} ranges in chat.json")
        return ", ".join(parts) + "; " + self._verdict()

    def _verdict(self) -> str:
        if self.count is None:
            return "the server gave no count"
        said = f"the server counts {self.count:,}"
        if self.withheld is None:
            return said + ", of all ids"
        if self.withheld:
            return f"{said}, {self.withheld:,} of which it does not give"
        if self.surplus:
            return f"{said}, {self.surplus:,} fewer than there are"
        if self.count - self.messages not in (0, self.empty):
            return f"{said}; how many of the empty ids it means is not known"
        return f"{said}: whole"


def counted(number: int, noun: str) -> str:
    """A number of things, for people."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def make_statement(
    count: int | None,
    messages: int,
    services: int,
    empty: int,
    covered: list[list[int]],
    asked: list[int],
    complete: bool,
    quarantined: list[list[int]] | None = None,
) -> Statement:
    """covered: [first, next] of each range on disk, ascending; asked: [first, last] of the last run, and its outcome;
    quarantined: [first, last] of each gap in them that is no hole, since its messages are kept undecoded."""
    first, last = asked[0], asked[1] or _ABOVE_ALL
    gaps = quarantined or []
    holes = _holes(sorted([*covered, *([low, (high or _ABOVE_ALL) + 1] for low, high in gaps)]))
    if complete and last == _ABOVE_ALL and holes:
        holes.pop()  # the server has said that nothing lies above
    missing = _within(holes, first, last)
    filtered = _within(holes, 1, first - 1) + _within(holes, last + 1, _ABOVE_ALL)
    withheld = surplus = None
    if count is not None and not holes and not gaps:
        withheld, surplus = max(0, count - messages - empty), max(0, messages - count)
    return Statement(count, messages, services, empty, withheld, surplus, _written(filtered), _written(missing), gaps)


def _holes(covered: list[list[int]]) -> list[tuple[int, int]]:
    """What lies outside of the ranges, from id 1 on; the last hole is the one above all of them."""
    holes, place = [], 1
    for first, following in covered:
        if place < first:
            holes.append((place, first - 1))
        place = max(place, following)
    return [*holes, (place, _ABOVE_ALL)] if place <= _ABOVE_ALL else holes


def _within(holes: list[tuple[int, int]], first: int, last: int) -> list[tuple[int, int]]:
    cut = [(max(low, first), min(high, last)) for low, high in holes]
    return [(low, high) for low, high in cut if low <= high]


def _written(ranges: list[tuple[int, int]]) -> list[list[int]]:
    return [[low, 0 if high == _ABOVE_ALL else high] for low, high in ranges]


def _ids(ranges: list[list[int]]) -> str:
    shown = [f"{low} and above" if not high else f"{low}" if low == high else f"{low} to {high}" for low, high in ranges[:3]]
    return ", ".join(shown) + (f" and {len(ranges) - 3} more ranges" if len(ranges) > 3 else "")
