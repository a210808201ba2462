"""How fast one account may call one method: learnt from the answers, kept below what floods.

Until the first flood wait the number of requests in flight is all that bounds it. It stays small while a burst allowance may
hide the limit, then grows by half of itself a round; after a flood wait by one in two rounds. A flood wait halves it, halves
the rate, and closes the bucket until the wait is over. From the second one on, the server's own rate is known: at both its
allowance was empty, so what it served between them, divided by the time between them, is what it refills. Requests are then
spaced by that, and the spacing narrows to find out when more is allowed, more cautiously after each flood wait. Nobody comes
back in a herd: whoever waits leaves one after another, in the order of arrival.
"""
from __future__ import annotations

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Callable

#: Requests in flight at the start; Telegram serves about three at a time anyway (spec/history-fetching.md 2).
START = 3
#: Successes before the requests in flight grow: more than the burst that Telegram is seen to allow.
BURST = 40
#: What an answer adds to them then, before a flood wait is known; and what a round of answers adds after one.
GROWTH = 0.5
#: Relative growth of the rate with a success: at first, and at least; each flood wait that teaches divides it.
PROBE_FIRST = 1e-3
PROBE_LEAST = 3e-5
PROBE_CUT = 8
#: It grows itself with the successes since the last flood wait: the square of their number, in these.
PROBE_SPAN = 500
#: Flood waits that the rate is learnt from, the newest.
MEMORY = 4
#: Successes between two flood waits below which they teach nothing.
ENOUGH = 5
#: Added to a wait: the answer's way back took time, and clocks differ. Seconds, and a share of the wait at most.
SLACK = 0.05
#: Slots of time, spent late, that may be made up for.
CATCH_UP = 3


class Halted(Exception):
    """Nothing more is to be asked: the run stops."""


class Bucket:
    """Admission of one (account, method). Times are the loop's, in seconds."""

    def __init__(self, most: int, rate: float | None = None, clock: Callable[[], float] | None = None) -> None:
        """most: requests in flight at any time; rate: requests a second at any time, None to find out what is allowed."""
        self.most = most
        self.rate = rate
        self._top_rate = rate
        self.window = float(min(START, most))
        self.flying = 0
        self.floods = 0
        #: seconds for which the next request waited: for an answer to one in flight; until it was allowed; of these, for the
        #: end of a flood wait
        self.crowded = self.limited = self.lost = 0.0
        self._clock = clock or asyncio.get_running_loop().time
        self._turn = asyncio.Lock()
        self._left = asyncio.Event()
        self._next = 0.0
        self._closed_until = 0.0
        self._started: float | None = None
        self._served = 0
        self._since_flood = 0
        self._probe = PROBE_FIRST
        self._history: deque[tuple[float, int]] = deque(maxlen=MEMORY)
        self._shut: Exception | None = None

    async def enter(self) -> None:
        """Wait for permission to send one request; every enter() is followed by one of the methods below.

        Raises what shut() was given, once it was.
        """
        async with self._turn:
            while True:
                if self._shut is not None:
                    raise self._shut
                now = self._clock()
                if self.flying >= max(1, int(self.window)):
                    await self._rest(None)
                    self.crowded += self._clock() - now
                    continue
                pause = max(self._next, self._closed_until) - now
                if pause <= 0:
                    break
                try:
                    await self._rest(pause)
                finally:
                    self.limited += self._clock() - now
                    self.lost += max(0.0, min(self._clock(), self._closed_until) - now)
            if self._started is None:
                self._started = now
            if self.rate is not None:
                late = CATCH_UP / self.rate if self._top_rate is None else 0.0
                self._next = max(self._next, now - late) + 1 / self.rate
            self.flying += 1

    def shut(self, error: Exception) -> None:
        """Whoever waits here, and whoever comes, gets this error."""
        self._shut = error
        self._left.set()

    async def _rest(self, seconds: float | None) -> None:
        """Until a request has left, or the time is over."""
        self._left.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._left.wait()

    def cancel(self) -> None:
        """Nothing was sent, or the answer says nothing about the rate."""
        self.flying -= 1
        self._left.set()

    def succeeded(self) -> None:
        self._served += 1
        self._since_flood += 1
        if self._served > BURST:
            growth = GROWTH if self.rate is None else GROWTH / self.window
            self.window = min(self.most, self.window + growth)
        if self.rate is not None:
            self._set_rate(self.rate * (1 + self._probe * (1 + (self._since_flood / PROBE_SPAN) ** 2)))
        self.cancel()

    def flooded(self, seconds: float) -> None:
        """The server wants a pause. Requests that were under way when it said so belong to the same flood wait."""
        now = self._clock()
        if now >= self._closed_until:
            self.floods += 1
            self._slow_down(now)
        self._closed_until = max(self._closed_until, now + seconds + random.uniform(SLACK, SLACK * (1 + seconds)))
        self._next = self._closed_until
        self.cancel()

    def _slow_down(self, now: float) -> None:
        self.window = max(1.0, self.window / 2)
        if self._history and self._since_flood >= ENOUGH:
            then, served = self._history[0]
            self._set_rate((self._served - served) / (now - then))
            self._probe = max(PROBE_LEAST, self._probe / PROBE_CUT)
        elif self.rate is not None:
            self.rate /= 2
        elif self._started is not None and now > self._started:
            self.rate = max(1.0, self._served) / (now - self._started) / 2
        self._since_flood = 0
        self._history.append((now, self._served))

    def _set_rate(self, rate: float) -> None:
        self.rate = rate if self._top_rate is None else min(rate, self._top_rate)
