"""What the collector needs to know."""
from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class CollectConfig:
    """Built once at the command line."""

    #: the run's id, and its folder in the archive
    run: str
    folder: Path
    #: Unix seconds at which the run began, and the same by the monotonic clock: the other one may be set meanwhile
    started: float
    began: float
    #: process id of the command
    supervisor: int
    #: loopback port that serves OpenMetrics; 0 any, None none
    port: int | None = None
    #: whether somebody wants to see how things stand, every second
    live: bool = False

    @property
    def seconds(self) -> float:
        """How long the run has gone on."""
        return time.monotonic() - self.began
