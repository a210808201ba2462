"""A chat in a takeout, whose messages need not lie in every one of its ranges."""
from __future__ import annotations

import asyncio
from typing import Any

import pytest
from telethon.tl import types

from support import telegram_page as made
from support.scene import NAME, Scene
from tgbulk.stages.archive.id_range import UNBOUNDED
from tgbulk.stages.fetch.missing import MissingRanges
from tgbulk.stages.fetch.resolver import Target
from tgbulk.stages.fetch.walk import Walk
from tgbulk.stages.process.page import transform
from tgbulk.stages.process.seen_peers import SeenPeers
from tgbulk.stages.protocol.receipt import Receipt
from tgbulk.stages.telegram.chat import ChatRecord

RANGES = [types.MessageRange(0, 99), types.MessageRange(100, 199), types.MessageRange(200, 2**31 - 1)]


class Walked:
    """A private chat with these ids, walked by a real lane and the real process, range by range."""

    def __init__(self, ids: list[int], counting: bool) -> None:
        """counting: the server says how many there are in a range; else it gives the whole list."""
        self._ids, self._counting = ids, counting
        self.kept = b""
        asyncio.run(self._main())

    async def _main(self) -> None:
        scene = Scene(AssertionError(), lambda: None)
        target = Target(NAME, ChatRecord(5, "private", "Chat", 1), None)
        missing = MissingRanges.of([])
        missing.cut([one.min_id for one in RANGES])
        self.walk = Walk(target, 0, missing, {0: types.InputPeerSelf()}, RANGES, 0, True)
        scene.plan.add(self.walk)
        reader: Any = scene.readers[0]

        async def exchange(request: Any, *_: Any) -> bytes:
            await asyncio.sleep(0)
            scene.bucket.cancel()
            return self._answer(request)

        async def call(request: Any) -> bytes:
            return self._answer(request)

        reader.caller.exchange, reader.caller.call = exchange, call
        reader.resolver.learn, reader.resolver.proved = lambda _: None, lambda _: True
        scene.pipeline.page, scene.pipeline.probe = self._page, self._probe
        scene.plan.expect_no_more()
        await scene.run(lanes=1, seconds=60)

    def _answer(self, request: Any) -> bytes:
        asked = request.message_range
        there = [one for one in self._ids if asked.min_id <= one <= asked.max_id]
        wanted = [one for one in there if one >= request.offset_id][:100] if request.add_offset else there[-1:]
        messages = [made.message(one) for one in reversed(wanted)]
        if self._counting:
            return bytes(types.messages.MessagesSlice(len(there), messages, [], [], []))
        return bytes(types.messages.Messages(messages, [], [], []))

    async def _page(self, answer: bytes, first: int, bound: int, last: bool = False, **_: Any) -> Receipt:
        receipt, body = transform(answer, 0, first, bound, SeenPeers(), proved=last)
        self.kept += body.lines
        return receipt

    async def _probe(self, answer: bytes, *_: Any) -> Receipt:
        return transform(answer, 0, 1, UNBOUNDED, SeenPeers())[0]


@pytest.mark.parametrize("counting", [False, True])
@pytest.mark.parametrize("ids", [[], [5], [150], [250, 260], [5, 250], [150, 250], [5, 150, 250]])
def test_a_range_without_a_message_is_no_gap(ids: list[int], counting: bool) -> None:
    found = Walked(ids, counting)
    assert (found.walk.failure, found.walk.ended) == (None, True)
    assert found.kept.count(b"\n") == len(ids)
