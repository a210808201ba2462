"""From the bytes of a request to its service, and back to the bytes of an answer."""
from __future__ import annotations

import asyncio
import time
import traceback
from functools import partial
from itertools import count

from telethon.errors import TypeNotFoundError
from telethon.extensions import BinaryReader
from telethon.tl.functions.messages import GetDialogsRequest
from telethon.tl.types.upload import File, FileCdnRedirect

from tgbulk.perf.simdc.answer import boxed, gzipped
from tgbulk.perf.simdc.asked import Asked
from tgbulk.perf.simdc.call import Call, RpcError, Service
from tgbulk.perf.simdc.counter import NOBODY, Counter, MethodCount
from tgbulk.perf.simdc.endless import Dialogs, endless_page
from tgbulk.perf.simdc.fault import Cut, Delivery, Fault
from tgbulk.perf.simdc.flood import FloodControl
from tgbulk.perf.simdc.ledger import Ledger
from tgbulk.perf.simdc.lie import Liar
from tgbulk.perf.simdc.request import Request, unknown
from tgbulk.perf.simdc.session import Session
from tgbulk.perf.simdc.world import World

#: The data centre of a CDN, which nobody can reach.
CDN_DC = 203
#: Bits that differ in the message id of a misrouted answer.
MISROUTING = 1 << 20
#: Answered with bytes that do not shrink.
NEVER_GZIPPED = "upload.getFile"


class Dispatcher:
    """Serves requests in the order in which their latencies end; no request waits for another."""

    def __init__(self, world: World, ledger: Ledger, counter: Counter, *, gzip: bool) -> None:
        self._world = world
        self.ledger = ledger
        self.counter = counter
        self.fault = Fault()
        self.flood = FloodControl()
        self.liar = Liar()
        self.asked = Asked()
        #: whether large answers are sent as gzip_packed
        self.gzip = gzip
        self._turns = count(1)

    def receive(self, session: Session, msg_id: int, body: bytes) -> None:
        """Take one request; its answer is sent later, or at once where there is no latency."""
        request = Request(session, msg_id, len(body))
        session.begin(msg_id)
        try:
            request.query = BinaryReader(body).tgread_object()
            request.unwrap()
        except RpcError as error:
            request.refusal = error
        except TypeNotFoundError as error:
            request.refusal = unknown(error.invalid_constructor_id)
        except Exception:
            # bytes that are no TL object fail in every way that Telethon's reader knows
            request.refusal = RpcError(400, "INPUT_FETCH_ERROR")
        self._schedule(request)

    def _schedule(self, request: Request) -> None:
        if request.after:
            request.session.after(request.after.pop(), partial(self._schedule, request))
            return
        delay = self.fault.delay(request.method, _index(request))
        if delay:
            asyncio.get_running_loop().call_later(delay, self._serve, request)
        else:
            self._serve(request)

    def _serve(self, request: Request) -> None:
        connection = request.session.connection
        cut = self.fault.cut(request.method, _index(request))
        if cut is Cut.BEFORE_WORK:
            return connection.abort()
        account = request.session.key.login.account
        if account is not None and not request.silent:
            request.session.subscribed = next(self._turns)
        index = _index(request)
        tally = self.counter.account(index)
        self.counter.touch(request.method, time.monotonic())
        if self.asked.on and account is not None:
            self.asked.note(request, account)
        answer = self._answer(request, tally.method(request.method))
        if cut is Cut.AFTER_WORK:
            return connection.abort()
        if self.gzip and request.method != NEVER_GZIPPED:
            answer = gzipped(answer)
        tally.bytes_in += request.size
        tally.bytes_out += len(answer)
        delivery = self.fault.delivery(request.method, index)
        if delivery is Delivery.SENT:
            request.session.answer(request.msg_id, answer)
        elif delivery is Delivery.MISROUTED:
            request.session.answer(request.msg_id ^ MISROUTING, answer)

    def _answer(self, request: Request, count: MethodCount) -> bytes:
        count.calls += 1
        key = request.session.key
        try:
            service = self._admit(request, count)
            call = Call(self._world, key.dc_id, key.login, request.takeout_id, request.message_range, self.ledger)
            if self.fault.dialogs and isinstance(request.query, GetDialogsRequest):
                return boxed(endless_page(Dialogs(self.fault.dialogs), request.query.offset_id))
            answer = self.liar.answer(request.method, service, call, request.query)
            if isinstance(answer, File):
                answer.bytes = self.fault.part(answer.bytes)
                if self.fault.redirects():
                    answer = FileCdnRedirect(CDN_DC, b"token", bytes(32), bytes(16), [])
            return boxed(answer)
        except RpcError as error:
            refusal = error
        except Exception:
            traceback.print_exc()
            refusal = RpcError(500, "INTERNAL")
        count.errors[refusal.message] += 1
        return boxed(refusal)

    def _admit(self, request: Request, count: MethodCount) -> Service:
        """The service of a request that may be asked, and now. Raises RpcError for any other."""
        login = request.session.key.login
        if login.duplicated:
            raise RpcError(406, "AUTH_KEY_DUPLICATED")
        if request.service is None:
            raise request.refusal or RpcError(400, "INPUT_FETCH_ERROR")
        if login.account is None and not request.anonymous:
            raise RpcError(401, "SESSION_PASSWORD_NEEDED" if "password" in login.pending else "AUTH_KEY_UNREGISTERED")
        index = _index(request)
        takeout = request.takeout_id
        if takeout is not None and self.ledger.takeouts.get(takeout) != index:
            raise RpcError(400, "TAKEOUT_INVALID")
        now, in_takeout = time.monotonic(), takeout is not None
        seconds, early = self.flood.wait(index, request.method, in_takeout, now, request.received)
        if seconds:
            count.early += early
            count.floods += not early
            raise RpcError(420, f"FLOOD_WAIT_{seconds}")
        if (error := self.fault.error(request.method, index)) is not None:
            raise error
        return request.service


def _index(request: Request) -> int:
    account = request.session.key.login.account
    return NOBODY if account is None else account.index
