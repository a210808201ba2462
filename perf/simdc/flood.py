"""Token buckets that answer FLOOD_WAIT."""
from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass(slots=True, frozen=True)
class Limit:
    """So many calls a second on the whole, so many at once."""

    rate: float
    burst: float

    def __post_init__(self) -> None:
        if self.rate <= 0 or self.burst < 1:
            raise ValueError("rate must be above 0 and burst at least 1")


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled: float
    #: time when the account was told to wait, and until when
    closed: float = 0.0
    closed_until: float = 0.0


@dataclass(slots=True)
class FloodControl:
    """Limits by method, and a bucket for every account that met one."""

    limits: dict[str, Limit] = field(default_factory=dict)
    #: limits that replace the ordinary ones inside a takeout
    takeout_limits: dict[str, Limit] = field(default_factory=dict)
    _buckets: dict[tuple[int, str, bool], _Bucket] = field(default_factory=dict)

    def set(self, method: str, limit: Limit | None, *, takeout: bool = False) -> None:
        """Set or lift a method's limit; its buckets start full."""
        limits = self.takeout_limits if takeout else self.limits
        if limit is None:
            limits.pop(method, None)
        else:
            limits[method] = limit
        for key in [key for key in self._buckets if key[1] == method]:
            del self._buckets[key]

    def wait(
        self, account: int, method: str, takeout: bool, now: float, asked: float | None = None
    ) -> tuple[int, bool]:
        """Take a token. Whole seconds to wait (0: go on), and whether the account asked before such a wait was over.

        A request `asked` (received) before the account was told is not too early, whenever it is answered.
        """
        own_limit = takeout and method in self.takeout_limits
        limit = (self.takeout_limits if own_limit else self.limits).get(method)
        if limit is None:
            return 0, False
        bucket = self._buckets.setdefault((account, method, own_limit), _Bucket(limit.burst, now))
        bucket.tokens = min(limit.burst, bucket.tokens + (now - bucket.filled) * limit.rate)
        bucket.filled = now
        if now < bucket.closed_until:
            return math.ceil(bucket.closed_until - now), asked is None or asked > bucket.closed
        if bucket.tokens >= 1:
            bucket.tokens -= 1
            return 0, False
        seconds = math.ceil((1 - bucket.tokens) / limit.rate)
        bucket.closed, bucket.closed_until = now, now + seconds
        return seconds, False
