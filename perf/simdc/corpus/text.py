"""Text as people write it, and text as a hostile one does."""
from __future__ import annotations

from random import Random

TEXT = (
    "the export is done before lunch tomorrow maybe check photo again train late rain coffee meeting  "
    "budget \U0001d518\U0001d52b "
    "Straße naïve façade Ελλάδα спасибо привет ありがとう 你好 שלום مرحبا नमस्ते 👋 👩‍👩‍👧‍👦 🇺🇦 e\u0301a\u0308 🏳️‍🌈 "
    "#news @sim_kinds $USD /start https://example.com/?q=%20ä mail@example.org +49301234567"
)
WORDS = TEXT.split()

#: what breaks encoders, terminals and length prefixes; every one is valid UTF-8
HOSTILE = (
    "", " ", "\n", "\t\r\n", "\x00", "\x1b[31m", "\u202eevil\u202c", "\u2028\u2029", "\ufeff", "\U0010ffff", "\u200b",
    '"\\</script>&amp;', "{{}}%s${HOME}`", "a" * 253, "b" * 254, "c" * 255, "d" * 256, "é" * 300, "😀" * 70, "'; --",
)


def phrase(random: Random, longest: int = 12) -> str:
    """One to `longest` words."""
    return " ".join(random.choices(WORDS, k=random.randint(1, longest)))


def units(text: str) -> list[int]:
    """The offsets in UTF-16 code units at which an entity may begin or end: never inside a surrogate pair."""
    found = [0]
    for character in text:
        found.append(found[-1] + (2 if ord(character) > 0xFFFF else 1))
    return found
