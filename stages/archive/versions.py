"""Messages with what became of them: the first forms of messages.jsonl together with the lines of changes.jsonl, read only.

A message of which no change is known is the plain TL object. Another one is a ChangedMessage, the TL object of one of its
forms that also knows the others. Only where the lines of an id are is held in memory.
"""
from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from tgbulk.engine.folder import Place
from tgbulk.stages.archive.changes import Change, ChangeKind, read_changes
from tgbulk.stages.archive.id_range import UNBOUNDED
from tgbulk.stages.archive.lines import Piece, find_lines, open_piece
from tgbulk.stages.telegram.content import content

Tl = dict[str, Any]
#: Which forms of a message are given: the latest one, the first one, or each.
Versions = Literal["latest", "first", "all"]


class ChangedMessage(dict[str, Any]):
    """One form of a message that was changed."""

    __slots__ = ("deleted_at", "earlier", "first_seen", "how", "version")

    def __init__(self, form: Tl, version: int, first_seen: int | None, deleted_at: int | None, how: str,
                 earlier: list[tuple[int | None, Tl]]) -> None:
        super().__init__(form)
        #: number of the form, from 1
        self.version = version
        #: Unix seconds at which this form became known, None for the one of messages.jsonl
        self.first_seen = first_seen
        #: Unix seconds at which it became known that the message is deleted, None if it is there
        self.deleted_at = deleted_at
        #: how that is known (changes.HOW), "" if it is there
        self.how = how
        #: (first_seen, form) of each form before this one
        self.earlier = earlier

    @property
    def auto_deleted(self) -> bool:
        """It is deleted, and its time was over when that became known."""
        return self.deleted_at is not None and is_over(self, self.deleted_at)


def is_over(message: Tl, moment: float) -> bool:
    """Whether by this Unix time a message has deleted itself, as its ttl_period says."""
    return "ttl_period" in message and bool(message["date"] + message["ttl_period"] <= moment)


@dataclass(frozen=True, slots=True)
class ChangePlaces:
    """Where the changes of some messages are in changes.jsonl."""

    place: Place
    #: id -> offsets of its lines, in their order
    lines: dict[int, tuple[int, ...]] = field(default_factory=dict)
    #: (last id, offset of the line) of each clearing
    cleared: tuple[tuple[int, int], ...] = ()
    #: ids that have no line in messages.jsonl, ascending
    late: tuple[int, ...] = ()

    def within(self, first: int, last: int) -> ChangePlaces | None:
        """Of the ids from first to last alone; None where nothing changed there."""
        lines = {number: found for number, found in self.lines.items() if first <= number <= last}
        cleared = tuple(one for one in self.cleared if one[0] >= first)
        if not lines and not cleared:
            return None
        late = self.late[bisect_left(self.late, first) : bisect_left(self.late, last + 1)]
        return ChangePlaces(self.place, lines, cleared, late)

    def __bool__(self) -> bool:
        return bool(self.lines or self.cleared)

    def forms(self, messages: Iterable[Tl], versions: Versions, first: int = 1, last: int = UNBOUNDED) -> Iterator[Tl]:
        """The messages, ascending by id, in these forms, with those of `late` from first to last between them.

        ChangedChatError, OSError.
        """
        return self._forms(messages, versions, first, last) if self else iter(messages)

    def _forms(self, messages: Iterable[Tl], versions: Versions, first: int, last: int) -> Iterator[Tl]:
        highest = max((one[0] for one in self.cleared), default=0)
        late = [one for one in self.late if first <= one <= last]
        waiting = 0
        with _ChangeReading(self) as reading:
            for message in messages:
                number = message["id"]
                while waiting < len(late) and late[waiting] < number:
                    yield from reading.forms(late[waiting], None, versions)
                    waiting += 1
                if number in self.lines or number <= highest:
                    yield from reading.forms(number, message, versions)
                else:
                    yield message
            for one in late[waiting:]:
                yield from reading.forms(one, None, versions)

    def form(self, number: int, first: Tl | None) -> Tl | None:
        """The latest form of one message; first: that of messages.jsonl."""
        found = self.forms([] if first is None else [first], "latest", number, number)
        return next(found, None)


class _ChangeReading:
    """changes.jsonl, opened to read single lines."""

    def __init__(self, places: ChangePlaces) -> None:
        self._places = places
        self._file = os.fdopen(open_piece(Piece(places.place, 0, 0)), "rb")

    def __enter__(self) -> _ChangeReading:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def forms(self, number: int, first: Tl | None, versions: Versions) -> Iterator[Tl]:
        offsets = [*self._places.lines.get(number, ()), *(one for up_to, one in self._places.cleared if number <= up_to)]
        forms: list[tuple[int | None, Tl]] = [] if first is None else [(None, first)]
        deleted: Change | None = None
        for offset in sorted(offsets):
            self._file.seek(offset)
            change = Change.parse(self._file.readline())
            if change.message is None:
                if forms:
                    deleted = deleted or change
                continue
            deleted = None
            if change.kind is ChangeKind.VERSION or not forms or content(change.message) != content(forms[-1][1]):
                forms.append((change.sighting.seen_at, change.message))
        wanted = range(len(forms)) if versions == "all" else [0 if versions == "first" else len(forms) - 1]
        when, how = (deleted.sighting.seen_at, deleted.sighting.how) if deleted else (None, "")
        for place in wanted:
            seen, form = forms[place]
            yield ChangedMessage(form, place + 1, seen, when, how, forms[:place])


def locate_changes(place: Place, size: int, pieces: list[Piece]) -> ChangePlaces:
    """Of all committed lines; pieces: where the chat's messages are. ChangedChatError, OSError."""
    lines: dict[int, list[int]] = {}
    cleared = []
    doubtful = set()
    for offset, change in read_changes(place, size):
        if change.kind is ChangeKind.CLEARED:
            cleared.append((change.id, offset))
            continue
        if change.id not in lines and change.kind is ChangeKind.RESTORED:
            doubtful.add(change.id)
        lines.setdefault(change.id, []).append(offset)
    late = sorted(doubtful - find_lines(pieces, doubtful).keys())
    return ChangePlaces(place, {number: tuple(found) for number, found in lines.items()}, tuple(cleared), tuple(late))


def changed_since(place: Place, size: int, before: int) -> tuple[set[int], int]:
    """(ids that the lines behind the first `before` bytes are of, the highest id that they say was cleared)."""
    ids, cleared = set(), 0
    for offset, change in read_changes(place, size):
        if offset < before:
            continue
        if change.kind is ChangeKind.CLEARED:
            cleared = max(cleared, change.id)
        else:
            ids.add(change.id)
    return ids, cleared
