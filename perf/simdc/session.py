"""One MTProto session of one connection: message ids, sequence numbers, and what waits to be sent."""
from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from struct import Struct
from typing import Protocol

from tgbulk.perf.simdc.auth_key import AuthKey
from tgbulk.perf.simdc.cipher import seal

#: Messages over this many bytes travel alone; smaller ones that are ready together share a container up to it.
MAX_CONTAINER = 64 << 10
#: Telegram's bound for the messages of one container.
MAX_CONTAINER_LENGTH = 1020
#: Message ids remembered to recognise one that comes twice.
MAX_SEEN = 8192

_HEAD = Struct("<qq")
_MESSAGE = Struct("<qii")
_CONTAINER = Struct("<Ii")
_RESULT = Struct("<Iq")

CONTAINER_ID = 0x73F1F8DC
RESULT_ID = 0xF35C6D01


class Link(Protocol):
    """What a session asks of its connection."""

    @property
    def host(self) -> str: ...

    def send(self, packet: bytes) -> None: ...

    def abort(self) -> None: ...

    def close_after(self, seconds: int) -> None: ...

    def forget(self, session: Session) -> None: ...


class Session:
    """The server's end of a session; it lives as long as its connection."""

    def __init__(self, connection: Link, key: AuthKey, session_id: int) -> None:
        self.connection = connection
        self.key = key
        self.session_id = session_id
        #: when it last asked for anything but in invokeWithoutUpdates, among all sessions; 0 for never
        self.subscribed = 0
        self._key_id = key.id_bytes
        self._last_id = 0
        self._content_count = 0
        #: (message id, sequence number, body)
        self._queue: list[tuple[int, int, bytes]] = []
        self._seen: dict[int, None] = {}
        #: request that is being worked on -> what waits for its answer
        self._pending: dict[int, list[Callable[[], None]]] = {}

    def first_sight(self, msg_id: int) -> bool:
        """False for a message id that came before."""
        if msg_id in self._seen:
            return False
        if len(self._seen) >= MAX_SEEN:
            for old in list(self._seen)[: MAX_SEEN // 2]:
                del self._seen[old]
        self._seen[msg_id] = None
        return True

    def knows(self, msg_id: int) -> bool:
        """Whether this message was received."""
        return msg_id in self._seen

    def begin(self, msg_id: int) -> None:
        """Note that a request is being worked on."""
        self._pending[msg_id] = []

    def after(self, msg_id: int, action: Callable[[], None]) -> None:
        """Run the action once this request is answered; now, if it is not being worked on."""
        waiting = self._pending.get(msg_id)
        if waiting is None:
            action()
        else:
            waiting.append(action)

    def answer(self, msg_id: int, result: bytes) -> None:
        """Send the rpc_result of a request."""
        self.send(_RESULT.pack(RESULT_ID, msg_id) + result, kind=1)
        for action in self._pending.pop(msg_id, ()):
            action()

    def send(self, body: bytes, *, kind: int = 3, content: bool = True) -> None:
        """Queue a message; `kind`, the low bits of its id, is 1 for an answer to a message of the client, else 3."""
        sequence = 2 * self._content_count + content
        self._content_count += content
        if not self._queue:
            asyncio.get_running_loop().call_soon(self._flush)
        self._queue.append((self._next_id(kind), sequence, body))

    def _next_id(self, kind: int) -> int:
        now = time.time_ns()
        seconds, fraction = divmod(now, 10**9)
        msg_id = seconds << 32 | ((fraction << 32) // 10**9 & ~3)
        if msg_id <= self._last_id:
            msg_id = (self._last_id | 3) + 1
        self._last_id = msg_id | kind
        return self._last_id

    def _flush(self) -> None:
        queue, self._queue = self._queue, []
        batch: list[tuple[int, int, bytes]] = []
        size = 0
        for message in queue:
            length = len(message[2]) + _MESSAGE.size
            if batch and (size + length > MAX_CONTAINER or len(batch) == MAX_CONTAINER_LENGTH):
                self._seal(batch)
                batch, size = [], 0
            batch.append(message)
            size += length
        if batch:
            self._seal(batch)

    def _seal(self, batch: list[tuple[int, int, bytes]]) -> None:
        parts: list[bytes] = [_HEAD.pack(self.key.salt_now(), self.session_id)]
        if len(batch) > 1:
            length = _CONTAINER.size + sum(_MESSAGE.size + len(body) for _, _, body in batch)
            parts.append(_MESSAGE.pack(self._next_id(1), 2 * self._content_count, length))
            parts.append(_CONTAINER.pack(CONTAINER_ID, len(batch)))
        for msg_id, sequence, body in batch:
            parts.append(_MESSAGE.pack(msg_id, sequence, len(body)))
            parts.append(body)
        self.connection.send(seal(self.key.secret, self._key_id, b"".join(parts)))
