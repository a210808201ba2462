"""Variants: a constructor with many optional fields, and for each value of its flags that is common a function of its own.

Nearly all messages of a chat have one of a few dozen values. Where the flags are known, nothing is left to test: the fields
lie one behind another.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tgbulk.stages.telegram.schema import Layout

#: A generated function: (buffer, offset after the constructor id) -> (sparse form, offset after the object).
Function = Callable[[bytes, int], tuple[dict[str, Any], int]]

#: Fields, true flags included, from which a constructor is worth variants.
MANY_FIELDS = 20
#: A variant is compiled (a millisecond) when its flags come for this time.
COMMON = 32
#: Variants of a constructor, and values of its flags that are counted; with more, the counts begin anew.
VARIANTS, COUNTED = 256, 4_096


def by_flags(known: Layout, compile: Callable[..., Function]) -> Function:
    """A function of the constructor that picks a variant. `compile` makes one of a layout and the bytes before it."""
    general = compile(known)
    words = _leading_words(known)
    if not words:
        return general
    width = 4 * len(words)
    variants: dict[bytes, Function] = {}
    met: Counter[bytes] = Counter()

    def other(flags: bytes) -> Function:
        met[flags] += 1
        if met[flags] >= COMMON and len(variants) < VARIANTS and len(flags) == width:
            variants[flags] = compile(_variant(known, words, flags), width)
            return variants[flags]
        if len(met) > COUNTED:
            met.clear()
        return general

    def chosen(data: bytes, offset: int) -> tuple[dict[str, Any], int]:
        flags = data[offset : offset + width]
        try:
            function = variants[flags]
        except KeyError:
            function = other(flags)
        return function(data, offset)

    return chosen


def _leading_words(known: Layout) -> list[str]:
    """The flags words, where all of them come first; else none."""
    words = [field.name for field in known.fields if field.kind == "flags"]
    return words if words == [field.name for field in known.fields[: len(words)]] else []


def _variant(known: Layout, words: list[str], flags: bytes) -> Layout:
    """The layout behind flags words of these values: every field is required, and what is absent is not there."""
    values = {word: int.from_bytes(flags[4 * place : 4 * place + 4], "little") for place, word in enumerate(words)}
    fields = [one for one in known.fields if one.kind != "flags" and (not one.mask or values[one.word] & one.mask)]
    return replace(known, fields=tuple(replace(one, word="", mask=0) for one in fields))
