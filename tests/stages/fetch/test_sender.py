"""Requests that are not answered, and connections that do not hold: a server on real sockets does it on purpose."""
from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from telethon import errors
from telethon.tl import functions

from support.wire import client_of, run
from tgbulk.perf.simdc.server import HOME_DC, Server
from tgbulk.stages.fetch import backoff
from tgbulk.stages.fetch.sender import ASKS, NoAnswer, Sender, method_name

STATE = "updates.getState"
#: Seconds that a request waits for its answer the first time.
ANSWER = 0.2


def state() -> functions.updates.GetStateRequest:
    return functions.updates.GetStateRequest()


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_SECONDS", 0.05)
    monkeypatch.setattr("tgbulk.stages.fetch.sender.UNNOTICED", 0.2)


@asynccontextmanager
async def link(server: Server, said: list[str], patience: float = 3.0, answer: float = ANSWER) -> AsyncIterator[Sender]:
    """The sender of a client that is logged in as the first account."""
    client = client_of(server)
    sender = client._sender = Sender(
        client.session.auth_key, name="the link", patience=patience, notify=said.append, answer_seconds=answer,
        loggers=client._log, retries=1, auth_key_callback=client._auth_key_callback, updates_queue=client._updates_queue,
    )
    await client.connect()
    try:
        account = server.world.accounts[0]
        await client.send_code_request(account.phone)
        await client.sign_in(account.phone, account.code)
        yield sender
    finally:
        await client.disconnect()


@pytest.mark.parametrize("fault", ["lose_rate", "misroute_rate"])
def test_a_lost_answer_is_asked_for_again_over_a_fresh_connection(fault: str) -> None:
    async def check(server: Server) -> None:
        said: list[str] = []
        async with link(server, said) as sender:
            before = server.hub.dispatcher.counter.connections
            server.hub.dispatcher.fault.methods = [STATE]
            setattr(server.hub.dispatcher.fault, fault, 1.0)
            asked = sender.send(state())
            others = [sender.send(functions.help.GetConfigRequest()) for _ in range(3)]
            await asyncio.gather(*others)
            setattr(server.hub.dispatcher.fault, fault, 0.0)
            assert await asyncio.wait_for(asked, 5)
            assert server.hub.dispatcher.counter.connections == before + 1
            assert said == [f"the link: no answer to {STATE} in 0 s; asking again over a new connection"]
            assert sender.waiting == []

    run(check)


def test_one_request_that_is_never_answered_fails_alone() -> None:
    async def check(server: Server) -> None:
        said: list[str] = []
        async with link(server, said) as sender:
            server.hub.dispatcher.fault.methods, server.hub.dispatcher.fault.lose_rate = [STATE], 1.0
            asked = asyncio.ensure_future(sender.send(state()))
            while not asked.done():
                await sender.send(functions.help.GetConfigRequest())
                await asyncio.sleep(0.01)
            with pytest.raises(NoAnswer, match=r"it does not answer updates\.getState"):
                await asked
            assert len(said) == 2
            assert sender.is_connected()
            assert not sender._pending_state

    run(check)


def test_where_nothing_is_answered_everything_fails() -> None:
    """Those that were sent and those that were not: nobody is left waiting."""

    async def check(server: Server) -> None:
        said: list[str] = []
        async with link(server, said) as sender:
            server.hub.dispatcher.fault.lose_rate = 1.0
            asked = [asyncio.ensure_future(sender.send(state())) for _ in range(5)]
            found = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 10)
            assert all(isinstance(one, ConnectionError) and not isinstance(one, NoAnswer) for one in found), found
            assert not sender.is_connected()
            assert sender.waiting == []
            with pytest.raises(ConnectionError):
                sender.send(state())

    run(check)


def test_a_connection_whose_end_nobody_waits_for_is_given_up_in_silence() -> None:
    """As one for files: asyncio would show a traceback when it forgets the future of its end."""

    async def check(server: Server) -> None:
        unseen: list[str] = []
        loop = asyncio.get_running_loop()
        async with link(server, []) as sender:
            sender.__dict__["_MTProtoSender__disconnected"] = loop.create_future()
            loop.set_exception_handler(lambda _, about: unseen.append(about["message"]))
            server.hub.dispatcher.fault.lose_rate = 1.0
            with pytest.raises(ConnectionError):
                await asyncio.wait_for(sender.send(state()), 10)
            await sender._reconnect_task
            sender.__dict__["_MTProtoSender__disconnected"] = None
            gc.collect()
            assert unseen == []

    run(check)


def test_a_silence_that_is_shorter_than_the_patience_is_sat_out() -> None:
    """However often it has to be asked again."""

    async def check(server: Server) -> None:
        said: list[str] = []
        async with link(server, said, patience=120.0, answer=0.1) as sender:
            counter = server.hub.dispatcher.counter
            before = counter.connections
            server.hub.dispatcher.fault.lose_rate = 1.0
            asked = asyncio.ensure_future(sender.send(state()))
            while counter.connections < before + ASKS + 2 and not asked.done():
                await asyncio.sleep(0.02)
            server.hub.dispatcher.fault.lose_rate = 0.0
            assert await asyncio.wait_for(asked, 20)
            assert sender.is_connected()
            assert len(said) <= ASKS + 2

    run(check)


