"""Text entities: their names, and a text cut into parts that do not overlap, as Telegram Desktop does it.

Offsets are in UTF-16 code units; docs/spec/telegram-desktop-json.md 4.
"""
from __future__ import annotations

from typing import Any

PLAIN = "plain"
UNKNOWN = "unknown"
#: Constructor -> name in result.json and in the flat record; all others are UNKNOWN.
ENTITY_TYPES = {
    "messageEntityMention": "mention",
    "messageEntityHashtag": "hashtag",
    "messageEntityBotCommand": "bot_command",
    "messageEntityUrl": "link",
    "messageEntityEmail": "email",
    "messageEntityBold": "bold",
    "messageEntityItalic": "italic",
    "messageEntityCode": "code",
    "messageEntityPre": "pre",
    "messageEntityTextUrl": "text_link",
    "messageEntityMentionName": "mention_name",
    "inputMessageEntityMentionName": "mention_name",
    "messageEntityPhone": "phone",
    "messageEntityCashtag": "cashtag",
    "messageEntityUnderline": "underline",
    "messageEntityStrike": "strikethrough",
    "messageEntityBlockquote": "blockquote",
    "messageEntityBankCard": "bank_card",
    "messageEntitySpoiler": "spoiler",
    "messageEntityCustomEmoji": "custom_emoji",
}

#: (name, text, entity): one part of a text; `plain` parts have no entity.
Part = tuple[str, str, dict[str, Any] | None]


def flat_parts(text: str, entities: list[dict[str, Any]]) -> list[Part]:
    """The text in parts, in order; an entity that begins within another is left out.

    An entity counts as within the text up to the text's length in bytes of UTF-8, and a last plain part follows up to
    there: it is empty where a text with letters beyond ASCII ends in an entity. Half a surrogate pair becomes `?`.
    """
    if not entities:
        return [(PLAIN, text, None)] if text else []
    units = _Units(text)
    found: list[Part] = []
    cursor = 0
    for entity in entities:
        start, length = entity["offset"], entity["length"]
        end = start + length
        if start < cursor or length <= 0 or end > units.bytes:
            continue
        if start > cursor:
            found.append((PLAIN, units.cut(cursor, start), None))
        found.append((ENTITY_TYPES.get(entity["_"], UNKNOWN), units.cut(start, end), entity))
        cursor = end
    if cursor < units.bytes:
        found.append((PLAIN, units.cut(cursor, units.bytes), None))
    return found


class _Units:
    """A text that is cut at offsets in UTF-16 units."""

    __slots__ = ("_text", "_wide", "bytes")

    def __init__(self, text: str) -> None:
        self._text = text
        #: UTF-16, only where a character has two units
        self._wide = b""
        if text.isascii():
            self.bytes = len(text)
            return
        self.bytes = len(text.encode())
        wide = text.encode("utf-16-le")
        if len(wide) != 2 * len(text):
            self._wide = wide

    def cut(self, start: int, end: int) -> str:
        if not self._wide:
            return self._text[start:end]
        piece = self._wide[2 * start:2 * end].decode("utf-16-le", "surrogatepass")
        return piece.encode("utf-8", "replace").decode()
