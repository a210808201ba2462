"""A medium: one file of Telegram's, as process finds it, write remembers it and fetch gets it."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from engine.frame import frame

#: What --media can name. A preview is what hangs on a link; it lies with the other files of its sort.
CATEGORIES = ("photo", "video", "voice", "round", "audio", "document", "sticker", "animation", "preview")
#: Have switches of their own.
THUMBNAIL, PROFILE = "thumbnail", "profile"
#: A size that nobody tells beforehand.
UNKNOWN = -1


@dataclass(frozen=True, slots=True)
class MediaSelection:
    """Which media a run downloads."""

    categories: frozenset[str]
    #: bytes of the largest file, None for any
    max_size: int | None = None

    def refusal(self, category: str, size: int) -> str:
        """Why a medium is skipped, "" when it is wanted."""
        if category not in self.categories:
            return f"{category}: not asked for"
        if self.max_size is not None and size > self.max_size:
            return "larger than --max-size"
        return ""


@dataclass(slots=True)
class Medium:
    """`kind`, `id` and `letter` name the file for good: the same three are the same bytes (spec/media-download.md 8)."""

    #: photo, document or peer_photo
    kind: str
    id: int
    #: of a photo's size or a thumbnail, "" for the document itself
    letter: str
    category: str
    #: bytes, or UNKNOWN
    size: int
    #: Unix seconds: of the message, 0 unknown
    date: int
    dc: int
    #: below media/ of the archive
    path: str
    #: of the file, or of the peer for a peer_photo; the account's own
    access_hash: int
    #: b"" where it is not known any more
    reference: bytes = b""
    #: the whole file, where it came within the message
    inline: bytes = b""
    #: marked id of whose picture it is, 0 for other kinds
    peer: int = 0
    #: the message in which it was found, 0 for a peer_photo
    message: int = 0

    @property
    def exact(self) -> bool:
        """Whether a file of another size is wrong: sizes of photos and thumbnails may not be right."""
        return self.kind == "document" and not self.letter

    def row(self) -> tuple[Any, ...]:
        return _fields(self)


_fields: Callable[[Medium], tuple[Any, ...]] = attrgetter(*Medium.__slots__)


@dataclass(slots=True)
class Absent:
    """A medium that a message speaks of and nobody can download."""

    message: int
    reason: str

    def row(self) -> tuple[Any, ...]:
        return self.message, self.reason


@dataclass(slots=True)
class Item:
    """A medium that write hands to fetch."""

    #: write's number of it
    number: int
    #: user id of the account whose access hash and reference these are
    account: int
    #: [marked id of a chat, message id] in which it was found, the newest first
    origins: list[list[int]]
    medium: Medium

    @classmethod
    def of(cls, row: list[Any]) -> Item:
        number, account, origins, medium = row
        return cls(number, account, origins, Medium(*medium))


@dataclass(slots=True)
class Outcome:
    """What became of an item: done, failed or unavailable."""

    number: int
    state: str
    reason: str = ""
    size: int = 0
    sha256: bytes = b""
    #: what came over the network for it in this run
    received: int = 0


@frame
@dataclass(slots=True)
class MediaProgress:
    """Media that this run completed so far: files, and their bytes."""

    files: int
    bytes: int
    #: films of which it is known what to make, or that were made
    films: int = 0


@frame
@dataclass(slots=True)
class MediaStated:
    """What became of the media of this run's chats, at its end."""

    #: files that this run completed, and their bytes
    files: int
    bytes: int
    #: what came over the network for them and for those that failed
    received: int
    #: files that the archive had already
    known: int
    #: still to come: the run was stopped, or Telegram asked for a long pause
    waiting: int
    #: reason -> how many
    skipped: dict[str, int] = field(default_factory=dict)
    unavailable: dict[str, int] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)
    #: [path, reason] of the first failed ones
    examples: list[list[str]] = field(default_factory=list)
