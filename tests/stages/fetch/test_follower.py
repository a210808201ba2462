from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from telethon.tl import types

from tgbulk.stages.archive.account import AccountState
from tgbulk.stages.fetch.follower import FollowCounts, Follower
from tgbulk.stages.fetch.push import COMMON, Push, PushQueue
from tgbulk.stages.protocol.difference import Box, DifferenceReceipt

CHAT = -1000000000009


class Refusing:
    """A pipeline that can make nothing of what is pushed."""

    async def difference(self, answer: bytes, account: int, channel: int = 0) -> DifferenceReceipt:
        return DifferenceReceipt(error="what is this")


def test_what_comes_behind_a_push_that_cannot_be_read_waits_for_it() -> None:
    """It is asked for: taken before, it would hide that something is missing."""
    async def follow() -> None:
        updates: Any = SimpleNamespace(
            state=AccountState(77, 50, 0, 0, 0), boxes={CHAT: Box(CHAT, "complete", 50, 1, 0, [])}, take=lambda receipt: None
        )
        reader: Any = SimpleNamespace(me=77)
        pipeline: Any = Refusing()
        ends = lambda *_: None  # noqa: E731
        follower = Follower(reader, updates, pipeline, PushQueue(), FollowCounts(), ends, ends, asyncio.Event())
        for key in (COMMON, CHAT):
            follower._box(key, 50)
            box = follower._boxes[key]
            for pts in (51, 52):
                update: Any = types.UpdateDeleteMessages([pts], pts, 1)
                if key == CHAT:
                    update = types.UpdateDeleteChannelMessages(9, [pts], pts, 1)
                follower._route(Push(update, bytes(update), (), (), 0.0, 0))
                await follower._flush(box)
            assert (box.pts, box.wanted, [one.update.pts for one in box.held]) == (50, True, [52])

    asyncio.run(follow())
