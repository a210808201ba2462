"""How fast one account may call one method: learnt from the answers, kept below what floods.

Until the first flood wait the number of requests in flight is all that bounds it. It stays small while a burst allowance may
hide the limit, then grows; the flood wait halves it. From then on requests are spaced by a rate, which grows with every
success to find out when more is allowed: the less, the more flood waits it was learnt from.

A flood wait says that the allowance is used up, and nothing else. So between two of them the server served what it refills,
less what it could not keep while everybody waited, because the allowance was full. What was served by the time between them
is therefore no more than what is refilled; and of any answers in a row, up to the second flood wait, all but the allowance
were refilled while they came. How large the allowance is follows from the first flood wait, before which it was full. The
greater of these bounds is where the rate goes on.

Nobody comes back in a herd: whoever waits leaves one after another, in the order of arrival.
"""
from __future__ import annotations

import asyncio
import contextlib
import math
import random
from collections import deque
from collections.abc import Callable

#: Requests in flight at the start; Telegram serves about three at a time anyway (spec/history-fetching.md 2).
START = 3
#: Successes before the requests in flight grow: more than the burst that Telegram is seen to allow.
BURST = 40
#: Their relative growth with a success then, before a flood wait is known; and what a round of answers adds after one.
GROWTH = 0.07
ROUND = 0.5
#: Relative growth of the rate with a success, by the flood waits that it was learnt from: after the first it is a guess.
PROBES = (1e-2, 2e-3, 1e-4, 3e-6)
#: The growth grows itself with the successes since the last flood wait: the square of their number, in these.
PROBE_SPAN = 500
#: Answers since the last flood wait that are kept, the newest.
MEMORY = 1000
#: Fewer answers in a row teach nothing.
ENOUGH = 5
#: Added to a wait: the answer's way back took time, and clocks differ. Seconds, and a share of the wait at most.
SLACK = 0.05
#: Slots of time, spent late, that may be made up for at most.
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
        #: since the last flood wait, or the start: how many requests were served, and when the newest of them were answered
        self._served = 0
        self._answers: deque[float] = deque(maxlen=MEMORY)
        #: when the last flood wait came, and how long after the one before it
        self._flooded_at = 0.0
        self._span = 0.0
        #: answers up to the first flood wait, and the seconds from the first of them to it
        self._first: tuple[float, float] = (math.inf, 0.0)
        #: what a request leaves of the full allowance, at most, as far as one can tell
        self._allowance = math.inf
        #: which of PROBES holds
        self._lessons = 0
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
                late = min(CATCH_UP, self._allowance / 2) if self._top_rate is None else 0.0
                self._next = max(self._next, now - late / self.rate) + 1 / self.rate
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
        self._answers.append(self._clock())
        if self.rate is not None:
            self.window = min(self.most, self.window + ROUND / self.window)
            growth = PROBES[self._lessons] * (1 + (self._served / PROBE_SPAN) ** 2)
            self._set_rate(self.rate * (1 + growth))
        elif self._served > BURST:
            self.window = min(self.most, self.window * (1 + GROWTH))
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
        if self.floods == 1 or self.rate is None:
            self._guess(now)
        else:
            self._learn(now, self.rate)
        self._flooded_at = now
        self._served = 0
        self._answers.clear()

    def _guess(self, now: float) -> None:
        """At the first flood wait. How much of what was served was allowance, nobody knows: half, or else BURST."""
        self.window = max(1.0, self.window / 2)
        self._first = len(self._answers), now - self._answers[0] if self._answers else 0.0
        began = now if self._started is None else self._started
        self._set_rate(max(1.0, self._served / 2, self._served - BURST) / max(now - began, SLACK))

    def _learn(self, now: float, pace: float) -> None:
        """At any other flood wait, with requests spaced by this rate."""
        span = now - self._flooded_at
        least = self._served / span
        rate = self._refilled(now, pace, self._refilled(now, pace, least))
        # It came soon again, so the allowance may be another than it seems to be: then only the first bound is one.
        if span < 2 * self._span:
            rate = (least + rate) / 2
        self._span = span
        if self._served >= ENOUGH:
            self._lessons = min(self._lessons + 1, len(PROBES) - 1)
        else:
            self._lessons = 0
            # Where the allowance is this small, more may have been lost of it than was served.
            if self._served >= self._allowance:
                rate = max(rate, pace / 2)
        self._set_rate(min(pace, max(rate, 0.5 / span)))

    def _refilled(self, now: float, pace: float, least: float) -> float:
        """What is refilled in a second: this at least, or more if the newest answers say so."""
        answers, seconds = self._first
        self._allowance = max(0.0, answers - least * seconds)
        # Half a request: somewhere between none and one was left when the flood wait came. Answers may come in a bunch, but
        # were asked for at the pace.
        rows = [
            (number + 0.5 - self._allowance) / max(now - then, number / pace)
            for number, then in enumerate(reversed(self._answers))
            if number >= ENOUGH
        ]
        return max(least, *rows) if rows else least

    def _set_rate(self, rate: float) -> None:
        self.rate = rate if self._top_rate is None else min(rate, self._top_rate)
