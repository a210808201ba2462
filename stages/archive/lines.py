"""Committed lines of one chat, read where they lie: in messages.jsonl, and in segments that it has not reached yet.

Lines ascend by id through all pieces, so an id is found by bisection over the offsets, without an index.
"""
from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import orjson

from tgbulk.engine.error import StorageError
from tgbulk.engine.folder import Place

#: Bytes read at a time; a block is at least one line, however long.
BLOCK = 1 << 20
#: Bytes looked at in each step of a bisection by date: of so many lines the latest date counts, since single messages,
#: imported ones for example, can have earlier dates than their neighbours.
WINDOW = 1 << 16
#: Bytes read first to see one line.
PEEK = 1 << 12
#: What a line begins with; another writer may order its fields otherwise.
_ID = re.compile(rb'\{"_":"message(?:Service)?","id":(\d+)')


class ChangedChatError(StorageError):
    """{0}: it was changed by a run while it was read"""

    advice = "Try again, or wait until the run has ended."


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of a file that hold whole lines."""

    path: Place
    offset: int
    size: int


def read_blocks(pieces: list[Piece] | tuple[Piece, ...], size: int = BLOCK) -> Iterator[bytes]:
    """Whole lines, near `size` bytes of them at a time. ChangedChatError where they are not there any more, OSError."""
    for piece in pieces:
        descriptor = open_piece(piece)
        try:
            yield from _blocks(descriptor, piece, size)
        finally:
            os.close(descriptor)


def open_piece(piece: Piece) -> int:
    """A descriptor to read from. ChangedChatError, OSError."""
    try:
        return piece.path.open()
    except FileNotFoundError as error:
        raise ChangedChatError(piece.path) from error


def _blocks(descriptor: int, piece: Piece, size: int) -> Iterator[bytes]:
    place, end, rest = piece.offset, piece.offset + piece.size, b""
    while place < end:
        data = os.pread(descriptor, min(size, end - place), place)
        if not data:
            raise ChangedChatError(piece.path)
        place += len(data)
        cut = data.rfind(b"\n") + 1
        if not cut:
            rest += data
            continue
        yield rest + data[:cut] if rest else data[:cut]
        rest = data[cut:]
    if rest:
        raise ChangedChatError(piece.path)


def cut_from(pieces: list[Piece], low: int) -> list[Piece]:
    """The pieces from the first line on whose id is at least `low`. ChangedChatError, OSError."""
    return _cut(pieces, lambda lines: bool(orjson.loads(lines)["id"] >= low), 0)


def cut_to(pieces: list[Piece], high: int) -> list[Piece]:
    """The pieces up to the last line whose id is at most `high`. ChangedChatError, OSError."""
    behind = cut_from(pieces, high + 1)
    if not behind:
        return pieces
    kept = pieces[: len(pieces) - len(behind) + 1]
    last = kept.pop()
    rest = Piece(last.path, last.offset, behind[0].offset - last.offset)
    return [*kept, rest] if rest.size else kept


def cut_since(pieces: list[Piece], date: int) -> list[Piece]:
    """The pieces from a line on that lies a little before the first one of at least this date (Unix seconds).

    Single messages that are dated earlier than those before them do not lead astray. ChangedChatError, OSError.
    """
    return _cut(pieces, lambda lines: any(orjson.loads(one)["date"] >= date for one in lines.splitlines()), WINDOW)


def _cut(pieces: list[Piece], reached: Callable[[bytes], bool], window: int) -> list[Piece]:
    """Leave out what lies before the first line, or the first `window` bytes of lines, that has reached something."""
    low, high = 0, len(pieces)
    while low < high:  # the first piece whose end has reached it
        middle = (low + high) // 2
        with _Reading(pieces[middle]) as reading:
            last = reading.line_start(pieces[middle].offset, max(pieces[middle].offset, reading.end - 1 - window))
            if reached(reading.lines(last, reading.end - last if window else 0)):
                high = middle
            else:
                low = middle + 1
    if low == len(pieces):
        return []
    with _Reading(pieces[low]) as reading:
        first, beyond = pieces[low].offset, reading.end
        while beyond - first > window:
            middle = reading.line_start(first, (first + beyond) // 2)
            lines = reading.lines(middle, window)
            if reached(lines):
                beyond = middle
            else:
                first = min(middle + len(lines), beyond)
    return [Piece(pieces[low].path, first, reading.end - first), *pieces[low + 1 :]]


class _Reading:
    """A piece, opened to look at lines anywhere in it."""

    def __init__(self, piece: Piece) -> None:
        self._piece = piece
        self.end = piece.offset + piece.size
        self._descriptor = open_piece(piece)

    def __enter__(self) -> _Reading:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def line_start(self, low: int, place: int) -> int:
        """Where the line begins in which this byte stands; `low` begins a line."""
        while place > low:
            start = max(low, place - WINDOW)
            found = self._read(start, place).rfind(b"\n") + 1
            if found:
                return start + found
            place = start
        return low

    def lines(self, start: int, size: int) -> bytes:
        """Whole lines from here, about so many bytes of them; for a size of 0 one."""
        data, wanted = b"", size or PEEK
        while True:
            data = self._read(start, min(self.end, start + wanted))
            cut = (data.rfind(b"\n") if size else data.find(b"\n")) + 1
            if cut:
                return data[:cut]
            if start + wanted >= self.end:
                raise ChangedChatError(self._piece.path)
            wanted *= 2

    def _read(self, start: int, end: int) -> bytes:
        parts = []
        while start < end:
            parts.append(os.pread(self._descriptor, end - start, start))
            if not parts[-1]:
                raise ChangedChatError(self._piece.path)
            start += len(parts[-1])
        return b"".join(parts)


def parse_lines(blocks: Iterator[bytes]) -> Iterator[dict[str, Any]]:
    """The objects of whole lines."""
    # chained, not yielded one by one: a generator's turn costs much beside parsing a line
    return chain.from_iterable(map(orjson.loads, block.splitlines()) for block in blocks)


def find_lines(pieces: list[Piece], ids: Iterable[int]) -> dict[int, bytes]:
    """The lines of these ids, of those that are there, each found by bisection. ChangedChatError, OSError."""
    found: dict[int, bytes] = {}
    left = sorted(set(ids))
    for piece in pieces:
        if not left:
            break
        with _Reading(piece) as reading:
            last = line_id(reading.lines(reading.line_start(piece.offset, reading.end - 1), 0))
            low = piece.offset
            here = [one for one in left if one <= last]
            left = left[len(here) :]
            for number in here:
                low, line = _search(reading, low, number)
                if line:
                    found[number] = line
    return found


def _search(reading: _Reading, first: int, number: int) -> tuple[int, bytes]:
    """(where a line of at least this id begins, the line of this id or nothing), from the line on that begins at `first`."""
    beyond = reading.end
    while first < beyond:
        middle = reading.line_start(first, (first + beyond) // 2)
        line = reading.lines(middle, 0)
        found = line_id(line)
        if found == number:
            return middle, line
        if found < number:
            first = middle + len(line)
        else:
            beyond = middle
    return first, b""


def line_id(line: bytes) -> int:
    """The id of a message's line."""
    match = _ID.match(line)
    return int(match[1]) if match else int(orjson.loads(line)["id"])
