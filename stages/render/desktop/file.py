"""Photos and documents of a message: their members, and what they are called;
docs/spec/telegram-desktop-json.md 5.1, 5.2, 8.

Names count what came before in the chat, so a path is known only when all messages before it are. What is written here has
a mark where a path belongs: NUL, a JSON array, NUL, which place.py takes in order. No JSON has a NUL in it.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from tgbulk.stages.render.desktop.layout import number, some
from tgbulk.stages.telegram.filename import extension

Members = Iterator[tuple[bytes, bytes]]

UNAVAILABLE = "(File unavailable, please try again later)"
LOST = orjson.dumps(UNAVAILABLE)
#: First items of a mark.
PHOTO, DOCUMENT, THUMBNAIL, VCARD, COUNT = "photo", "document", "thumbnail", "vcard", "count"
_SIZED = frozenset({"photoSize", "photoCachedSize", "photoSizeProgressive"})


def mark(*what: Any) -> bytes:
    """Stands for a path."""
    return b"\0" + orjson.dumps(what) + b"\0"


@dataclass(slots=True)
class Size:
    """One size of a photo, or of a document's thumbnail."""

    letter: str = ""
    width: int = 0
    height: int = 0
    bytes: int = 0
    #: base64 of one that came within its message
    inline: str = ""


def largest_photo(sizes: list[dict[str, Any]]) -> Size | None:
    """The size of the largest area, the first of equal ones."""
    best, area = None, 0
    for one in sizes:
        if one["_"] in _SIZED and one["w"] * one["h"] > area:
            best = _size(one)
            area = 0 if one.get("sizes") == [] else one["w"] * one["h"]
    return best


def largest_thumbnail(sizes: list[dict[str, Any]]) -> Size | None:
    """The size of the largest area, None where that cannot be had."""
    areas = [one["w"] * one["h"] if one["_"] in _SIZED else 0 for one in sizes]
    if not areas:
        return None
    one = sizes[areas.index(max(areas))]
    return _size(one) if one["_"] in _SIZED and one.get("sizes") != [] and one["w"] > 0 else None


def _size(one: dict[str, Any]) -> Size:
    inline = one.get("bytes", "")
    if one["_"] == "photoCachedSize":
        count = len(inline) * 3 // 4 - inline[-2:].count("=")
    else:
        count = one["size"] if "size" in one else one["sizes"][-1] if one["sizes"] else 0
    return Size(one["type"], one["w"], one["h"], count, inline)


def photo_members(photo: dict[str, Any] | None, stamp: str, gone: bool = False) -> Members:
    """stamp: see `Document`; gone: it destroyed itself."""
    size = largest_photo(photo["sizes"]) if photo is not None and photo["_"] == "photo" else None
    if photo is None:
        yield b"photo", LOST
    elif size is None or gone:
        yield b"photo", mark(PHOTO, stamp)
    else:
        yield b"photo", mark(PHOTO, stamp, photo["id"], size.letter, size.bytes, size.inline)
    yield b"photo_file_size", number(0 if size is None or gone else size.bytes)
    if size is not None and size.width and size.height:
        yield b"width", number(size.width)
        yield b"height", number(size.height)


@dataclass(slots=True)
class Document:
    """What the attributes of a document say; of two the last counts."""

    mime: str = ""
    name: str = ""
    emoji: str = ""
    performer: str = ""
    title: str = ""
    duration: int = 0
    width: int = 0
    height: int = 0
    #: sticker, round, voice, animated, video, audio
    is_a: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, document: dict[str, Any]) -> Document:
        found = cls(document["mime_type"])
        for one in document["attributes"]:
            kind = one["_"]
            if kind == "documentAttributeFilename":
                found.name = one["file_name"]
            elif kind == "documentAttributeVideo":
                found.is_a.add("round" if "round_message" in one else "video")
                found.width, found.height, found.duration = one["w"], one["h"], _whole(one["duration"])
            elif kind == "documentAttributeAudio":
                found.is_a.add("voice" if "voice" in one else "audio")
                found.performer = one.get("performer", found.performer)
                found.title = one.get("title", found.title)
                found.duration = one["duration"]
            elif kind in ("documentAttributeSticker", "documentAttributeCustomEmoji"):
                found.is_a.add("sticker")
                found.emoji = one["alt"]
            elif kind == "documentAttributeAnimated":
                found.is_a.add("animated")
            elif kind == "documentAttributeImageSize":
                found.width, found.height = one["w"], one["h"]
        return found

    @property
    def media_type(self) -> tuple[bytes, str]:
        """(value of `media_type`, the word for it in --media)"""
        return next((told for kind, told in _TYPES if kind in self.is_a), (b"", "document"))

    @property
    def folder(self) -> str:
        return next((folder for kind, folder in _FOLDERS if kind in self.is_a), "files")

    def nameless(self) -> tuple[str, str]:
        """(what counts it and is the first word of its name, its ending) where it has no name of its own"""
        if "voice" in self.is_a:
            return "audio", ".mp3" if self.mime.lower() == "audio/mp3" else ".ogg"
        if "video" in self.is_a:
            return "video", extension(self.mime) or ".mov"
        return "file", extension(self.mime) or ".unknown"


_TYPES = (
    ("sticker", (b'"sticker"', "sticker")),
    ("round", (b'"video_message"', "round")),
    ("voice", (b'"voice_message"', "voice")),
    ("animated", (b'"animation"', "animation")),
    ("video", (b'"video_file"', "video")),
    ("audio", (b'"audio_file"', "audio")),
)
_FOLDERS = (
    ("video", "video_files"), ("animated", "animations"), ("sticker", "stickers"), ("voice", "voice_messages"),
    ("round", "round_video_messages"),
)


def _whole(seconds: Any) -> int:
    """Whole seconds; a double that is no number has a text in its place."""
    return int(seconds) if isinstance(seconds, int | float) else 0


def document_mark(document: dict[str, Any], about: Document, stamp: str, gone: bool) -> bytes:
    """Of a document that is there."""
    word, ending = ("", "") if about.name else about.nameless()
    size = document["size"]
    return mark(DOCUMENT, stamp, document["id"], size, about.media_type[1], about.folder, about.name, word, ending, gone)


def document_members(media: dict[str, Any], stamp: str, out: bool) -> Members:
    """Of messageMediaDocument; stamp: the message's local time, as `@13-04-2020_10-10-10`."""
    document = media.get("document")
    gone = "ttl_seconds" in media
    if document is None or document["_"] != "document":
        yield b"file", LOST
        yield b"file_size", b"0"
        return
    about = Document.of(document)
    yield b"file", document_mark(document, about, stamp, gone)
    yield b"file_name", some(about.name)
    yield b"file_size", number(0 if gone else document["size"])
    thumbnail = largest_thumbnail(document.get("thumbs", []))
    if thumbnail is not None:
        lost = gone and not out
        yield b"thumbnail", LOST if lost else mark(THUMBNAIL, thumbnail.letter, thumbnail.bytes, thumbnail.inline)
        yield b"thumbnail_file_size", number(0 if lost else thumbnail.bytes)
    told, _ = about.media_type
    yield b"media_type", told
    if "sticker" in about.is_a:
        yield b"sticker_emoji", some(about.emoji)
    elif told == b'"audio_file"':
        yield b"performer", some(about.performer)
        yield b"title", some(about.title)
    yield b"mime_type", some(about.mime)
    yield b"duration_seconds", number(about.duration) if about.duration else b""
    if about.width and about.height:
        yield b"width", number(about.width)
        yield b"height", number(about.height)
