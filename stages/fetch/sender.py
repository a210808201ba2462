"""A connection to a data centre on which every request has an end: the one place that all requests go through.

Telethon's sender waits for ever for an answer that does not come, and reconnects at once, for ever. Here

- a request that is not answered in ANSWER_SECONDS while the connection stands (the answer was lost or named another one, the
  server is silent) is asked again over a fresh connection, with twice the time; after ASKS times it fails, unless nothing at
  all is answered;
- between two attempts to connect there is a pause, which grows until a useful answer comes: one to a request of ours. That
  the peer takes the connection, or sends garbage, is none;
- where requests wait and no useful answer comes for `patience` seconds, the connection is given up, and all of them fail;
- requests at which the connection was lost several times are asked again one by one, apart from the others; one at which it
  is lost every time fails alone.

All these failures are ConnectionErrors. What takes longer than UNNOTICED is told.
"""
from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from telethon import errors, helpers
from telethon.network import MTProtoSender
from telethon.tl.functions import InvokeWithoutUpdatesRequest, PingRequest

import tgbulk.stages.fetch.auth_key  # noqa: F401  (bounds what Telethon calculates with)
from tgbulk.stages.fetch.backoff import Backoff
from tgbulk.stages.fetch.bound import TOO_LARGE, State, UnusableAnswer, innermost, read

#: Seconds for an answer, the first time; twice as many each time it is asked again. And how often it is asked.
ANSWER_SECONDS = 20.0
ASKS = 3
#: Connections lost while one request waited: after so many it is asked apart from the others, and after so many not again.
SUSPICIOUS = 3
LOSSES = 8
#: Seconds between two suspicious requests.
APART_SECONDS = 0.5
#: Seconds for a connection with all that belongs to it.
CONNECT_SECONDS = 30.0
#: Seconds without a connection of which nobody needs to know: Telegram closes connections all the time.
UNNOTICED = 2.0
#: Seconds between two looks for requests that are overdue.
LOOK_SECONDS = 1.0
#: Transport error of a server that has too many connections of us.
_TOO_MANY = 429


class NoAnswer(ConnectionError):
    """One request that is not answered, while others are."""


@dataclass(slots=True)
class Asked:
    """A request that waits for its answer. Times are the loop's."""

    method: str
    first: float
    due: float
    asks: int = 1
    losses: int = 0


