"""Stock Telethon over real sockets: transports, handshake, envelopes, service messages."""
from __future__ import annotations

import asyncio
import struct
import time
from typing import Any

import pytest
from telethon.crypto import AuthKey, rsa
from telethon.errors import AuthKeyNotFound, BadRequestError, RPCError
from telethon.network import connection as connections
from telethon.network.connection.tcpfull import FullPacketCodec
from telethon.network.mtprotosender import MTProtoSender
from telethon.network.mtprotostate import MTProtoState, _OpaqueRequest
from telethon.tl import functions, types

from support.wire import client_of, connected, logged_in, run
from tgbulk.perf.simdc.server import HOME_DC, MEDIA_DC, Server

TRANSPORTS = [connections.ConnectionTcpFull, connections.ConnectionTcpIntermediate, connections.ConnectionTcpAbridged]


@pytest.mark.parametrize("transport", TRANSPORTS, ids=lambda transport: transport.__name__)
def test_every_transport_carries_a_whole_history(transport: type) -> None:
    async def check(server: Server) -> None:
        async with logged_in(server, connection=transport) as client:
            ids = [message.id async for message in client.iter_messages("me", wait_time=0)]
        assert ids == list(range(300, 0, -1))

    run(check)


def test_client_without_the_key_is_turned_away() -> None:
    async def check(server: Server) -> None:
        client = client_of(server, connection_retries=0)
        (fingerprint,) = [f for f, (key, _) in rsa._server_keys.items() if key.n == server.hub.rsa_key.modulus]
        known = rsa._server_keys.pop(fingerprint)
        try:
            with pytest.raises(ConnectionError):
                await client.connect()
        finally:
            rsa._server_keys[fingerprint] = known
            await client.disconnect()

    run(check)


def test_auth_key_of_another_data_centre_is_unknown() -> None:
    async def check(server: Server) -> None:
        async with logged_in(server) as client:
            key = AuthKey(client.session.auth_key.key)
            sender = MTProtoSender(key, loggers=client._log, auto_reconnect=False)
            host, port = server.ledger.addresses[MEDIA_DC]
            await sender.connect(connections.ConnectionTcpFull(host, port, MEDIA_DC, loggers=client._log))
            with pytest.raises(AuthKeyNotFound):
                await sender.send(functions.PingRequest(1))
            await sender.disconnect()

    run(check)


def test_hundred_requests_in_flight_do_not_wait_for_each_other() -> None:
    async def check(server: Server) -> None:
        async with logged_in(server) as client:
            server.dispatcher.fault.latency_ms = 300
            server.dispatcher.fault.jitter_ms = 100
            began = time.monotonic()
            pages = await asyncio.gather(*(client.get_messages("me", ids=[n]) for n in range(1, 101)))
            assert time.monotonic() - began < 100 * 0.2
            assert [page[0].id for page in pages] == list(range(1, 101))

    run(check)


def test_containers_both_ways() -> None:
    async def check(server: Server) -> None:
        async with logged_in(server) as client:
            requests = [functions.messages.GetMessagesRequest([types.InputMessageID(n)]) for n in range(1, 31)]
            answers = await client(requests)
            assert [answer.messages[0].id for answer in answers] == list(range(1, 31))
            answers = await client(requests, ordered=True)
            assert [answer.messages[0].id for answer in answers] == list(range(1, 31))

    run(check)


def test_invoke_after_message_waits_for_it() -> None:
    async def check(server: Server) -> None:
        async with logged_in(server) as client:
            server.dispatcher.fault.latency_ms = 100
            server.dispatcher.fault.methods = ["updates.getState"]
            order: list[int] = []
            state, near = functions.updates.GetStateRequest(), functions.help.GetNearestDcRequest()
            for n, future in enumerate(client._sender.send([state, near], ordered=True)):
                future.add_done_callback(lambda _, n=n: order.append(n))
                last = future
            await last
            await asyncio.sleep(0)
            assert order == [0, 1]

    run(check)


@pytest.mark.parametrize("gzip", [True, False])
def test_large_answers_are_gzipped_unless_turned_off(gzip: bool) -> None:
    async def check(server: Server) -> None:
        async with logged_in(server) as client:
            server.counter.reset()
            messages = await client.get_messages("me", limit=100)
            assert len(messages) == 100
            assert (server.counter.accounts[0].bytes_out < 3000) is gzip

    run(check, gzip=gzip)


def test_gzipped_request_is_understood() -> None:
    async def check(server: Server) -> None:
        async with logged_in(server) as client:
            messages = await client.get_messages("me", ids=[7] * 300)
            assert {message.id for message in messages} == {7}
            assert server.counter.bytes_in < 12 * 300 + 4000

    run(check)


def test_wrong_salt_is_corrected() -> None:
    async def check(server: Server) -> None:
        async with logged_in(server) as client:
            client._sender._state.salt = 1234567
            assert (await client.get_me()).id == 101
            assert client._sender._state.salt != 1234567

    run(check)


