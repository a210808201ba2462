"""The connection that pushes come over: its login's last one to ask for anything but in invokeWithoutUpdates
(docs/spec/updates.md 6)."""
from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from telethon.crypto import AuthKey
from telethon.tl import functions
from telethon.tl.alltlobjects import LAYER

from tgbulk.stages.fetch.bound import FullConnection
from tgbulk.stages.fetch.client import CLOSE_SECONDS
from tgbulk.stages.fetch.push import PushQueue, keep_bytes
from tgbulk.stages.fetch.reader import FOLLOW_PATIENCE, Reader
from tgbulk.stages.fetch.sender import CONNECT_SECONDS, Sender


class PushConnection:
    """Open from `subscribe` on; `queue` has (the loop's time, container) of what came."""

    def __init__(self, sender: Sender, reader: Reader, queue: PushQueue) -> None:
        self._sender = sender
        self._reader = reader
        self.queue = queue

    async def subscribe(self) -> None:
        """Ask for something, so that pushes come here. Its answer is no state of ours: what it says was not told."""
        introduction = copy.copy(self._reader.client._init_request)
        introduction.query = functions.updates.GetStateRequest()
        await self._sender.send(functions.InvokeWithLayerRequest(LAYER, introduction))


@asynccontextmanager
async def open_push_connection(
    reader: Reader, on_reconnect: Callable[[], None], notify: Callable[[str], None]
) -> AsyncIterator[PushConnection]:
    """A connection beside that of the reader, with the same key. on_reconnect: pushes were lost, perhaps.

    UnreachableError and others, as of the reader's own connection.
    """
    keep_bytes()
    client, queue = reader.client, PushQueue()
    dc = await client._get_dc(client.session.dc_id)
    transport = FullConnection(
        dc.ip_address, dc.port, dc.id, loggers=client._log, proxy=client._proxy, local_addr=client._local_addr
    )

    async def reconnected() -> None:
        if not sender.waiting:  # else the sender asks it again, and that subscribes as well
            with suppress(ConnectionError):
                await connection.subscribe()
        on_reconnect()

    sender = Sender(
        AuthKey(client.session.auth_key.key),
        name=f"the connection of account {reader.access.account} for updates",
        patience=FOLLOW_PATIENCE,
        notify=notify,
        loggers=client._log,
        retries=1,
        auto_reconnect_callback=reconnected,
        updates_queue=queue,
    )
    connection = PushConnection(sender, reader, queue)
    client._sender.silent = True
    client._updates_handle.cancel()  # no pushes come there any more, and Telethon would ask for differences of its own
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await sender.connect(transport)
            await connection.subscribe()
        yield connection
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await sender.disconnect()
