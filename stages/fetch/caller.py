"""Requests of one account: admitted by the method's bucket, flood waits sat out, server trouble tried again."""
from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

from telethon import TelegramClient, errors
from telethon.tl.tlobject import TLRequest

from tgbulk.engine.metric import Meter, Number
from tgbulk.stages.fetch.access import Access
from tgbulk.stages.fetch.allowance import Allowance
from tgbulk.stages.fetch.backlog import Backlog
from tgbulk.stages.fetch.bucket import Bucket, Halted
from tgbulk.stages.fetch.client import ENDED, plain
from tgbulk.stages.fetch.error import (
    AuthNeededError,
    FloodParkedError,
    TroubledError,
    UnansweredError,
    UnreachableError,
)
from tgbulk.stages.fetch.pace import Paces
from tgbulk.stages.fetch.sender import NoAnswer, method_name
from tgbulk.stages.fetch.shared_pace import SharedPaces
from tgbulk.stages.fetch.takeout import Takeout
from tgbulk.stages.fetch.trouble import TRIES, TROUBLE, pause

#: A flood wait longer than this is not sat out: the account is done with that method for this run. Seconds.
PARK_SECONDS = 900
#: Requests of a method in flight, where nothing else is said.
IN_FLIGHT = 3


class Caller:
    """Sends requests past Telethon's own call loop, whose gaps docs/spec/telethon-hooks.md 1 lists."""

    def __init__(
        self,
        client: TelegramClient,
        access: Access,
        on_wait: Callable[[str, int], None],
        meter: Meter | None = None,
        notify: Callable[[str], None] = lambda text: None,
        paces: Paces | None = None,
        shared: SharedPaces | None = None,
    ) -> None:
        """on_wait(method, seconds) is told of every flood wait; notify gets lines for people; paces: of earlier runs;
        shared: of the other accounts of this one."""
        self._client = client
        self._access = access
        self._on_wait = on_wait
        self.notify = notify
        self._paces = paces
        self._shared = SharedPaces() if shared is None else shared
        #: wraps every request while there is one
        self.takeout: Takeout | None = None
        self._buckets: dict[str, Bucket] = {}
        self._halted = False
        #: answers so far, errors among them
        self.moves = 0
        self._meter = meter or Meter(None)
        self._meter.watch(self._numbers)

    def limit(self, method: str, most: int, rate: float | None = None) -> None:
        """Bound a method: requests in flight, and perhaps requests a second. Else it begins at the pace of earlier runs,
        those in a takeout where this is one."""
        if method in self._buckets:
            self._shared.leave(self._buckets[method])
        bucket = self._buckets[method] = Bucket(most, rate, shared=self._shared[method, self.takeout is not None])
        known = self._paces.get(method, self.takeout is not None) if self._paces and rate is None else None
        if known is not None:
            bucket.remember(known.pace, known.idle)
        self._begin(method, bucket)

    def allow(self, method: str, rate: float, free: int, on_pace: Callable[[], None]) -> None:
        """Bound a method to so many requests a second, apart from the first ones; on_pace() when it begins to wait."""
        bucket = self._buckets[method] = Allowance(IN_FLIGHT, rate, free, on_pace)
        self._begin(method, bucket)

    def _begin(self, method: str, bucket: Bucket) -> None:
        """A bucket that is not to be used is shut from the start: after a stop, and while an earlier run's wait lasts."""
        left = self._paces.parked(method) if self._paces else 0
        if self._halted:
            bucket.shut(Halted())
        elif left:
            bucket.shut(FloodParkedError(left, method))

    def keep(self) -> None:
        """What was learnt of the limits, for later runs. That it cannot be saved costs them a flood wait or two."""
        if self._paces is None:
            return
        for method, bucket in self._buckets.items():
            learnt = bucket.learnt()
            if learnt is not None:
                self._paces.keep(method, self.takeout is not None, learnt)
        try:
            self._paces.save()
        except OSError as error:
            self.notify(f"the pace of account {self._access.account} cannot be saved: {error.strerror or error}")

    @property
    def pausing(self) -> bool:
        """Somebody waits for the pace or for the end of a flood wait."""
        return any(bucket.pausing for bucket in self._buckets.values())

    @property
    def answered_at(self) -> float:
        """When Telegram last answered this account, the loop's time."""
        at: float = self._client._sender.answered_at
        return at

    def describe(self) -> list[str]:
        """Each method's bucket, and what waits for an answer, for people."""
        sender = self._client._sender
        lines = [f"{method}: {bucket.describe()}" for method, bucket in self._buckets.items()]
        return [*lines, f"unanswered: {', '.join(sender.waiting) or 'nothing'}"]

    def bucket(self, method: str) -> Bucket:
        if method not in self._buckets:
            self.limit(method, IN_FLIGHT)
        return self._buckets[method]

    def halt(self) -> None:
        """Ask for nothing more; what is on its way still arrives. Whoever waits to ask gets Halted."""
        self._halted = True
        for bucket in self._buckets.values():
            bucket.shut(Halted())

    def withdraw(self) -> None:
        """No other account waits any more for what this one finds out."""
        for bucket in self._buckets.values():
            self._shared.leave(bucket)

    async def call(self, request: TLRequest) -> Any:
        """Ask for admission, then exchange()."""
        await self.bucket(method_name(request)).enter()
        return await self.exchange(request)

    async def exchange(self, request: TLRequest, backlog: Backlog | None = None) -> Any:
        """The result of a request that its bucket has admitted; with a backlog, bytes, counted there until they are here.

        RPC errors that are about the request itself come through as they are. FloodParkedError for a wait above
        PARK_SECONDS; AuthNeededError when the login has ended; UnreachableError when the connection cannot be had again;
        TroubledError when the server stays in trouble at this.
        """
        method = method_name(request)
        bucket = self.bucket(method)
        attempt = 0
        clock = asyncio.get_running_loop().time
        while True:
            try:
                if backlog is not None:
                    await backlog.enter()
                began = clock()
                result = await self._timed(method, request, backlog)
            except (errors.FloodWaitError, errors.FloodPremiumWaitError) as error:
                floods = bucket.floods
                asked = method_name(error.request) if error.request else method  # or what it needed before, as a login
                bucket.flooded(error.seconds)
                if bucket.floods > floods:
                    self.keep()
                # Short ones without a success in between come to the same as a long one.
                if max(error.seconds, bucket.fruitless_seconds) > PARK_SECONDS:
                    parked = FloodParkedError(int(max(error.seconds, bucket.fruitless_seconds)), asked)
                    bucket.shut(parked)
                    if self._paces:
                        self._paces.park(method, parked.retry_after)
                    self.keep()
                    raise parked from error
                self._on_wait(asked, error.seconds)
            except TROUBLE as error:
                bucket.cancel()
                attempt += 1
                if attempt == TRIES:
                    asked = method_name(error.request) if error.request else method
                    raise TroubledError(self._access.server_name, plain(error), asked) from error
                await asyncio.sleep(pause(attempt))
            except BaseException:
                bucket.cancel()
                raise
            else:
                bucket.succeeded(clock() - began)
                return result
            await bucket.enter()

    async def _timed(self, method: str, request: TLRequest, backlog: Backlog | None) -> Any:
        began = time.monotonic()
        size = 0
        try:
            result = await self._send(request)
            size = len(result) if backlog is not None else 0
            return result
        except errors.RPCError:
            self._meter.count("request_errors", label=method)
            raise
        finally:
            self.moves += 1
            self._meter.observe("request", time.monotonic() - began, method)
            if backlog is not None:
                backlog.leave(size)

    def _numbers(self) -> Iterator[Number]:
        """For the meter's thread: what the buckets count."""
        for method, bucket in list(self._buckets.items()):
            label = f"{self._access.account}/{method}"
            yield Number("flying", label, bucket.flying)
            yield Number("limit_seconds", label, bucket.limited)
            yield Number("window_seconds", label, bucket.crowded)
            yield Number("flood_seconds", label, bucket.lost)
            yield Number("floods", label, bucket.floods)

    async def _send(self, request: TLRequest) -> Any:
        takeout = self.takeout
        if takeout is None or getattr(request, "outside_takeout", False):
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
        except NoAnswer as error:
            raise UnansweredError(self._access.server_name, method_name(request)) from error
        except (errors.UnauthorizedError, errors.AuthKeyDuplicatedError) as error:
            raise AuthNeededError(self._access.account, ENDED.get(type(error), plain(error))) from error
        except ConnectionError as error:
            raise UnreachableError(self._access.server_name, str(error) or "the connection was lost") from error
