"""The media of messages that came before anybody wanted media: read from the chat's own lines."""
from __future__ import annotations

from bisect import bisect_right
from collections.abc import Generator
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from stages.medium import Absent
from stages.telegram.media import find, pictures

#: Lines read at a time; the write process has other things to do as well.
LINES = 4000

Ranges = list[list[int]]


def merged(ranges: Ranges) -> Ranges:
    """The same ids as ascending ranges [first, next] that do not touch."""
    result: Ranges = []
    for first, following in sorted(ranges):
        if result and first <= result[-1][1]:
            result[-1][1] = max(result[-1][1], following)
        else:
            result.append([first, following])
    return result


def without(ranges: Ranges, others: Ranges) -> Ranges:
    """The ids of `ranges` that are not in `others`; both ascending and apart."""
    result: Ranges = []
    for first, following in ranges:
        for low, high in others:
            if first < low < following:
                result.append([first, low])
            if low < following and high > first:
                first = high
        if first < following:
            result.append([first, following])
    return result


def _lines(path: Path) -> Generator[bytes, None, None]:
    with open(path, "rb") as file:
        yield from file


class Scan:
    """Goes through one chat, whose files do not change any more in this run."""

    def __init__(self, folder: Path, chat: int, wanted: Ranges) -> None:
        self.chat = chat
        self.wanted = wanted
        self._starts = [first for first, _ in wanted]
        self._peers = _lines(folder / "peers.jsonl")
        self._messages = _lines(folder / "messages.jsonl")

    def step(self) -> tuple[list[Any], list[Any], bool]:
        """(rows of Medium, rows of Absent, whether this was the last of it) of some lines. OSError."""
        peers = [orjson.loads(line) for line in islice(self._peers, LINES)]
        if peers:
            return [one.row() for one in pictures(peers)], [], False
        media: list[Any] = []
        absent: list[Any] = []
        lines = list(islice(self._messages, LINES))
        for message in map(orjson.loads, lines):
            if self._is_wanted(message["id"]):
                for one in find(message, {}):
                    (absent if isinstance(one, Absent) else media).append(one.row())
        return media, absent, len(lines) < LINES

    def close(self) -> None:
        self._peers.close()
        self._messages.close()

    def _is_wanted(self, number: int) -> bool:
        place = bisect_right(self._starts, number) - 1
        return place >= 0 and number < self.wanted[place][1]
