"""The naive loop: json.loads, the flat record, json.dump, line by line, as anybody would write it.

It computes every column from the TL object by itself and imports nothing of tgbulk: a second opinion for the tests.
Run as `python -m tgbulk.perf.bench.baseline.flat MESSAGES PEERS CHAT USERNAME OUT`.
"""
from __future__ import annotations

import base64
import json
import re
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

Object = dict[str, Any]

ENTITIES = {
    "Mention": "mention", "Hashtag": "hashtag", "BotCommand": "bot_command", "Url": "link", "Email": "email",
    "Bold": "bold", "Italic": "italic", "Code": "code", "Pre": "pre", "TextUrl": "text_link", "MentionName": "mention_name",
    "Phone": "phone", "Cashtag": "cashtag", "Underline": "underline", "Strike": "strikethrough",
    "Blockquote": "blockquote", "BankCard": "bank_card", "Spoiler": "spoiler", "CustomEmoji": "custom_emoji",
}
MEDIA = {
    "Photo": "photo", "WebPage": "webpage", "Contact": "contact", "Geo": "geo", "GeoLive": "live_geo", "Venue": "venue",
    "Dice": "dice", "Game": "game", "Invoice": "invoice", "Story": "story", "Giveaway": "giveaway",
    "GiveawayResults": "giveaway_results", "ToDo": "todo", "PaidMedia": "paid", "VideoStream": "video_stream",
    "Unsupported": "unsupported",
}
NAMELESS = {"name": None, "username": None, "type": None}


def time(seconds: int | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def marked(peer: Object | None) -> int | None:
    if peer is None:
        return None
    if "user_id" in peer:
        return int(peer["user_id"])
    return -int(peer["chat_id"]) if "chat_id" in peer else -(10**12) - int(peer["channel_id"])


def known_peers(lines: Iterable[bytes]) -> dict[int, Object]:
    """Marked id -> name, username and type, as the last line has them."""
    found = {}
    for line in lines:
        peer = json.loads(line)
        names = [one["username"] for one in peer.get("usernames", []) if one.get("active")]
        username = peer.get("username") or (names[0] if names else None)
        if peer["_"].startswith("user"):
            name = " ".join(one for one in (peer.get("first_name"), peer.get("last_name")) if one)
            kind = "deleted" if peer.get("deleted") or peer["_"] == "userEmpty" else "bot" if peer.get("bot") else "user"
            found[peer["id"]] = {"name": name or None, "username": username, "type": kind}
        else:
            number = -peer["id"] if peer["_"].startswith("chat") else -(10**12) - peer["id"]
            kind = "channel" if peer.get("broadcast") else "group"
            found[number] = {"name": peer.get("title") or None, "username": username, "type": kind}
    return found


def units(text: str, offset: int, length: int) -> str:
    return text.encode("utf-16-le")[2 * offset : 2 * (offset + length)].decode("utf-16-le", "replace")


def flat(message: Object, chat: int, peers: Mapping[int, Object], username: str | None, forum: bool) -> Object:
    """Every column but media_path and media_sha256, which the archive knows."""
    action, text = message.get("action"), message.get("message", "")
    sender = marked(message.get("from_id")) or chat
    who = peers.get(sender, NAMELESS)
    row: Object = {
        "chat_id": chat, "message_id": message["id"], "date": time(message["date"]),
        "edit_date": time(message.get("edit_date")), "edit_hidden": message.get("edit_hide", False),
        "type": "service" if action else "message", "action": snake(action["_"][len("messageAction"):]) if action else None,
        "sender_id": sender, "sender_name": who["name"], "sender_username": who["username"], "sender_type": who["type"],
        "out": message.get("out", False), "post_author": message.get("post_author"), "text": text,
    }
    row |= texts(text, message.get("entities", []))
    row |= reply(message, chat, forum)
    row |= forward(message.get("fwd_from"), peers)
    results = (message.get("reactions") or {}).get("results")
    row |= {
        "via_bot_id": message.get("via_bot_id"), "grouped_id": message.get("grouped_id"), "views": message.get("views"),
        "forwards": message.get("forwards"), "replies": (message.get("replies") or {}).get("replies"),
        "reactions_total": None if results is None else sum(one["count"] for one in results),
        "reactions": [{"reaction": reaction(one["reaction"]), "count": one["count"], "chosen": "chosen_order" in one}
                      for one in results or []],
        **{name: message.get(name, False) for name in ("pinned", "silent", "noforwards", "mentioned")},
        "restriction": [f"{one['platform']}:{one['reason']}" for one in message.get("restriction_reason", [])],
        "ttl_period": message.get("ttl_period"),
    }
    row |= media(message.get("media") or {"_": "messageMediaEmpty"})
    markup = message.get("reply_markup", {})
    rows = markup["rows"] if markup.get("_") == "replyInlineMarkup" else []
    url = None
    if chat < -(10**12):
        url = f"https://t.me/{username or f'c/{-chat - 10**12}'}/{message['id']}"
    return row | {
        "buttons": [{"row": number, "text": one["text"], "url": one.get("type", {}).get("url")}
                    for number, line in enumerate(rows) for one in line["buttons"]],
        "members": members(action or {"_": ""}), "url": url, "version": 1, "deleted_at": None, "first_seen": None,
    }


def snake(name: str) -> str:
    return re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)).lower()