def test_a_wrong_difference_of_the_clocks_is_learnt_anew() -> None:
    """As where the process stood still between what a server said of the time and taking it in."""

    async def check(server: Server) -> None:
        said: list[str] = []
        async with link(server, said, patience=30.0, answer=0.5) as sender:
            sender._state.time_offset = -120
            assert await asyncio.wait_for(sender.send(state()), 20)
            assert abs(sender._state.time_offset) < 30

    run(check)


@pytest.mark.parametrize("greeting", ["close", "garbage", "silence"])
def test_no_storm_on_a_peer_that_only_takes_connections(greeting: str) -> None:
    """The pauses grow, whatever it does after that; in the end all that waits fails."""

    async def check(server: Server) -> None:
        said: list[str] = []
        async with link(server, said, patience=2.0, answer=0.4) as sender:
            counter = server.hub.dispatcher.counter
            before, began = counter.connections, time.monotonic()
            server.hub.dispatcher.fault.greeting = greeting
            asked = [asyncio.ensure_future(sender.send(state())) for _ in range(3)]
            server.hub.drop()
            found = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 20)
            assert all(isinstance(one, ConnectionError) for one in found), found
            # 0.05 s doubled until 2 s are over: seven, and the one at once.
            assert 2 <= counter.connections - before <= 10
            assert time.monotonic() - began < 15
            assert said

    run(check)


def test_a_useful_answer_makes_the_pauses_short_again() -> None:
    async def check(server: Server) -> None:
        said: list[str] = []
        async with link(server, said) as sender:
            for _ in range(4):
                server.hub.dispatcher.fault.greeting = "close"
                server.hub.drop()
                asked = sender.send(state())
                await asyncio.sleep(0.3)
                server.hub.dispatcher.fault.greeting = ""
                assert await asyncio.wait_for(asked, 3)
                assert sender._backoff.failures == 0

    run(check)


def test_a_request_at_which_the_connection_is_always_lost_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tgbulk.stages.fetch.sender.APART_SECONDS", 0.1)

    async def check(server: Server) -> None:
        said: list[str] = []
        async with link(server, said) as sender:
            server.hub.dispatcher.fault.methods, server.hub.dispatcher.fault.drop_rate = [STATE], 1.0
            asked = asyncio.ensure_future(sender.send(state()))

            async def others() -> None:
                while not asked.done():
                    await sender.send(functions.help.GetConfigRequest())
                    await asyncio.sleep(0.01)

            await asyncio.wait_for(others(), 10)
            with pytest.raises(NoAnswer, match="lost whenever"):
                await asked
            server.hub.dispatcher.fault.drop_rate = 0.0
            assert await sender.send(state())

    run(check)


def test_an_idle_connection_that_comes_and_goes_is_kept() -> None:
    """Nothing is waited for, so nothing is given up."""

    async def check(server: Server) -> None:
        said: list[str] = []
        async with link(server, said, patience=0.3) as sender:
            for _ in range(8):
                server.hub.drop()
                await asyncio.sleep(0.1)
            assert await asyncio.wait_for(sender.send(state()), 5)

    run(check)


def test_without_patience_a_lost_connection_is_the_end_of_it() -> None:
    async def check(server: Server) -> None:
        async with link(server, []) as sender:
            sender.patience = 0
            before = server.hub.dispatcher.counter.connections
            server.hub.dispatcher.fault.latency_ms = 100
            asked = sender.send(state())
            await asyncio.sleep(0.02)
            server.hub.drop()
            with pytest.raises(ConnectionError):
                await asyncio.wait_for(asked, 3)
            assert server.hub.dispatcher.counter.connections == before

    run(check)


def test_whoever_gives_up_is_forgotten() -> None:
    async def check(server: Server) -> None:
        async with link(server, []) as sender:
            server.hub.dispatcher.fault.methods, server.hub.dispatcher.fault.lose_rate = [STATE], 1.0
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(sender.send(state()), 0.05)
            assert sender.waiting == []
            assert not sender._pending_state
            server.hub.drop()
            await asyncio.sleep(0.1)
            calls = server.hub.dispatcher.counter.to_dict()["methods"][STATE]["calls"]
            await sender.send(functions.help.GetConfigRequest())
            assert server.hub.dispatcher.counter.to_dict()["methods"][STATE]["calls"] == calls

    run(check)


def test_an_error_of_telegram_is_an_answer() -> None:
    async def check(server: Server) -> None:
        async with link(server, []) as sender:
            answers = sender.answers
            with pytest.raises(errors.RPCError):
                await sender.send(functions.messages.CheckChatInviteRequest("nothing"))
            assert sender.answers == answers + 1

    run(check)


def test_names_of_methods() -> None:
    wrapped = functions.InvokeWithLayerRequest(1, functions.InvokeWithoutUpdatesRequest(functions.help.GetConfigRequest()))
    assert method_name(wrapped) == "help.getConfig"
    assert method_name(state()) == STATE
    assert HOME_DC == 2
