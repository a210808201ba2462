"""Faults made on purpose, and the counters that tell of them."""
from __future__ import annotations

import asyncio
import time

import pytest
from telethon import errors
from telethon.tl import functions

from support.wire import logged_in, run
from tgbulk.perf.simdc.fault import Fault
from tgbulk.perf.simdc.flood import FloodControl, Limit
from tgbulk.perf.simdc.server import Server

STATE = "updates.getState"


def test_flood_wait_counts_early_askers() -> None:
    async def check(server: Server) -> None:
        async with logged_in(server, flood_sleep_threshold=0) as client:
            server.counter.reset()
            server.dispatcher.flood.set(STATE, Limit(rate=0.5, burst=3))
            request = functions.updates.GetStateRequest()
            for _ in range(3):
                await client._sender.send(request)
            for _ in range(2):
                with pytest.raises(errors.FloodWaitError) as flood:
                    await client._sender.send(request)
                assert flood.value.seconds == 2
            method = server.counter.to_dict()["methods"][STATE]
            assert method == {"calls": 5, "early": 1, "floods": 1, "errors": {"FLOOD_WAIT_2": 2}}
            server.dispatcher.flood.set(STATE, None)
            await client._sender.send(request)

    run(check)


def test_takeouts_have_limits_of_their_own() -> None:
    async def check(server: Server) -> None:
        async with logged_in(server) as client:
            takeout = await client(functions.account.InitTakeoutSessionRequest())
            server.dispatcher.flood.set(STATE, Limit(rate=0.1, burst=1))
            server.dispatcher.flood.set(STATE, Limit(rate=0.1, burst=4), takeout=True)
            request = functions.updates.GetStateRequest()
            await client._sender.send(request)
            with pytest.raises(errors.FloodWaitError):
                await client._sender.send(request)
            wrapped = functions.InvokeWithTakeoutRequest(takeout.id, request)
            for _ in range(4):
                await client._sender.send(wrapped)
            with pytest.raises(errors.FloodWaitError):
                await client._sender.send(wrapped)

    run(check)


def test_bucket_arithmetic() -> None:
    flood = FloodControl()
    flood.set("m", Limit(rate=10, burst=2))
    assert [flood.wait(0, "m", False, 0.0) for _ in range(2)] == [(0, False)] * 2
    assert flood.wait(0, "m", False, 0.05) == (1, False)
    assert flood.wait(1, "m", False, 0.05) == (0, False)
    assert flood.wait(0, "other", False, 0.05) == (0, False)
    assert flood.wait(0, "m", False, 0.5) == (1, True)
    assert flood.wait(0, "m", False, 0.5, asked=0.04) == (1, False)
    assert flood.wait(0, "m", False, 0.5, asked=0.06) == (1, True)
    assert flood.wait(0, "m", False, 1.05) == (0, False)


def test_server_errors_hit_the_named_methods_only() -> None:
    async def check(server: Server) -> None:
        async with logged_in(server) as client:
            server.dispatcher.fault.error_rate = 1.0
            server.dispatcher.fault.methods = [STATE]
            seen = set()
            for _ in range(30):
                with pytest.raises(errors.RPCError) as error:
                    await client._sender.send(functions.updates.GetStateRequest())
                seen.add(error.value.code)
            # Telethon's class for -503 says 503
            assert {abs(code) for code in seen} == {500, 503}
            assert (await client.get_me()).id == 101

    run(check)


def test_dropped_connections_lose_nothing_that_is_pending() -> None:
    async def check(server: Server) -> None:
        async with logged_in(server, retry_delay=0) as client:
            server.dispatcher.fault.latency_ms = 50
            server.dispatcher.fault.jitter_ms = 50
            pending = [asyncio.ensure_future(client.get_messages("me", ids=n)) for n in range(1, 21)]
            await asyncio.sleep(0.02)
            server.hub.drop()
            assert [message.id for message in await asyncio.gather(*pending)] == list(range(1, 21))
            assert server.counter.connections >= 2

    run(check)


def test_connections_dropped_at_random() -> None:
    async def check(server: Server) -> None:
        async with logged_in(server, retry_delay=0, connection_retries=20) as client:
            server.dispatcher.fault.drop_rate = 0.2
            for n in range(1, 21):
                assert (await client.get_messages("me", ids=n)).id == n
            assert server.counter.connections > 2

    run(check)


def test_latency_reorders_answers() -> None:
    async def check(server: Server) -> None:
        async with logged_in(server) as client:
            server.dispatcher.fault.latency_ms = 100
            server.dispatcher.fault.jitter_ms = 100
            order: list[int] = []

            async def ask(n: int) -> None:
                await client.get_messages("me", ids=n)
                order.append(n)

            await asyncio.gather(*(ask(n) for n in range(1, 21)))
            assert sorted(order) == list(range(1, 21)) != order

    run(check)


def test_delays_are_within_their_bounds() -> None:
    fault = Fault(latency_ms=100, jitter_ms=20, methods=["a"])
    delays = [fault.delay("a", 0) for _ in range(200)]
    assert 0.08 <= min(delays) < 0.09
    assert 0.11 < max(delays) <= 0.12
    assert fault.delay("b", 0) == 0


def test_takeout_can_be_delayed() -> None:
    async def check(server: Server) -> None:
        async with logged_in(server) as client:
            server.ledger.takeout_delay = 60
            with pytest.raises(errors.TakeoutInitDelayError) as delayed:
                await client(functions.account.InitTakeoutSessionRequest())
            assert delayed.value.seconds == 60
            server.ledger.takeout_due[0] = time.time() - 1
            assert (await client(functions.account.InitTakeoutSessionRequest())).id

    run(check)


def test_an_exception_in_a_service_is_an_internal_error(capfd: pytest.CaptureFixture[str]) -> None:
    async def check(server: Server) -> None:
        async with logged_in(server) as client:
            server.world.boxes = object()
            with pytest.raises(errors.ServerError):
                await client._sender.send(functions.updates.GetStateRequest())

    run(check)
    assert "Traceback" in capfd.readouterr().err


def test_counters_tell_accounts_apart() -> None:
    async def check(server: Server) -> None:
        async with logged_in(server) as first, logged_in(server, 1) as second:
            server.counter.reset()
            await first.get_messages("me", limit=100)
            await second.get_messages("me", ids=3)
            counts = server.counter.to_dict()
            assert counts["accounts"]["0"]["methods"]["messages.getHistory"]["calls"] == 1
            assert list(counts["accounts"]["1"]["methods"]) == ["messages.getMessages"]
            assert counts["bytes_out"] > counts["accounts"]["0"]["bytes_out"] > 0
            assert counts["bytes_in"] > counts["accounts"]["0"]["bytes_in"] > 0

    run(check)
