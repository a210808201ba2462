"""Latency and failures that the server makes on purpose."""
from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from random import Random

from perf.simdc.call import RpcError

#: The ways in which Telegram's servers say that they have trouble.
SERVER_ERRORS = ((500, "INTERNAL"), (-503, "Timedout"), (-500, "No workers running"))


class Cut(Enum):
    """Where a connection is dropped: the request is lost, or only its answer."""

    NOT = 0
    BEFORE_WORK = 1
    AFTER_WORK = 2


@dataclass(slots=True)
class Fault:
    """Settings, changeable while the server runs. Rates are probabilities per request, 0 to 1."""

    latency_ms: float = 0.0
    #: a request's latency is uniform in latency_ms +- jitter_ms, so answers overtake each other
    jitter_ms: float = 0.0
    error_rate: float = 0.0
    drop_rate: float = 0.0
    #: of parts of files: only the first half is sent
    short_rate: float = 0.0
    #: of parts of files: another data centre is named instead
    cdn_rate: float = 0.0
    #: methods that are hit; all when empty
    methods: list[str] = field(default_factory=list)
    random: Random = field(default_factory=Random)

    def delay(self, method: str) -> float:
        """Seconds between a request and its answer."""
        if not self._hits(method):
            return 0.0
        jitter = self.random.uniform(-self.jitter_ms, self.jitter_ms) if self.jitter_ms else 0.0
        return max(0.0, self.latency_ms + jitter) / 1000

    def cut(self, method: str) -> Cut:
        """Whether and where this request's connection is dropped."""
        if not self._hits(method, self.drop_rate):
            return Cut.NOT
        return self.random.choice((Cut.BEFORE_WORK, Cut.AFTER_WORK))

    def part(self, data: bytes) -> bytes:
        """What is sent of a part of a file."""
        cut = self.short_rate and self.random.random() < self.short_rate
        return data[: len(data) // 2] if cut else data

    def redirects(self) -> bool:
        """Whether a part of a file is to be had from a CDN."""
        return bool(self.cdn_rate) and self.random.random() < self.cdn_rate

    def error(self, method: str) -> RpcError | None:
        """The server error that answers this request, mostly none."""
        if not self._hits(method, self.error_rate):
            return None
        return RpcError(*self.random.choice(SERVER_ERRORS))

    def _hits(self, method: str, rate: float = 1.0) -> bool:
        if not rate or (self.methods and method not in self.methods):
            return False
        return rate >= 1 or self.random.random() < rate
