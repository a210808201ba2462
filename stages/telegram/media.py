"""The media of a message in its sparse form: every photo and document in it, and what is named but cannot be had.

References come from the decoder's side table: lines do not carry them.
"""
from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from stages.medium import PROFILE, THUMBNAIL, UNKNOWN, Absent, Medium
from stages.telegram.filename import media_path
from stages.telegram.peer import marked_id
from stages.telegram.schema import constructors, layout

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
_SIZES = ("photoSize", "photoSizeProgressive", "photoCachedSize")
#: Bytes of a size that is taken from within its message; a larger one is asked for.
_INLINE = 1 << 16
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
        made = _photo(value, message, reference) if name == "photo" else _document(value, message, reference)
        for medium in made:
            if linked and isinstance(medium, Medium) and medium.category != THUMBNAIL:
                medium.category = "preview"
            yield medium
    elif name in _ABSENT:
        yield Absent(message["id"], _ABSENT[name])
    elif name in _HOLDERS and ("ttl_seconds" in value or _HOLDERS[name] not in value):
        yield Absent(message["id"], "self-destructing" if "ttl_seconds" in value else "empty")
    else:
        for field in ways.get(name, ()):
            if field in value:
                yield from _walk(value[field], message, references, ways, linked or name == "webPage")


def _photo(photo: dict[str, Any], message: dict[str, Any], reference: bytes) -> Iterator[Medium | Absent]:
    largest = _largest(photo["sizes"])
    if largest is None:
        yield Absent(message["id"], "without a size to download")
    else:
        yield _sized(photo, largest, "photo", "photo", "image/jpeg", message, reference)


def _document(document: dict[str, Any], message: dict[str, Any], reference: bytes) -> Iterator[Medium | Absent]:
    category = _category(document["attributes"])
    names = (one["file_name"] for one in document["attributes"] if one["_"] == "documentAttributeFilename")
    path = media_path(category, document["id"], next(names, ""), document["mime_type"])
    yield Medium("document", document["id"], "", category, document["size"], message["date"], document["dc_id"], path,
                 document["access_hash"], reference, message=message["id"])
    thumb = _largest(document.get("thumbs", []))
    if thumb is not None:
        mime_type = "image/webp" if category == "sticker" else "image/jpeg"
        yield _sized(document, thumb, "document", THUMBNAIL, mime_type, message, reference)


def _sized(
    item: dict[str, Any], size: dict[str, Any], kind: str, category: str, mime_type: str, message: dict[str, Any],
    reference: bytes,
) -> Medium:
    inline = b64decode(size.get("bytes", ""))
    if len(inline) > _INLINE:
        inline = b""
    path = media_path(category, item["id"], "", mime_type, size["type"])
    length = len(inline) or _bytes(size)
    return Medium(kind, item["id"], size["type"], category, length, message["date"], item["dc_id"], path,
                  item["access_hash"], reference, inline, message=message["id"])


def _largest(sizes: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The size of the largest area that can be had."""
    had = (one for one in sizes if one["_"] in _SIZES and one.get("bytes") != "")
    return max(had, key=lambda one: one["w"] * one["h"], default=None)


def _bytes(size: dict[str, Any]) -> int:
    if size["_"] == "photoSizeProgressive":
        return max(size["sizes"], default=UNKNOWN)
    return int(size.get("size", UNKNOWN))


def _category(attributes: list[dict[str, Any]]) -> str:
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
