"""What the write process needs to know."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stages.medium import MediaSelection
from stages.transcode.config import TranscodeConfig


@dataclass(frozen=True, slots=True)
class WriteConfig:
    """Built once at the command line."""

    archive: Path
    #: what to download, None for no media
    media: MediaSelection | None = None
    #: what to make of films, None to leave them alone
    films: TranscodeConfig | None = None