def texts(text: str, entities: list[Object]) -> Object:
    listed: list[Object] = []
    found: dict[str, list[str]] = {"links": [], "mentions": [], "hashtags": []}
    for one in entities:
        kind = ENTITIES.get(re.sub("^(input)?[mM]essageEntity", "", one["_"]), "unknown")
        listed.append({
            "type": kind, "offset": one["offset"], "length": one["length"],
            **{key: one.get(key) for key in ("url", "user_id", "document_id", "language")},
        })
        written = units(text, one["offset"], one["length"])
        if kind in ("link", "text_link"):
            found["links"].append(one["url"] if kind == "text_link" else written)
        elif kind == "mention":
            found["mentions"].append(written)
        elif kind in ("hashtag", "cashtag"):
            found["hashtags"].append(written)
    return {"entities": listed, **found}


def reply(message: Object, chat: int, forum: bool) -> Object:
    header = message.get("reply_to") or {}
    top, number, is_topic = header.get("reply_to_top_id"), header.get("reply_to_msg_id"), header.get("forum_topic")
    other = marked(header.get("reply_to_peer_id"))
    topic = None
    if forum:
        topic = top or (number if is_topic else None)
        if not topic:
            topic = message["id"] if message.get("action", {}).get("_") == "messageActionTopicCreate" else 1
    return {
        "reply_to_id": None if is_topic and top is None else number, "reply_to_chat_id": None if other == chat else other,
        "reply_quote": header.get("quote_text"), "topic_id": topic,
    }


def forward(header: Object | None, peers: Mapping[int, Object]) -> Object:
    header = header or {}
    source = marked(header.get("from_id"))
    known = peers.get(source) if source is not None else None
    name = known["name"] if known else header.get("from_name")
    return {
        "forward_from_id": source, "forward_from_name": name, "forward_date": time(header.get("date")),
        "forward_message_id": header.get("channel_post"), "forward_author": header.get("post_author"),
        "forward_imported": header.get("imported", False), "saved_from_chat_id": marked(header.get("saved_from_peer")),
        "saved_from_message_id": header.get("saved_from_msg_id"),
    }


def reaction(one: Object) -> str:
    if "document_id" in one:
        return f"custom:{one['document_id']}"
    return str(one.get("emoticon", "paid" if one["_"] == "reactionPaid" else "empty"))


