"""Media that are lost come again: they alone are asked for, by the command's own process."""
from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import msgpack
from telethon import errors

from engine.error import TgbulkError
from engine.metric import Meter
from stages.event import Notice
from stages.fetch.access import Access
from stages.fetch.config import FetchConfig
from stages.fetch.error import AuthNeededError
from stages.fetch.media.config import MediaConfig
from stages.fetch.media.gallery import Gallery
from stages.fetch.reader import Reader, open_reader
from stages.fetch.session import Session
from stages.receipt import Batch, Kind
from stages.telegram.chat import ACCOUNT_SPACE
from stages.verify.server import find
from stages.verify.state import read_about
from stages.write.archive import Archive
from stages.write.index import MediaIndex
from stages.write.media import OPEN


class Answering:
    """The index, asked where the gallery would ask the write process."""

    def __init__(self, index: MediaIndex) -> None:
        self._index = index

    async def reserve(self) -> int:
        return 0

    async def send(self, slot: int, payload: bytes, *, stream: int, kind: Kind) -> tuple[Any, int]:
        outcomes, cursor, wanted = msgpack.unpackb(payload)
        self._index.settle(outcomes)
        self._index.commit()
        rows, cursor = self._index.next(cursor) if wanted else ([], cursor)
        return Batch(rows, cursor, bool(rows)), 0


async def download(
    accesses: list[Access],
    archive: Archive,
    name_of: Callable[[Archive, int], str],
    index: MediaIndex,
    config: MediaConfig,
    tell: Callable[[object], None],
) -> None:
    """Get what the index hands out, through the messages that speak of it; what became of it is in the index.

    name_of: by what name a chat is found. A chat that cannot be found is told of, and its media are left. TgbulkError when
    the accounts cannot be had.
    """
    async with AsyncExitStack() as stack:
        readers = []
        for number, access in enumerate(accesses):
            lock = stack.enter_context(Session.of(access.home, access.server, access.account).lock)
            opened = open_reader(number, access, lock, FetchConfig(accesses, [], in_flight=1), tell, Meter(None))
            readers.append(await stack.enter_async_context(opened))
        gallery = Gallery(readers, Answering(index), tell, config, asyncio.Event(), Meter(None))
        for chat in index.damaged():
            peers = await _peers(readers, archive, chat, name_of(archive, chat), tell)
            if peers:
                index.want(chat, 0, OPEN)
                gallery.know(chat, peers)
        gallery.close()
        await gallery.run()


async def _peers(
    readers: list[Reader], archive: Archive, chat: int, name: str, tell: Callable[[object], None]
) -> dict[int, Any]:
    """By the number of a reader that can read the chat, the peer to ask."""
    about = read_about(archive, chat)
    peers: dict[int, Any] = {}
    reason: object = "its messages are those of another account"
    for reader in readers:
        if about.get("type") in ACCOUNT_SPACE and about.get("account") != reader.me:
            continue
        try:
            peers[reader.number] = (await find(reader, chat, name)).peer
        except AuthNeededError:
            raise
        except (TgbulkError, errors.RPCError) as error:
            reason = error
    if not peers:
        tell(Notice(f"chat {chat}: its media cannot be asked for: {reason}"))
    return peers
