"""A chat of any size in constant memory: its messages are made from templates when somebody reads them."""
from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Sequence
from random import Random
from typing import Any

from telethon.extensions import BinaryReader

from tgbulk.perf.simdc.corpus.mention import mentioned
from tgbulk.perf.simdc.history import History
from tgbulk.perf.simdc.template import Template, make_templates
from tgbulk.perf.simdc.window import unix

TEMPLATES = 397
#: After so many ids the gaps repeat.
PERIOD = 1000
#: How many ids of a period have a message: few deletions in a channel, few messages in a shared id space.
DENSE = 975
SPARSE = 130
#: The newest message's date; older ones come evenly before it, at most STEP seconds apart.
NEWEST = 1_760_000_000
STEP = 300
_SPAN = 300_000_000


class BulkHistory(History):
    """`count` messages at first; what changes afterwards is kept beside the generated ones.

    `peer_id` is the chat's marked id, `users` are the ids of those who write. `sparse` leaves most ids to other chats.
    """

    def __init__(self, seed: int, count: int, peer_id: int, users: Sequence[int], *, sparse: bool = False) -> None:
        random = Random(f"{seed}:{peer_id}")
        self._live = sorted(random.sample(range(PERIOD), SPARSE if sparse else DENSE))
        self._before = [bisect_left(self._live, place) for place in range(PERIOD)]
        self._templates = make_templates(random, min(TEMPLATES, max(1, count)), peer_id, users)
        self._count = count
        self._top = self._id_at(count - 1) if count else 0
        self._step = max(1, min(STEP, _SPAN // max(1, self._top)))
        #: what the date of id 0 would be
        self._start = NEWEST - self._top * self._step
        #: ranks among the generated messages that were deleted, ascending
        self._deleted: list[int] = []
        self._edited: dict[int, bytes] = {}
        #: bytes that are sent instead of a message, whatever they are
        self._spoilt: dict[int, bytes] = {}
        #: messages that came later, ascending by id, with the newest date up to each
        self._added: dict[int, bytes] = {}
        self._added_ids: list[int] = []
        self._added_dates: list[int] = []
        self._last = self._top

    @property
    def media(self) -> list[Any]:
        """Every photo and document that generated messages carry."""
        return [template.media for template in self._templates if template.media is not None]

    def __len__(self) -> int:
        return self._count - len(self._deleted) + len(self._added_ids)

    def top_id(self) -> int:
        return self.ids(len(self) - 1, len(self))[0] if len(self) else 0

    def rank(self, message_id: int) -> int:
        generated = self._rank_at(message_id)
        return generated - bisect_left(self._deleted, generated) + bisect_left(self._added_ids, message_id)

    def ids(self, start: int, stop: int) -> Sequence[int]:
        start, kept = max(start, 0), self._count - len(self._deleted)
        wanted = max(0, min(stop, kept) - start)
        later = self._added_ids[max(0, start - kept) : max(0, stop - kept)]
        if not self._deleted:
            return self._run(start, wanted) + later
        found: list[int] = []
        place = bisect_right(range(len(self._deleted)), start, key=lambda i: self._deleted[i] - i)
        rank = start + place
        while len(found) < wanted:
            if place < len(self._deleted) and self._deleted[place] == rank:
                place += 1
            else:
                found.append(self._id_at(rank))
            rank += 1
        return found + later

    def rank_of_date(self, date: int) -> int:
        first = self._top - (NEWEST - date + self._step - 1) // self._step if date <= NEWEST else self._top + 1
        generated = self._rank_at(max(0, first))
        generated += generated < self._count and self._date_of(self._id_at(generated)) < date
        later = bisect_left(self._added_dates, date)
        return generated - bisect_left(self._deleted, generated) + later

    def message(self, message_id: int) -> bytes:
        changed = self._spoilt.get(message_id) or self._edited.get(message_id) or self._added.get(message_id)
        if changed is not None:
            return changed
        quotient, place = divmod(message_id - 1, PERIOD)
        if not 0 < message_id <= self._top or self._live[self._before[place] % len(self._live)] != place:
            raise KeyError(message_id)
        if self._deleted and self._is_deleted(quotient * len(self._live) + self._before[place]):
            raise KeyError(message_id)
        return self._template(message_id).fill(message_id, self._date_of(message_id))

    def messages(self, ids: Sequence[int]) -> list[bytes]:
        if self._edited or self._added or self._spoilt:
            return super().messages(ids)
        templates, start, step = self._templates, self._start, self._step
        number = len(templates)
        return [templates[i % number].fill(i, start + i * step) for i in ids]

    def shown(self, ids: Sequence[int]) -> Sequence[int]:
        return ids

    def object(self, message_id: int) -> Any:
        return BinaryReader(self.message(message_id)).tgread_object()

    def peers(self, ids: Iterable[int]) -> set[int]:
        if not (self._edited or self._added):
            templates, number = self._templates, len(self._templates)
            return set().union(*[templates[i % number].peers for i in ids])
        return set().union(*map(self._peers_of, ids))

    def append(self, message: Any) -> None:
        """Add the newest message; ValueError unless its id is above all ever used."""
        if message.id <= self._last:
            raise ValueError(f"message {message.id} comes after {self._last}")
        self._last = message.id
        self._added[message.id] = bytes(message)
        self._added_ids.append(message.id)
        date = unix(message.date)
        self._added_dates.append(max(date, self._added_dates[-1]) if self._added_dates else date)

    def edit(self, message_id: int, message: Any) -> None:
        """Put another message under an id that is in use; KeyError if it is not, ValueError for another id."""
        if message.id != message_id:
            raise ValueError(f"message {message.id} cannot take the place of {message_id}")
        self.message(message_id)
        (self._added if message_id in self._added else self._edited)[message_id] = bytes(message)

    def delete(self, message_id: int) -> None:
        """Take a message out for good; KeyError if there is none."""
        self.message(message_id)
        if message_id in self._added:
            place = bisect_left(self._added_ids, message_id)
            del self._added[message_id], self._added_ids[place], self._added_dates[place]
        else:
            self._edited.pop(message_id, None)
            insort(self._deleted, self._rank_at(message_id))

    def restore(self, message_id: int, data: bytes) -> None:
        """Bring a deleted message back; ValueError for an id that is none's."""
        rank = self._rank_at(message_id)
        if message_id <= self._top and self._is_deleted(rank) and self._id_at(rank) == message_id:
            self._deleted.remove(rank)
            self._edited[message_id] = data
        elif self._top < message_id <= self._last and message_id not in self._added:
            place = bisect_left(self._added_ids, message_id)
            self._added[message_id] = data
            self._added_ids.insert(place, message_id)
            date = unix(self.object(message_id).date)
            self._added_dates.insert(place, max(date, self._added_dates[place - 1]) if place else date)
        else:
            raise ValueError(f"message {message_id} is not a deleted one")

    def spoil(self, message_id: int, data: bytes) -> None:
        """Send these bytes instead of a message, in pages only; none make it whole again."""
        self.message(message_id)
        if data:
            self._spoilt[message_id] = data
        else:
            self._spoilt.pop(message_id, None)

    def _run(self, rank: int, length: int) -> list[int]:
        """The ids of consecutive generated messages."""
        found: list[int] = []
        while len(found) < length:
            period, place = divmod(rank + len(found), len(self._live))
            base = period * PERIOD + 1
            found += [base + live for live in self._live[place : place + length - len(found)]]
        return found

    def _id_at(self, rank: int) -> int:
        period, place = divmod(rank, len(self._live))
        return period * PERIOD + self._live[place] + 1

    def _rank_at(self, message_id: int) -> int:
        """How many generated messages, deleted ones included, have an id below."""
        period, place = divmod(max(message_id, 1) - 1, PERIOD)
        return min(self._count, period * len(self._live) + self._before[place])

    def _is_deleted(self, rank: int) -> bool:
        place = bisect_left(self._deleted, rank)
        return place < len(self._deleted) and self._deleted[place] == rank

    def _date_of(self, message_id: int) -> int:
        return self._start + message_id * self._step

    def _template(self, message_id: int) -> Template:
        return self._templates[message_id % len(self._templates)]

    def _peers_of(self, message_id: int) -> Iterable[int]:
        if message_id in self._edited or message_id in self._added:
            return mentioned(self.object(message_id))
        return self._template(message_id).peers
