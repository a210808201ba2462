"""A medium: one file of Telegram's, as process finds it, write remembers it and fetch gets it."""
from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tgbulk.engine.frame import frame

#: What --media can name. A preview is what hangs on a link; it lies with the other files of its sort.
CATEGORIES = ("photo", "video", "voice", "round", "audio", "document", "sticker", "animation", "preview")
#: Have switches of their own.
THUMBNAIL, PROFILE = "thumbnail", "profile"
#: A size that nobody tells beforehand.
UNKNOWN = -1

#: The sizes of a photo, or the thumbnails of a document, that can be had.
_SIZES = ("photoSize", "photoSizeProgressive", "photoCachedSize")
#: What names a size (https://core.telegram.org/api/files#image-thumbnail-types); it becomes part of a file's name.
_LETTER = re.compile("[a-z]{1,2}")


def largest_size(sizes: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The size of the largest area that can be had; the first of two that are equal."""
    best, largest = None, -1
    for one in sizes:
        if one["_"] in _SIZES and one.get("bytes") != "":
            area = one["w"] * one["h"]
            if area > largest and _LETTER.fullmatch(one["type"]):
                best, largest = one, area
    return best


def size_bytes(size: dict[str, Any]) -> int:
    """Bytes of a photo's size, as Telegram says, or UNKNOWN."""
    if size["_"] == "photoSizeProgressive":
        return max(size["sizes"], default=UNKNOWN)
    if size["_"] == "photoCachedSize":
        return len(b64decode(size["bytes"]))
    return int(size["size"])


def category(attributes: list[dict[str, Any]]) -> str:
    """What a document is, by its attributes: one of CATEGORIES."""
    found = {one["_"]: one for one in attributes}
    if "documentAttributeSticker" in found or "documentAttributeCustomEmoji" in found:
        return "sticker"
    if "documentAttributeAnimated" in found:
        return "animation"
    if (video := found.get("documentAttributeVideo")) is not None:
        return "round" if video.get("round_message") else "video"
    if (audio := found.get("documentAttributeAudio")) is not None:
        return "voice" if audio.get("voice") else "audio"
    return "document"


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
    """`kind`, `id` and `letter` name the file for good (docs/spec/media-download.md 8)."""

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


@dataclass(slots=True)
class Absent:
    """A medium that a message speaks of and nobody can download."""

    message: int
    reason: str


@dataclass(slots=True)
class FoundMedia:
    """What messages and peers hold and speak of."""

    media: list[Medium] = field(default_factory=list)
    absent: list[Absent] = field(default_factory=list)

    def extend(self, found: Iterable[Medium | Absent]) -> None:
        """Add each where it belongs."""
        for one in found:
            if isinstance(one, Absent):
                self.absent.append(one)
            else:
                self.media.append(one)


@dataclass(slots=True)
class Origin:
    """A message that speaks of a medium. `chat`: marked id."""

    chat: int
    message: int


@dataclass(slots=True)
class MediaItem:
    """A medium that write hands to fetch."""

    #: write's number of it
    number: int
    #: user id of the account whose access hash and reference these are
    account: int
    #: messages in which it was found, the newest first
    origins: list[Origin]
    medium: Medium


@dataclass(slots=True)
class MediaOutcome:
    """What became of an item: done, failed or unavailable."""

    number: int
    state: str
    reason: str = ""
    size: int = 0
    sha256: bytes = b""
    #: what came over the network for it in this run
    received: int = 0


@dataclass(slots=True)
class VideoFile:
    """A file that may be a video, as write hands it to fetch."""

    #: write's number of it
    number: int
    #: below media/ of the archive
    path: str
    category: str
    size: int
    #: hexadecimal
    sha256: str


@frame
@dataclass(slots=True)
class MediaProgress:
    """Media that this run completed so far: files, and their bytes."""

    files: int
    bytes: int
    #: videos that were decided upon or transcoded
    videos: int = 0


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
