"""What the write process needs to know."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tgbulk.engine.arena import Arena
from tgbulk.engine.channel import Channel
from tgbulk.engine.lock import Lock
from tgbulk.engine.metric import Outlet
from tgbulk.stages.telegram.medium import MediaSelection


@dataclass(frozen=True, slots=True)
class WriteConfig:
    """Built once at the command line."""

    archive: Path
    #: what to download, None for no media
    media: MediaSelection | None = None
    #: how videos are transcoded (video_policy of stages/archive/video.py), None to leave them alone
    videos: str | None = None


@dataclass(frozen=True, slots=True)
class WriteContext:
    """Given to the process when it starts."""

    config: WriteConfig
    blocks: Arena
    #: acks to fetch
    fetch: Channel
    #: the archive's, held for as long as the process lives
    lock: Lock
    outlet: Outlet | None = None
