"""The connections of one account to one data centre, for files alone: getFile stays off the connection of the history.

The first one to a foreign data centre makes a key there and brings the login along (auth.exportAuthorization); all others
share that key, and those to the account's own data centre share the session's (docs/spec/telethon-hooks.md 2). How many
there are follows from what the bucket lets be in flight: more after successes, fewer after flood waits and silence.
"""
from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from telethon import TelegramClient, errors
from telethon.crypto import AuthKey
from telethon.tl import functions
from telethon.tl.alltlobjects import LAYER
from telethon.tl.tlobject import TLRequest

from tgbulk.engine.error import TgbulkError
from tgbulk.engine.metric import Meter
from tgbulk.stages.fetch.access import Access
from tgbulk.stages.fetch.backlog import Backlog
from tgbulk.stages.fetch.backoff import Backoff
from tgbulk.stages.fetch.bucket import Bucket
from tgbulk.stages.fetch.caller import Caller
from tgbulk.stages.fetch.client import ENDED, plain
from tgbulk.stages.fetch.error import AuthNeededError, UnreachableError
from tgbulk.stages.fetch.route import UnlistedCentreError, file_transport
from tgbulk.stages.fetch.sender import CONNECT_SECONDS, UNNOTICED, Sender
from tgbulk.stages.fetch.takeout import Takeout
from tgbulk.stages.fetch.trouble import TROUBLE

METHOD = "upload.getFile"
#: Parts in flight on one connection, and on all of them at the start (docs/spec/media-download.md 5).
EACH = 4
START = 8
#: Connections that the start needs.
FEWEST = 2
#: Seconds for an answer: a part is large, and the line may be slow.
ANSWER_SECONDS = 120.0
#: Seconds for which a data centre may give no useful answer.
PATIENCE = 300.0

#: Seconds between two files that come one after the other, at most.
IDLE_SECONDS = 10.0

#: The connection does not work; a TimeoutError is an OSError as well.
_BROKEN = (OSError, EOFError, BufferError, errors.SecurityError, errors.InvalidChecksumError)
#: The login does not count; these may mean one data centre alone.
_ENDED = (errors.UnauthorizedError, errors.AuthKeyDuplicatedError, errors.AuthKeyNotFound)
_FORGOTTEN = (errors.AuthKeyUnregisteredError, errors.AuthKeyNotFound)


class UnknownCentreError(TgbulkError):
    """Telegram has no data centre {0} in its list"""


@dataclass(slots=True, eq=False)
class Connection:
    sender: Sender
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
        notify: Callable[[str], None] = lambda text: None,
    ) -> None:
        """most: connections at a time; rate: ask for one part at a time, and so many a second at most."""
        super().__init__(client, access, on_wait, meter, notify)
        self.takeout = takeout
        self._dc_id = dc_id
        self._most = most
        self._key: AuthKey | None = None
        self._connections: list[Connection] = []
        self._opening = asyncio.Lock()
        self._failure: UnreachableError | None = None
        self._backoff = Backoff()
        #: when the next connection may be opened, and since when there was trouble and no useful answer; the loop's time
        self._next_open = 0.0
        self._down_since: float | None = None
        self._told = False
        #: requests from their first attempt to their last, and since when there is none
        self._pending = 0
        self._idle_since = 0.0
        self._closing: set[asyncio.Task[None]] = set()
        self._bucket = self._buckets[METHOD] = Bucket(1 if rate else most * EACH, rate)
        self._bucket.window = float(min(START, self._bucket.most))

    async def close(self) -> None:
        for connection in list(self._connections):
            self._discard(connection)
        if self._closing:
            await asyncio.wait(self._closing)

    async def exchange(self, request: TLRequest, backlog: Backlog | None = None) -> Any:
        """As of the history; trouble of a time before nobody asked for anything says nothing of now."""
        clock = asyncio.get_running_loop().time
        if not self._pending and clock() - self._idle_since > IDLE_SECONDS:
            self._down_since, self._told = None, False
        self._pending += 1
        try:
            return await super().exchange(request, backlog)
        finally:
            self._pending -= 1
            self._idle_since = clock()

    async def _transmit(self, request: TLRequest) -> Any:
        """Over any connection; one that is silent or breaks is given up, and the request goes over another.

        UnreachableError when there is none to be had, for this and all later requests.
        """
        while True:
            try:
                connection = await self._choose()
                return await self._ask(connection, request)
            except _ENDED as error:
                if self._is_home or not isinstance(error, _FORGOTTEN):
                    raise self._ended(error) from error
                self._key = None
                self._down("it forgets the login")
            except _BROKEN as error:
                self._down(str(error) or "it does not answer")
            except TROUBLE as error:
                # Of one file after the other, until it is the data centre's: thousands of files would each take their time.
                self._down(plain(error))
                raise

    def _down(self, reason: str) -> None:
        """A connection was lost, or not to be had, or the answer is trouble. UnreachableError where that goes on for too
        long."""
        now = asyncio.get_running_loop().time()
        if self._down_since is None:
            self._down_since = now
        elif now - self._down_since > PATIENCE:
            self._failure = UnreachableError(self._name, reason)
            raise self._failure
        elif now - self._down_since > UNNOTICED and not self._told:
            self._told = True
            self.notify(f"{self._name}, for files, is out of reach ({reason}); trying again, nothing is lost")

    def _up(self) -> None:
        """A useful answer came."""
        self._backoff.reset()
        if self._told and self._down_since is not None:
            self._told = False
            seconds = asyncio.get_running_loop().time() - self._down_since
            self.notify(f"{self._name}, for files, is back after {seconds:.0f} s")
        self._down_since = self._failure = None

    @property
    def flying(self) -> int:
        """Requests on the way."""
        return sum(connection.flying for connection in self._connections)

    @property
    def _name(self) -> str:
        return f"data centre {self._dc_id} of {self._access.route}"

    async def _ask(self, connection: Connection, request: TLRequest) -> Any:
        """Over this connection, which is closed where it is lost or silent, or where the login does not count."""
        connection.flying += 1
        try:
            answer = await connection.sender.send(request)
        except (*_BROKEN, *_ENDED):
            if connection in self._connections:
                self._wait_longer()
                self._discard(connection)
            self._bucket.window = max(1.0, self._bucket.window / 2)
            raise
        except errors.RPCError as error:
            if not isinstance(error, TROUBLE):
                self._up()
            raise
        finally:
            connection.flying -= 1
        self._up()
        return answer

    def _wait_longer(self) -> None:
        self._next_open = asyncio.get_running_loop().time() + self._backoff.failed()

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
            if self._failure:
                raise self._failure
            if best is None:
                await asyncio.sleep(self._next_open - asyncio.get_running_loop().time())
            try:
                connection = await self._open()
            except _BROKEN:
                self._wait_longer()
                if best is None:
                    raise
                # Closed auxiliary connections are how Telegram says that there are too many (docs/spec/media-download.md 5).
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
        transport = file_transport(self._access.proxy)(
            dc.ip_address, dc.port, dc.id, loggers=client._log, proxy=client._proxy, local_addr=client._local_addr
        )
        # A key of its own for each sender to hold: one that reconnects may change the object.
        key = AuthKey(self._key.key) if self._key else None
        sender = Sender(key, name=self._name, patience=0, answer_seconds=ANSWER_SECONDS, loggers=client._log, retries=0)
        sender.silent = client._sender.silent
        try:
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
        try:
            ordinary = await client._get_dc(self._dc_id)
        except UnlistedCentreError as error:
            raise UnknownCentreError(self._dc_id) from error
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