class Sender(MTProtoSender):  # type: ignore[misc]
    """Telethon's sender (docs/spec/telethon-hooks.md 2, 6), with a bound for every wait."""

    def __init__(
        self,
        auth_key: Any,
        *,
        name: str,
        patience: float,
        notify: Callable[[str], None] = lambda text: None,
        answer_seconds: float = ANSWER_SECONDS,
        **options: Any,
    ) -> None:
        """name: of the connection, for people; patience: 0 never to connect again; options: Telethon's own."""
        super().__init__(auth_key, **options)
        self._state = self._send_queue._state = State(self.auth_key, loggers=self._loggers)
        self.patience = patience
        self._name = name
        self._notify = notify
        self._answer_seconds = answer_seconds
        self._asked: dict[asyncio.Future[Any], Asked] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._backoff = Backoff(at_once=True)
        #: what Telethon keeps of requests that are suspicious, and have yet to be asked again
        self._suspects: deque[Any] = deque()
        self._releasing: asyncio.TimerHandle | None = None
        #: when the newest useful answer came, and when the connection was first lost since; the loop's time
        self.answered_at = float("-inf")
        self._lost_at: float | None = None
        self._gone: asyncio.TimerHandle | None = None
        self._told = False
        #: whether pushes are to go elsewhere: to a connection whose requests are not in invokeWithoutUpdates
        self.silent = False
        #: useful answers so far, and connections lost
        self.answers = 0
        self.losses = 0

    def send(self, request: Any, ordered: bool = False) -> Any:
        """A future of the answer; of a list of requests, a list of them. RPCError, ConnectionError."""
        if self.silent:
            request = [_silent(one) for one in request] if isinstance(request, list) else _silent(request)
        futures = super().send(request, ordered)
        if isinstance(futures, list):
            for one, future in zip(request, futures, strict=True):
                self._expect(one, future)
        else:
            self._expect(request, futures)
        return futures

    async def _handle_rpc_result(self, message: Any) -> None:
        """As Telethon's, with the bounds of one answer."""
        answer = message.obj
        state = self._pending_state.get(answer.req_msg_id)
        if state is None or answer.error is not None:
            if answer.error is not None or answer.body is not TOO_LARGE:
                await super()._handle_rpc_result(message)
            return
        del self._pending_state[answer.req_msg_id]
        try:
            result = read(state.request, answer.body)
        except UnusableAnswer as error:
            if not state.future.done():
                state.future.set_exception(error)
            return
        self._store_own_updates(result)
        if not state.future.done():
            state.future.set_result(result)

    @property
    def reconnecting(self) -> bool:
        """There is no connection now, and one is being made."""
        return self._user_connected and not self._transport_connected()

    @property
    def waiting(self) -> list[str]:
        """Methods that wait for an answer, the oldest first."""
        return [asked.method for asked in self._asked.values()]

    def _expect(self, request: Any, future: asyncio.Future[Any]) -> None:
        if isinstance(request, PingRequest):
            return  # Telethon looks for its pongs itself
        now = future.get_loop().time()
        self._asked[future] = Asked(method_name(request), now, now + self._answer_seconds)
        future.add_done_callback(self._done)
        self._arm()

    def _done(self, future: asyncio.Future[Any]) -> None:
        self._asked.pop(future, None)
        if future.cancelled():
            self._forget(future)
        elif future.exception() is None or isinstance(future.exception(), errors.RPCError):
            self._useful(future.get_loop().time())

    def _useful(self, now: float) -> None:
        self.answers += 1
        self.answered_at = now
        if self._lost_at is not None:
            self._quiet()
            if self._told:
                self._told = False
                self._notify(f"{self._name} is back after {now - self._lost_at:.0f} s")
            self._lost_at = None
            self._backoff.reset()

    def _arm(self) -> None:
        if self._timer is None:
            seconds = min(LOOK_SECONDS, self._answer_seconds / 4)
            self._timer = helpers.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        """Now and then: is anything overdue? Without a connection nothing is: `patience` bounds how long that may last."""
        self._timer = None
        if self._transport_connected():
            now = helpers.get_running_loop().time()
            late = [(future, asked) for future, asked in self._asked.items() if now >= asked.due]
            if late:
                self._overdue(late)
        if self._asked:
            self._arm()

    def _overdue(self, late: list[tuple[asyncio.Future[Any], Asked]]) -> None:
        """Ask these again over another connection, or let them fail."""
        oldest, now = late[0][1], helpers.get_running_loop().time()
        # Nothing at all since it was asked for the last time: it is not the request.
        silent = self.answered_at < oldest.due - self._answer_seconds * 2.0 ** (oldest.asks - 1)
        given_up = oldest.asks == ASKS and silent and now - max(oldest.first, self.answered_at) >= self.patience
        if not self.patience or given_up:
            return self._give_up(ConnectionError(f"it does not answer {oldest.method}"))
        again: tuple[Asked, float] | None = None
        for future, asked in late:
            if asked.asks == ASKS and not silent:
                self._fail(future, NoAnswer(f"it does not answer {asked.method}"))
            else:
                again = again or (asked, self._answer_seconds * 2.0 ** (asked.asks - 1))
                asked.asks = min(ASKS, asked.asks + 1)
        if again is not None:
            if not self._told:
                what = f"no answer to {again[0].method} in {again[1]:.0f} s"
                self._notify(f"{self._name}: {what}; asking again over a new connection")
            self._start_reconnect(None)

    def _give_up(self, error: ConnectionError) -> None:
        self._reconnecting = True  # nobody else is to connect again
        self._reconnect_task = helpers.get_running_loop().create_task(self._disconnect(error=error))

    def _start_reconnect(self, error: Exception | None) -> None:
        if not self._user_connected or self._reconnecting:
            return
        loop = helpers.get_running_loop()
        self.losses += 1
        if not self.patience:
            return self._give_up(ConnectionError(network_reason(error)))
        if self._lost_at is None:
            self._lost_at = loop.time()
        if self._gone is None and not self._told:
            self._gone = loop.call_later(UNNOTICED, self._say_gone)
        self._reconnecting = True
        self._reconnect_task = loop.create_task(self._reconnect(error))

    async def _connect(self) -> None:
        """As Telethon's, which only logs why there is no connection."""
        try:
            await super()._connect()
        except ConnectionError as error:
            failure = getattr(self._connection, "failure", None)
            if failure is None:
                raise
            raise ConnectionError(failure) from error

    async def _try_gen_auth_key(self, attempt: int) -> bool:
        """As Telethon's; no peer's part in it is a failure of ours."""
        try:
            agreed: bool = await super()._try_gen_auth_key(attempt)
        except (OSError, EOFError):  # the connection's own
            raise
        except Exception:  # whatever was sent instead
            return False
        return agreed

    async def _reconnect(self, last_error: Exception | None) -> None:
        """Until there is a connection; or give up, after `patience` seconds without a useful answer to what waits."""
        clock = helpers.get_running_loop().time
        self._retries = 0  # one attempt at a time: the pauses between them are ours
        for future, asked in list(self._asked.items()):
            asked.losses += 1
            if asked.losses >= LOSSES and self.answered_at > asked.first:
                self._fail(future, NoAnswer(f"the connection is lost whenever {asked.method} is asked"))
        await self._close_connection()
        while self._user_connected:
            if self._waited(clock()) > self.patience:
                return await self._disconnect(error=ConnectionError(network_reason(last_error)))
            await asyncio.sleep(self._backoff.failed())
            # A clean state, and so another session: no answer to an old message is taken for one to a new one.
            self._state.reset()
            self._reconnecting = False  # or the loops that _connect() starts would end
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    await self._connect()
            except Exception as error:  # whatever the peer sent instead of a handshake; the pause is longer each time
                self._reconnecting = True
                last_error = error
                await self._close_connection()
            else:
                if self._auto_reconnect_callback:
                    helpers.get_running_loop().create_task(self._auto_reconnect_callback())
                return self._resume(clock())

    def _resume(self, now: float) -> None:
        """Everything that waits is asked again."""
        for asked in self._asked.values():
            asked.due = now + self._answer_seconds * 2.0 ** (asked.asks - 1)
        for state in self._pending_state.values():
            again = self._suspects if self._is_suspicious(state.future) else self._send_queue
            again.append(state)
        self._pending_state.clear()
        self._release_suspect()
        if not self._asked:
            self._quiet()

    def _is_suspicious(self, future: asyncio.Future[Any]) -> bool:
        asked = self._asked.get(future)
        return asked is not None and asked.losses >= SUSPICIOUS

    def _release_suspect(self) -> None:
        """The next one is asked again; only on this connection, for another one begins with it."""
        if self._suspects:
            state = self._suspects.popleft()
            asked = self._asked[state.future]
            loop = helpers.get_running_loop()
            asked.due = loop.time() + self._answer_seconds * 2.0 ** (asked.asks - 1)
            self._send_queue.append(state)
            self._releasing = loop.call_later(APART_SECONDS, self._release_suspect)

    async def _close_connection(self) -> None:
        """With all that belongs to it."""
        self._abort()
        self._cancel_release()
        if self._connection is not None:
            await self._connection.disconnect()
            # What is left in them belongs to the old connection, its end for one.
            self._connection._send_queue, self._connection._recv_queue = asyncio.Queue(1), asyncio.Queue(1)
        await helpers._cancel(self._log, send=self._send_loop_handle, receive=self._recv_loop_handle)

    def _cancel_release(self) -> None:
        if self._releasing is not None:
            self._releasing.cancel()
            self._releasing = None

    def _abort(self) -> None:
        """At once: what a silent peer has not taken is asked again anyway."""
        if self._connection is not None and self._connection._writer is not None:
            self._connection._writer.transport.abort()

    def _waited(self, now: float) -> float:
        """Seconds without a useful answer in which one was waited for, since the connection was lost."""
        oldest = next(iter(self._asked.values()), None)
        return 0.0 if oldest is None or self._lost_at is None else now - max(self._lost_at, oldest.first)

    async def _disconnect(self, error: Exception | None = None) -> None:
        if isinstance(error, errors.InvalidBufferError) and error.code == _TOO_MANY:
            return self._start_reconnect(error)
        self._quiet()
        self._cancel_release()
        if error is not None:
            self._abort()
        # Telethon would cancel those who wait, or forget them where nothing was sent yet.
        self._user_connected = False
        for future in list(self._asked):
            self._fail(future, error or ConnectionError("the connection was closed"))
        await super()._disconnect(error)
        if error is not None:
            self._disconnected.exception()  # else asyncio shows a traceback where nobody waits for it

    def _fail(self, future: asyncio.Future[Any], error: Exception) -> None:
        self._forget(future)
        if not future.done():
            future.set_exception(error)

    def _forget(self, future: asyncio.Future[Any]) -> None:
        """Ask for it no more: an answer that still comes would find it done."""
        for number, state in self._pending_state.items():
            if state.future is future:
                del self._pending_state[number]
                return
        for queue in (self._send_queue._deque, self._suspects):
            for state in queue:
                if state.future is future:
                    queue.remove(state)
                    return

    def _say_gone(self) -> None:
        self._gone = None
        self._told = True
        self._notify(f"{self._name} is gone; trying again, nothing is lost")

    def _quiet(self) -> None:
        if self._gone is not None:
            self._gone.cancel()
            self._gone = None


def network_reason(error: BaseException | None) -> str:
    """Why there is no connection, in words."""
    if error is None:
        return "the connection was lost"
    if isinstance(error, EOFError):
        return "it closed the connection"
    if "auth_key generation" in str(error):
        return "no encryption key could be agreed on; its public_key may be another one"
    if "Connection to Telegram" in str(error):
        return "no connection could be made"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _silent(request: Any) -> Any:
    """The request in invokeWithoutUpdates; its result is read as without."""
    if isinstance(request, PingRequest):
        return request
    wrapped = InvokeWithoutUpdatesRequest(request)
    # Telethon asks the outermost request to read the result (docs/spec/telethon-hooks.md 1).
    wrapped.read_result = request.read_result
    return wrapped


def method_name(request: Any) -> str:
    """Telegram's name of a request's method, as messages.getHistory; of what a wrapper holds."""
    request = innermost(request)
    cls = next((c for c in type(request).__mro__ if c.__module__.startswith("telethon.tl.functions")), type(request))
    name = cls.__name__.removesuffix("Request")
    namespace = cls.__module__.rpartition(".")[2]
    method = name[0].lower() + name[1:]
    return method if namespace == "functions" else f"{namespace}.{method}"
