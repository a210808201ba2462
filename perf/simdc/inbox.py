"""What arrives in a session: containers, service messages and requests (core.telegram.org/mtproto/service_messages)."""
from __future__ import annotations

import secrets
import time
import zlib
from struct import error as StructError
from struct import unpack_from

from telethon.extensions import BinaryReader
from telethon.tl import functions, types

from tgbulk.perf.simdc.auth_key import SALT_PERIOD
from tgbulk.perf.simdc.dispatcher import Dispatcher
from tgbulk.perf.simdc.session import CONTAINER_ID, RESULT_ID, Session

GZIP_ID = 0x3072CFA1
#: Seconds by which a message id may lie behind and ahead of the clock.
MAX_BEHIND = 300
MAX_AHEAD = 30
#: Bytes that a gzip_packed request may grow to.
MAX_INFLATED = 16 << 20
#: Salts told at most by get_future_salts.
MAX_SALTS = 64

BAD_ID_LOW, BAD_ID_HIGH, BAD_ID_BITS, BAD_CONTAINER, BAD_SALT = 16, 17, 18, 64, 48


class Inbox:
    """Takes a session's decrypted messages, answers the service ones and hands requests to the dispatcher."""

    def __init__(self, session: Session, dispatcher: Dispatcher) -> None:
        self._session = session
        self._dispatcher = dispatcher
        self._greeted = False
        self._services = {
            types.MsgsAck.CONSTRUCTOR_ID: self._ignore,
            types.HttpWait.CONSTRUCTOR_ID: self._ignore,
            types.MsgsAllInfo.CONSTRUCTOR_ID: self._ignore,
            types.MsgsStateInfo.CONSTRUCTOR_ID: self._ignore,
            types.MsgsStateReq.CONSTRUCTOR_ID: self._tell_states,
            types.MsgResendReq.CONSTRUCTOR_ID: self._tell_states,
            functions.PingRequest.CONSTRUCTOR_ID: self._pong,
            functions.PingDelayDisconnectRequest.CONSTRUCTOR_ID: self._pong_and_leave,
            functions.GetFutureSaltsRequest.CONSTRUCTOR_ID: self._future_salts,
            functions.DestroySessionRequest.CONSTRUCTOR_ID: self._destroy_session,
            functions.RpcDropAnswerRequest.CONSTRUCTOR_ID: self._drop_answer,
        }

    def receive(self, salt: int, msg_id: int, sequence: int, body: bytes) -> None:
        """Take one message as it was in the packet, after checking its id and salt."""
        now = time.time()
        behind = now - (msg_id >> 32)
        if msg_id % 4:
            return self._refuse(msg_id, sequence, BAD_ID_BITS)
        if behind > MAX_BEHIND:
            return self._refuse(msg_id, sequence, BAD_ID_LOW)
        if -behind > MAX_AHEAD:
            return self._refuse(msg_id, sequence, BAD_ID_HIGH)
        key = self._session.key
        if not key.accepts(salt, now):
            self._send(types.BadServerSalt(msg_id, sequence, BAD_SALT, key.salt_now()))
            return
        if not self._greeted:
            self._greeted = True
            self._send(types.NewSessionCreated(msg_id, secrets.randbits(63), key.salt_now()), kind=3, content=True)
        self._open(msg_id, sequence, body)

    def _open(self, msg_id: int, sequence: int, body: bytes) -> None:
        if len(body) < 4 or not self._session.first_sight(msg_id):
            return
        (constructor,) = unpack_from("<I", body)
        if constructor == GZIP_ID:
            body = _inflate(body)
            constructor = unpack_from("<I", body)[0] if len(body) >= 4 else 0
        if constructor == CONTAINER_ID:
            self._open_container(msg_id, sequence, body)
        elif (service := self._services.get(constructor)) is not None:
            service(msg_id, BinaryReader(body).tgread_object())
        elif constructor != RESULT_ID:
            self._dispatcher.receive(self._session, msg_id, body)

    def _open_container(self, container_id: int, sequence: int, body: bytes) -> None:
        position = 8
        try:
            (count,) = unpack_from("<i", body, 4)
            for _ in range(count):
                msg_id, inner_sequence, length = unpack_from("<qii", body, position)
                position += 16
                self._open(msg_id, inner_sequence, body[position : position + length])
                position += length
        except StructError:
            self._refuse(container_id, sequence, BAD_CONTAINER)

    def _send(self, message: types.TypeTLObject, *, kind: int = 1, content: bool = False) -> None:
        self._session.send(bytes(message), kind=kind, content=content)

    def _refuse(self, msg_id: int, sequence: int, code: int) -> None:
        self._send(types.BadMsgNotification(msg_id, sequence, code))

    def _ignore(self, msg_id: int, message: types.MsgsAck) -> None:
        pass

    def _tell_states(self, msg_id: int, message: types.MsgsStateReq) -> None:
        states = "".join(chr(4 if self._session.knows(asked) else 1) for asked in message.msg_ids)
        self._send(types.MsgsStateInfo(msg_id, states))

    def _pong(self, msg_id: int, message: functions.PingRequest) -> None:
        self._send(types.Pong(msg_id, message.ping_id))

    def _pong_and_leave(self, msg_id: int, message: functions.PingDelayDisconnectRequest) -> None:
        self._session.connection.close_after(message.disconnect_delay)
        self._pong(msg_id, functions.PingRequest(message.ping_id))

    def _future_salts(self, msg_id: int, message: functions.GetFutureSaltsRequest) -> None:
        now = int(time.time())
        first = now // SALT_PERIOD
        periods = range(first, first + max(1, min(message.num, MAX_SALTS)))
        salts = [types.FutureSalt(p * SALT_PERIOD, (p + 2) * SALT_PERIOD, self._session.key.salt(p)) for p in periods]
        self._send(types.FutureSalts(msg_id, now, salts))

    def _destroy_session(self, msg_id: int, message: functions.DestroySessionRequest) -> None:
        sessions = self._dispatcher.ledger.sessions[self._session.key.login.key_id]
        meant = [session for session in sessions if session.session_id == message.session_id]
        if not meant or self._session in meant:
            self._send(types.DestroySessionNone(message.session_id))
            return
        for session in meant:
            session.connection.forget(session)
        self._send(types.DestroySessionOk(message.session_id))

    def _drop_answer(self, msg_id: int, message: functions.RpcDropAnswerRequest) -> None:
        self._session.answer(msg_id, bytes(types.RpcAnswerUnknown()))


def _inflate(body: bytes) -> bytes:
    """The content of gzip_packed, empty where it is no gzip or too large."""
    inflater = zlib.decompressobj(wbits=31)
    try:
        content = inflater.decompress(BinaryReader(body[4:]).tgread_bytes(), MAX_INFLATED)
    except zlib.error:
        return b""
    return b"" if inflater.unconsumed_tail else content
