"""A bound for the bytes of history answers without a slot: on the way, as far as one can tell, and here."""
from __future__ import annotations

import asyncio
from collections import deque

#: Bytes of a run at most, but for one answer.
MOST_BYTES = 32 << 20
#: What an answer is expected to have, at least: a page of ordinary messages.
EXPECTED_BYTES = 64 << 10
#: The same of the first answers, of which nobody knows: of a server whose answers are large, hundreds could be on their way.
FIRST_BYTES = 1 << 20
#: By this share the expectation falls with each smaller answer.
FORGETTING = 0.05


class Backlog:
    """A share is held from before a request is sent until its answer is there, or none; then its bytes count for a slot.

    Whoever waits for a share holds no slot, and whoever waits for a slot no share: so shares come back.
    """

    def __init__(self, most: int = MOST_BYTES, expected: int = FIRST_BYTES) -> None:
        self._most = most
        #: bytes that an answer may have, as the largest of late had
        self._expected = float(expected)
        #: requests on the way, and bytes of answers that wait for a slot
        self.flying = 0
        self.bytes = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def enter(self) -> None:
        """A share for one request; first come, first served. leave() follows."""
        if self._waiting or not self._has_room():
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                if waiter.done() and not waiter.cancelled():
                    self.flying -= 1  # it had been handed over
                self._hand_out()
                raise
        else:
            self.flying += 1

    def leave(self, size: int = 0) -> None:
        """The answer is there, with so many bytes, and wait() follows; 0: there is none."""
        self.flying -= 1
        if size:
            smaller = self._expected + FORGETTING * (max(size, EXPECTED_BYTES) - self._expected)
            self._expected = max(float(size), smaller)
        else:
            self._hand_out()

    def wait(self, size: int) -> None:
        """So many bytes wait for a slot."""
        self.bytes += size
        self._hand_out()

    def go(self, size: int) -> None:
        """They have one, or need none any more."""
        self.bytes -= size
        self._hand_out()

    def _has_room(self) -> bool:
        if not self.flying and not self.bytes:
            return True
        return self.bytes + (self.flying + 1) * self._expected <= self._most

    def _hand_out(self) -> None:
        while self._waiting and self._has_room():
            waiter = self._waiting.popleft()
            if not waiter.done():
                self.flying += 1
                waiter.set_result(None)
