"""Latency and failures that the server makes on purpose."""
from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, StrEnum
from random import Random

from tgbulk.perf.simdc.call import RpcError

#: The ways in which Telegram's servers say that they have trouble.
SERVER_ERRORS = ((500, "INTERNAL"), (-503, "Timedout"), (-500, "No workers running"))


class Cut(Enum):
    """Where a connection is dropped: the request is lost, or only its answer."""

    NOT = 0
    BEFORE_WORK = 1
    AFTER_WORK = 2


class Delivery(Enum):
    """What becomes of an answer."""

    SENT = 0
    #: never sent, while pings go on being answered
    LOST = 1
    #: sent as the answer to a message that nobody has sent
    MISROUTED = 2


class Greeting(StrEnum):
    """What meets whoever connects."""

    NOTHING = ""
    CLOSE = "close"
    GARBAGE = "garbage"
    #: the connection stands, nothing is read or said
    SILENCE = "silence"


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
    #: of answers that are never sent, and that name another request
    lose_rate: float = 0.0
    misroute_rate: float = 0.0
    #: of requests that are answered FLOOD_WAIT_0
    flood_zero_rate: float = 0.0
    #: what meets new connections, as a Greeting, at these data centres, all when empty
    greeting: str = ""
    greeting_dcs: list[int] = field(default_factory=list)
    #: how the server takes its part in an auth key's making, a name of perf.simdc.handshake.STRANGE
    handshake: str = ""
    #: the only address from which connections are taken; all when empty
    only_from: str = ""
    #: how a dialog list ends, as perf.simdc.endless.Dialogs
    dialogs: str = ""
    #: methods that are hit, and accounts, by their index; all when empty
    methods: list[str] = field(default_factory=list)
    accounts: list[int] = field(default_factory=list)
    random: Random = field(default_factory=Random)

    def delay(self, method: str, account: int) -> float:
        """Seconds between a request and its answer."""
        if not self._hits(method, account):
            return 0.0
        jitter = self.random.uniform(-self.jitter_ms, self.jitter_ms) if self.jitter_ms else 0.0
        return max(0.0, self.latency_ms + jitter) / 1000

    def cut(self, method: str, account: int) -> Cut:
        """Whether and where this request's connection is dropped."""
        if not self._hits(method, account, self.drop_rate):
            return Cut.NOT
        return self.random.choice((Cut.BEFORE_WORK, Cut.AFTER_WORK))

    def delivery(self, method: str, account: int) -> Delivery:
        """What becomes of the answer to this request."""
        if self._hits(method, account, self.lose_rate):
            return Delivery.LOST
        return Delivery.MISROUTED if self._hits(method, account, self.misroute_rate) else Delivery.SENT

    def greets(self, dc_id: int) -> Greeting:
        """What meets whoever connects to this data centre."""
        return Greeting(self.greeting) if not self.greeting_dcs or dc_id in self.greeting_dcs else Greeting.NOTHING

    def part(self, data: bytes) -> bytes:
        """What is sent of a part of a file."""
        cut = self.short_rate and self.random.random() < self.short_rate
        return data[: len(data) // 2] if cut else data

    def redirects(self) -> bool:
        """Whether a part of a file is to be had from a CDN."""
        return bool(self.cdn_rate) and self.random.random() < self.cdn_rate

    def error(self, method: str, account: int) -> RpcError | None:
        """The error that answers this request for no reason of its own, mostly none."""
        if self._hits(method, account, self.flood_zero_rate):
            return RpcError(420, "FLOOD_WAIT_0")
        if not self._hits(method, account, self.error_rate):
            return None
        return RpcError(*self.random.choice(SERVER_ERRORS))

    def _hits(self, method: str, account: int, rate: float = 1.0) -> bool:
        if not rate or (self.methods and method not in self.methods) or (self.accounts and account not in self.accounts):
            return False
        return rate >= 1 or self.random.random() < rate
