"""A file that is there already: taken if it may be the one, asked for if its size says that it is not."""
from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from telethon.tl import types

from tgbulk.stages.fetch.media.download import Download
from tgbulk.stages.fetch.media.store import Store
from tgbulk.stages.telegram.medium import UNKNOWN, MediaItem, MediaOutcome, Medium, Origin

DATA = b"what Telegram has"


def outcome(root: Path, there: bytes | None, kind: str, size: int, letter: str = "") -> tuple[MediaOutcome, int, bytes]:
    """(what became of it, how often Telegram was asked, what is there now)."""
    store, asked = Store(root), 0
    path = f"{kind}/0a/10{letter}.bin"
    if there is not None:
        store.keep(path, there, 0)

    async def exchange(request: Any) -> Any:
        nonlocal asked
        asked += 1
        part = DATA[request.offset : request.offset + request.limit]
        return types.upload.File(types.storage.FileUnknown(), 0, part)

    async def enter() -> None:
        return None

    # Telegram: that it is asked or not is what is looked at; tests/cli/test_media_cli.py has a real server.
    pool: Any = SimpleNamespace(bucket=lambda _: SimpleNamespace(enter=enter), exchange=exchange)
    medium = Medium(kind, 10, letter, "file", size, 0, 2, path, 1, b"reference")
    item = MediaItem(1, 7, [Origin(-1, 1)], medium)
    references: Any = None
    found = asyncio.run(Download(item, store, lambda *_: pool, references).run())
    return found, asked, (root / "media" / path).read_bytes()


@pytest.mark.parametrize("there", [None, b"", DATA[:-1], DATA + b"!"])
def test_a_document_of_another_size_is_fetched(tmp_path: Path, there: bytes | None) -> None:
    found, asked, content = outcome(tmp_path, there, "document", len(DATA))
    assert (found.state, found.size, found.sha256) == ("done", len(DATA), hashlib.sha256(DATA).digest())
    assert (asked, content) == (1, DATA)
    assert found.received == len(DATA)


def test_a_document_of_its_size_is_taken(tmp_path: Path) -> None:
    """Its sum is that of what is there."""
    mine = bytes(len(DATA))
    found, asked, content = outcome(tmp_path, mine, "document", len(DATA))
    assert (found.state, found.size, found.sha256) == ("done", len(DATA), hashlib.sha256(mine).digest())
    assert (asked, content, found.received) == (0, mine, 0)


@pytest.mark.parametrize(("kind", "letter"), [("photo", "y"), ("document", "m"), ("peer_photo", "")])
def test_a_picture_whose_size_may_be_wrong_is_taken(tmp_path: Path, kind: str, letter: str) -> None:
    found, asked, content = outcome(tmp_path, b"mine", kind, len(DATA), letter)
    assert (found.state, found.size, asked, content) == ("done", 4, 0, b"mine")


@pytest.mark.parametrize("size", [UNKNOWN, len(DATA), len(DATA) - 1, len(DATA) + 1])
def test_a_picture_is_fetched_to_its_end_whatever_was_said(tmp_path: Path, size: int) -> None:
    found, asked, content = outcome(tmp_path, None, "photo", size, "y")
    assert (found.state, found.size, content) == ("done", len(DATA), DATA)
    assert asked == (1 if size == len(DATA) else 3)
