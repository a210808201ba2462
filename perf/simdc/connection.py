"""One TCP connection of a client."""
from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, field
from struct import Struct

from tgbulk.perf.simdc.auth_key import AuthKey
from tgbulk.perf.simdc.cipher import unseal
from tgbulk.perf.simdc.dispatcher import Dispatcher
from tgbulk.perf.simdc.fault import Greeting
from tgbulk.perf.simdc.handshake import Handshake, HandshakeError
from tgbulk.perf.simdc.inbox import Inbox
from tgbulk.perf.simdc.rsa_key import RsaKey
from tgbulk.perf.simdc.session import Session
from tgbulk.perf.simdc.transport import Transport, TransportError, detect

#: Transport-level error: no such auth key here.
UNKNOWN_KEY = (-404).to_bytes(4, "little", signed=True)

#: Bytes of a greeting that is no MTProto.
GARBAGE_BYTES = 4096

_MESSAGE = Struct("<qqqii")
_PLAIN = Struct("<qqi")


@dataclass(slots=True)
class Hub:
    """What all connections of a server share, and the connections that are open."""

    rsa_key: RsaKey
    dispatcher: Dispatcher
    connections: set[Connection] = field(default_factory=set)

    def admit(self, key: AuthKey) -> None:
        """Take in an auth key that a handshake made."""
        ledger = self.dispatcher.ledger
        ledger.keys[key.login.key_id] = key
        self.dispatcher.counter.handshakes += 1
        ledger.save()

    def drop(self) -> None:
        """Cut every connection now."""
        for connection in list(self.connections):
            connection.abort()


class Connection(asyncio.Protocol):
    """Bytes in, packets to their sessions, packets out."""

    def __init__(self, hub: Hub, dc_id: int) -> None:
        self._hub = hub
        self._counter = hub.dispatcher.counter
        self._ledger = hub.dispatcher.ledger
        self._dc_id = dc_id
        self._buffer = bytearray()
        self._codec: Transport | None = None
        self._socket: asyncio.Transport | None = None
        self._handshake = Handshake(hub.rsa_key, dc_id, hub.admit, hub.dispatcher.fault.handshake)
        self._sessions: dict[tuple[int, int], tuple[Session, Inbox]] = {}
        self._leave: asyncio.TimerHandle | None = None
        self._greeting = Greeting.NOTHING

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is open."""
        assert isinstance(transport, asyncio.Transport)
        fault = self._hub.dispatcher.fault
        if fault.only_from and transport.get_extra_info("peername")[0] != fault.only_from:
            self._counter.strangers += 1
            return transport.abort()
        self._socket = transport
        self._hub.connections.add(self)
        self._counter.connections += 1
        self._greeting = fault.greets(self._dc_id)
        if self._greeting is Greeting.CLOSE:
            transport.close()
        elif self._greeting is Greeting.GARBAGE:
            transport.write(fault.random.randbytes(GARBAGE_BYTES))

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed: forget its sessions; answers that come later go nowhere."""
        self._socket = None
        self._hub.connections.discard(self)
        for session, _ in list(self._sessions.values()):
            self.forget(session)
        if self._leave is not None:
            self._leave.cancel()

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        self._counter.bytes_in += len(data)
        if self._greeting is not Greeting.NOTHING:
            return
        self._buffer += data
        try:
            if self._codec is None:
                self._codec = detect(self._buffer)
            if self._codec is None:
                return
            for packet in self._codec.packets(self._buffer):
                self._packet(packet)
        except (TransportError, HandshakeError) as error:
            complain(f"connection to DC {self._dc_id} closed: {error}")
            self.close()

    def send(self, packet: bytes) -> None:
        """Send one packet; nothing once the connection is gone."""
        if self._socket is None or self._codec is None or self._socket.is_closing():
            return
        data = self._codec.wrap(packet)
        self._socket.write(data)
        self._counter.bytes_out += len(data)

    def close(self) -> None:
        """Close after what is already written."""
        if self._socket is not None:
            self._socket.close()

    def abort(self) -> None:
        """Cut the connection now, whatever is still to be sent."""
        if self._socket is not None:
            self._socket.abort()

    @property
    def host(self) -> str:
        """The client's address, empty when it is gone."""
        return "" if self._socket is None else str(self._socket.get_extra_info("peername")[0])

    def close_after(self, seconds: int) -> None:
        """Close at the given time unless asked again before."""
        if self._leave is not None:
            self._leave.cancel()
        self._leave = asyncio.get_running_loop().call_later(seconds, self.close)

    def forget(self, session: Session) -> None:
        """Drop a session; its next message makes a new one."""
        key_id = session.key.login.key_id
        self._ledger.sessions[key_id].remove(session)
        del self._sessions[key_id, session.session_id]

    def _packet(self, packet: bytes) -> None:
        key_id = int.from_bytes(packet[:8], "little")
        if key_id == 0:
            return self._plain(packet)
        key = self._ledger.keys.get(key_id)
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
            others = {one.connection.host for one in self._ledger.sessions.get(key.login.key_id, ())} - {"", self.host}
            # The two families of one host are none of another.
            if any(":" not in host + self.host for host in others):
                key.login.duplicated = True
            known = session, Inbox(session, self._hub.dispatcher)
            self._sessions[key.login.key_id, session_id] = known
            self._ledger.sessions.setdefault(key.login.key_id, []).append(session)
        return known[1]

    def _plain(self, packet: bytes) -> None:
        if len(packet) < _PLAIN.size:
            raise HandshakeError("short packet")
        _, msg_id, length = _PLAIN.unpack_from(packet)
        answer = self._handshake.answer(packet[_PLAIN.size : _PLAIN.size + length])
        self.send(_PLAIN.pack(0, msg_id | 1, len(answer)) + answer)


def complain(line: str) -> None:
    """Say on stderr what a client did wrong, or what this server did."""
    print(f"simdc: {line}", file=sys.stderr, flush=True)
