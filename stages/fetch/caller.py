"""Requests of one account: one at a time to Telegram's liking, waits and retries included."""
from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from typing import Any

from telethon import TelegramClient, errors
from telethon.tl.tlobject import TLRequest

from stages.fetch.access import Access
from stages.fetch.client import ENDED, plain
from stages.fetch.error import AuthNeededError, FloodParkedError, UnreachableError

#: A flood wait longer than this parks the chat instead of the run. Seconds.
PARK_SECONDS = 900
#: Tries of one request while the server has trouble, and the seconds before the second one; they double.
TRIES = 7
FIRST_PAUSE = 0.5
#: Added to a flood wait, as a share of it and in seconds, so that waiting requests do not all come back at once.
JITTER_SHARE = 0.1
JITTER_SECONDS = 0.5

_TROUBLE = (
    errors.ServerError,
    errors.TimedOutError,
    errors.RpcCallFailError,
    errors.RpcMcgetFailError,
    errors.InterdcCallErrorError,
    errors.InterdcCallRichErrorError,
)


class Caller:
    """Sends requests past Telethon's own call loop, whose flood handling spec/telethon-hooks.md 1 lists the gaps of."""

    def __init__(self, client: TelegramClient, access: Access, on_wait: Callable[[str, int], None]) -> None:
        """on_wait(method, seconds) is told of every flood wait."""
        self._client = client
        self._access = access
        self._on_wait = on_wait
        self._until: dict[str, float] = {}

    async def call(self, request: TLRequest) -> Any:
        """The request's result. RPC errors that are about the request itself come through as they are.

        FloodParkedError for a wait above PARK_SECONDS; AuthNeededError when the login has ended; UnreachableError when
        the connection cannot be had again, or the server stays in trouble.
        """
        method = method_name(request)
        for attempt in range(TRIES):
            await self._wait(method)
            try:
                return await self._client._sender.send(request)
            except (errors.FloodWaitError, errors.FloodPremiumWaitError) as error:
                self._flooded(method, error.seconds)
            except (errors.UnauthorizedError, errors.AuthKeyDuplicatedError) as error:
                raise AuthNeededError(self._access.account, ENDED.get(type(error), plain(error))) from error
            except ConnectionError as error:
                raise UnreachableError(self._access.server_name, str(error) or "the connection was lost") from error
            except _TROUBLE as error:
                last = error
                logging.getLogger(__name__).info("%s: %s, try %d", method, error, attempt + 1)
                await asyncio.sleep(FIRST_PAUSE * 2**attempt * random.uniform(0.75, 1.25))
        raise UnreachableError(self._access.server_name, f"it keeps answering {last.message} to {method}") from last

    async def _wait(self, method: str) -> None:
        while (pause := self._until.get(method, 0.0) - time.monotonic()) > 0:
            await asyncio.sleep(pause + random.uniform(0, JITTER_SECONDS))

    def _flooded(self, method: str, seconds: int) -> None:
        until = time.monotonic() + seconds * (1 + JITTER_SHARE)
        self._until[method] = max(until, self._until.get(method, 0.0))
        if seconds > PARK_SECONDS:
            raise FloodParkedError(seconds, method)
        self._on_wait(method, seconds)


def method_name(request: TLRequest) -> str:
    """Telegram's name of a request's method, as messages.getHistory."""
    cls = next(c for c in type(request).__mro__ if c.__module__.startswith("telethon.tl.functions"))
    name = cls.__name__.removesuffix("Request")
    namespace = cls.__module__.rpartition(".")[2]
    method = name[0].lower() + name[1:]
    return method if namespace == "functions" else f"{namespace}.{method}"
