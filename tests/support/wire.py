"""A small world behind real sockets, and stock Telethon clients for it."""
from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from random import Random
from typing import Any

from telethon import TelegramClient
from telethon.crypto import rsa
from telethon.errors import SessionPasswordNeededError
from telethon.sessions import MemorySession
from telethon.tl import types

from tgbulk.perf.simdc.corpus.file import ReadyFile
from tgbulk.perf.simdc.server import HOME_DC, MEDIA_DC, Server
from tgbulk.perf.simdc.stored import StoredHistory
from tgbulk.perf.simdc.world import Account, Dialog, World

PASSWORD = "correct horse"
#: sizes of documents 1 (media DC) and 2 (home DC)
SIZE = 3 * (1 << 20) + 1234
SMALL_SIZE = 5000


def wire_world() -> World:
    """Two accounts, the second with a password, each with 300 messages saved; two documents and a peer's photo."""
    world = World(seed=3)
    for index, password in enumerate((None, PASSWORD)):
        user_id = 101 + index
        world.users[user_id] = types.User(user_id, first_name=f"User {user_id}")
        saved = StoredHistory(_message(i, user_id) for i in range(1, 301))
        world.accounts.append(
            Account(index, user_id, f"9996620000{index}", "22222", password, [Dialog(user_id)], set(), {user_id: saved})
        )
    world.files = {
        ("document", 1, ""): ReadyFile(MEDIA_DC, Random(1).randbytes(SIZE)),
        ("document", 2, ""): ReadyFile(HOME_DC, b"\x89PNG" + bytes(SMALL_SIZE - 4)),
        ("photo", 3, "y"): ReadyFile(HOME_DC, b"\xff\xd8\xff" + bytes(100)),
        ("peer_photo", 4, "c"): ReadyFile(HOME_DC, b"\xff\xd8\xff" + bytes(200)),
    }
    return world


def _message(message_id: int, user_id: int) -> types.Message:
    peer = types.PeerUser(user_id)
    text = f"message {message_id} about the weather of tomorrow"
    return types.Message(message_id, peer, datetime.fromtimestamp(1_700_000_000, UTC), text, from_id=peer, out=True)


@asynccontextmanager
async def serving(world: World | None = None, **options: Any) -> AsyncIterator[Server]:
    """A server of a world, by default of the small one, in this event loop."""
    server = Server(world or wire_world(), **options)
    await server.start()
    try:
        yield server
    finally:
        await server.close()


def run(check: Callable[[Server], Awaitable[None]], world: World | None = None, **options: Any) -> None:
    """Run a check against a server of its own."""

    async def main() -> None:
        async with serving(world, **options) as server:
            await check(server)

    asyncio.run(main())


def stock_client(host: str, port: int, public_key: str, **options: Any) -> TelegramClient:
    """Telethon as it is; of a class of its own, since clients of one class share the list of data centres."""
    rsa.add_key(public_key, old=False)
    session = options.pop("session", None) or MemorySession()
    if session.port != port:
        session.set_dc(HOME_DC, host, port)
    kind = type("StockClient", (TelegramClient,), {})
    return kind(session, 1, "hash", **options)


def client_of(server: Server, **options: Any) -> TelegramClient:
    """A client for this server, not connected."""
    host, port = server.ledger.addresses[HOME_DC]
    return stock_client(host, port, server.hub.rsa_key.pem, **options)


@asynccontextmanager
async def connected(server: Server, **options: Any) -> AsyncIterator[TelegramClient]:
    """A client that is connected and nobody."""
    client = client_of(server, **options)
    await client.connect()
    try:
        yield client
    finally:
        await client.disconnect()


@asynccontextmanager
async def logged_in(server: Server, index: int = 0, **options: Any) -> AsyncIterator[TelegramClient]:
    """A client that is logged in as this account."""
    async with connected(server, **options) as client:
        account = server.world.accounts[index]
        await client.send_code_request(account.phone)
        try:
            await client.sign_in(account.phone, account.code)
        except SessionPasswordNeededError:
            await client.sign_in(account.phone, password=account.password)
        yield client


def document(server: Server, document_id: int, reference: bytes) -> types.InputDocumentFileLocation:
    """Where the first account finds a document."""
    media_hash = server.world.media_hash(server.world.accounts[0])
    return types.InputDocumentFileLocation(document_id, media_hash, reference, "")
