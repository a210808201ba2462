"""Messages of the collector to the supervisor: rates, once a second, and at the end the bottleneck."""
from __future__ import annotations

from dataclasses import dataclass

from tgbulk.engine.frame import frame


@dataclass(slots=True)
class StageStatus:
    """What one stage did in that second. Shares are of the time; `cpu` is of one core."""

    stage: str
    #: a second
    units: float
    busy: float
    cpu: float
    #: what it waited for most, "" for nothing to speak of, and for which share
    wait: str
    wait_share: float


@frame
@dataclass(slots=True)
class Status:
    """The last second."""

    stages: list[StageStatus]
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
