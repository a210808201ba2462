"""Which account brought which messages of a chat, where several did: `out`, `mentioned` and what was read, chosen or paid
for are true for that account alone."""
from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tgbulk.stages.archive.id_range import IdRange, add_range

#: Ranges of an account that are kept; of more, the lower half is known no more.
MOST = 2000


class Sources:
    """Of one chat. Ids of no account: nobody knows, as after a kill."""

    def __init__(self, main: int, ids: dict[int, list[IdRange]] | None = None) -> None:
        """main: the account that brought all so far, where `ids` is empty."""
        self._main = main
        self.ids = ids or {}
        #: whether it has to be written
        self.dirty = False

    def is_other(self, account: int) -> bool:
        """Whether it would be the second account: then add() has to know what is there."""
        return not self.ids and account != self._main

    def add(self, account: int, ids: IdRange, before: Iterable[IdRange]) -> None:
        """This account brought these ids; before: all that was there."""
        if self.is_other(account):
            there = list(before)
            if there:
                self.ids[self._main] = there
            else:
                self._main = account
        if not self.ids:
            return
        known = self.ids.setdefault(account, [])
        add_range(known, ids)
        if len(known) > MOST:
            del known[: len(known) // 2]
        self.dirty = True

    def document(self) -> list[dict[str, Any]] | None:
        """As chat.json has it, None where one account brought all."""
        found = [{"account": one, "ids": [ids.closed() for ids in known]} for one, known in sorted(self.ids.items())]
        return found or None

    @classmethod
    def begin(cls, before: int, account: int, covered: list[IdRange], found: list[dict[str, Any]] | None) -> Sources:
        """When a run begins with this account, where another one, `before`, may have brought what is covered."""
        made = cls.read(before, found)
        if not made.ids and before != account and covered:
            made.ids[before] = covered
        return made

    @classmethod
    def read(cls, main: int, found: list[dict[str, Any]] | None) -> Sources:
        """TypeError, ValueError or KeyError for what is none."""
        return cls(main, {int(one["account"]): [IdRange.from_closed(ids) for ids in one["ids"]] for one in found or ()})
