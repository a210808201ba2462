"""Which users and chats a message names."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from telethon.tl import TLObject

from tgbulk.perf.simdc.corpus.schema import constructor
from tgbulk.perf.simdc.world import CHANNEL_MARK

#: fields of type long that hold a user's id
USERS = frozenset({
    "user_id", "via_bot_id", "via_business_bot_id", "bot_id", "inviter_id", "new_creator_id", "users", "winners",
    "recent_viewers",
})
#: fields of type long that hold a channel's id
CHANNELS = frozenset({"channel_id", "channels"})
#: fields of type long that hold a basic group's id
CHATS = frozenset({"chat_id", "chats"})


def marked(attribute: str, number: int) -> int | None:
    """The marked id that this number is in a field of this name; None if it is no peer's."""
    if attribute in USERS:
        return number
    if attribute in CHANNELS:
        return -(CHANNEL_MARK + number)
    return -number if attribute in CHATS else None


def mentioned(value: Any) -> Iterator[int]:
    """Marked ids of every user and chat named anywhere within an object, doubles included."""
    if not isinstance(value, TLObject):
        return
    for field in constructor(type(value)).fields:
        held = getattr(value, field.attribute, None)
        items = held if isinstance(held, list) else [held]
        if field.kind == "object":
            for item in items:
                yield from mentioned(item)
        elif field.kind == "long":
            found = (marked(field.attribute, number) for number in items if number)
            yield from (number for number in found if number is not None)
