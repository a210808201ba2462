"""A takeout that ends in mid-run, when no other one is to be had; and one that cannot be ended."""
from __future__ import annotations

import asyncio
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
from telethon import errors
from telethon.tl import functions, types

from stages.event import Notice
from stages.fetch.caller import Caller
from stages.fetch.error import FloodParkedError, TakeoutDelayedError
from stages.fetch.history import METHOD, newest
from stages.fetch.takeout import Takeout

ACCESS: Any = SimpleNamespace(server_name="Telegram", account="main")
RANGE = types.MessageRange(1, 100)
DELAYED = errors.TakeoutInitDelayError(None, 3600)
FLOOD = errors.FloodWaitError(None, 7)


class Server:
    """Telegram for one account that reads in a takeout; `refusal` answers what begins or ends one."""

    def __init__(self, required: bool) -> None:
        self.valid: set[int] = set()
        self.refusal: Exception | None = None
        self.calls: Counter[str] = Counter()
        self.told: list[Any] = []
        session = SimpleNamespace(takeout_id=None, save=lambda: None)
        client: Any = SimpleNamespace(_sender=self, session=session)
        self.takeout = Takeout(client, ACCESS, self.told.append, required)
        self.caller = Caller(client, ACCESS, lambda *_: None)

    async def send(self, request: Any) -> Any:
        await asyncio.sleep(0)
        if isinstance(request, functions.account.InitTakeoutSessionRequest):
            self.calls["init"] += 1
            if self.refusal:
                raise self.refusal
            self.valid = {self.calls["init"]}
            return types.account.Takeout(self.calls["init"])
        if not isinstance(request, functions.InvokeWithTakeoutRequest):
            self.calls["plain"] += 1
            return b"page"
        if request.takeout_id not in self.valid:
            raise errors.TakeoutInvalidError(request)
        if isinstance(request.query, functions.account.FinishTakeoutSessionRequest) and self.refusal:
            raise self.refusal
        self.calls["wrapped"] += 1
        return [RANGE] if isinstance(request.query, functions.messages.GetSplitRangesRequest) else b"page"

    async def begin(self) -> None:
        await self.takeout.request()
        self.caller.takeout = self.takeout

    async def page(self) -> Any:
        request = newest(types.InputPeerSelf())
        request.message_range = RANGE
        return await self.caller.call(request)

    @property
    def notices(self) -> list[str]:
        return [frame.text for frame in self.told if isinstance(frame, Notice)]


@pytest.mark.parametrize("refusal", [DELAYED, FLOOD])
def test_try_goes_on_without(refusal: Exception) -> None:
    async def main() -> None:
        server = Server(required=False)
        await server.begin()
        ranges = server.takeout.ranges
        assert (await server.page(), ranges) == (b"page", [RANGE])
        server.valid, server.refusal = set(), refusal
        assert await asyncio.gather(*(server.page() for _ in range(3))) == [b"page"] * 3
        assert server.calls == {"init": 2, "wrapped": 2, "plain": 3}
        assert (ranges, len(server.notices), server.caller.bucket(METHOD).floods) == ([], 1, 0)
        await server.takeout.finish()

    asyncio.run(main())


@pytest.mark.parametrize(("refusal", "error"), [(DELAYED, TakeoutDelayedError), (FLOOD, FloodParkedError)])
def test_yes_says_why_there_is_none(refusal: Exception, error: type[Exception]) -> None:
    async def main() -> None:
        server = Server(required=True)
        await server.begin()
        server.valid, server.refusal = set(), refusal
        for _ in range(2):
            with pytest.raises(error):
                await server.page()
        assert (server.notices, server.calls["plain"], server.caller.bucket(METHOD).flying) == ([], 0, 0)
        server.refusal = None
        assert await server.page() == b"page"

    asyncio.run(main())


def test_that_it_cannot_be_ended_is_told() -> None:
    async def main() -> None:
        server = Server(required=True)
        await server.begin()
        server.refusal = FLOOD
        await server.takeout.finish()
        assert server.notices[0].endswith("the takeout of account main stays open, and the next run takes it up")

    asyncio.run(main())
