"""What a link leads to: a chat, and perhaps the part of it that it means."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

from tgbulk.stages.archive.id_range import IdRange, merge

#: Ranges of ids of one chat that a run asks for, at most.
MOST_RANGES = 1_000


class Way(Enum):
    """How a name leads to a chat."""

    SELF = "self"
    ID = "id"
    USERNAME = "username"
    INVITE = "invite"


@dataclass(frozen=True, slots=True)
class ChatPart:
    """Of one chat: ids, a topic, or what was commented on a post; empty or 0 where it is another kind."""

    #: ascending, each as it was named: a single one is a range of its own also beside another
    ids: tuple[IdRange, ...] = ()
    #: id of a forum's topic, which is that of its first message
    topic: int = 0
    #: id of a channel's post, whose comments are meant; they lie in the channel's discussion group
    post: int = 0
    #: the one comment of them that is meant, 0 for all
    comment: int = 0

    @classmethod
    def of(cls, first: int, last: int = 0) -> ChatPart:
        """The messages from the first to the last id; without a last one, that message."""
        return cls((IdRange(first, (last or first) + 1),))

    @property
    def words(self) -> str:
        """Its ids as names have them: 7,9-12."""
        return ",".join(f"{one.lo}" if one.hi == one.lo + 1 else f"{one.lo}-{one.hi - 1}" for one in self.ids)

    @classmethod
    def united(cls, ids: Iterable[IdRange]) -> ChatPart:
        """All of these ids, in at most MOST_RANGES ranges."""
        all_of_them = sorted(set(ids))
        return cls(tuple(all_of_them if len(all_of_them) <= MOST_RANGES else at_most(all_of_them)))


def at_most(ranges: Iterable[IdRange], most: int = MOST_RANGES) -> list[IdRange]:
    """The same ids as ranges that do not touch; where these are too many, with the ids of the smallest gaps."""
    found = merge(ranges)
    if len(found) <= most:
        return found
    by_gap = sorted(range(1, len(found)), key=lambda place: found[place - 1].hi - found[place].lo)
    starts = [0, *sorted(by_gap[: most - 1]), len(found)]
    return [IdRange(found[lo].lo, found[hi - 1].hi) for lo, hi in pairwise(starts)]


@dataclass(frozen=True, slots=True)
class LinkTarget:
    """A chat as a link names it."""

    way: Way
    value: str
    part: ChatPart | None = None
