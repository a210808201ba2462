"""What the accounts of a run tell each other of how fast one method may be called (stages/fetch/bucket.py).

Each account has a limit of its own; as a rule all have the same.
"""
from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """What was learnt of a limit; the next run begins with it (stages/fetch/pace.py)."""

    #: requests a second, and how many at once
    rate: float
    allowance: float
    #: which of bucket.PROBES holds
    lessons: int
    #: requests served since the last flood wait
    served: int


class Shared:
    """Of one method."""

    def __init__(self) -> None:
        #: the account that met a flood wait first: it finds out how much is allowed, the others are careful meanwhile
        self._pioneer: object | None = None
        self._has_followers = False
        #: the most that one has found out
        self.pace: Pace | None = None

    def flooded(self, account: object) -> bool:
        """The first flood wait of this one: whether it is to find out how much is allowed."""
        self._pioneer = self._pioneer or account
        self._has_followers = self._has_followers or account is not self._pioneer
        return account is self._pioneer

    def leads(self, account: object) -> bool:
        return account is self._pioneer

    def is_awaited(self, account: object) -> bool:
        """Others are careful until this one has found out more."""
        return account is self._pioneer and self._has_followers

    def leave(self, account: object) -> None:
        """It asks for nothing more: the next one that meets its first flood wait finds out."""
        if account is self._pioneer:
            self._pioneer, self._has_followers = None, False

    def tell(self, pace: Pace) -> None:
        if self.pace is None or pace.lessons >= self.pace.lessons:
            self.pace = pace


class SharedPaces(defaultdict[tuple[str, bool], Shared]):
    """By the method, and whether in a takeout."""

    def __init__(self) -> None:
        super().__init__(Shared)

    def leave(self, account: object) -> None:
        for one in self.values():
            one.leave(account)
