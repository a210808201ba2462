"""A chat cut into parts, each rendered by one process. Where a part begins depends only on the lines before it."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from isal.isal_zlib import crc32

from tgbulk.stages.archive.id_range import UNBOUNDED
from tgbulk.stages.archive.lines import BLOCK, Piece, line_id, parse_lines, read_blocks
from tgbulk.stages.archive.versions import ChangePlaces, Versions

#: Bytes of lines after which a part ends at the next page.
PART_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class Part:
    """Successive messages of one chat."""

    #: from 0
    number: int
    #: messages of the chat before it
    start: int
    messages: int
    last_id: int
    pieces: tuple[Piece, ...]
    #: CRC-32 of its lines
    crc: int
    first_id: int
    #: the line before it
    before_line: Piece | None = None
    #: what the surveys of the parts before it come to
    before: Any = None
    #: what of its messages changed later; those without a line are not counted in `messages`
    changes: ChangePlaces | None = None

    @property
    def size(self) -> int:
        """Bytes of its lines."""
        return sum(one.size for one in self.pieces)

    def blocks(self, size: int = BLOCK) -> Iterator[bytes]:
        """Its lines, whole ones, near `size` bytes at a time."""
        return read_blocks(self.pieces, size)

    @property
    def late(self) -> list[int]:
        """Ids of messages without a line, ascending."""
        return list(self.changes.late) if self.changes else []

    def messages_of(self, versions: Versions = "latest") -> Iterator[dict[str, Any]]:
        """Its messages in these forms."""
        found = parse_lines(self.blocks())
        return found if self.changes is None else self.changes.forms(found, versions)

    def previous(self) -> dict[str, Any] | None:
        """The message before the part."""
        return None if self.before_line is None else next(parse_lines(read_blocks([self.before_line])))


class _Cutter:
    """Collects lines until they are a part."""

    def __init__(self) -> None:
        self.number = self.start = self.messages = self.size = self.crc = 0
        self.pieces: list[Piece] = []
        self.before_line: Piece | None = None
        self._first = b""
        self._last: tuple[Piece, bytes] | None = None

    def add(self, piece: Piece, offset: int, lines: bytes, count: int) -> None:
        """Whole lines, which begin at this offset of the piece's file."""
        if not self.messages:
            self._first = lines[: lines.index(b"\n") + 1]
        if self.pieces and self.pieces[-1].path == piece.path:
            last = self.pieces[-1]
            self.pieces[-1] = Piece(last.path, last.offset, last.size + len(lines))
        else:
            self.pieces.append(Piece(piece.path, offset, len(lines)))
        self.crc = crc32(lines, self.crc)
        self.messages += count
        self.size += len(lines)
        start = lines.rfind(b"\n", 0, -1) + 1
        self._last = Piece(piece.path, offset + start, len(lines) - start), lines[start:]

    def end(self) -> Part:
        assert self._last is not None
        place, line = self._last
        part = Part(self.number, self.start, self.messages, line_id(line), tuple(self.pieces), self.crc,
                    line_id(self._first), self.before_line)
        self.number += 1
        self.start += self.messages
        self.before_line = place
        self.messages = self.size = self.crc = 0
        self.pieces = []
        return part


def cut_parts(
    pieces: list[Piece], part_messages: int, page_messages: int = 1, changes: ChangePlaces | None = None
) -> Iterator[Part]:
    """The parts of a chat. part_messages is a multiple of page_messages. ChangedChatError, OSError.

    Messages without a line come with the part of the line behind them, those above all lines with the last part.
    """
    before, first = None, 1
    for part in _cut_lines(pieces, part_messages, page_messages):
        if before is not None:
            yield _with_changes(before, changes, first, before.last_id)
            first = before.last_id + 1
        before = part
    if before is not None:
        yield _with_changes(before, changes, first, UNBOUNDED)


def _with_changes(part: Part, changes: ChangePlaces | None, first: int, last: int) -> Part:
    return replace(part, changes=changes.within(first, last)) if changes else part


def _cut_lines(pieces: list[Piece], part_messages: int, page_messages: int) -> Iterator[Part]:
    cutter = _Cutter()
    for piece in pieces:
        offset = piece.offset
        for block in read_blocks([piece]):
            while block:
                room = part_messages - cutter.messages
                if cutter.size >= PART_BYTES:
                    room = min(room, -cutter.messages % page_messages)
                count = block.count(b"\n")
                size = len(block) if count <= room else _size_of(block, room)
                if size:
                    cutter.add(piece, offset, block[:size], min(count, room))
                    offset += size
                    block = block[size:]
                if cutter.messages == part_messages or (cutter.size >= PART_BYTES and not cutter.messages % page_messages):
                    yield cutter.end()
    if cutter.messages:
        yield cutter.end()


def _size_of(block: bytes, lines: int) -> int:
    """Bytes of the first `lines` lines."""
    place = 0
    for _ in range(lines):
        place = block.index(b"\n", place) + 1
    return place
