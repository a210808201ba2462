"""What can be said of the completeness of a chat's archive, and what cannot."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from tgbulk.stages.archive.id_range import UNBOUNDED, IdRange, subtract

#: Ranges in each list of what a run says of a chat: a frame has its limit.
SHOWN = 1_000
#: Lists of ranges, [first, last] each in the document.
_LISTS = ("filtered", "missing", "quarantined")


@dataclass(slots=True)
class Statement:
    """Counts of messages, and id ranges of what is not there."""

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
    filtered: list[IdRange]
    #: asked for and not reached: the chat failed before
    missing: list[IdRange]
    #: could not be decoded, and are kept as they came
    quarantined: list[IdRange] = field(default_factory=list)
    #: ranges that these three lists have no room for; chat.json has all
    left_out: int = 0
    #: how many more messages than `messages` are there now, as later changes say; below 0: so many fewer
    changed: int = 0

    def document(self) -> dict[str, Any]:
        """As documents have it: `changed` only where there is any."""
        values = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "changed" or self.changed}
        return values | {name: [one.closed() for one in values[name]] for name in _LISTS}

    @classmethod
    def from_document(cls, found: dict[str, Any]) -> Statement:
        """TypeError, ValueError, KeyError for what is none."""
        known = {one.name: found[one.name] for one in fields(cls) if one.name in found}
        lists = {name: [IdRange.from_closed(one) for one in known[name]] for name in _LISTS if name in known}
        return cls(**known | lists)

    def shortened(self) -> Statement:
        """The same with at most SHOWN ranges in each list."""
        lists = self.filtered, self.missing, self.quarantined
        filtered, missing, quarantined = (one[:SHOWN] for one in lists)
        left_out = sum(max(0, len(one) - SHOWN) for one in lists)
        return replace(self, filtered=filtered, missing=missing, quarantined=quarantined, left_out=left_out)

    def __str__(self) -> str:
        """One line for people."""
        parts = [counted(self.messages, "message")]
        if self.changed < 0:
            parts.append(f"{-self.changed:,} of them deleted since")
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
        if self.count - self.messages - self.changed not in (0, self.empty):
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
    covered: Sequence[IdRange],
    asked: Sequence[IdRange],
    complete: bool,
    quarantined: Sequence[IdRange] = (),
    changed: int = 0,
) -> Statement:
    """covered: ids on disk; asked: of the last run, ascending and apart; complete: whether it came to its end; quarantined:
    gaps in what is covered that are not missing, since their messages are kept undecoded; changed: how many messages more
    than these are there now, as later changes say, or fewer."""
    holes = _holes(sorted([*covered, *quarantined]))
    if complete and not asked[-1].bounded and holes and not holes[-1].bounded:
        holes.pop()  # the server has said that nothing lies above
    filtered = subtract(holes, asked)
    missing = subtract(holes, filtered)
    withheld = surplus = None
    if count is not None and not holes and not quarantined:
        alive = messages + changed
        withheld, surplus = max(0, count - alive - empty), max(0, alive - count)
    lists = filtered, missing, list(quarantined)
    return Statement(count, messages, services, empty, withheld, surplus, *lists, changed=changed)


def _holes(covered: Sequence[IdRange]) -> list[IdRange]:
    """What lies between these ascending ranges, even where one of them is empty; the last one lies above all of them."""
    holes, lo = [], 1
    for one in covered:
        if lo < one.lo:
            holes.append(IdRange(lo, one.lo))
        lo = max(lo, one.hi)
    return [*holes, IdRange(lo)] if lo < UNBOUNDED else holes


def _ids(ranges: Sequence[IdRange]) -> str:
    return ", ".join(map(str, ranges[:3])) + (f" and {len(ranges) - 3} more ranges" if len(ranges) > 3 else "")
