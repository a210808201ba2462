"""The connections of one account to one data centre, for files alone: getFile stays off the connection of the history.

The first one to a foreign data centre makes a key there and brings the login along (auth.exportAuthorization); all others
share that key, and those to the account's own data centre share the session's (spec/telethon-hooks.md 2). How many there
are follows from what the bucket lets be in flight: more after successes, fewer after flood waits and silence.
"""
from __future__ import annotations

import asyncio
import copy
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from telethon import TelegramClient, errors
from telethon.crypto import AuthKey
from telethon.network import ConnectionTcpAbridged, MTProtoSender
from telethon.tl import functions
from telethon.tl.alltlobjects import LAYER
from telethon.tl.tlobject import TLRequest

from engine.metric import Meter
from stages.fetch.access import Access
from stages.fetch.bucket import Bucket
from stages.fetch.caller import Caller
from stages.fetch.client import ENDED, plain
from stages.fetch.error import AuthNeededError, UnreachableError
from stages.fetch.takeout import Takeout
from stages.fetch.trouble import FIRST_PAUSE

METHOD = "upload.getFile"
#: Parts in flight on one connection, and on all of them at the start (spec/media-download.md 5).
EACH = 4
START = 8
#: Connections that the start needs.
FEWEST = 2
#: Seconds for an answer, and for a connection with its handshake.
ANSWER_SECONDS = 120
CONNECT_SECONDS = 30
#: Seconds for which a data centre may be out of reach, and the longest pause between two attempts.
PATIENCE = 300
LONGEST_PAUSE = 10.0

#: The connection does not work; a TimeoutError is an OSError as well.
_BROKEN = (OSError, EOFError, BufferError, errors.SecurityError, errors.InvalidChecksumError)
#: The login does not count; these may mean one data centre alone.
_ENDED = (errors.UnauthorizedError, errors.AuthKeyDuplicatedError, errors.AuthKeyNotFound)
_FORGOTTEN = (errors.AuthKeyUnregisteredError, errors.AuthKeyNotFound)


@contextmanager
def _losable() -> Iterator[None]:
    """Telethon cancels what waits on a connection that is given up: ConnectionError, where nobody else has cancelled us."""
    try:
        yield
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise ConnectionError("the connection was lost") from error


@dataclass(slots=True, eq=False)
class Connection:
    sender: MTProtoSender
    flying: int = 0


