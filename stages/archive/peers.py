"""The peers of one chat, read only: for one id the last committed line holds."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import orjson

from tgbulk.engine.folder import Place
from tgbulk.stages.archive.lines import Piece, read_blocks
from tgbulk.stages.telegram.peer import is_min, marked_id

#: Peers kept parsed.
_KEPT = 1024


class Peers(Mapping[int, dict[str, Any]]):
    """Marked id -> the peer's TL object. Holds where its line is, and reads it when it is asked for."""

    def __init__(self, path: Place, size: int) -> None:
        """path: peers.jsonl; size: bytes of it that are committed. ChangedChatError, OSError."""
        self._path = path
        self._size = size
        self._offsets: dict[int, int] = {}
        place = 0
        for block in read_blocks(self._pieces()):
            for line in block.splitlines():
                self._offsets[marked_id(orjson.loads(line))] = place
                place += len(line) + 1
        self._line = lru_cache(_KEPT)(self._read)

    def __getitem__(self, peer: int) -> dict[str, Any]:
        return self._line(self._offsets[peer])

    def __iter__(self) -> Iterator[int]:
        return iter(self._offsets)

    def __len__(self) -> int:
        return len(self._offsets)

    def __contains__(self, peer: object) -> bool:
        return peer in self._offsets

    def _pieces(self) -> list[Piece]:
        return [Piece(self._path, 0, self._size)] if self._size else []

    def _read(self, offset: int) -> dict[str, Any]:
        with self._path.reader() as file:
            file.seek(offset)
            peer: dict[str, Any] = orjson.loads(file.readline())
        return peer


def read_peers(path: Place, size: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """(marked id, TL object) of every committed line, in order: of one id the last holds. ChangedChatError, OSError."""
    for block in read_blocks([Piece(path, 0, size)] if size else []):
        for line in block.splitlines():
            peer = orjson.loads(line)
            yield marked_id(peer), peer


def locate_peers(path: Place, size: int) -> Iterator[tuple[int, bool, int]]:
    """(marked id, whether it is a reduced form, offset) of every committed line. ChangedChatError, OSError."""
    place = 0
    for block in read_blocks([Piece(path, 0, size)] if size else []):
        for line in block.splitlines():
            peer = orjson.loads(line)
            yield marked_id(peer), is_min(peer), place
            place += len(line) + 1
