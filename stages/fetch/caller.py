"""Requests of one account: admitted by the method's bucket, flood waits sat out, server trouble tried again."""
from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

from telethon import TelegramClient, errors
from telethon.tl.tlobject import TLRequest

from engine.metric import Meter, Number
from stages.fetch.access import Access
from stages.fetch.allowance import Allowance
from stages.fetch.bucket import Bucket, Halted
from stages.fetch.client import ENDED, plain
from stages.fetch.error import AuthNeededError, FloodParkedError, TroubledError, UnreachableError
from stages.fetch.takeout import Takeout
from stages.fetch.trouble import TRIES, TROUBLE, pause

#: A flood wait longer than this is not sat out: the account is done with that method for this run. Seconds.
PARK_SECONDS = 900
#: Requests of a method in flight, where nothing else is said.
IN_FLIGHT = 3


class Caller:
    """Sends requests past Telethon's own call loop, whose gaps spec/telethon-hooks.md 1 lists."""

    def __init__(
        self,
        client: TelegramClient,
        access: Access,
        on_wait: Callable[[str, int], None],
        meter: Meter | None = None,
    ) -> None:
        """on_wait(method, seconds) is told of every flood wait."""
        self._client = client
        self._access = access
        self._on_wait = on_wait
        #: wraps every request while there is one
        self.takeout: Takeout | None = None
        self._buckets: dict[str, Bucket] = {}
        self._halted = False
        self._meter = meter or Meter(None)
        self._meter.watch(self._numbers)

    def limit(self, method: str, most: int, rate: float | None = None) -> None:
        """Bound a method: requests in flight, and perhaps requests a second."""
        self._buckets[method] = Bucket(most, rate)

    def allow(self, method: str, rate: float, free: int, on_pace: Callable[[], None]) -> None:
        """Bound a method to so many requests a second, apart from the first ones; on_pace() when it begins to wait."""
        self._buckets[method] = Allowance(IN_FLIGHT, rate, free, on_pace)

    def bucket(self, method: str) -> Bucket:
        bucket = self._buckets.get(method)
        if bucket is None:
            bucket = self._buckets[method] = Bucket(IN_FLIGHT)
            if self._halted:
                bucket.shut(Halted())
        return bucket

    def halt(self) -> None:
        """Ask for nothing more; what is on its way still arrives. Whoever waits to ask gets Halted."""
        self._halted = True
        for bucket in self._buckets.values():
            bucket.shut(Halted())

    async def call(self, request: TLRequest) -> Any:
        """Ask for admission, then exchange()."""
        await self.bucket(method_name(request)).enter()
        return await self.exchange(request)

    async def exchange(self, request: TLRequest) -> Any:
        """The result of a request that its bucket has admitted.

        RPC errors that are about the request itself come through as they are. FloodParkedError for a wait above
        PARK_SECONDS; AuthNeededError when the login has ended; UnreachableError when the connection cannot be had again;
        TroubledError when the server stays in trouble at this.
        """
        method = method_name(request)
        bucket = self.bucket(method)
        attempt = 0
        while True:
            try:
                result = await self._timed(method, request)
            except (errors.FloodWaitError, errors.FloodPremiumWaitError) as error:
                bucket.flooded(error.seconds)
                if error.seconds > PARK_SECONDS:
                    parked = FloodParkedError(error.seconds, method)
                    bucket.shut(parked)
                    raise parked from error
                self._on_wait(method, error.seconds)
            except TROUBLE as error:
                bucket.cancel()
                attempt += 1
                if attempt == TRIES:
                    raise TroubledError(self._access.server_name, error.message, method) from error
                await asyncio.sleep(pause(attempt))
            except BaseException:
                bucket.cancel()
                raise
            else:
                bucket.succeeded()
                return result
            await bucket.enter()

    async def _timed(self, method: str, request: TLRequest) -> Any:
        began = time.monotonic()
        try:
            return await self._send(request)
        except errors.RPCError:
            self._meter.count("request_errors", label=method)
            raise
        finally:
            self._meter.observe("request", time.monotonic() - began, method)

    def _numbers(self) -> Iterator[Number]:
        """For the meter's thread: what the buckets count."""
        for method, bucket in list(self._buckets.items()):
            label = f"{self._access.account}/{method}"
            yield "flying", label, bucket.flying
            yield "limit_seconds", label, bucket.limited
            yield "window_seconds", label, bucket.crowded
            yield "flood_seconds", label, bucket.lost
            yield "floods", label, bucket.floods

    async def _send(self, request: TLRequest) -> Any:
        takeout = self.takeout
        if takeout is None:
            return await self._transmit(request)
        used = takeout.id
        try:
            return await self._transmit(takeout.wrap(request))
        except errors.TakeoutInvalidError:
            await takeout.renew(used)
            return await self._transmit(takeout.wrap(request))

    async def _transmit(self, request: TLRequest) -> Any:
        try:
            return await self._client._sender.send(request)
        except (errors.UnauthorizedError, errors.AuthKeyDuplicatedError) as error:
            raise AuthNeededError(self._access.account, ENDED.get(type(error), plain(error))) from error
        except ConnectionError as error:
            raise UnreachableError(self._access.server_name, str(error) or "the connection was lost") from error


def method_name(request: TLRequest) -> str:
    """Telegram's name of a request's method, as messages.getHistory."""
    cls = next(c for c in type(request).__mro__ if c.__module__.startswith("telethon.tl.functions"))
    name = cls.__name__.removesuffix("Request")
    namespace = cls.__module__.rpartition(".")[2]
    method = name[0].lower() + name[1:]
    return method if namespace == "functions" else f"{namespace}.{method}"
