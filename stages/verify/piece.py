"""A file of lines, read once: its lines come out, and its length and checksums are compared with what was committed."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from stages.verify.finding import Report, Weight

#: Bytes that a line can have; a damaged file may have no line feed for long.
LINE_LIMIT = 64 << 20


@dataclass(frozen=True, slots=True)
class Piece:
    """So many bytes with this CRC-32."""

    size: int
    crc: int
    #: what it holds, for people
    what: str


def pieces(path: Path, wanted: list[Piece], report: Report, behind: Weight) -> Iterator[tuple[int, bytes, int]]:
    """(line number from 1 on, line, place of its piece) of the file, which has these pieces back to back and nothing behind.

    What does not add up goes to the report, with the weight `behind` for what lies behind the last piece.
    """
    total = sum(piece.size for piece in wanted)
    where = report.where(path)
    if not path.exists():
        if total:
            report.add(Weight.DAMAGE, where, f"it is missing; {total:,} bytes were committed")
        return
    size = path.stat().st_size
    if size < total:
        report.add(Weight.DAMAGE, where, f"it has {size:,} bytes where {total:,} were committed")
    elif size > total:
        report.add(behind, where, f"{size - total:,} bytes lie behind the {total:,} that are committed")
    with open(path, "rb") as file:
        number = offset = 0
        for place, piece in enumerate(wanted):
            left, crc = piece.size, 0
            while left and (line := file.readline(min(left, LINE_LIMIT))):
                number += 1
                left -= len(line)
                crc = crc32(line, crc)
                if line[-1:] == b"\n":
                    yield number, line, place
                else:
                    report.add(Weight.DAMAGE, where, f"line {number} is cut off")
            if crc != piece.crc and not left:
                end = offset + piece.size
                report.add(Weight.DAMAGE, where, f"{piece.what} (bytes {offset:,} to {end:,}) do not have their checksum")
            offset += piece.size
