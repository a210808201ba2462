"""What the collector tells the supervisor: how things stand, once a second, and at the end what it found."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.frame import frame


@frame
@dataclass(slots=True)
class Status:
    """The last second."""

    #: [stage, units a second, share of the time it was busy, CPU of a core, what it waited for most, its share] of each
    stages: list[list[Any]]
    #: messages written a second
    rate: float
    #: requests on their way, and slots of the ring that are taken
    flying: int
    slots: int
    floods: int
    flood_seconds: float


@frame
@dataclass(slots=True)
class Measured:
    """metrics.json is written; `problem` says why not, where it is not."""

    bottleneck: str
    problem: str
