"""An export of one chat for tests: with a server and a pipeline that do nothing but make it wait."""
from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

from telethon.tl import types

from tgbulk.stages.archive.id_range import IdRange
from tgbulk.stages.fetch.backlog import Backlog
from tgbulk.stages.fetch.bucket import Bucket
from tgbulk.stages.fetch.config import FetchConfig
from tgbulk.stages.fetch.export import Export
from tgbulk.stages.fetch.lane import Lane
from tgbulk.stages.fetch.missing import MissingRanges
from tgbulk.stages.fetch.name import parse_name
from tgbulk.stages.fetch.resolver import Target
from tgbulk.stages.fetch.walk import Walk
from tgbulk.stages.protocol.receipt import Receipt
from tgbulk.stages.protocol.request import OpenReply
from tgbulk.stages.telegram.chat import ChatRecord

NAME = "@some_name"


class Slots:
    """A pipeline with so many slots, whose write takes everything."""

    def __init__(self, slots: int) -> None:
        self._free = asyncio.Semaphore(slots)
        self.taken = 0
        self.moves = 0
        self.backlog = Backlog()

    async def _submit(self) -> None:
        async with self._free:
            self.taken += 1
            await asyncio.sleep(0)
            self.taken -= 1

    async def page(self, *_: Any, **__: Any) -> Receipt:
        await self._submit()
        return Receipt()

    probe = page

    async def open_chat(self, *_: Any) -> OpenReply:
        await self._submit()
        return OpenReply()

    async def close_chat(self, *_: Any) -> None:
        await self._submit()


class Scene:
    """An export of one chat that two accounts can read; the first one gets `error` from every request."""

    def __init__(self, error: Exception, resolve: Callable[[], Any], slots: int = 1) -> None:
        self.bucket = Bucket(8)
        self.pipeline: Any = Slots(slots)
        self.told: list[Any] = []

        async def exchange(*_: Any) -> None:
            await asyncio.sleep(0)
            self.bucket.cancel()
            raise error

        async def found(*_: Any, **__: Any) -> Any:
            await asyncio.sleep(0)
            return resolve()

        caller = SimpleNamespace(
            bucket=lambda _: self.bucket, exchange=exchange, call=exchange, takeout=None, withdraw=lambda: None,
            answered_at=0.0,
        )
        resolver = SimpleNamespace(resolve=found, forget=lambda _: None)
        self.readers: list[Any] = [
            SimpleNamespace(
                number=number, caller=caller, resolver=resolver, failure=None, me=1, access=SimpleNamespace(account=name)
            )
            for number, name in enumerate(("one", "two"))
        ]
        config = FetchConfig([], [parse_name(NAME)], 4)
        self.export = Export(self.readers, cast(Any, self.pipeline), self.told.append, config, asyncio.Event())
        self.plan = self.export._plan
        self.plan.expect()

    def add(self, *readers: int) -> Walk:
        """Two ranges to ask for, and a peer for each of these readers."""
        target = Target(NAME, ChatRecord(-1000000000001, "channel", "Chat", 1), None, cached=True)
        peers = dict.fromkeys(readers, types.InputPeerSelf())
        walk = Walk(target, 0, MissingRanges.of([IdRange(5000, 6000)], IdRange(1, 9000)), peers, [], 0, True)
        self.plan.add(walk)
        return walk

    async def run(self, lanes: int, seconds: float = 0.2) -> None:
        """So many lanes of the first account, until they end or, so many seconds later, wait for a job."""
        made = [
            asyncio.create_task(
                Lane(self.plan, self.readers[0], self.pipeline, lambda: False, self.told.append, self.export).run()
            )
            for _ in range(lanes)
        ]
        done, waiting = await asyncio.wait(made, timeout=seconds)
        for lane in waiting:
            lane.cancel()
        for lane in done:
            lane.result()
        assert (self.bucket.flying, self.pipeline.taken) == (0, 0)
