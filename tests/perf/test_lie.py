"""A server that answers one method wrongly, as a client sees it."""
from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from telethon import TelegramClient, errors
from telethon.tl import functions, types

from support.wire import logged_in, run
from tgbulk.perf.simdc import control
from tgbulk.perf.simdc.server import Server

HISTORY = "messages.getHistory"
REQUEST = functions.messages.GetHistoryRequest(types.InputPeerSelf(), 0, None, 0, 5, 0, 0, 0)


def told(server: Server, **words: Any) -> dict[str, Any]:
    return control.answer(server, json.dumps({"do": "lie", "method": HISTORY, **words}).encode())


async def ids(client: TelegramClient) -> list[int]:
    return [message.id for message in (await client(REQUEST)).messages]


def test_a_field_of_the_answer_is_changed_and_then_true_again() -> None:
    async def check(server: Server) -> None:
        async with logged_in(server) as client:
            assert told(server, lie="change", field="count", value=7, after=1, times=1) == {"ok": True, "result": None}
            assert [(await client(REQUEST)).count for _ in range(3)] == [300, 7, 300]
            told(server, lie="change", field="messages.*.id", value=9)
            assert await ids(client) == [9] * 5
            told(server, lie="change", field="messages.1.id", value=9)
            assert await ids(client) == [300, 9, 298, 297, 296]
            told(server)
            assert await ids(client) == [300, 299, 298, 297, 296]

    run(check)


def test_a_field_of_the_request_is_ignored() -> None:
    async def check(server: Server) -> None:
        async with logged_in(server) as client:
            told(server, lie="ignore", field="limit", value=2)
            assert await ids(client) == [300, 299]

    run(check)


def test_an_error_and_other_bytes() -> None:
    async def check(server: Server) -> None:
        async with logged_in(server) as client:
            told(server, lie="refuse", code=400, message="CHANNEL_PRIVATE", times=1)
            with pytest.raises(errors.ChannelPrivateError):
                await client(REQUEST)
            nothing = bytes(types.messages.Messages([], [], [], []))
            told(server, lie="raw", data=base64.b64encode(nothing).decode(), times=1)
            assert await ids(client) == []
            assert len(await ids(client)) == 5

    run(check)


def test_a_lie_that_nobody_knows_is_refused() -> None:
    async def check(server: Server) -> None:
        answer = told(server, lie="exaggerate")
        assert not answer["ok"]
        assert "there are change, confuse, endless, ignore, raw, refuse" in answer["error"]

    run(check)
