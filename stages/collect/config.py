"""What the collector needs to know."""
from __future__ import annotations

import time
from dataclasses import dataclass

from tgbulk.engine.channel import Channel
from tgbulk.stages.archive.folder import RunFolder

#: Of metrics.json; a field that changes its meaning makes it larger.
FORMAT = 1


@dataclass(frozen=True, slots=True)
class CollectConfig:
    """Built once at the command line."""

    #: the run's id, and its folder in the archive
    run: str
    folder: RunFolder
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


@dataclass(frozen=True, slots=True)
class CollectContext:
    """Given to the process when it starts."""

    config: CollectConfig
    #: from all others; its end of file is the end of the run
    snapshots: Channel
