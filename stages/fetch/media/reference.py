"""How a file is addressed for getFile (docs/spec/media-download.md 2), and fresh references to files.

The messages of up to 100 files are asked for in one call (docs/spec/media-download.md 3).
"""
from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from telethon import errors
from telethon.tl import TLObject, functions, types

from tgbulk.stages.fetch.client import plain
from tgbulk.stages.fetch.reader import Reader
from tgbulk.stages.telegram.chat import CHANNEL_MARK
from tgbulk.stages.telegram.medium import MediaItem, Medium

#: Messages in one call; Telegram takes no more.
BATCH = 100
#: Seconds in which requests for references gather, besides the time in which a call is under way.
GATHER_SECONDS = 0.05


class GoneError(Exception):
    """No message of those that are known leads to the file any more."""


class UnaskedError(Exception):
    """Why its messages could not be asked for."""


@dataclass(slots=True)
class Source:
    """Who can read a chat, and how it is addressed then."""

    reader: Reader
    peer: Any


#: The sources of a chat, by its marked id.
Sources = Callable[[int], list[Source]]


class References:
    """For all downloads of a run."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        #: (account, chat) -> message id -> who waits for it
        self._waiting: dict[tuple[int, int], dict[int, list[asyncio.Future[Any]]]] = defaultdict(dict)
        #: who asks for them
        self._tasks: dict[tuple[int, int], asyncio.Task[None]] = {}

    async def refresh(self, item: MediaItem) -> Reader:
        """Give the item a fresh reference and access hash; the account to which they belong.

        Its message may have been deleted or edited since: GoneError when none of its messages has it. UnaskedError when that
        is not known, for want of an account that may ask.
        """
        readable = any(self._sources(origin.chat) for origin in item.origins)
        reason = "" if readable else "no account is at work that can ask for it"
        for origin in item.origins:
            for source in self._sources(origin.chat):
                try:
                    found = await self._ask(source, origin.chat, origin.message)
                except errors.RPCError as error:
                    reason = plain(error)
                    continue
                fresh = None if found is None else _find(found, item.medium.kind, item.medium.id)
                if fresh is not None:
                    item.medium.access_hash, item.medium.reference = fresh.access_hash, fresh.file_reference
                    item.medium.dc = fresh.dc_id
                    item.account = source.reader.me
                    return source.reader
        raise UnaskedError(reason) if reason else GoneError

    async def _ask(self, source: Source, chat: int, message: int) -> Any:
        """The message, None where there is none; together with others that are asked for now."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        key = source.reader.me, chat
        if key not in self._tasks:
            self._tasks[key] = asyncio.create_task(self._gather(key, source))
        self._waiting[key].setdefault(message, []).append(future)
        return await future

    async def _gather(self, key: tuple[int, int], source: Source) -> None:
        """Ask until nobody waits, one call after the other."""
        try:
            while key in self._waiting:
                await asyncio.sleep(GATHER_SECONDS)
                await self._bring(self._waiting.pop(key), source)
        finally:
            del self._tasks[key]
            _cancel(self._waiting.pop(key, {}))  # where it was cancelled: nobody else asks for them

    async def _bring(self, waiting: dict[int, list[asyncio.Future[Any]]], source: Source) -> None:
        numbers = sorted(waiting)
        for start in range(0, len(numbers), BATCH):
            batch = numbers[start : start + BATCH]
            futures = [(number, future) for number in batch for future in waiting[number] if not future.done()]
            try:
                found = await _messages(source, batch)
            except asyncio.CancelledError:
                # The run ends, or the account's own connection is lost.
                _cancel(waiting)
                raise
            except Exception as error:
                # Handed to those who wait for it.
                for _, future in futures:
                    if not future.done():
                        future.set_exception(error)
                continue
            for number, future in futures:
                if not future.done():
                    future.set_result(found.get(number))


def _cancel(waiting: dict[int, list[asyncio.Future[Any]]]) -> None:
    for futures in waiting.values():
        for future in futures:
            future.cancel()


def location(medium: Medium) -> Any:
    """Where Telegram keeps the file."""
    if medium.kind == "peer_photo":
        return types.InputPeerPhotoFileLocation(_peer(medium.peer, medium.access_hash), medium.id, big=True)
    kind = types.InputPhotoFileLocation if medium.kind == "photo" else types.InputDocumentFileLocation
    return kind(medium.id, medium.access_hash, medium.reference, medium.letter)


def _peer(marked_id: int, access_hash: int) -> Any:
    if marked_id > 0:
        return types.InputPeerUser(marked_id, access_hash)
    if marked_id > -CHANNEL_MARK:
        return types.InputPeerChat(-marked_id)
    return types.InputPeerChannel(-marked_id - CHANNEL_MARK, access_hash)


async def _messages(source: Source, numbers: list[int]) -> dict[int, Any]:
    asked = [types.InputMessageID(number) for number in numbers]
    peer = source.peer
    if isinstance(peer, types.InputPeerChannel):
        channel = types.InputChannel(peer.channel_id, peer.access_hash)
        request = functions.channels.GetMessagesRequest(channel, asked)
    else:
        request = functions.messages.GetMessagesRequest(asked)
    answer = await source.reader.caller.call(request)
    return {one.id: one for one in answer.messages if not isinstance(one, types.MessageEmpty)}


def _find(value: Any, kind: str, number: int) -> Any:
    """The photo or document with this id within a message."""
    wanted = types.Photo if kind == "photo" else types.Document
    return next((one for one in _objects(value) if isinstance(one, wanted) and one.id == number), None)


def _objects(value: Any) -> Iterator[TLObject]:
    if isinstance(value, list):
        for one in value:
            yield from _objects(one)
    elif isinstance(value, TLObject):
        yield value
        for name, held in vars(value).items():
            if not name.startswith("_"):
                yield from _objects(held)
