"""The columns of the flat record that speak of a message's media."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tgbulk.stages.archive.media_reader import Key, MediaFile
from tgbulk.stages.telegram.medium import UNKNOWN, largest_size, size_bytes

_TYPES = {
    "messageMediaPhoto": "photo",
    "messageMediaWebPage": "webpage",
    "messageMediaContact": "contact",
    "messageMediaGeo": "geo",
    "messageMediaGeoLive": "live_geo",
    "messageMediaVenue": "venue",
    "messageMediaPoll": "poll",
    "messageMediaDice": "dice",
    "messageMediaGame": "game",
    "messageMediaInvoice": "invoice",
    "messageMediaStory": "story",
    "messageMediaGiveaway": "giveaway",
    "messageMediaGiveawayResults": "giveaway_results",
    "messageMediaToDo": "todo",
    "messageMediaPaidMedia": "paid",
    "messageMediaVideoStream": "video_stream",
    "messageMediaUnsupported": "unsupported",
}
#: Columns from media_id to sticker_emoji, of a place, a web page and a poll, without anything.
_NO_FILE: tuple[Any, ...] = (None, None, None, None, None, None, None, None, None, False, None, None, None, None)
_NO_PLACE: tuple[Any, ...] = (None, None)
_NO_PAGE: tuple[Any, ...] = (None, None, None)
_NO_POLL: tuple[Any, ...] = (None, None, None)
#: A message without media.
NO_MEDIA: tuple[Any, ...] = (None, *_NO_FILE, *_NO_PLACE, *_NO_PAGE, *_NO_POLL)


def media_key(media: Mapping[str, Any]) -> Key | None:
    """What the index of media calls the photo or document of a message; None where there is none."""
    photo = media.get("photo")
    if media["_"] == "messageMediaPhoto" and photo and photo["_"] == "photo":
        size = largest_size(photo["sizes"])
        return None if size is None else ("photo", photo["id"], size["type"])
    document = media.get("document")
    if media["_"] == "messageMediaDocument" and document and document["_"] == "document":
        return "document", document["id"], ""
    return None


def flat_media(media: Mapping[str, Any], files: Mapping[Key, MediaFile]) -> tuple[Any, ...]:
    """The group of columns from media_type to poll_options. files: those that are known of the keys of `media_key`."""
    kind = media["_"]
    if kind == "messageMediaWebPage":
        page = media["webpage"]
        return ("webpage", *_NO_FILE, *_NO_PLACE, page.get("url"), page.get("title"), page.get("description"), *_NO_POLL)
    if kind == "messageMediaPhoto":
        return ("photo", *_photo(media, _file(media, files)), *_NO_PLACE, *_NO_PAGE, *_NO_POLL)
    if kind == "messageMediaDocument":
        name, columns = _document(media, _file(media, files))
        return (name, *columns, *_NO_PLACE, *_NO_PAGE, *_NO_POLL)
    if kind in ("messageMediaGeo", "messageMediaGeoLive", "messageMediaVenue"):
        point = media["geo"]
        place = _number(point.get("lat")), _number(point.get("long"))
        return (_TYPES[kind], *_NO_FILE, *place, *_NO_PAGE, *_NO_POLL)
    if kind == "messageMediaPoll":
        name = "quiz" if media["poll"].get("quiz") else "poll"
        return (name, *_NO_FILE, *_NO_PLACE, *_NO_PAGE, *_poll(media["poll"], media["results"]))
    if kind == "messageMediaEmpty":
        return NO_MEDIA
    return (_TYPES.get(kind, "unsupported"), *_NO_FILE, *_NO_PLACE, *_NO_PAGE, *_NO_POLL)


def _file(media: Mapping[str, Any], files: Mapping[Key, MediaFile]) -> tuple[str | None, str | None]:
    """(path below media/, SHA-256) of a file that is done."""
    key = media_key(media) if files else None
    one = files.get(key) if key else None
    return (one.path.as_posix().removeprefix("media/"), one.sha256) if one is not None and one.done else (None, None)


def _photo(media: Mapping[str, Any], file: tuple[str | None, str | None]) -> tuple[Any, ...]:
    photo = media.get("photo")
    spoiler, ttl = bool(media.get("spoiler")), media.get("ttl_seconds")
    if not photo or photo["_"] != "photo":
        number = photo["id"] if photo else None
        return (number, None, None, None, None, None, None, None, None, spoiler, ttl, None, None, None)
    size = largest_size(photo["sizes"])
    if size is None:
        return (photo["id"], *file, None, "image/jpeg", None, None, None, None, spoiler, ttl, None, None, None)
    length = size_bytes(size)
    return (photo["id"], *file, None, "image/jpeg", None if length == UNKNOWN else length, size["w"], size["h"], None,
            spoiler, ttl, None, None, None)


def _document(media: Mapping[str, Any], file: tuple[str | None, str | None]) -> tuple[str, tuple[Any, ...]]:
    """(media_type, columns from media_id to sticker_emoji)"""
    document = media.get("document")
    spoiler, ttl = bool(media.get("spoiler")), media.get("ttl_seconds")
    if not document or document["_"] != "document":
        number = document["id"] if document else None
        name = next((one for one in ("voice", "round", "video") if media.get(one)), "document")
        return name, (number, None, None, None, None, None, None, None, None, spoiler, ttl, None, None, None)
    file_name = width = height = duration = performer = title = emoji = None
    found = dict.fromkeys(("sticker", "round", "voice", "animation", "video", "audio"), False)
    for one in document["attributes"]:
        kind = one["_"]
        if kind == "documentAttributeFilename":
            file_name = file_name if file_name is not None else one["file_name"]
        elif kind == "documentAttributeVideo":
            width, height, duration = one["w"], one["h"], _number(one["duration"])
            found["round" if one.get("round_message") else "video"] = True
        elif kind == "documentAttributeImageSize":
            width, height = one["w"], one["h"]
        elif kind == "documentAttributeAudio":
            duration, performer, title = float(one["duration"]), one.get("performer"), one.get("title")
            found["voice" if one.get("voice") else "audio"] = True
        elif kind in ("documentAttributeSticker", "documentAttributeCustomEmoji"):
            emoji, found["sticker"] = one["alt"], True
        elif kind == "documentAttributeAnimated":
            found["animation"] = True
    name = next((one for one, there in found.items() if there), "document")
    mime_type, size = document["mime_type"], document["size"]
    return name, (document["id"], *file, file_name, mime_type, size, width, height, duration, spoiler, ttl, performer, title,
                  emoji)


def _poll(poll: Mapping[str, Any], results: Mapping[str, Any]) -> tuple[Any, ...]:
    counted = {one["option"]: one for one in results.get("results", ())}
    options = []
    for answer in poll["answers"]:
        one = counted.get(answer.get("option"), {})
        options.append({"text": answer["text"]["text"], "voters": one.get("voters"), "chosen": bool(one.get("chosen")),
                        "correct": bool(one.get("correct"))})
    return poll["question"]["text"], results.get("total_voters"), options


def _number(value: Any) -> float | None:
    """A double; what is not a number has a text in its place, and is no value here."""
    return float(value) if isinstance(value, int | float) else None
