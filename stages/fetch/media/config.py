"""What fetch needs to know of downloads; importing it imports no Telethon."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stages.medium import MediaSelection


@dataclass(frozen=True, slots=True)
class MediaConfig:
    """Built once at the command line."""

    archive: Path
    #: judged by write, which hands out what is wanted
    selection: MediaSelection
    #: to one data centre at a time, at most
    connections: int
    #: seconds for one file, None for as long as it takes
    deadline: float | None = None
    #: parts a second, one at a time, from each data centre; None to find out
    rate: float | None = None
