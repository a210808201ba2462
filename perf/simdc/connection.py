"""One TCP connection of a client."""
from __future__ import annotations

import asyncio
from struct import Struct
from typing import TYPE_CHECKING

from perf.simdc.cipher import unseal
from perf.simdc.handshake import Handshake, HandshakeError
from perf.simdc.inbox import Inbox
from perf.simdc.session import Session
from perf.simdc.transport import Transport, TransportError, detect

if TYPE_CHECKING:
    from perf.simdc.auth_key import AuthKey
    from perf.simdc.server import Server

#: Transport-level error: no such auth key here.
UNKNOWN_KEY = (-404).to_bytes(4, "little", signed=True)

_MESSAGE = Struct("<qqqii")
_PLAIN = Struct("<qqi")


class Connection(asyncio.Protocol):
    """Bytes in, packets to their sessions, packets out."""

    def __init__(self, server: Server, dc_id: int) -> None:
        self._server = server
        self._dc_id = dc_id
        self._buffer = bytearray()
        self._codec: Transport | None = None
        self._socket: asyncio.Transport | None = None
        self._handshake = Handshake(server.rsa_key, dc_id, server.admit)
        self._sessions: dict[tuple[int, int], tuple[Session, Inbox]] = {}
        self._leave: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is open."""
        assert isinstance(transport, asyncio.Transport)
        self._socket = transport
        self._server.connections.add(self)
        self._server.counter.connections += 1

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed: forget its sessions; answers that come later go nowhere."""
        self._socket = None
        self._server.connections.discard(self)
        for session, _ in list(self._sessions.values()):
            self.forget(session)
        if self._leave is not None:
            self._leave.cancel()

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        self._server.counter.bytes_in += len(data)
        self._buffer += data
        try:
            if self._codec is None:
                self._codec = detect(self._buffer)
            if self._codec is None:
                return
            for packet in self._codec.packets(self._buffer):
                self._packet(packet)
        except (TransportError, HandshakeError) as error:
            self._server.complain(f"connection to DC {self._dc_id} closed: {error}")
            self.close()

    def send(self, packet: bytes) -> None:
        """Send one packet; nothing once the connection is gone."""
        if self._socket is None or self._codec is None or self._socket.is_closing():
            return
        data = self._codec.wrap(packet)
        self._socket.write(data)
        self._server.counter.bytes_out += len(data)

    def close(self) -> None:
        """Close after what is already written."""
        if self._socket is not None:
            self._socket.close()

    def abort(self) -> None:
        """Cut the connection now, whatever is still to be sent."""
        if self._socket is not None:
            self._socket.abort()

    def close_after(self, seconds: int) -> None:
        """Close at the given time unless asked again before."""
        if self._leave is not None:
            self._leave.cancel()
        self._leave = asyncio.get_running_loop().call_later(seconds, self.close)

    def forget(self, session: Session) -> None:
        """Drop a session; its next message makes a new one."""
        session.key.sessions.remove(session)
        del self._sessions[session.key.login.key_id, session.session_id]

    def _packet(self, packet: bytes) -> None:
        key_id = int.from_bytes(packet[:8], "little")
        if key_id == 0:
            return self._plain(packet)
        key = self._server.ledger.keys.get(key_id)
        plain = unseal(key.secret, packet) if key is not None and key.dc_id == self._dc_id else None
        if key is None or plain is None:
            self.send(UNKNOWN_KEY)
            return self.close()
        salt, session_id, msg_id, sequence, length = _MESSAGE.unpack_from(plain)
        if not 0 <= length <= len(plain) - _MESSAGE.size:
            raise TransportError(f"message of {length} bytes in a packet of {len(plain)}")
        inbox = self._inbox(key, session_id)
        inbox.receive(salt, msg_id, sequence, plain[_MESSAGE.size : _MESSAGE.size + length])

    def _inbox(self, key: AuthKey, session_id: int) -> Inbox:
        known = self._sessions.get((key.login.key_id, session_id))
        if known is None:
            session = Session(self, key, session_id)
            known = session, Inbox(session, self._server.dispatcher)
            self._sessions[key.login.key_id, session_id] = known
            key.sessions.append(session)
        return known[1]

    def _plain(self, packet: bytes) -> None:
        if len(packet) < _PLAIN.size:
            raise HandshakeError("short packet")
        _, msg_id, length = _PLAIN.unpack_from(packet)
        answer = self._handshake.answer(packet[_PLAIN.size : _PLAIN.size + length])
        self.send(_PLAIN.pack(0, msg_id | 1, len(answer)) + answer)
