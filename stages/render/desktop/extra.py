"""The member `x` of --extra: what Telegram Desktop leaves out; the last one, so that no reader trips over it."""
from __future__ import annotations

from typing import Any

from tgbulk.stages.archive.versions import ChangedMessage
from tgbulk.stages.render.desktop.layout import BOOL, MESSAGE, number, object_of, quote, some
from tgbulk.stages.render.desktop.names import marked, peer_string

_NUMBERS = ("grouped_id", "views", "forwards", "effect", "ttl_period")
_FLAGS = ("out", "pinned", "silent", "post", "noforwards", "mentioned", "from_scheduled")


def extra(message: dict[str, Any], topic: int | None) -> bytes:
    """topic: of a message of a forum; nothing where there is nothing to tell."""
    told = [(b"topic_id", number(topic) if topic is not None else b"")]
    told += [(name.encode(), number(message[name])) for name in _NUMBERS if name in message]
    if isinstance(message, ChangedMessage):
        told.append((b"version", number(message.version)))
        if message.deleted_at is not None:
            told.append((b"deleted_unixtime", b'"%d"' % message.deleted_at))
    if "replies" in message:
        told.append((b"replies", number(message["replies"]["replies"])))
    told += [(name.encode(), BOOL[True]) for name in _FLAGS if name in message]
    for key, field, members in _PARTS:
        if field in message:
            value = [one for one in members(message[field]) if one[1]]
            told.append((key, object_of(value, MESSAGE + 1) if value else b""))
    return b',\n   "x": ' + object_of(told, MESSAGE) if any(value for _, value in told) else b""


def _reply(reply: dict[str, Any]) -> list[tuple[bytes, bytes]]:
    return [
        (b"top_id", number(reply["reply_to_top_id"]) if "reply_to_top_id" in reply else b""),
        (b"quote", some(reply.get("quote_text", ""))),
        (b"quote_offset", number(reply["quote_offset"]) if "quote_offset" in reply else b""),
        (b"todo_item_id", number(reply["todo_item_id"]) if "todo_item_id" in reply else b""),
        (b"story_id", number(reply["story_id"]) if "story_id" in reply else b""),
        (b"story_peer_id", peer_string(marked(reply["peer"])) if "peer" in reply else b""),
    ]


def _forward(origin: dict[str, Any]) -> list[tuple[bytes, bytes]]:
    """Where and when it was written first."""
    peer = origin.get("saved_from_peer")
    return [
        (b"date_unixtime", b'"%d"' % origin["date"]),
        (b"message_id", number(origin["channel_post"]) if "channel_post" in origin else b""),
        (b"author", some(origin.get("post_author", ""))),
        (b"imported", BOOL[True] if "imported" in origin else b""),
        (b"saved_from_id", peer_string(marked(peer)) if peer is not None else b""),
        (b"saved_from_message_id", number(origin["saved_from_msg_id"]) if "saved_from_msg_id" in origin else b""),
    ]


def _media(media: dict[str, Any]) -> list[tuple[bytes, bytes]]:
    """Of media that Telegram Desktop does not tell of, and ids of files."""
    item = media.get("photo") or media.get("document") or {}
    page = media.get("webpage", {})
    return [
        (b"id", number(item["id"]) if "id" in item else b""),
        (b"dice", number(media["value"]) if media["_"] == "messageMediaDice" else b""),
        (b"emoticon", some(media.get("emoticon", ""))),
        (b"web_page", quote(page["url"]) if "url" in page else b""),
        (b"web_page_title", some(page.get("title", ""))),
        (b"story_id", number(media["id"]) if media["_"] == "messageMediaStory" else b""),
    ]


_PARTS = ((b"reply", "reply_to", _reply), (b"forward", "fwd_from", _forward), (b"media", "media", _media))
