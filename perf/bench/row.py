"""One line of the table: what was measured, against what, and whether that is enough."""
from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

T = TypeVar("T")


class Unit(Enum):
    """How a value is written."""

    SHARE = "share"
    RATE = "messages/s"
    MICROSECONDS = "us"
    MILLISECONDS = "ms"
    MEGABYTES = "MB"
    SECONDS = "s"
    COUNT = ""

    def write(self, value: float) -> str:
        """The value for people."""
        if self is Unit.SHARE:
            return f"{100 * value:.2f} %"
        digits = 0 if self in (Unit.COUNT, Unit.RATE) else 1
        return f"{value:,.{digits}f} {self.value}".rstrip()


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound for our own value, or for its ratio to the baseline's."""

    bound: float
    at_least: bool = False
    ratio: bool = False

    def met(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound

    def write(self, unit: Unit) -> str:
        """For the table: >= 10 x, <= 12.0 us."""
        bound = f"{self.bound:g} x" if self.ratio else unit.write(self.bound)
        return f"{'>=' if self.at_least else '<='} {bound}"


@dataclass(frozen=True, slots=True)
class Row:
    """None stands for a value that could not be had; `note` says why, or whatever else belongs to the line."""

    what: str
    unit: Unit
    ours: float | None
    baseline: float | None = None
    #: whose value the baseline is
    against: str = ""
    goals: tuple[Goal, ...] = ()
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Ours divided by the baseline's; None where one is missing or the baseline's is 0."""
        if self.ours is None or not self.baseline:
            return None
        return self.ours / self.baseline

    @property
    def met(self) -> bool | None:
        """None where there is no goal, or not what it needs."""
        values = [self.ratio if goal.ratio else self.ours for goal in self.goals]
        known = [goal.met(value) for goal, value in zip(self.goals, values, strict=True) if value is not None]
        if False in known:
            return False
        return True if known and len(known) == len(values) else None



def median(results: Sequence[T], key: Callable[[T], float]) -> float | None:
    """The middle value, or the mean of the middle two; None of nothing."""
    return float(statistics.median(map(key, results))) if results else None
