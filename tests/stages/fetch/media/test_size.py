"""Sizes that Telegram tells: of a document it is exact, of a picture it may be off."""
from __future__ import annotations

import asyncio
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from telethon.tl import types

from tgbulk.stages.fetch.media.download import LARGEST, LARGEST_PICTURE, PART, Download
from tgbulk.stages.fetch.media.reference import References
from tgbulk.stages.fetch.media.store import Store
from tgbulk.stages.telegram.medium import THUMBNAIL, MediaItem, MediaOutcome, Medium

DATA = random.Random(1).randbytes(2 * PART + 700)
KINDS = {
    "thumbnail": ("document", "m", THUMBNAIL), "photo": ("photo", "w", "photo"), "document": ("document", "", "document"),
}


class Server:
    """A pool that has one file. Every answer that `cuts` names by its number comes short."""

    def __init__(self, data: bytes, cuts: frozenset[int]) -> None:
        self._data, self._cuts = data, cuts
        self.calls = 0

    def bucket(self, method: str) -> Any:
        return SimpleNamespace(enter=self._enter)

    async def _enter(self) -> None:
        pass

    async def exchange(self, request: Any) -> types.upload.File:
        self.calls += 1
        data = self._data[request.offset : request.offset + request.limit]
        return types.upload.File(types.storage.FileJpeg(), 0, data[: len(data) // 2] if self.calls in self._cuts else data)


def get(
    folder: Path, what: str, data: bytes, told: int, cuts: frozenset[int] = frozenset(), server: type[Server] = Server
) -> MediaOutcome:
    kind, letter, category = KINDS[what]
    medium = Medium(kind, 7, letter, category, told, 1_600_000_000, 2, f"{category}/7", 1, b"reference")
    pool = cast(Any, server(data, cuts))
    return asyncio.run(Download(MediaItem(1, 1, [], medium), Store(folder), lambda *_: pool, cast(References, None)).run())


@pytest.mark.parametrize("what", ["thumbnail", "photo"])
@pytest.mark.parametrize("length", [700, PART, PART + 700, 2 * PART + 700])
@pytest.mark.parametrize("off", [-1, 0, 1])
def test_a_picture_comes_whole(tmp_path: Path, what: str, length: int, off: int) -> None:
    outcome = get(tmp_path, what, DATA[:length], length + off, frozenset({1, 3}))
    assert (outcome.state, outcome.size) == ("done", length)
    assert (tmp_path / "media" / KINDS[what][2] / "7").read_bytes() == DATA[:length]


@pytest.mark.parametrize("length", [700, PART + 700])
def test_a_document_has_its_size_or_fails(tmp_path: Path, length: int) -> None:
    assert get(tmp_path, "document", DATA[:length], length + 1).reason == "Telegram gives less than its size"
    assert get(tmp_path, "document", DATA[:length], length - 1).reason == "it is longer than its size"
    assert get(tmp_path, "document", DATA[:length], length).state == "done"


class Endless(Server):
    """Gives as much as was asked for, for ever."""

    async def exchange(self, request: Any) -> types.upload.File:
        return types.upload.File(types.storage.FileJpeg(), 0, bytes(request.limit))


@pytest.mark.parametrize("told", [-1, 10, 1000, PART + 1, LARGEST_PICTURE + 1, 1 << 40])
def test_a_picture_that_does_not_end_fails(tmp_path: Path, told: int) -> None:
    outcome = get(tmp_path, "photo", b"", told, server=Endless)
    assert outcome.state == "failed"
    assert "does not end" in outcome.reason
    assert outcome.received <= LARGEST_PICTURE + 2 * PART


@pytest.mark.parametrize("told", [LARGEST + 1, 1 << 62, -2, -(1 << 62)])
def test_a_document_of_an_impossible_size_is_not_asked_for(tmp_path: Path, told: int) -> None:
    outcome = get(tmp_path, "document", b"", told, server=Endless)
    assert (outcome.state, outcome.received) == ("failed", 0)
    assert not list((tmp_path / "media").rglob("*.part"))
