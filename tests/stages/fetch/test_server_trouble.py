"""A server that keeps failing at one request."""
from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from telethon import errors
from telethon.tl import functions

from support.scene import Scene
from tgbulk.stages.fetch import trouble
from tgbulk.stages.fetch.caller import Caller
from tgbulk.stages.fetch.error import TroubledError
from tgbulk.stages.fetch.export import TROUBLED
from tgbulk.stages.protocol.event import ChatFailed

FAILING = TroubledError("Telegram", "INTERNAL", "messages.getHistory")


def test_it_is_asked_again_and_then_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trouble, "FIRST_PAUSE", 0.001)
    asked: list[Any] = []

    async def send(request: Any) -> None:
        asked.append(request)
        raise errors.ServerError(request, "INTERNAL")

    async def main() -> None:
        client: Any = SimpleNamespace(_sender=SimpleNamespace(send=send))
        access: Any = SimpleNamespace(server_name="Telegram", account="main")
        caller = Caller(client, access, lambda *_: None)
        with pytest.raises(TroubledError, match="Telegram keeps answering RPCError 500: INTERNAL to updates"):
            await caller.call(functions.updates.GetStateRequest())
        assert (len(asked), caller.bucket("updates.getState").flying) == (trouble.TRIES, 0)

    asyncio.run(main())


def test_it_fails_that_chat_and_only_several_in_a_row_end_the_run() -> None:
    async def main() -> None:
        scene = Scene(FAILING, lambda: None)
        for _ in range(TROUBLED - 1):
            scene.add(0)
        await scene.run(lanes=1)
        assert [frame.code for frame in scene.told if isinstance(frame, ChatFailed)] == [7] * (TROUBLED - 1)
        scene.add(0)
        with pytest.raises(TroubledError):
            await scene.run(lanes=1)

    asyncio.run(main())
