"""The outermost boxes of an mp4 or mov file (ISO/IEC 14496-12, 4.2): enough to see whether it plays before it is whole."""
from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

#: Boxes that are looked at.
BOX_LIMIT = 64
QUICKTIME = b"qt  "


@dataclass(frozen=True, slots=True)
class Layout:
    """`brand`: four bytes of ftyp; empty in files that are older than it, which QuickTime wrote."""

    brand: bytes
    #: the index (moov) comes before the pictures (mdat)
    index_first: bool


def read_layout(path: Path) -> Layout:
    """OSError; a file that is no mp4 has no brand and no index."""
    brand = b""
    with open(path, "rb") as file:
        end = os.fstat(file.fileno()).st_size
        for _ in range(BOX_LIMIT):
            start = file.tell()
            header = file.read(16)
            size, kind = int.from_bytes(header[:4]), header[4:8]
            if size == 1:
                size = int.from_bytes(header[8:16])
            if kind == b"ftyp":
                brand = header[8:12]
            elif kind in (b"moov", b"mdat"):
                return Layout(brand, kind == b"moov")
            if size < 8 or start + size >= end:
                break
            file.seek(start + size)
    return Layout(brand, False)
