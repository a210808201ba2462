"""One file from a server that gives parts, errors and lies as it is told to; the disk is real."""
from __future__ import annotations

import asyncio
import hashlib
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from telethon import errors
from telethon.tl import types

from support.open_files import open_files
from tgbulk.stages.fetch.media import download as download_module
from tgbulk.stages.fetch.media.download import (
    CONFIRMATIONS,
    LARGEST,
    LARGEST_PICTURE,
    MOVES,
    PARTS_IN_FLIGHT,
    REDIRECTED,
    REFRESHES,
    TRIES,
    Download,
)
from tgbulk.stages.fetch.media.reference import GoneError, UnaskedError
from tgbulk.stages.fetch.media.store import PartFile, Store
from tgbulk.stages.telegram.medium import UNKNOWN, MediaItem, MediaOutcome, Medium, Origin

#: Bytes of a part here.
PART = 4096
DATA = random.Random(3).randbytes(39 * PART + 700)
ME, OTHER = 7, 8
REFERENCE = b"reference 0"


class Telegram:
    """Gives parts of one file to one account; `lie` takes the place of an answer where it gives one."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        #: (data centre, offset, limit, precise) of each request
        self.asked: list[tuple[int, int, int, bool]] = []
        self.references: list[bytes] = []
        self.flying = self.most_flying = 0
        self.lie: Callable[[int, Any], Any] = lambda dc, request: None
        self.accounts = {ME}
        self.refreshed = 0
        self.refuse: Exception | None = None

    def pool(self, account: int, dc: int) -> Any:
        if account not in self.accounts:
            return None
        return SimpleNamespace(
            bucket=lambda _: SimpleNamespace(enter=self._enter), exchange=lambda request: self._exchange(dc, request)
        )

    async def _enter(self) -> None:
        self.flying += 1
        self.most_flying = max(self.most_flying, self.flying)

    async def _exchange(self, dc: int, request: Any) -> Any:
        self.asked.append((dc, request.offset, request.limit, bool(request.precise)))
        self.references.append(getattr(request.location, "file_reference", b""))
        await asyncio.sleep(0)
        self.flying -= 1
        lie = self.lie(dc, request)
        if isinstance(lie, Exception):
            raise lie
        if lie is None:
            lie = self.data[request.offset : request.offset + request.limit]
        return types.upload.File(types.storage.FileUnknown(), 0, lie) if isinstance(lie, bytes) else lie

    async def refresh(self, item: MediaItem) -> None:
        await asyncio.sleep(0)
        self.refreshed += 1
        if self.refuse is not None:
            raise self.refuse
        item.medium.reference = b"reference %d" % self.refreshed
        item.account = next(iter(self.accounts))

    @property
    def offsets(self) -> list[int]:
        return [offset for _, offset, _, _ in self.asked]


@pytest.fixture
def telegram(monkeypatch: pytest.MonkeyPatch) -> Telegram:
    monkeypatch.setattr(download_module, "PART", PART)
    return Telegram(DATA)


def medium(kind: str = "document", size: int = len(DATA), letter: str = "", **fields: Any) -> Medium:
    values: dict[str, Any] = {"reference": REFERENCE, "path": f"{kind}/0a/1.bin", "date": 86400} | fields
    return Medium(kind, 10, letter, "file", size, dc=2, access_hash=1, **values)


def run(telegram: Telegram, root: Path, one: Medium) -> MediaOutcome:
    item = MediaItem(1, ME, [Origin(-1, 1)], one)
    references: Any = SimpleNamespace(refresh=telegram.refresh)
    before = open_files()
    found = asyncio.run(Download(item, Store(root), telegram.pool, references).run())
    assert open_files() == before
    return found


def content(root: Path, one: Medium) -> bytes:
    return (root / "media" / one.path).read_bytes()


def test_a_file_comes_in_parts_side_by_side(telegram: Telegram, tmp_path: Path) -> None:
    one = medium()
    found = run(telegram, tmp_path, one)
    assert found == MediaOutcome(1, "done", "", len(DATA), hashlib.sha256(DATA).digest(), len(DATA))
    assert sorted(telegram.asked) == [(2, offset, PART, False) for offset in range(0, len(DATA), PART)]
    assert telegram.most_flying == PARTS_IN_FLIGHT
    assert content(tmp_path, one) == DATA
    assert [path.name for path in (tmp_path / "media/document/0a").iterdir()] == ["1.bin"]
    assert (tmp_path / "media" / one.path).stat().st_mtime == 86400


def test_what_is_there_of_a_file_is_not_asked_for_again(telegram: Telegram, tmp_path: Path) -> None:
    """And counts in its sum; nothing of a failed one has its name."""
    refused = errors.RPCError(None, "NEVER_SEEN", 400)
    telegram.lie = lambda dc, request: refused if request.offset == 5 * PART else None
    one = medium()
    failed = run(telegram, tmp_path, one)
    came = len(telegram.asked)
    assert (failed.state, failed.number) == ("failed", 1)
    assert "NEVER_SEEN" in failed.reason
    assert 0 < failed.received < len(DATA)
    assert not (tmp_path / "media" / one.path).exists()
    telegram.lie = lambda dc, request: None
    found = run(telegram, tmp_path, one)
    again = telegram.offsets[came:]
    assert (found.state, found.sha256) == ("done", hashlib.sha256(DATA).digest())
    assert 5 * PART in again
    assert len(again) < len(range(0, len(DATA), PART))
    assert found.received == sum(min(PART, len(DATA) - offset) for offset in again)
    assert content(tmp_path, one) == DATA


@pytest.mark.parametrize("short", [TRIES - 1, TRIES])
@pytest.mark.parametrize("size", [700, len(DATA)])
def test_a_part_that_comes_short_is_asked_for_again(telegram: Telegram, tmp_path: Path, size: int, short: int) -> None:
    left = [short]
    last = size - size % PART

    def lie(dc: int, request: Any) -> Any:
        if request.offset != last or not left[0]:
            return None
        left[0] -= 1
        return b"short"

    telegram.data, telegram.lie = DATA[:size], lie
    found = run(telegram, tmp_path, medium(size=size))
    assert telegram.offsets.count(last) == TRIES
    expected = ("done", "") if short < TRIES else ("failed", "Telegram gives less than its size")
    assert (found.state, found.reason) == expected


def test_a_file_that_is_longer_than_its_size(telegram: Telegram, tmp_path: Path) -> None:
    found = run(telegram, tmp_path, medium(size=len(DATA) - 1))
    assert (found.state, found.reason) == ("failed", "it is longer than its size")


def test_a_part_that_is_larger_than_a_part(telegram: Telegram, tmp_path: Path) -> None:
    telegram.lie = lambda dc, request: bytes(PART + 1)
    found = run(telegram, tmp_path, medium(size=PART))
    assert (found.state, found.reason, found.received) == ("failed", "Telegram gives more of it than was asked for", 0)
    telegram.lie = lambda dc, request: bytes(PART)
    assert run(telegram, tmp_path, medium(size=PART)).state == "done"


def test_a_redirect_fails_the_file(telegram: Telegram, tmp_path: Path) -> None:
    telegram.lie = lambda dc, request: types.upload.FileCdnRedirect(203, b"", b"", b"", [])
    found = run(telegram, tmp_path, medium(size=700))
    assert (found.state, found.reason) == ("failed", REDIRECTED)


@pytest.mark.parametrize("moves", [MOVES, MOVES + 1])
def test_a_file_that_is_in_another_data_centre(telegram: Telegram, tmp_path: Path, moves: int) -> None:
    """The medium says so from then on. A part in between, and it may move again."""
    left = [moves]

    def lie(dc: int, request: Any) -> Any:
        if dc < 5 and left[0]:
            left[0] -= 1
            return errors.FileMigrateError(None, dc + 1 if left[0] else 5)
        return None

    telegram.data, telegram.lie = DATA[: 3 * PART], lie
    one = medium("photo", 3 * PART, "y")
    found = run(telegram, tmp_path, one)
    if moves > MOVES:
        assert (found.state, found.reason) == ("failed", "it is sent from one data centre to the other")
        assert [dc for dc, *_ in telegram.asked] == [2, 3, 4]
    else:
        assert (found.state, one.dc) == ("done", 5)
        assert [dc for dc, *_ in telegram.asked] == [2, 3, 5, 5, 5]


def test_moves_are_counted_from_part_to_part(telegram: Telegram, tmp_path: Path) -> None:
    seen: list[int] = []

    def lie(dc: int, request: Any) -> Any:
        seen.append(request.offset)
        return errors.FileMigrateError(None, 7 - dc) if seen.count(request.offset) <= MOVES else None

    telegram.data, telegram.lie = DATA[: 3 * PART], lie
    assert run(telegram, tmp_path, medium("photo", 3 * PART, "y")).state == "done"


STALE = [
    errors.FileReferenceExpiredError(None),
    errors.FileReferenceInvalidError(None),
    errors.FileReferenceEmptyError(None),
    errors.FilerefUpgradeNeededError(None),
    errors.RPCError(None, "FILE_REFERENCE_7_EXPIRED", 400),
    errors.RPCError(None, "FILEREF_UPGRADE", 406),
]


@pytest.mark.parametrize("error", STALE, ids=repr)
def test_a_reference_that_is_not_taken_is_renewed_once_for_all_parts(
    telegram: Telegram, tmp_path: Path, error: Exception
) -> None:
    telegram.lie = lambda dc, request: error if request.location.file_reference == REFERENCE else None
    assert run(telegram, tmp_path, medium()).state == "done"
    assert telegram.refreshed == 1
    assert set(telegram.references[PARTS_IN_FLIGHT:]) <= {REFERENCE, b"reference 1"}
    assert telegram.references[-1] == b"reference 1"


@pytest.mark.parametrize(("kind", "letter"), [("document", ""), ("photo", "y")])
def test_a_reference_that_is_not_known_is_asked_for_first(
    telegram: Telegram, tmp_path: Path, kind: str, letter: str
) -> None:
    telegram.data = DATA[:700]
    assert run(telegram, tmp_path, medium(kind, 700, letter, reference=b"")).state == "done"
    assert telegram.references == [b"reference 1"]


@pytest.mark.parametrize("old", [b"a reference", b"the reference"])
def test_a_new_reference_is_taken_whatever_it_is(telegram: Telegram, tmp_path: Path, old: bytes) -> None:
    """Also where it comes before the old one in the alphabet: it is another."""
    stale = errors.FileReferenceExpiredError(None)
    telegram.lie = lambda dc, request: stale if request.location.file_reference == old else None
    assert run(telegram, tmp_path, medium(reference=old)).state == "done"
    assert telegram.refreshed == 1


@pytest.mark.parametrize("times", [REFRESHES, REFRESHES + 1])
def test_references_that_expire_at_once(telegram: Telegram, tmp_path: Path, times: int) -> None:
    """Counted anew with each part that came."""
    left = [times, times]

    def lie(dc: int, request: Any) -> Any:
        place = request.offset // PART
        if place < 2 and left[place]:
            left[place] -= 1
            return errors.FileReferenceExpiredError(None)
        return None

    telegram.data, telegram.lie = DATA[: 2 * PART], lie
    found = run(telegram, tmp_path, medium("photo", 2 * PART, "y"))
    if times > REFRESHES:
        assert (found.state, found.reason) == ("failed", "every reference to it expires at once")
        assert telegram.refreshed == REFRESHES
    else:
        assert (found.state, telegram.refreshed) == ("done", 2 * REFRESHES)


@pytest.mark.parametrize("what", ["reference", "data centre"])
def test_a_part_that_came_is_no_credit_for_the_next_one(telegram: Telegram, tmp_path: Path, what: str) -> None:
    """Each has as many tries as the first."""
    most = REFRESHES if what == "reference" else MOVES
    left = [1, most + 1]

    def lie(dc: int, request: Any) -> Any:
        place = request.offset // PART
        if not left[place]:
            return None
        left[place] -= 1
        return errors.FileReferenceExpiredError(None) if what == "reference" else errors.FileMigrateError(None, 7 - dc)

    telegram.data, telegram.lie = DATA[: 2 * PART], lie
    found = run(telegram, tmp_path, medium("photo", 2 * PART, "y"))
    assert (found.state, found.received, left) == ("failed", PART, [0, 0])
    assert telegram.refreshed == (1 + REFRESHES if what == "reference" else 0)


@pytest.mark.parametrize("gone", [False, True])
def test_a_file_whose_message_is_gone_or_cannot_be_asked_for(telegram: Telegram, tmp_path: Path, gone: bool) -> None:
    """Only of what is gone for good nothing is kept."""
    telegram.lie = lambda dc, request: errors.FileReferenceExpiredError(None) if request.offset else None
    telegram.refuse = GoneError() if gone else UnaskedError("why not")
    one = medium()
    found = run(telegram, tmp_path, one)
    expected = ("unavailable", "the message is gone, or has another medium now") if gone else ("failed", "why not")
    assert (found.state, found.reason, found.received) == (*expected, PART)
    assert (tmp_path / "media" / (one.path + ".part")).exists() is not gone


@pytest.mark.parametrize(
    "error",
    [
        errors.LocationInvalidError(None),
        errors.RPCError(None, "LOCATION_NOT_AVAILABLE", 400),
        errors.RPCError(None, "LOCATION_INVALID", 400),
        errors.RPCError(None, "VERSION_INVALID", 400),
        errors.RPCError(None, "FILE_ID_INVALID", 400),
    ],
    ids=repr,
)
def test_a_file_that_telegram_does_not_have_any_more(telegram: Telegram, tmp_path: Path, error: Exception) -> None:
    telegram.lie = lambda dc, request: error
    found = run(telegram, tmp_path, medium())
    assert (found.state, found.reason) == ("unavailable", "Telegram does not have it any more")


def test_an_error_without_a_text_is_none_of_these(telegram: Telegram, tmp_path: Path) -> None:
    telegram.lie = lambda dc, request: errors.RPCError(None, "", 400)
    assert run(telegram, tmp_path, medium(size=700)).state == "failed"
    assert telegram.refreshed == 0


@pytest.mark.parametrize("size", [LARGEST, LARGEST + 1, UNKNOWN, UNKNOWN - 1])
def test_a_size_that_no_file_has_is_not_believed(
    telegram: Telegram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """Any other is, and has its room on the disk."""
    room: list[int] = []
    monkeypatch.setattr(os, "posix_fallocate", lambda descriptor, offset, length: room.append(length))
    telegram.lie = lambda dc, request: errors.RPCError(None, "NEVER_SEEN", 400)
    found = run(telegram, tmp_path, medium(size=size))
    assert found.state == "failed"
    said = f"Telegram says that it has {size:,} bytes, and no file there is so large"
    assert (found.reason == said, telegram.asked == []) == ((False, False) if size in (LARGEST, UNKNOWN) else (True, True))


@pytest.mark.parametrize("claim", [LARGEST_PICTURE, LARGEST_PICTURE + 1])
def test_a_picture_is_no_larger_than_a_picture(telegram: Telegram, tmp_path: Path, claim: int) -> None:
    """A larger size is not believed, and one that has more bytes fails."""
    one = medium("photo", claim, "y")
    assert run(telegram, tmp_path, one).state == "done"
    assert one.size == (claim if claim == LARGEST_PICTURE else UNKNOWN)
    telegram.data = bytes(LARGEST_PICTURE + PART)
    found = run(telegram, tmp_path, medium("photo", UNKNOWN, "y", path="photo/0a/2.bin"))
    assert (found.state, found.reason) == ("failed", "it does not end: more than 10 MiB came of a picture")
    telegram.data = bytes(LARGEST_PICTURE)
    assert run(telegram, tmp_path, medium("photo", UNKNOWN, "y", path="photo/0a/3.bin")).size == LARGEST_PICTURE


def test_a_picture_that_grows_behind_its_end_is_no_larger_either(telegram: Telegram, tmp_path: Path) -> None:
    telegram.lie = lambda dc, request: bytes(request.limit if request.precise else PART - 1)
    found = run(telegram, tmp_path, medium("photo", UNKNOWN, "y"))
    assert (found.state, found.reason) == ("failed", "it does not end: more than 10 MiB came of a picture")
    assert len(telegram.asked) == LARGEST_PICTURE // PART + 2


@pytest.mark.parametrize("size", [2 * PART + 700, 2 * PART])
@pytest.mark.parametrize("claim", [0, -1, 1])
def test_the_end_of_a_picture_is_looked_at_where_it_is_not_as_was_said(
    telegram: Telegram, tmp_path: Path, claim: int, size: int
) -> None:
    """Twice, at a multiple of 1024 bytes, up to the end of a part; what comes there is taken."""
    telegram.data = DATA[:size]
    one = medium("photo", size + claim, "y")
    found = run(telegram, tmp_path, one)
    assert (found.state, found.size, content(tmp_path, one)) == ("done", size, DATA[:size])
    parts = [(2, offset, PART, False) for offset in range(0, size, PART)]
    if claim and size % PART == 0:
        parts.append((2, size, PART, False))
    start = size - size % 1024
    looks = [(2, start, PART - start % PART, True)] * (CONFIRMATIONS if claim else 0)
    assert telegram.asked == parts + looks


def test_more_at_the_end_of_a_picture_is_taken_and_looked_at_again(telegram: Telegram, tmp_path: Path) -> None:
    """A part that came short is none."""
    telegram.data = DATA[:3000]
    telegram.lie = lambda dc, request: None if request.precise else DATA[:1500]
    one = medium("photo", UNKNOWN, "y")
    found = run(telegram, tmp_path, one)
    assert (found.size, content(tmp_path, one)) == (3000, DATA[:3000])
    assert telegram.asked[1:] == [(2, 1024, PART - 1024, True), *[(2, 2048, PART - 2048, True)] * CONFIRMATIONS]
    telegram.asked.clear()
    two = medium("photo", 3000, "y", path="photo/0a/2.bin")
    assert run(telegram, tmp_path, two).size == 3000
    assert telegram.asked == [(2, 0, PART, False), (2, 1024, PART - 1024, True)]


@pytest.mark.parametrize("answer", [b"", b"short"])
def test_less_at_the_end_of_a_picture_takes_nothing_back(telegram: Telegram, tmp_path: Path, answer: bytes) -> None:
    telegram.data = DATA[:3000]
    telegram.lie = lambda dc, request: answer if request.precise else None
    one = medium("photo", UNKNOWN, "y")
    assert run(telegram, tmp_path, one).size == 3000
    assert content(tmp_path, one) == DATA[:3000]
    assert len(telegram.asked) == 1 + CONFIRMATIONS


def test_what_came_within_the_message_is_not_asked_for(telegram: Telegram, tmp_path: Path) -> None:
    for one in (medium("photo", 5, "m", inline=b"small"), medium(size=0, path="document/0a/2.bin")):
        found = run(telegram, tmp_path, one)
        assert (found.state, found.size, found.received) == ("done", len(one.inline), 0)
        assert (found.sha256, content(tmp_path, one)) == (hashlib.sha256(one.inline).digest(), one.inline)
        assert (tmp_path / "media" / one.path).stat().st_mtime == 86400
    assert telegram.asked == []


def test_a_file_of_one_part_is_asked_for_at_once(telegram: Telegram, tmp_path: Path) -> None:
    telegram.data = DATA[:PART]
    assert run(telegram, tmp_path, medium(size=PART)).state == "done"
    assert telegram.asked == [(2, 0, PART, False)]


def test_the_picture_of_a_peer_has_no_reference(telegram: Telegram, tmp_path: Path) -> None:
    """So none can be renewed."""
    telegram.data = DATA[:700]
    assert run(telegram, tmp_path, medium("peer_photo", 700, reference=b"", peer=5)).state == "done"
    telegram.lie = lambda dc, request: errors.FileReferenceExpiredError(None)
    found = run(telegram, tmp_path, medium("peer_photo", 700, reference=b"", peer=5, path="peer_photo/0a/2.bin"))
    assert (found.state, found.reason) == ("failed", "Telegram refuses it")
    telegram.accounts = {OTHER}
    found = run(telegram, tmp_path, medium("peer_photo", 700, reference=b"", peer=5, path="peer_photo/0a/3.bin"))
    assert (found.state, found.reason) == ("failed", "it was found by an account that is not at work")
    assert telegram.refreshed == 0


def test_a_file_of_an_account_that_is_not_at_work_is_asked_for_by_another(telegram: Telegram, tmp_path: Path) -> None:
    telegram.accounts = {OTHER}
    assert run(telegram, tmp_path, medium()).state == "done"
    assert (telegram.refreshed, set(telegram.references)) == (1, {b"reference 1"})


@pytest.mark.parametrize("path", ["../outside", "document/../../outside"])
def test_a_name_that_leads_out_of_the_archive_fails(telegram: Telegram, tmp_path: Path, path: str) -> None:
    found = run(telegram, tmp_path, medium(path=path, inline=b"evil"))
    assert (found.number, found.state, found.reason != "", telegram.asked) == (1, "failed", True, [])
    assert sorted(place.name for place in tmp_path.iterdir()) == ["media"]


def test_nothing_is_read_of_a_file_that_is_let_go(
    telegram: Telegram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its descriptor may be another file's by then."""
    reading: set[int] = set()
    read = PartFile.read

    def slow(parts: PartFile, index: int) -> bytes:
        reading.add(index)
        time.sleep(0.05)
        data = read(parts, index)
        reading.clear()
        return data

    monkeypatch.setattr(PartFile, "read", slow)
    telegram.lie = lambda dc, request: errors.RPCError(None, "NEVER_SEEN", 400) if request.offset == 20 * PART else None

    async def main() -> MediaOutcome:
        item = MediaItem(1, ME, [Origin(-1, 1)], medium())
        references: Any = SimpleNamespace(refresh=telegram.refresh)
        found = await Download(item, Store(tmp_path), telegram.pool, references).run()
        assert not reading
        return found

    assert asyncio.run(main()).state == "failed"


def test_a_file_is_hashed_while_it_comes(telegram: Telegram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At its end only what came last is left to be read: a large file would keep everything waiting."""
    came: list[int] = []
    read, exchange = PartFile.read, telegram._exchange

    def seen(parts: PartFile, index: int) -> bytes:
        came.append(index)
        return read(parts, index)

    async def late(dc: int, request: Any) -> Any:
        if request.offset == 39 * PART:
            until = time.monotonic() + 20
            while len(came) < 20 and time.monotonic() < until:
                await asyncio.sleep(0.001)
            assert len(came) >= 20
        return await exchange(dc, request)

    monkeypatch.setattr(PartFile, "read", seen)
    monkeypatch.setattr(telegram, "_exchange", late)
    assert run(telegram, tmp_path, medium()).state == "done"
    assert came == list(range(40))
