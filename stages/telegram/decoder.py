"""Decoding pages: the bytes of a getHistory answer to its sparse form."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stages.telegram.schema import constructors
from stages.telegram.sparse import PlainReader, sparse

#: The type of a page: messages.messages, messagesSlice, channelMessages or messagesNotModified.
PAGE_TYPE = "messages.Messages"


class DecodeError(ValueError):
    """The bytes are not what they should be: cut short, a lying count, a constructor nobody knows."""


@dataclass(slots=True)
class Decoded:
    """A decoded page.

    `answer` is the sparse form of the whole messages.Messages object: `_`, and as the constructor has them `count`,
    `messages`, `topics`, `chats` and `users`. `end` is the offset after the object: what follows is padding or other
    replies. `error` is why the fast decoder gave up, when the slow one had to do it.
    """

    answer: dict[str, Any]
    end: int
    error: Exception | None = None


def _demand_page(data: bytes) -> None:
    if int.from_bytes(data[:4], "little") not in constructors(PAGE_TYPE):
        raise DecodeError(f"not a page: it begins with {data[:4].hex() or 'nothing'}")


def slow_page(data: bytes | memoryview) -> Decoded:
    """A page decoded by Telethon. Raises DecodeError."""
    held = bytes(data)
    _demand_page(held)
    reader = PlainReader(held)
    try:
        answer = sparse(reader.tgread_object())
    except Exception as error:
        raise DecodeError(f"Telethon cannot decode the page: {error!r}") from error
    return Decoded(answer, reader.tell_position())


def page(data: bytes | memoryview) -> Decoded:
    """A page decoded the fast way, or where that fails, the slow way. Raises DecodeError."""
    return slow_page(data)
