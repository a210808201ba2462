"""From the bytes of a request to its service, and back to the bytes of an answer."""
from __future__ import annotations

import asyncio
import time
import traceback
from dataclasses import dataclass, field
from functools import partial
from struct import error as StructError
from typing import Any

from telethon.errors import TypeNotFoundError
from telethon.extensions import BinaryReader
from telethon.tl import functions

from perf.simdc.answer import boxed, packed
from perf.simdc.call import REGISTRY, Call, RpcError, Service
from perf.simdc.counter import Counter
from perf.simdc.fault import Cut, Fault
from perf.simdc.flood import FloodControl
from perf.simdc.ledger import Ledger
from perf.simdc.session import Session
from perf.simdc.world import World

#: Answered with bytes that do not shrink.
NEVER_PACKED = "upload.getFile"

_PLAIN_WRAPPERS = (
    functions.InvokeWithLayerRequest, functions.InitConnectionRequest, functions.InvokeWithoutUpdatesRequest,
)


@dataclass(slots=True)
class Request:
    """One request on its way through the dispatcher."""

    session: Session
    msg_id: int
    size: int
    query: Any
    method: str = ""
    service: Service | None = None
    anonymous: bool = True
    takeout_id: int | None = None
    message_range: tuple[int, int] | None = None
    after: list[int] = field(default_factory=list)

    def unwrap(self) -> None:
        """Take off the invokeWith... wrappers and look the method up. Raises RpcError for one that nobody serves."""
        while True:
            query = self.query
            if isinstance(query, functions.InvokeWithTakeoutRequest):
                self.takeout_id = query.takeout_id
            elif isinstance(query, functions.InvokeWithMessagesRangeRequest):
                self.message_range = query.range.min_id, query.range.max_id
            elif isinstance(query, functions.InvokeAfterMsgRequest):
                self.after.append(query.msg_id)
            elif isinstance(query, functions.InvokeAfterMsgsRequest):
                self.after += query.msg_ids
            elif not isinstance(query, _PLAIN_WRAPPERS):
                break
            self.query = query.query
        found = REGISTRY.get(getattr(query, "CONSTRUCTOR_ID", 0))
        if found is None:
            self.method = type(query).__name__
            raise _unknown(getattr(query, "CONSTRUCTOR_ID", 0))
        self.method, self.service, self.anonymous = found


class Dispatcher:
    """Serves requests in the order in which their latencies end; no request waits for another."""

    def __init__(self, world: World, ledger: Ledger, counter: Counter, *, pack: bool) -> None:
        self._world = world
        self._ledger = ledger
        self._counter = counter
        self.fault = Fault()
        self.flood = FloodControl()
        #: whether large answers are sent as gzip_packed
        self.pack = pack

    def receive(self, session: Session, msg_id: int, body: bytes) -> None:
        """Take one request; its answer is sent later, or at once where there is no latency."""
        request = Request(session, msg_id, len(body), None)
        session.begin(msg_id)
        try:
            request.query = BinaryReader(body).tgread_object()
            request.unwrap()
        except TypeNotFoundError as error:
            return self._refuse(request, _unknown(error.invalid_constructor_id))
        except RpcError as error:
            return self._refuse(request, error)
        except (StructError, BufferError, ValueError, IndexError, AttributeError):
            return self._refuse(request, RpcError(400, "INPUT_FETCH_ERROR"))
        self._schedule(request)

    def _schedule(self, request: Request) -> None:
        if request.after:
            request.session.after(request.after.pop(), partial(self._schedule, request))
            return
        delay = self.fault.delay(request.method)
        if delay:
            asyncio.get_running_loop().call_later(delay, self._serve, request)
        else:
            self._serve(request)

    def _refuse(self, request: Request, error: RpcError) -> None:
        account = request.session.key.login.account
        count = self._counter.account(-1 if account is None else account.index)
        method = count.method(request.method or "unknown")
        method.calls += 1
        method.errors[error.message] += 1
        request.session.answer(request.msg_id, boxed(error))

    def _serve(self, request: Request) -> None:
        cut = self.fault.cut(request.method)
        if cut is Cut.BEFORE_WORK:
            return request.session.connection.abort()
        login = request.session.key.login
        count = self._counter.account(-1 if login.account is None else login.account.index)
        count.method(request.method).calls += 1
        count.bytes_in += request.size
        answer = self._answer(request)
        if cut is Cut.AFTER_WORK:
            return request.session.connection.abort()
        if self.pack and request.method != NEVER_PACKED:
            answer = packed(answer)
        count.bytes_out += len(answer)
        request.session.answer(request.msg_id, answer)

    def _answer(self, request: Request) -> bytes:
        login = request.session.key.login
        index = -1 if login.account is None else login.account.index
        try:
            self._admit(request, index)
            call = Call(
                self._world, request.session.key.dc_id, login, request.takeout_id, request.message_range, self._ledger
            )
            assert request.service is not None
            return boxed(request.service(call, request.query))
        except RpcError as error:
            self._counter.account(index).method(request.method).errors[error.message] += 1
            return boxed(error)
        except Exception:
            traceback.print_exc()
            self._counter.account(index).method(request.method).errors["INTERNAL"] += 1
            return boxed(RpcError(500, "INTERNAL"))

    def _admit(self, request: Request, index: int) -> None:
        """Refuse what may not be asked, or not now. Raises RpcError."""
        login = request.session.key.login
        if login.account is None and not request.anonymous:
            raise RpcError(401, "SESSION_PASSWORD_NEEDED" if "password" in login.pending else "AUTH_KEY_UNREGISTERED")
        takeout = request.takeout_id is not None
        if request.takeout_id is not None and self._ledger.takeouts.get(request.takeout_id) != index:
            raise RpcError(400, "TAKEOUT_INVALID")
        seconds, early = self.flood.wait(index, request.method, takeout, time.monotonic())
        if seconds:
            method = self._counter.account(index).method(request.method)
            if early:
                method.early += 1
            else:
                method.floods += 1
            raise RpcError(420, f"FLOOD_WAIT_{seconds}")
        if (error := self.fault.error(request.method)) is not None:
            raise error


def _unknown(constructor: int) -> RpcError:
    return RpcError(400, f"INPUT_METHOD_INVALID_{constructor}")
