"""An account's connection, watched for people: a word when it is gone, and one when it is back."""
from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from telethon import TelegramClient

from stages.event import Notice
from stages.fetch.access import Access

#: Seconds without a connection of which nobody needs to know: Telegram closes connections all the time.
UNNOTICED = 2.0


@contextmanager
def watched(client: TelegramClient, access: Access, tell: Callable[[Notice], None]) -> Iterator[None]:
    """Tell of every loss that lasts longer than UNNOTICED, and of its end, while the block runs."""
    link = Link(client, access, tell)
    try:
        yield
    finally:
        link.close()


class Link:
    """Stands between Telethon's sender and its own reconnecting, which nothing else tells of."""

    def __init__(self, client: TelegramClient, access: Access, tell: Callable[[Notice], None]) -> None:
        self._sender = client._sender
        self._name = f"the connection of account {access.account} to {access.server_name}"
        self._tell = tell
        self._since = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._told = False
        self._reconnect, self._sender._start_reconnect = self._sender._start_reconnect, self._lost
        self._reconnected, self._sender._auto_reconnect_callback = self._sender._auto_reconnect_callback, self._back

    def close(self) -> None:
        """Say nothing more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _lost(self, error: Exception | None) -> None:
        if self._timer is None and self._sender.is_connected():
            self._since = time.monotonic()
            self._timer = asyncio.get_running_loop().call_later(UNNOTICED, self._say_lost)
        self._reconnect(error)

    def _say_lost(self) -> None:
        self._told = True
        self._tell(Notice(f"{self._name} is gone; trying again, nothing is lost"))

    async def _back(self) -> None:
        self.close()
        if self._told:
            self._told = False
            self._tell(Notice(f"{self._name} is back after {time.monotonic() - self._since:.0f} s"))
        await self._reconnected()
