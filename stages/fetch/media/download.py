"""One file from Telegram to the disk: parts in flight, checked, resumed, whole or not there."""
from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable, Iterator

from telethon import errors
from telethon.tl import functions, types

from tgbulk.engine.folder import UnsafeNameError
from tgbulk.stages.fetch.client import plain
from tgbulk.stages.fetch.error import first
from tgbulk.stages.fetch.media.connection import METHOD, Pool
from tgbulk.stages.fetch.media.reference import GoneError, References, UnaskedError, location
from tgbulk.stages.fetch.media.store import PartFile, Store, in_thread
from tgbulk.stages.telegram.medium import UNKNOWN, MediaItem, MediaOutcome

#: Bytes of a part: the most that Telegram gives at a time, and so the fewest requests (docs/spec/media-download.md 1).
PART = 1 << 20
#: A precise request may begin at any multiple of this.
_PRECISE = 1024
#: Parts of one file in flight.
PARTS_IN_FLIGHT = 16
#: Bytes of the largest file: Telegram takes 4,000 MiB (https://limits.tginfo.me), and a claim costs room on the disk.
LARGEST = 5 << 30
#: Bytes of the largest picture, whose size may be wrong; Telegram takes 10 MB. It is held in memory while it comes.
LARGEST_PICTURE = 10 << 20
#: Requests for a part that comes short, and looks at an end that is not where it should be.
TRIES = 5
CONFIRMATIONS = 2
#: Fresh references, and moves to another data centre, without a part in between.
REFRESHES = 5
MOVES = 2
#: What is said of a file that only another kind of server has (docs/spec/media-download.md 6): it would come unchecked.
REDIRECTED = "Telegram sends it from a CDN, although it was not asked to; the next run asks again"

_STALE = (
    errors.FileReferenceExpiredError,
    errors.FileReferenceInvalidError,
    errors.FileReferenceEmptyError,
    errors.FilerefUpgradeNeededError,
)
_STALE_WORDS = ("FILE_REFERENCE_", "FILEREF_")
#: Telegram has no such file, or not for us.
_UNAVAILABLE = ("LOCATION_INVALID", "LOCATION_NOT_AVAILABLE", "VERSION_INVALID", "FILE_ID_INVALID")


class DownloadError(Exception):
    """Why a file is not there, in words; `state`: failed, or unavailable for good."""

    def __init__(self, reason: str, state: str = "failed") -> None:
        super().__init__(reason)
        self.state = state


