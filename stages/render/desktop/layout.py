"""How result.json looks: a space a level, `"key": value`, everything on a line of its own;
docs/spec/telegram-desktop-json.md 9."""
from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import orjson

#: Levels of a chat's message: what Telegram Desktop counts when it writes the values of one.
MESSAGE = 3
#: Levels that the whole-account form puts around a chat.
ACCOUNT = 3
#: Between two messages of a chat.
BETWEEN = b",\n  "
_LINES = [b"\n" + b" " * level for level in range(40)]
_ESCAPE = re.compile(rb"\\([\\bf])")
_SHORT = {b"b": b"\\u0008", b"f": b"\\u000c"}
_SEPARATOR = re.compile(rb"\xe2\x80[\xa8\xa9]")
_ESCAPED = {b"\xe2\x80\xa8": b"\\u2028", b"\xe2\x80\xa9": b"\\u2029"}

NULL = b"null"
BOOL = (b"false", b"true")

#: A JSON string; `finish` brings its escapes into Telegram Desktop's form. TypeError for what is no text.
quote = orjson.dumps


def text_or_null(text: str) -> bytes:
    return quote(text) if text else NULL


def some(text: str) -> bytes:
    """The text as JSON; no bytes where it is empty."""
    return quote(text) if text else b""


def number(value: int) -> bytes:
    """TypeError for what is no number."""
    return b"%d" % value


def decimal(value: float) -> bytes:
    """A number with a fraction: six decimals. ValueError, TypeError."""
    return f"{value:.6f}".encode()


def line(level: int) -> bytes:
    """A line feed and the spaces of a level."""
    return _LINES[level] if level < len(_LINES) else b"\n" + b" " * level


def members(values: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Members of a message, each behind a comma; a value of no bytes is left out."""
    return b"".join([b',\n   "%b": %b' % one for one in values if one[1]])


def object_of(values: Iterable[tuple[bytes, bytes]], level: int) -> bytes:
    """An object that closes at this level; a value of no bytes is left out."""
    inner = line(level + 1)
    return b"{" + b",".join([b'%b"%b": %b' % (inner, *one) for one in values if one[1]]) + line(level) + b"}"


def array_of(values: Sequence[bytes], level: int) -> bytes:
    """An array that closes at this level."""
    inner = line(level + 1)
    return b"[" + b",".join([inner + one for one in values]) + line(level) + b"]"


def finish(data: bytes) -> bytes:
    """Escapes as Telegram Desktop writes them: no `\\b` and `\\f`, and U+2028 and U+2029 escaped."""
    if b"\\" in data:
        data = _ESCAPE.sub(lambda found: _SHORT.get(found[1], found[0]), data)
    if _SEPARATOR.search(data):  # several times as fast as `in`, which has no memchr for more than one byte
        data = _SEPARATOR.sub(lambda found: _ESCAPED[found[0]], data)
    return data
