"""A text with its entities, as the members `text` and `text_entities` have it; docs/spec/telegram-desktop-json.md 4."""
from __future__ import annotations

from typing import Any

from tgbulk.stages.render.desktop.layout import BOOL, MESSAGE, array_of, number, object_of, quote
from tgbulk.stages.render.entity import PLAIN, Part, flat_parts

#: Stands for a custom emoji's file, which an archive does not hold.
NO_EMOJI = "(unavailable)"

_ONE_PLAIN = b'[\n    {\n     "type": "plain",\n     "text": %b\n    }\n   ]'
#: Of the parts of a message's text.
_PART = b'{\n     "type": "%b",\n     "text": %b\n    }'
_PARTS = b",\n    "


class Texts:
    """Writes texts; `emoji_ids`: a custom emoji by its document's id."""

    def __init__(self, emoji_ids: bool = False) -> None:
        self._emoji_ids = emoji_ids

    def both(self, text: str, entities: list[dict[str, Any]] | None) -> tuple[bytes, bytes]:
        """The values of `text` and `text_entities` of a message."""
        if not entities:
            if not text:
                return b'""', b"[]"
            quoted = quote(text)
            return quoted, _ONE_PLAIN % quoted
        parts = flat_parts(text, entities)
        if not parts:
            return b'""', b"[]"
        objects, mixed = [], []
        for part in parts:
            kind = part[0]
            quoted = quote(part[1])
            written = _PART % (_BARE[kind], quoted) if kind in _BARE else self._part(part, MESSAGE + 1)
            objects.append(written)
            mixed.append(quoted if kind == PLAIN else written)
        told = b"[\n    %b\n   ]" % _PARTS.join(objects)
        if len(parts) == 1 and parts[0][0] == PLAIN:
            return mixed[0], told
        return b"[\n    %b\n   ]" % _PARTS.join(mixed), told

    def value(self, text: dict[str, Any] | None, level: int) -> bytes:
        """A textWithEntities as a string, or as an array that closes at this level."""
        parts = flat_parts(text["text"], text["entities"]) if text is not None else []
        if not parts:
            return b'""'
        if len(parts) == 1 and parts[0][0] == PLAIN:
            return quote(parts[0][1])
        return array_of([quote(one[1]) if one[0] == PLAIN else self._part(one, level + 1) for one in parts], level)

    def emoji(self, document_id: int) -> bytes:
        """The value of `document_id`."""
        return quote(str(document_id) if self._emoji_ids else NO_EMOJI)

    def _part(self, part: Part, level: int) -> bytes:
        kind, text, entity = part
        more = (b"", b"") if entity is None or kind in _BARE else self._more(kind, entity)
        return object_of(((b"type", quote(kind)), (b"text", quote(text)), more), level)

    def _more(self, kind: str, entity: dict[str, Any]) -> tuple[bytes, bytes]:
        if kind == "text_link":
            return b"href", quote(entity["url"])
        if kind == "pre":
            return b"language", quote(entity["language"])
        if kind == "mention_name":
            user = entity["user_id"]
            return b"user_id", number(user) if isinstance(user, int) else b""
        if kind == "custom_emoji":
            return b"document_id", self.emoji(entity["document_id"])
        return b"collapsed", BOOL["collapsed" in entity]


#: Entities without another member.
_BARE = {kind: kind.encode() for kind in (
    PLAIN, "unknown", "mention", "hashtag", "bot_command", "link", "email", "bold", "italic", "code", "phone", "cashtag",
    "underline", "strikethrough", "bank_card", "spoiler",
)}
