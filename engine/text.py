"""The one door for text that came from outside: what may steer a terminal, or turn the order of a line around, stays out."""
from __future__ import annotations

import re
import unicodedata
from typing import Any

import orjson

#: Control, surrogate, line and paragraph separators.
UNSAFE_CATEGORIES = {"Cc", "Cs", "Zl", "Zp"}
#: Turn the order of the text around (Unicode Standard Annex 9).
BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
#: What stands for it.
REPLACEMENT = "\ufffd"

#: The same as a pattern, for text of which most has none; C0 but for tab and line feed.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
#: What JSON need not escape, and a terminal obeys.
_UNESCAPED = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """One line, with a replacement character for everything that controls a terminal or the order of the text."""
    return "".join(
        REPLACEMENT if unicodedata.category(c) in UNSAFE_CATEGORIES or c in BIDI_CONTROLS else c for c in text
    )


def harmless(text: str) -> str:
    """The same, but for tabs and the ends of lines."""
    return _UNSAFE.sub(REPLACEMENT, text)


def json_line(value: Any) -> bytes:
    """The value as a line of JSON, with escapes for what a terminal would obey; who reads it gets what was there."""
    line = orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)
    if line.isascii() and b"\x7f" not in line:
        return line
    return _UNESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", line.decode()).encode()