class Pool(Caller):
    """Sends file requests over the connection that has the fewest in flight."""

    def __init__(
        self,
        client: TelegramClient,
        access: Access,
        dc_id: int,
        most: int,
        takeout: Takeout | None,
        on_wait: Callable[[str, int], None],
        rate: float | None = None,
        meter: Meter | None = None,
    ) -> None:
        """most: connections at a time; rate: ask for one part at a time, and so many a second at most."""
        super().__init__(client, access, on_wait, meter)
        self.takeout = takeout
        self._dc_id = dc_id
        self._most = most
        self._key: AuthKey | None = None
        self._connections: list[Connection] = []
        self._opening = asyncio.Lock()
        self._failure: UnreachableError | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._bucket = self._buckets[METHOD] = Bucket(1 if rate else most * EACH, rate)
        self._bucket.window = float(min(START, self._bucket.most))

    async def close(self) -> None:
        for connection in list(self._connections):
            self._discard(connection)
        if self._closing:
            await asyncio.wait(self._closing)

    async def _transmit(self, request: TLRequest) -> Any:
        """Over any connection; one that is silent or breaks is given up, and the request goes over another.

        UnreachableError when there is none to be had, for this and all later requests.
        """
        if self._failure:
            raise self._failure
        clock = asyncio.get_running_loop().time
        pause, last = FIRST_PAUSE, None
        while last is None or clock() < last:
            try:
                connection = await self._choose()
                return await self._ask(connection, request)
            except _ENDED as error:
                if self._is_home or not isinstance(error, _FORGOTTEN):
                    raise self._ended(error) from error
                self._key = None
                reason = "it forgets the login"
            except _BROKEN as error:
                reason = str(error) or "it does not answer"
            last = clock() + PATIENCE if last is None else last
            await asyncio.sleep(pause * random.uniform(0.75, 1.25))
            pause = min(2 * pause, LONGEST_PAUSE)
        self._failure = UnreachableError(f"data centre {self._dc_id} of {self._access.server_name}", reason)
        raise self._failure

    async def _ask(self, connection: Connection, request: TLRequest) -> Any:
        """Over this connection, which is closed where it is lost or silent, or where the login does not count."""
        connection.flying += 1
        try:
            with _losable():
                async with asyncio.timeout(ANSWER_SECONDS):
                    return await connection.sender.send(request)
        except (*_BROKEN, *_ENDED):
            self._discard(connection)
            self._bucket.window = max(1.0, self._bucket.window / 2)
            raise
        finally:
            connection.flying -= 1

    @property
    def _is_home(self) -> bool:
        return bool(self._dc_id == self._client.session.dc_id)

    async def _choose(self) -> Connection:
        """The connection with the fewest requests; another one where all are at work and more are allowed."""
        best = self._best()
        if best is not None and (self._opening.locked() or not self._is_crowded(best)):
            return best
        async with self._opening:
            best = self._best()
            if best is not None and not self._is_crowded(best):
                return best
            try:
                connection = await self._open()
            except _BROKEN:
                if best is None:
                    raise
                # Closed auxiliary connections are how Telegram says that there are too many (spec/media-download.md 5).
                self._most = len(self._connections)
                return best
            self._connections.append(connection)
            return connection

    @property
    def _wanted(self) -> int:
        return min(self._most, max(FEWEST, -(-int(self._bucket.window) // EACH)))

    def _best(self) -> Connection | None:
        self._connections = [one for one in self._connections if one.sender.is_connected()]
        return min(self._connections[: self._wanted], key=lambda one: one.flying, default=None)

    def _is_crowded(self, best: Connection) -> bool:
        return best.flying > 0 and len(self._connections) < self._wanted

    async def _open(self) -> Connection:
        client = self._client
        if self._key is None and self._is_home:
            self._key = client.session.auth_key
        dc = await self._address()
        # MTProto has a checksum of its own: this transport adds no other one.
        transport = ConnectionTcpAbridged(
            dc.ip_address, dc.port, dc.id, loggers=client._log, proxy=client._proxy, local_addr=client._local_addr
        )
        # A key of its own for each sender to hold: one that reconnects may change the object.
        sender = MTProtoSender(AuthKey(self._key.key) if self._key else None, loggers=client._log)
        try:
            with _losable():
                async with asyncio.timeout(CONNECT_SECONDS):
                    await sender.connect(transport)
                    await sender.send(await self._introduction())
        except BaseException:
            await sender.disconnect()
            raise
        self._key = sender.auth_key
        return Connection(sender)

    async def _address(self) -> Any:
        """Where files are preferably asked for; Telethon takes no notice of that."""
        client = self._client
        ordinary = await client._get_dc(self._dc_id)
        for option in type(client)._config.dc_options:
            if option.media_only and not option.cdn and (option.id, option.ipv6) == (ordinary.id, ordinary.ipv6):
                return option
        return ordinary

    async def _introduction(self) -> TLRequest:
        """The first request of a connection; it asks for no updates."""
        query: TLRequest = functions.help.GetConfigRequest()
        if self._key is None:
            try:
                login = await self._client._sender.send(functions.auth.ExportAuthorizationRequest(self._dc_id))
            except errors.UnauthorizedError as error:
                raise self._ended(error) from error
            query = functions.auth.ImportAuthorizationRequest(id=login.id, bytes=login.bytes)
        introduction = copy.copy(self._client._init_request)
        introduction.query = query
        return functions.InvokeWithLayerRequest(LAYER, functions.InvokeWithoutUpdatesRequest(introduction))

    def _ended(self, error: Exception) -> AuthNeededError:
        reason = plain(error) if isinstance(error, errors.RPCError) else str(error)
        return AuthNeededError(self._access.account, ENDED.get(type(error), reason))

    def _discard(self, connection: Connection) -> None:
        if connection in self._connections:
            self._connections.remove(connection)
            task = asyncio.create_task(connection.sender.disconnect())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
