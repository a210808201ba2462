"""What became of films: remembered by write, told to people."""
from __future__ import annotations

from dataclasses import dataclass, field

from engine.frame import frame


@frame
@dataclass(slots=True)
class FilmsStated:
    """What became of the films among the media of this run's chats, at its end."""

    #: made by this run: how many by which encoder (copy: put into another container), their bytes before and after, and
    #: the originals that went
    encoders: dict[str, int] = field(default_factory=dict)
    bytes_before: int = 0
    bytes_after: int = 0
    replaced: int = 0
    #: kinds of the failures of ways that another one made good for, in this run
    fallbacks: dict[str, int] = field(default_factory=dict)
    #: made by this run and by earlier ones
    done: int = 0
    #: policy.Action -> files that stay as they are
    kept: dict[str, int] = field(default_factory=dict)
    #: failure.Failure -> films that could not be made; they stay as they are
    failed: dict[str, int] = field(default_factory=dict)
    #: for the next run
    waiting: int = 0
    #: [path, reason] of the first that failed in this run
    examples: list[list[str]] = field(default_factory=list)