def media(one: Object) -> Object:
    row: Object = dict.fromkeys((
        "media_type", "media_id", "file_name", "mime_type", "file_size", "width", "height", "duration", "media_spoiler",
        "media_ttl", "performer", "title", "sticker_emoji", "latitude", "longitude", "webpage_url", "webpage_title",
        "webpage_description", "poll_question", "poll_voters", "poll_options",
    ))
    row["media_spoiler"] = False
    name = one["_"][len("messageMedia"):]
    row["media_type"] = MEDIA.get(name)
    if name in ("Photo", "Document"):
        row |= {"media_spoiler": one.get("spoiler", False), "media_ttl": one.get("ttl_seconds")}
    if name == "Photo":
        row |= photo(one.get("photo") or {"_": "photoEmpty", "id": None})
    elif name == "Document":
        row |= document(one)
    elif name == "WebPage":
        row |= {f"webpage_{key}": one["webpage"].get(key) for key in ("url", "title", "description")}
    elif name == "Poll":
        row |= poll(one["poll"], one["results"])
    if "geo" in one:
        row |= {"latitude": one["geo"].get("lat"), "longitude": one["geo"].get("long")}
    return row


def photo(one: Object) -> Object:
    if one["_"] == "photoEmpty":
        return {"media_id": one["id"]}
    row = {"media_id": one["id"], "mime_type": "image/jpeg"}
    sizes = [size for size in one["sizes"] if size["_"] in ("photoSize", "photoCachedSize", "photoSizeProgressive")]
    if sizes:
        best = max(sizes, key=lambda size: size["w"] * size["h"])
        length = best.get("size") or (max(best["sizes"]) if "sizes" in best else len(base64.b64decode(best["bytes"])))
        row |= {"file_size": length, "width": best["w"], "height": best["h"]}
    return row


def document(holder: Object) -> Object:
    one = holder.get("document") or {"_": "documentEmpty", "id": None}
    if one["_"] == "documentEmpty":
        named = [kind for kind in ("voice", "round", "video") if holder.get(kind)]
        return {"media_type": named[0] if named else "document", "media_id": one["id"]}
    row: Object = {"media_id": one["id"], "mime_type": one["mime_type"], "file_size": one["size"]}
    kinds = set()
    for attribute in one["attributes"]:
        name = attribute["_"][len("documentAttribute"):]
        if name == "Filename":
            row.setdefault("file_name", attribute["file_name"])
        if "w" in attribute:
            row |= {"width": attribute["w"], "height": attribute["h"]}
        if "duration" in attribute:
            row["duration"] = float(attribute["duration"])
        if name == "Audio":
            kinds.add("voice" if attribute.get("voice") else "audio")
            row |= {"performer": attribute.get("performer"), "title": attribute.get("title")}
        elif name == "Video":
            kinds.add("round" if attribute.get("round_message") else "video")
        elif name == "Animated":
            kinds.add("animation")
        elif "alt" in attribute:
            kinds.add("sticker")
            row["sticker_emoji"] = attribute["alt"]
    order = [kind for kind in ("sticker", "round", "voice", "animation", "video", "audio") if kind in kinds]
    return row | {"media_type": order[0] if order else "document"}


def poll(one: Object, results: Object) -> Object:
    counted = {answer["option"]: answer for answer in results.get("results", [])}
    options = []
    for answer in one["answers"]:
        found = counted.get(answer["option"], {})
        options.append({"text": answer["text"]["text"], "voters": found.get("voters"), "chosen": found.get("chosen", False),
                        "correct": found.get("correct", False)})
    return {"media_type": "quiz" if one.get("quiz") else "poll", "poll_question": one["question"]["text"],
            "poll_voters": results.get("total_voters"), "poll_options": options}


def members(action: Object) -> list[int] | None:
    if action["_"] in ("messageActionChatAddUser", "messageActionChatCreate", "messageActionInviteToGroupCall"):
        return list(action["users"])
    return [action["user_id"]] if action["_"] == "messageActionChatDeleteUser" else None


def main() -> None:
    messages, peers, chat, username, out = sys.argv[1:]
    with open(peers, "rb") as file:
        known = known_peers(file)
    with open(messages) as lines, open(out, "w") as file_out:
        for line in lines:
            json.dump(flat(json.loads(line), int(chat), known, username or None, False), file_out)
            file_out.write("\n")


if __name__ == "__main__":
    main()
