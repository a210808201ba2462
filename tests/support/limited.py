"""A server that counts requests as Telegram does, in the time of whatever event loop runs."""
from __future__ import annotations

import asyncio
import math
import random

#: Seconds from a request to its answer.
LATENCY = 0.1


class FloodWait(Exception):
    def __init__(self, seconds: int) -> None:
        self.seconds = seconds


class Server:
    """A token bucket of `rate` a second and `burst` at once; no rate: everything is served.

    Of LATENCY, `there` passes before a request counts, `jitter` more or less: 2 * jitter apart is how far requests that were
    sent at the same moment may come. perf/simdc lets all of it pass before.
    """

    def __init__(
        self, rate: float | None, burst: float = 25, jitter: float = 0.0, seed: int = 1, there: float = LATENCY / 2
    ) -> None:
        self.rate, self.burst = rate, burst
        self.calls = self.served = self.floods = self.early = 0
        self.flying = self.most_flying = 0
        self.first: float | None = None
        self.last = 0.0
        self._tokens, self._filled, self._closed_until = burst, 0.0, 0.0
        self._jitter = jitter
        self._there = there
        self._random = random.Random(seed)

    @property
    def share(self) -> float:
        """What was served of all that could have been, as the bench counts it."""
        assert self.rate is not None
        return self.served / (self.rate * self.seconds + self.burst)

    def drain(self, left: float) -> None:
        """Somebody else has used the allowance up, but for this."""
        self._tokens = left

    @property
    def seconds(self) -> float:
        """From the first request served to the last one."""
        assert self.first is not None
        return self.last - self.first

    async def call(self) -> None:
        loop = asyncio.get_running_loop()
        self.flying += 1
        self.most_flying = max(self.most_flying, self.flying)
        await asyncio.sleep(self._there + self._random.uniform(-self._jitter, self._jitter))
        wait = self._take(loop.time())
        await asyncio.sleep(LATENCY - self._there)
        self.flying -= 1
        if wait:
            raise FloodWait(wait)

    def _take(self, now: float) -> int:
        self.calls += 1
        if self.rate is None:
            return self._serve(now)
        self._tokens = min(self.burst, self._tokens + (now - self._filled) * self.rate)
        self._filled = now
        if now < self._closed_until:
            self.early += 1
            return math.ceil(self._closed_until - now)
        if self._tokens >= 1:
            self._tokens -= 1
            return self._serve(now)
        seconds = math.ceil((1 - self._tokens) / self.rate)
        self._closed_until = now + seconds
        self.floods += 1
        return seconds

    def _serve(self, now: float) -> int:
        self.served += 1
        self.first = now if self.first is None else self.first
        self.last = now
        return 0