class Download:
    """One item."""

    def __init__(
        self, item: MediaItem, store: Store, pool: Callable[[int, int], Pool | None], references: References
    ) -> None:
        """pool: the connections of (account, data centre), None for an account that is not at work."""
        self._item = item
        self._medium = item.medium
        self._store = store
        self._pool = pool
        self._references = references
        self._refreshing = asyncio.Lock()
        self._refreshes = 0
        self._moves = 0
        self._received = 0

    async def run(self) -> MediaOutcome:
        """What became of it. TgbulkError for what is not about this file, OSError for the disk."""
        try:
            size, digest = await self._get()
        except UnsafeNameError as error:
            return MediaOutcome(self._item.number, "failed", str(error))
        except DownloadError as error:
            if error.state == "unavailable":
                await in_thread(self._store.discard, self._medium.path)
            return MediaOutcome(self._item.number, error.state, str(error), received=self._received)
        return MediaOutcome(self._item.number, "done", "", size, digest, self._received)

    async def _get(self) -> tuple[int, bytes]:
        medium = self._medium
        if not medium.exact and medium.size > LARGEST_PICTURE:
            medium.size = UNKNOWN  # of a picture it may be wrong
        if not UNKNOWN <= medium.size <= LARGEST:
            raise DownloadError(f"Telegram says that it has {medium.size:,} bytes, and no file there is so large")
        there = await in_thread(self._store.existing, medium.path)
        if there is not None and (not medium.exact or there[0] == medium.size):
            return there
        if medium.inline:
            return len(medium.inline), await self._keep(medium.inline)
        if medium.exact and medium.size > PART:
            return medium.size, await self._get_parts()
        data = await self._get_small()
        return len(data), await self._keep(data)

    async def _keep(self, data: bytes) -> bytes:
        return await in_thread(self._store.keep, self._medium.path, data, self._medium.date)

    async def _get_small(self) -> bytes:
        """A file of at most one part, or of a size that may be wrong or is unknown."""
        medium = self._medium
        if medium.exact:
            return await self._ask_exactly(0, medium.size) if medium.size else b""
        data = bytearray(await self._ask(0, PART))
        while len(data) != medium.size and len(data) % PART == 0 and (more := await self._ask(len(data), PART)):
            data += more
            self._check_growth(data)
        return bytes(data if len(data) == medium.size else await self._get_to_the_end(data))

    @staticmethod
    def _check_growth(data: bytearray) -> None:
        if len(data) > LARGEST_PICTURE:
            raise DownloadError(f"it does not end: more than {LARGEST_PICTURE >> 20} MiB came of a picture")

    async def _get_to_the_end(self, data: bytearray) -> bytearray:
        """The size may be wrong (docs/spec/media-download.md 7): ask where the end seems to be, for anything more."""
        confirmed = 0
        while confirmed < CONFIRMATIONS and len(data) != self._medium.size:
            start = len(data) - len(data) % _PRECISE
            more = await self._ask(start, PART - start % PART, precise=True)
            confirmed += 1
            if len(more) > len(data) - start:
                data[start:] = more
                confirmed = 0
                self._check_growth(data)
        return data

    async def _get_parts(self) -> bytes:
        medium = self._medium
        descriptor = await asyncio.to_thread(self._store.open_part, medium.path)
        try:
            parts = await in_thread(PartFile, descriptor, medium.size, PART)
            numbers = iter(sorted(parts.missing))
            hasher = Hasher(parts)
            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(min(PARTS_IN_FLIGHT, len(parts.missing))):
                        group.create_task(self._lane(parts, numbers, hasher))
            except BaseExceptionGroup as errors_of_lanes:
                raise first(errors_of_lanes) from None
            finally:
                await hasher.rest()
            digest = await in_thread(hasher.finish)
            await in_thread(parts.finish)
            await in_thread(self._store.publish, medium.path, descriptor, medium.date)
            return digest
        finally:
            os.close(descriptor)

    async def _lane(self, parts: PartFile, numbers: Iterator[int], hasher: Hasher) -> None:
        for number in numbers:
            data = await self._ask_exactly(number * PART, parts.length(number))
            await in_thread(parts.write, number, data)
            hasher.advance()

    async def _ask_exactly(self, offset: int, length: int) -> bytes:
        """The part at this offset; a short answer is asked for again."""
        for _ in range(TRIES):
            data = await self._ask(offset, PART)
            if len(data) == length:
                return data
        raise DownloadError("Telegram gives less than its size" if len(data) < length else "it is longer than its size")

    async def _ask(self, offset: int, limit: int, precise: bool = False) -> bytes:
        """Bytes of the file, whatever its reference and its data centre were thought to be."""
        while True:
            medium = self._medium
            pool = self._pool(self._item.account, medium.dc)
            if pool is None or not (medium.reference or medium.kind == "peer_photo"):
                await self._refresh(medium.reference, pool is None)
                continue
            # Admission first: the reference is looked at when the request may go.
            await pool.bucket(METHOD).enter()
            used = medium.reference
            request = functions.upload.GetFileRequest(location(medium), offset, limit, precise=precise or None)
            try:
                answer = await pool.exchange(request)
            except errors.FileMigrateError as error:
                self._moves += 1
                if self._moves > MOVES:
                    raise DownloadError("it is sent from one data centre to the other") from error
                medium.dc = error.new_dc
            except errors.RPCError as error:
                if not _is_stale(error):
                    raise _failure(error) from error
                await self._refresh(used)
            else:
                if not isinstance(answer, types.upload.File):
                    raise DownloadError(REDIRECTED)
                if len(answer.bytes) > limit:
                    raise DownloadError("Telegram gives more of it than was asked for")
                self._refreshes = self._moves = 0
                self._received += len(answer.bytes)
                return bytes(answer.bytes)

    async def _refresh(self, used: bytes, foreign: bool = False) -> None:
        """One refresh for all parts that met the same reference. foreign: it is of an account that is not at work."""
        if self._medium.kind == "peer_photo":
            raise DownloadError("it was found by an account that is not at work" if foreign else "Telegram refuses it")
        async with self._refreshing:
            if self._medium.reference != used:
                return
            self._refreshes += 1
            if self._refreshes > REFRESHES:
                raise DownloadError("every reference to it expires at once")
            try:
                await self._references.refresh(self._item)
            except GoneError:
                raise DownloadError("the message is gone, or has another medium now", "unavailable") from None
            except UnaskedError as error:
                raise DownloadError(str(error)) from None


class Hasher:
    """Hashes a file from the front while its parts come in any order."""

    def __init__(self, parts: PartFile) -> None:
        self._parts = parts
        self._digest = hashlib.sha256()
        self._next = 0
        self._task: asyncio.Task[None] | None = None

    def advance(self) -> None:
        """A part came."""
        if (self._task is None or self._task.done()) and self._next not in self._parts.missing:
            self._task = asyncio.create_task(asyncio.to_thread(self._chase))

    async def rest(self) -> None:
        """Wait until nothing is read any more."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def finish(self) -> bytes:
        """Every part is there, and nothing is read beside: the SHA-256. May block."""
        self._chase()
        return self._digest.digest()

    def _chase(self) -> None:
        while self._next < self._parts.count and self._next not in self._parts.missing:
            self._digest.update(self._parts.read(self._next))
            self._next += 1


def _is_stale(error: errors.RPCError) -> bool:
    return isinstance(error, _STALE) or (error.message or "").startswith(_STALE_WORDS)


def _failure(error: errors.RPCError) -> DownloadError:
    if (error.message or "").startswith(_UNAVAILABLE) or isinstance(error, errors.LocationInvalidError):
        return DownloadError("Telegram does not have it any more", "unavailable")
    return DownloadError(plain(error))
