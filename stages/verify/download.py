"""Media that are lost come again: they alone are asked for, by the command's own process."""
from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

from telethon import errors

from tgbulk.engine.error import TgbulkError
from tgbulk.engine.metric import Meter
from tgbulk.stages.archive.about import name_of, read_about
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.media_index import MediaIndex
from tgbulk.stages.fetch.access import Access
from tgbulk.stages.fetch.config import FetchConfig, MediaConfig
from tgbulk.stages.fetch.error import AuthNeededError
from tgbulk.stages.fetch.media.downloads import Downloads
from tgbulk.stages.fetch.reader import Reader, open_reader
from tgbulk.stages.fetch.session import Session
from tgbulk.stages.protocol.event import Notice
from tgbulk.stages.protocol.request import MediaBatch, MediaRequest
from tgbulk.stages.telegram.chat import ACCOUNT_SPACE
from tgbulk.stages.verify.server import find


class Answering:
    """The index, asked where an export would ask the write process."""

    def __init__(self, index: MediaIndex) -> None:
        self._index = index

    async def media(self, request: MediaRequest) -> MediaBatch:
        self._index.settle(request.outcomes)
        self._index.commit()
        items, cursor = self._index.next(request.cursor) if request.wanted else ([], request.cursor)
        return MediaBatch(items, cursor, bool(items))


async def download(
    accesses: list[Access],
    archive: Archive,
    index: MediaIndex,
    config: MediaConfig,
    notify: Callable[[object], None],
) -> None:
    """Get what the index hands out, through the messages that speak of it; what became of it is in the index.

    A chat that cannot be found is told of, and its media are left. TgbulkError when
    the accounts cannot be had.
    """
    async with AsyncExitStack() as stack:
        readers = []
        for number, access in enumerate(accesses):
            lock = stack.enter_context(Session.of(access.home, access.server, access.account).lock)
            opened = open_reader(number, access, lock, FetchConfig(accesses, [], in_flight=1), notify, Meter(None))
            readers.append(await stack.enter_async_context(opened))
        downloads = Downloads(readers, Answering(index), notify, config, asyncio.Event(), Meter(None))
        for chat in index.damaged():
            peers = await _peers(readers, archive, chat, name_of(archive, chat), notify)
            if peers:
                index.want(chat)
                downloads.know(chat, peers)
        downloads.close()
        await downloads.run()


async def _peers(
    readers: list[Reader], archive: Archive, chat: int, name: str, notify: Callable[[object], None]
) -> dict[int, Any]:
    """By the number of a reader that can read the chat, the peer to ask."""
    about = read_about(archive, chat)
    peers: dict[int, Any] = {}
    reason: object = "its messages are those of another account"
    for reader in readers:
        if about.type in ACCOUNT_SPACE and about.account != reader.me:
            continue
        try:
            peers[reader.number] = (await find(reader, chat, name)).peer
        except AuthNeededError:
            raise
        except (TgbulkError, errors.RPCError) as error:
            reason = error
    if not peers:
        notify(Notice(f"chat {chat}: its media cannot be asked for: {reason}"))
    return peers
