"""A channel as it was: what a replica that is behind answers (docs/spec/updates.md 2)."""
from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from telethon.extensions import BinaryReader

from tgbulk.perf.simdc.box import Boxes
from tgbulk.perf.simdc.call import Call
from tgbulk.perf.simdc.corpus.mention import mentioned
from tgbulk.perf.simdc.history import History, ListedHistory


class PastHistory(ListedHistory):
    """A history without what happened lately. All its ids are in memory."""

    def __init__(self, now: History, past: dict[int, bytes]) -> None:
        """past: what each message that changed was, no bytes where it was not there."""
        self._now, self._past = now, past
        kept = [one for one in now.ids(0, len(now)) if one not in past]
        self._ids = sorted([*kept, *(one for one, data in past.items() if data)])

    def rank_of_date(self, date: int) -> int:
        rank = self._now.rank_of_date(date)
        return self.rank(self._now.ids(rank, rank + 1)[0]) if rank < len(self._now) else len(self)

    def message(self, message_id: int) -> bytes:
        return self._past.get(message_id) or self._now.message(message_id)

    def object(self, message_id: int) -> Any:
        return BinaryReader(self.message(message_id)).tgread_object()

    def peers(self, ids: Iterable[int]) -> set[int]:
        return set().union(*(mentioned(self.object(one)) for one in ids))

    def withheld(self, message_id: int) -> bool:
        return self._now.withheld(message_id)


def as_seen(call: Call, marked_id: int, history: History) -> tuple[History, int]:
    """(history, pts) of a channel by one of the replicas, of which some may be behind."""
    boxes = Boxes.of(call.world)
    box = boxes.channel(marked_id)
    pts = boxes.seen(box)
    if pts == box.pts:
        return history, pts
    cleared = call.account.cleared.get(marked_id, 0)
    return PastHistory(history, {one: data for one, data in boxes.past(marked_id, pts).items() if one > cleared}), pts
