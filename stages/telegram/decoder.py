"""Pages decoded: bytes of a getHistory answer to its sparse form, by generated functions or, where they fail, Telethon.

An object's sparse form is a dict of its own; nothing decoded refers back, so there is no cycle to collect.
"""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from struct import Struct
from typing import Any, NoReturn

from tgbulk.stages.telegram import compiler
from tgbulk.stages.telegram.difference import DIFFERENCE_TYPES
from tgbulk.stages.telegram.schema import Layout, constructors, layout
from tgbulk.stages.telegram.sparse import REFERENCES, PlainReader, sparse
from tgbulk.stages.telegram.variant import MANY_FIELDS, Function, by_flags
from tgbulk.stages.telegram.wire import NAMES, DecodeError, UnknownConstructor

#: The type of a page: messages.messages, messagesSlice, channelMessages or messagesNotModified.
PAGE_TYPE = "messages.Messages"

#: Constructors with two flags words and then their id, which come along with page after page.
PEERS = frozenset({"user", "channel"})
#: Objects of each that are remembered.
REMEMBERED = 4_096


def remembering(function: Function) -> Function:
    """The function, giving the very dict of an earlier page where the bytes are those of then: nobody may change it."""
    known: dict[bytes, tuple[bytes, dict[str, Any]]] = {}

    def remembered(data: bytes, offset: int) -> tuple[dict[str, Any], int]:
        key = data[offset + 8 : offset + 16]
        entry = known.get(key)
        if entry is not None:
            end = offset + len(entry[0])
            if data[offset:end] == entry[0]:
                return entry[1], end
        value, end = function(data, offset)
        if len(known) >= REMEMBERED:
            known.clear()
        known[key] = (data[offset:end], value)
        return value, end

    return remembered


class _Functions(dict[int, Function]):
    """Constructor id -> its function, compiled when it is first asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.namespace = {"D": self, **NAMES}

    def __missing__(self, constructor_id: int) -> Function:
        try:
            layout(constructor_id)
        except KeyError:
            return self._unknown(constructor_id)
        self.compile(constructor_id)
        return self[constructor_id]

    @staticmethod
    def _unknown(constructor_id: int) -> Function:
        def unknown(data: bytes, offset: int) -> NoReturn:
            raise UnknownConstructor(constructor_id, offset - 4)

        return unknown

    def compile(self, constructor_id: int) -> None:
        """Compile one function: many at once would leave the process 20 MB larger. Raises as `layout` does."""
        known = layout(constructor_id)
        function = by_flags(known, self._function) if len(known.fields) >= MANY_FIELDS else self._function(known)
        self[constructor_id] = remembering(function) if known.name in PEERS else function

    def _function(self, known: Layout, ahead: int = 0) -> Function:
        text, formats = compiler.source(known, ahead)
        for codes in formats:
            if f"u_{codes}" not in self.namespace:
                self.namespace[f"u_{codes}"] = Struct("<" + codes).unpack_from
        exec(compile(text, f"<{known.name}>", "exec"), self.namespace)
        function: Function = self.namespace.pop(compiler.function_name(known.id))
        return function


_functions = _Functions()


@dataclass(slots=True)
class Decoded:
    """A decoded page.

    `answer` is the sparse form of the whole messages.Messages object: `_`, and as the constructor has them `count`,
    `messages`, `topics`, `chats` and `users`. `end` is the offset after the object: what follows is padding or other
    replies. `error` is why the generated functions gave up, where Telethon had to do it.
    """

    answer: dict[str, Any]
    end: int
    error: Exception | None = None


def _named(error: Exception) -> str:
    """An error in few words: Telethon's quote all bytes that were left."""
    return f"{type(error).__name__}: {str(error)[:120]}"


def decode(data: bytes | memoryview, offset: int = 0) -> tuple[dict[str, Any], int]:
    """The sparse form of the object at `offset`, and the offset after it; what follows is not looked at.

    Raises DecodeError.
    """
    held = bytes(data)
    if offset < 0:
        raise DecodeError(f"offset {offset} is before the buffer")
    try:
        value, end = _functions[int.from_bytes(held[offset : offset + 4], "little")](held, offset + 4)
    except DecodeError:
        raise
    except Exception as error:
        raise DecodeError(f"cut short or malformed: {_named(error)}") from error
    if end > len(held):
        raise DecodeError(f"cut short: {len(held)} bytes where {end} are needed")
    return value, end


def _demand(data: bytes | memoryview, types: Iterable[str]) -> None:
    known = int.from_bytes(data[:4], "little")
    if not any(known in constructors(type) for type in types):
        what = "a page" if PAGE_TYPE in types else "a difference"
        raise DecodeError(f"not {what}: it begins with {bytes(data[:4]).hex() or 'nothing'}")


def decode_page(data: bytes | memoryview, types: Iterable[str] = (PAGE_TYPE,)) -> Decoded:
    """A page, or an answer of other types, decoded by the generated functions. Raises DecodeError."""
    _demand(data, types)
    return Decoded(*decode(data))


def slow_page(data: bytes | memoryview, types: Iterable[str] = (PAGE_TYPE,)) -> Decoded:
    """The same by Telethon. Raises DecodeError."""
    _demand(data, types)
    reader = PlainReader(bytes(data))
    try:
        answer = sparse(reader.tgread_object())
    except Exception as error:
        raise DecodeError(f"Telethon cannot decode the page: {_named(error)}") from error
    return Decoded(answer, reader.tell_position())


def page(data: bytes | memoryview, types: Iterable[str] = (PAGE_TYPE,)) -> Decoded:
    """A page decoded by the generated functions or, where they fail, by Telethon; `error` is why they failed.

    types: of what it may be. REFERENCES then holds its file references. Raises DecodeError, which says why, where both fail.
    """
    REFERENCES.clear()
    try:
        return decode_page(data, types)
    except Exception as error:
        try:
            decoded = slow_page(data, types)
        except DecodeError as second:
            raise DecodeError(f"{error}; {second}") from second
        # without its traceback, which would hold this frame and make a cycle
        decoded.error = error.with_traceback(None)
        return decoded


def difference(data: bytes | memoryview) -> Decoded:
    """An answer of updates.getDifference or updates.getChannelDifference, in the same way. Raises DecodeError."""
    return page(data, DIFFERENCE_TYPES)
