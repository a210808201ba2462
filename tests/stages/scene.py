"""An export of one chat for tests: with a server and a pipeline that do nothing but make it wait."""
from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from telethon.tl import types

from stages.fetch.bucket import Bucket
from stages.fetch.config import FetchConfig
from stages.fetch.coverage import Coverage
from stages.fetch.export import Export
from stages.fetch.lane import Lane
from stages.fetch.name import parse_name
from stages.fetch.resolver import Target
from stages.fetch.walk import Walk
from stages.receipt import Answer, Receipt
from stages.telegram.chat import ChatRecord

NAME = "@some_name"


class Slots:
    """A pipeline with so many slots, whose write takes everything."""

    def __init__(self, slots: int) -> None:
        self._free = asyncio.Semaphore(slots)
        self.taken = 0

    async def reserve(self) -> int:
        await self._free.acquire()
        self.taken += 1
        return 0

    def cancel(self, slot: int) -> None:
        self.taken -= 1
        self._free.release()

    async def send(self, slot: int, payload: bytes, **_: Any) -> tuple[Receipt, int]:
        self.cancel(slot)
        return Receipt(), Answer.OPENED


class Scene:
    """An export of one chat that two accounts can read; the first one gets `error` from every request."""

    def __init__(self, error: Exception, resolve: Callable[[], Any], slots: int = 1) -> None:
        self.bucket = Bucket(8)
        self.pipeline: Any = Slots(slots)
        self.told: list[Any] = []

        async def exchange(_: Any) -> None:
            await asyncio.sleep(0)
            self.bucket.cancel()
            raise error

        async def found(*_: Any, **__: Any) -> Any:
            await asyncio.sleep(0)
            return resolve()

        caller = SimpleNamespace(bucket=lambda _: self.bucket, exchange=exchange, takeout=None)
        resolver = SimpleNamespace(resolve=found, forget=lambda _: None)
        self.readers: list[Any] = [
            SimpleNamespace(number=number, caller=caller, resolver=resolver, failure=None, me=1) for number in (0, 1)
        ]
        config = FetchConfig([], [parse_name(NAME)], 4)
        self.export = Export(self.readers, self.pipeline, self.told.append, config, asyncio.Event())
        self.plan = self.export._plan
        self.plan.expect()

    def add(self, *readers: int) -> Walk:
        """Two ranges to ask for, and a peer for each of these readers."""
        target = Target(NAME, ChatRecord(-1000000000001, "channel", "Chat", 1), None, cached=True)
        peers = dict.fromkeys(readers, types.InputPeerSelf())
        walk = Walk(target, 0, Coverage.of([[5000, 6000]], 1, 9000), peers, [], 0, True)
        self.plan.add(walk)
        return walk

    async def run(self, lanes: int) -> None:
        """So many lanes of the first account, until they end or wait for a job."""
        made = [
            asyncio.create_task(
                Lane(self.plan, self.readers[0], self.pipeline, lambda: False, self.told.append, self.export).run()
            )
            for _ in range(lanes)
        ]
        done, waiting = await asyncio.wait(made, timeout=0.2)
        for lane in waiting:
            lane.cancel()
        for lane in done:
            lane.result()
        assert (self.bucket.flying, self.pipeline.taken) == (0, 0)
