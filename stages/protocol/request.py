"""What fetch asks of write, and what write answers in the receipt's place."""
from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from tgbulk.engine.frame import frame
from tgbulk.stages.archive.account import Unlooked
from tgbulk.stages.archive.id_range import IdRange
from tgbulk.stages.archive.quarantine import Undecoded
from tgbulk.stages.archive.video import TranscodeResult
from tgbulk.stages.telegram.medium import MediaItem, MediaOutcome, VideoFile


class Refusal(IntEnum):
    """Why write does not open a chat."""

    NONE = 0
    #: the archive has this chat with the message ids of another account
    OTHER_ACCOUNT = 1
    #: the chat's files are shorter than what was committed
    DAMAGED = 2
    #: chat.json knows of more messages than the journal, which has lost records
    LOST = 3
    #: its folder, or a file in it, is a link or no file of its own
    LINK = 4


@frame
@dataclass(slots=True)
class OpenReply:
    """To a ChatRecord: whether the chat is open, and what the archive holds of it."""

    refusal: Refusal = Refusal.NONE
    messages: int = 0
    covered: list[IdRange] = field(default_factory=list)
    #: what the server counts and has no line: empty ids, and what it was known to withhold
    explained: int = 0
    #: as Box of stages/protocol/difference.py
    pts: int = 0
    looked: int = 0
    behind: int = 0
    unlooked: list[Unlooked] = field(default_factory=list)
    #: the server's count when it was last asked; 0 where nobody knows
    counted: int = 0


@frame
@dataclass(slots=True)
class MediaRequest:
    """What became of media, and whether more are wanted, from this number on."""

    outcomes: list[MediaOutcome]
    cursor: int
    wanted: bool


@frame
@dataclass(slots=True)
class MediaBatch:
    """`cursor`: the number up to which was looked; `more`: ask again, even if there are no items."""

    items: list[MediaItem]
    cursor: int
    more: bool = False


@frame
@dataclass(slots=True)
class VideoRequest:
    """What became of videos, and whether more are wanted, from this number on."""

    outcomes: list[TranscodeResult]
    cursor: int
    wanted: bool


@frame
@dataclass(slots=True)
class VideoBatch:
    """As MediaBatch."""

    items: list[VideoFile]
    cursor: int
    more: bool = False


@frame
@dataclass(slots=True)
class QuarantineRequest:
    """Keep these answers of getHistory, back to back, as they came. Of many, some come at a time: behind `offset` bytes of
    others; not `whole`: more will, and of `about` only chat and first count yet."""

    about: Undecoded
    answers: bytes
    offset: int = 0
    whole: bool = True
