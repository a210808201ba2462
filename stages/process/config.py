"""What a worker works with."""
from __future__ import annotations

from dataclasses import dataclass

from tgbulk.engine.arena import Arena
from tgbulk.engine.channel import Channel
from tgbulk.engine.metric import Outlet


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """Given to the process when it starts."""

    #: from fetch
    pages: Channel
    #: to write
    out: Channel
    frames: Arena
    blocks: Arena
    outlet: Outlet | None = None
