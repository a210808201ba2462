"""The media of a message in its sparse form: every photo and document in it, and what is named but cannot be had.

References come from the decoder's side table: lines do not carry them.
"""
from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from tgbulk.stages.telegram.filename import media_path
from tgbulk.stages.telegram.medium import (
    PROFILE,
    THUMBNAIL,
    UNKNOWN,
    Absent,
    Medium,
    category,
    largest_size,
    size_bytes,
)
from tgbulk.stages.telegram.peer import marked_id
from tgbulk.stages.telegram.schema import constructors, layout

#: (name of the constructor, id) -> file reference
References = Mapping[tuple[str, int], bytes]

#: The constructors to look for, and the types through which the search goes.
_FOUND = ("Photo", "Document", "WebDocument", "StoryItem", "MessageExtendedMedia")
_ROOT = "Message"
#: Server-side re-encodings of the document beside it.
_COPIES = "alt_documents"

#: Constructors that stand where a medium was, or is not to be had.
_ABSENT = {
    "photoEmpty": "empty",
    "documentEmpty": "empty",
    "storyItemDeleted": "expired story",
    "storyItemSkipped": "expired story",
    "messageExtendedMediaPreview": "paid",
    "webDocument": "on another server",
    "webDocumentNoProxy": "on another server",
}
_HOLDERS = {"messageMediaPhoto": "photo", "messageMediaDocument": "document"}
#: Bytes of a size that is taken from within its message; a larger one is asked for.
_INLINE = 1 << 16
#: Bytes of a file reference that is kept until its file is asked for: Telegram's have some dozens. One is asked for else.
_REFERENCE = 1 << 10
#: The letter of a peer's picture in its large form.
_LARGE = "c"


@cache
def _ways() -> dict[str, tuple[str, ...]]:
    """Name of a constructor -> its fields through which a photo or document can be reached from a message."""
    holds: dict[str, set[str]] = {}
    types = [_ROOT]
    while types:
        one = types.pop()
        holds[one] = {field.type for member in constructors(one) for field in layout(member).fields if field.type}
        types += holds[one] - holds.keys()
    leading = set(_FOUND)
    while more := {one for one, held in holds.items() if held & leading} - leading:
        leading |= more
    known = [layout(member) for one in leading if one in holds for member in constructors(one)]
    return {
        one.name: tuple(field.name for field in one.fields if field.type in leading and field.name != _COPIES)
        for one in known
    }


def find(message: dict[str, Any], references: References) -> Iterator[Medium | Absent]:
    """Every medium of a message, in the order in which they stand in it."""
    ways = _ways()
    for name in ways[message["_"]]:
        if name in message:
            yield from _walk(message[name], message, references, ways, False)
    if any(one["_"] == "messageEntityCustomEmoji" for one in message.get("entities", ())):
        yield Absent(message["id"], "custom emoji")  # of which it has the ids alone


def pictures(peers: list[dict[str, Any]]) -> Iterator[Medium]:
    """The large pictures of users and chats."""
    for peer in peers:
        photo = peer.get("photo")
        if photo is not None and "photo_id" in photo:
            number, path = photo["photo_id"], media_path(PROFILE, photo["photo_id"], "", "image/jpeg")
            yield Medium("peer_photo", number, _LARGE, PROFILE, UNKNOWN, 0, photo["dc_id"], path,
                         peer.get("access_hash", 0), peer=marked_id(peer))


def _walk(
    value: Any, message: dict[str, Any], references: References, ways: dict[str, tuple[str, ...]], linked: bool
) -> Iterator[Medium | Absent]:
    if isinstance(value, list):
        for one in value:
            yield from _walk(one, message, references, ways, linked)
        return
    name = value["_"]
    if name in ("photo", "document"):
        reference = references.get((name, value["id"]), b"")
        if len(reference) > _REFERENCE:
            reference = b""
        made = _photo(value, message, reference) if name == "photo" else _document(value, message, reference)
        for medium in made:
            if linked and isinstance(medium, Medium) and medium.category != THUMBNAIL:
                medium.category = "preview"
            yield medium
    elif name == "messageMediaStory" and "story" not in value:
        yield Absent(message["id"], "story not sent along")
    elif name in _ABSENT:
        yield Absent(message["id"], _ABSENT[name])
    elif name in _HOLDERS and ("ttl_seconds" in value or _HOLDERS[name] not in value):
        yield Absent(message["id"], "self-destructing" if "ttl_seconds" in value else "empty")
    else:
        for field in ways.get(name, ()):
            if field in value:
                yield from _walk(value[field], message, references, ways, linked or name == "webPage")


def _photo(photo: dict[str, Any], message: dict[str, Any], reference: bytes) -> Iterator[Medium | Absent]:
    largest = largest_size(photo["sizes"])
    if largest is None:
        yield Absent(message["id"], "without a size to download")
    else:
        yield _sized(photo, largest, "photo", "photo", "image/jpeg", message, reference)


def _document(document: dict[str, Any], message: dict[str, Any], reference: bytes) -> Iterator[Medium | Absent]:
    kind = category(document["attributes"])
    names = (one["file_name"] for one in document["attributes"] if one["_"] == "documentAttributeFilename")
    path = media_path(kind, document["id"], next(names, ""), document["mime_type"])
    yield Medium("document", document["id"], "", kind, document["size"], message["date"], document["dc_id"], path,
                 document["access_hash"], reference, message=message["id"])
    thumb = largest_size(document.get("thumbs", []))
    if thumb is not None:
        mime_type = "image/webp" if kind == "sticker" else "image/jpeg"
        yield _sized(document, thumb, "document", THUMBNAIL, mime_type, message, reference)


def _sized(
    item: dict[str, Any], size: dict[str, Any], kind: str, sort: str, mime_type: str, message: dict[str, Any],
    reference: bytes,
) -> Medium:
    inline = b64decode(size.get("bytes", ""))
    if len(inline) > _INLINE:
        inline = b""
    path = media_path(sort, item["id"], "", mime_type, size["type"])
    length = len(inline) or size_bytes(size)
    return Medium(kind, item["id"], size["type"], sort, length, message["date"], item["dc_id"], path,
                  item["access_hash"], reference, inline, message=message["id"])
