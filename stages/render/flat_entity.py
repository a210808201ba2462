"""Entities as the flat record has them, and the texts that they cover. Offsets are in UTF-16 units, as Telegram has them."""
from __future__ import annotations

from typing import Any

from tgbulk.stages.render.entity import ENTITY_TYPES, UNKNOWN


class Units:
    """A text that is cut by UTF-16 offsets. A character that is cut in two becomes U+FFFD."""

    __slots__ = ("_data", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._data = None if text.isascii() else text.encode("utf-16-le")

    def cut(self, offset: int, length: int) -> str:
        """What lies there; less where that is beyond the end."""
        start, end = max(0, offset), max(0, offset + length)
        if self._data is None:
            return self._text[start:end]
        return self._data[2 * start : 2 * end].decode("utf-16-le", "replace")


def flat_entities(message: dict[str, Any]) -> tuple[list[dict[str, Any]], list[str], list[str], list[str]]:
    """(entities, links, mentions, hashtags) of a message that has entities."""
    entities: list[dict[str, Any]] = []
    links: list[str] = []
    mentions: list[str] = []
    hashtags: list[str] = []
    units: Units | None = None
    for one in message["entities"]:
        name = ENTITY_TYPES.get(one["_"], UNKNOWN)
        offset, length = one["offset"], one["length"]
        if len(one) == _PLAIN:
            entities.append({"type": name, "offset": offset, "length": length, "url": None, "user_id": None,
                             "document_id": None, "language": None})
        else:
            user = one.get("user_id")  # of one that clients send it is an object
            entities.append({"type": name, "offset": offset, "length": length, "url": one.get("url"),
                             "user_id": user if isinstance(user, int) else None, "document_id": one.get("document_id"),
                             "language": one.get("language")})
        if name == "text_link":
            links.append(one["url"])
        elif name in _LISTED:
            if units is None:
                units = Units(message["message"])
            (links if name == "link" else mentions if name == "mention" else hashtags).append(units.cut(offset, length))
    return entities, links, mentions, hashtags


#: Fields of an entity that has nothing but its place: _, offset, length.
_PLAIN = 3
_LISTED = frozenset({"link", "mention", "hashtag", "cashtag"})
