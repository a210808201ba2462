"""result.json as anybody would write it: json.loads of each line, a list of dicts, json.dump with an indentation of 1.

Imports nothing of tgbulk, and has the members that most messages have.
Run as `python -m tgbulk.perf.bench.baseline.result_json MESSAGES PEERS CHAT OUT`.
"""
from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from datetime import datetime
from typing import Any

Object = dict[str, Any]
LEFT_OUT = "(File not included. Change data exporting settings to download.)"
ENTITIES = {
    "Mention": "mention", "Hashtag": "hashtag", "BotCommand": "bot_command", "Url": "link", "Email": "email",
    "Bold": "bold", "Italic": "italic", "Code": "code", "Pre": "pre", "TextUrl": "text_link", "MentionName": "mention_name",
    "Phone": "phone", "Cashtag": "cashtag", "Underline": "underline", "Strike": "strikethrough",
    "Blockquote": "blockquote", "BankCard": "bank_card", "Spoiler": "spoiler", "CustomEmoji": "custom_emoji",
}
MEDIA_TYPES = (
    ("Sticker", "sticker"), ("CustomEmoji", "sticker"), ("Animated", "animation"), ("Video", "video_file"),
    ("Audio", "audio_file"),
)


def marked(peer: Object) -> int:
    if "user_id" in peer:
        return int(peer["user_id"])
    return -int(peer["chat_id"]) if "chat_id" in peer else -(10**12) - int(peer["channel_id"])


def identity(peer: int) -> str:
    return f"user{peer}" if peer > 0 else f"channel{-peer - 10**12}" if peer <= -(10**12) else f"chat{-peer}"


def date(seconds: int) -> str:
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%dT%H:%M:%S")


def known_peers(lines: Iterable[bytes]) -> dict[int, str | None]:
    found = {}
    for line in lines:
        peer = json.loads(line)
        name = peer.get("title") or " ".join(filter(None, (peer.get("first_name"), peer.get("last_name")))) or None
        kind = peer["_"]
        found[peer["id"] if kind[0] == "u" else -peer["id"] if kind[:4] == "chat" else -(10**12) - peer["id"]] = name
    return found


def parts(text: str, entities: list[Object]) -> list[Object]:
    found: list[Object] = []
    units, at = text.encode("utf-16-le"), 0
    for entity in entities:
        start, end = entity["offset"], entity["offset"] + entity["length"]
        if start < at:
            continue
        if start > at:
            found.append({"type": "plain", "text": units[2 * at : 2 * start].decode("utf-16-le", "replace")})
        kind = ENTITIES.get(entity["_"].removeprefix("messageEntity"), "unknown")
        part: Object = {"type": kind, "text": units[2 * start : 2 * end].decode("utf-16-le", "replace")}
        if "url" in entity:
            part["href"] = entity["url"]
        found.append(part)
        at = end
    if 2 * at < len(units):
        found.append({"type": "plain", "text": units[2 * at :].decode("utf-16-le", "replace")})
    return found


def photo(one: Object) -> Object:
    sizes = [size for size in one.get("sizes", []) if "w" in size]
    best: Object = max(sizes, key=lambda size: int(size["w"] * size["h"])) if sizes else {"w": 0, "h": 0}
    size = best.get("size") or (best.get("sizes") or [0])[-1]
    return {"photo": LEFT_OUT, "photo_file_size": size, "width": best["w"], "height": best["h"]}


def document(one: Object) -> Object:
    row: Object = {"file": LEFT_OUT}
    attributes = {each["_"].removeprefix("documentAttribute"): each for each in one.get("attributes", [])}
    if "Filename" in attributes:
        row["file_name"] = attributes["Filename"]["file_name"]
    row["file_size"] = one.get("size", 0)
    thumbs = [size for size in one.get("thumbs", []) if "w" in size]
    if thumbs:
        row["thumbnail"] = LEFT_OUT
        row["thumbnail_file_size"] = max(thumbs, key=lambda size: size["w"] * size["h"]).get("size", 0)
    kinds = [word for name, word in MEDIA_TYPES if name in attributes]
    if kinds:
        row["media_type"] = kinds[0]
    row["mime_type"] = one.get("mime_type", "")
    for each in attributes.values():
        if each.get("duration"):
            row["duration_seconds"] = int(each["duration"])
        if "w" in each:
            row["width"], row["height"] = each["w"], each["h"]
    return row


def written(message: Object, chat: int, names: dict[int, str | None]) -> Object:
    row: Object = {
        "id": message["id"], "type": "message", "date": date(message["date"]), "date_unixtime": str(message["date"]),
    }
    if "edit_date" in message:
        row |= {"edited": date(message["edit_date"]), "edited_unixtime": str(message["edit_date"])}
    sender = marked(message["from_id"]) if "from_id" in message else chat
    if message["_"] == "messageService":
        row |= {"type": "service", "actor": names.get(sender), "actor_id": identity(sender)}
        return row | {"action": message["action"]["_"], "text": "", "text_entities": []}
    row |= {"from": names.get(sender), "from_id": identity(sender)}
    if "post_author" in message:
        row["author"] = message["post_author"]
    forward = message.get("fwd_from", {})
    if "from_id" in forward:
        row["forwarded_from"] = names.get(marked(forward["from_id"]))
        row["forwarded_from_id"] = identity(marked(forward["from_id"]))
    elif "from_name" in forward:
        row["forwarded_from"] = forward["from_name"]
    if message.get("reply_to", {}).get("reply_to_msg_id"):
        row["reply_to_message_id"] = message["reply_to"]["reply_to_msg_id"]
    media = message.get("media", {})
    if "photo" in media:
        row |= photo(media["photo"])
    elif "document" in media:
        row |= document(media["document"])
    found = parts(message["message"], message.get("entities", []))
    plain = len(found) == 1 and found[0]["type"] == "plain"
    mixed = [part["text"] if part["type"] == "plain" else part for part in found]
    row["text"] = "" if not found else found[0]["text"] if plain else mixed
    row["text_entities"] = found
    if message.get("reply_markup", {}).get("_") == "replyInlineMarkup":
        row["inline_bot_buttons"] = [
            [{"type": "url", "text": button["text"], "data": button["type"].get("url", "")} for button in one["buttons"]]
            for one in message["reply_markup"]["rows"]
        ]
    if "reactions" in message:
        row["reactions"] = [
            {"type": "emoji", "count": one["count"], "emoji": one["reaction"].get("emoticon", "")}
            for one in message["reactions"]["results"]
        ]
    return row


def main() -> None:
    messages, peers, chat, out = sys.argv[1:]
    with open(peers, "rb") as file:
        names = known_peers(file)
    with open(messages, "rb") as lines:
        found = [written(json.loads(line), int(chat), names) for line in lines]
    with open(out, "w") as result:
        json.dump({"name": names.get(int(chat)), "messages": found}, result, indent=1, ensure_ascii=False)


if __name__ == "__main__":
    main()