@pytest.mark.parametrize("offset", [-5000, 5000])
def test_clock_of_the_client_may_be_wrong(offset: int) -> None:
    async def check(server: Server) -> None:
        async with logged_in(server) as first:
            client = client_of(server, session=first.session)
            client._sender._state.time_offset = offset
            await client.connect()
            assert (await client.get_me()).id == 101
            assert abs(client._sender._state.time_offset) < 5
            await client.disconnect()

    run(check)


def test_unknown_methods_are_refused_and_counted() -> None:
    async def check(server: Server) -> None:
        async with logged_in(server) as client:
            request = functions.payments.GetStarsTopupOptionsRequest()
            with pytest.raises(BadRequestError, match=f"INPUT_METHOD_INVALID_{request.CONSTRUCTOR_ID}"):
                await client(request)
            with pytest.raises(RPCError, match="INPUT_METHOD_INVALID_4293844224"):
                await client._sender.send(_OpaqueRequest(struct.pack("<I", 0xFFEEDD00)))
            with pytest.raises(RPCError, match="deserializing TL parameters"):
                await client._sender.send(_OpaqueRequest(bytes(functions.users.GetUsersRequest([]))[:-3]))
            methods = server.counter.to_dict()["methods"]
            assert methods["payments.getStarsTopupOptions"]["calls"] == 1
            assert sum(methods["unknown"]["errors"].values()) == 2

    run(check)


def test_wrappers_in_each_other() -> None:
    async def check(server: Server) -> None:
        async with logged_in(server) as client:
            takeout = await client(functions.account.InitTakeoutSessionRequest())
            history = functions.messages.GetHistoryRequest(types.InputPeerSelf(), 0, None, 0, 100, 0, 0, 0)
            ranged = functions.InvokeWithMessagesRangeRequest(types.MessageRange(10, 20), history)
            query = functions.InvokeWithTakeoutRequest(takeout.id, functions.InvokeWithoutUpdatesRequest(ranged))
            page = await client(query)
            assert [message.id for message in page.messages] == list(range(20, 9, -1))

    run(check)


def test_service_messages() -> None:
    async def check(server: Server) -> None:
        async with connected(server) as client:
            assert (await client(functions.PingRequest(77))).ping_id == 77
            salts = (await client(functions.GetFutureSaltsRequest(3))).salts
            assert len(salts) == 3
            assert salts[0].salt == client._sender._state.salt
            assert salts[1].valid_since == salts[0].valid_until - (salts[0].valid_until - salts[0].valid_since) // 2
            gone = await client(functions.DestroySessionRequest(4242))
            assert isinstance(gone, types.DestroySessionNone)

    run(check)


def test_ping_with_a_deadline_closes_the_connection() -> None:
    async def check(server: Server) -> None:
        async with connected(server, auto_reconnect=False) as client:
            await client(functions.PingDelayDisconnectRequest(5, disconnect_delay=0))
            with pytest.raises(asyncio.IncompleteReadError):
                await asyncio.wait_for(client.disconnected, 10)

    run(check)


async def _raw(server: Server, key: AuthKey) -> tuple[MTProtoState, Any, asyncio.StreamReader, asyncio.StreamWriter]:
    """Telethon's encryption without its sender."""
    reader, writer = await asyncio.open_connection(*server.ledger.addresses[HOME_DC])
    client = client_of(server)
    return MTProtoState(key, loggers=client._log), FullPacketCodec(None), reader, writer


def test_packets_in_pieces_and_messages_that_come_twice() -> None:
    async def check(server: Server) -> None:
        async with logged_in(server) as client:
            state, codec, reader, writer = await _raw(server, client.session.auth_key)
            state.salt = client._sender._state.salt
            message = struct.pack("<qii", state._get_new_msg_id(), 1, 12) + bytes(functions.PingRequest(9))
            for byte in codec.encode_packet(state.encrypt_message_data(message)):
                writer.write(bytes((byte,)))
                await writer.drain()
                await asyncio.sleep(0)
            writer.write(codec.encode_packet(state.encrypt_message_data(message)))
            last = struct.pack("<qii", state._get_new_msg_id(), 1, 12) + bytes(functions.PingRequest(10))
            writer.write(codec.encode_packet(state.encrypt_message_data(last)))
            pings: list[int] = []
            while 10 not in pings:
                body = state.decrypt_message_data(await codec.read_packet(reader)).obj
                messages = [inner.obj for inner in body.messages] if hasattr(body, "messages") else [body]
                pings += [inner.ping_id for inner in messages if isinstance(inner, types.Pong)]
            assert pings == [9, 10]
            writer.close()

    run(check)


def test_broken_packets_close_the_connection() -> None:
    async def check(server: Server) -> None:
        async with logged_in(server) as client:
            state, codec, reader, writer = await _raw(server, client.session.auth_key)
            message = struct.pack("<qii", state._get_new_msg_id(), 1, 12) + bytes(functions.PingRequest(9))
            packet = codec.encode_packet(state.encrypt_message_data(message))
            writer.write(packet[:-1] + bytes((packet[-1] ^ 1,)))
            assert await reader.read() == b""
            writer.close()
            assert (await client.get_me()).id == 101

    run(check)
