"""The simulated data centre of a case, the programs that are logged in there, and what it saw of a run."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from tgbulk.perf.bench.chat import Chat
from tgbulk.perf.simdc.corpus.build import FIRST_BULK
from tgbulk.perf.simdc.launcher import SimDC
from tgbulk.perf.simdc.world import CHANNEL_MARK

HISTORY = "messages.getHistory"


@dataclass(frozen=True, slots=True)
class Limit:
    """getHistory calls a second and at once, for each account."""

    rate: float
    burst: float


@dataclass(slots=True)
class Traffic:
    """What the server saw of one run."""

    #: method -> calls
    calls: dict[str, int]
    #: getHistory calls that were answered with a page
    pages: int
    #: getHistory calls that were told to wait, and those made although such a wait was not over
    floods: int
    early: int
    #: accounts that called getHistory
    accounts: int
    #: time.monotonic() of the first and the last getHistory answer
    first: float
    last: float
    #: CPU seconds of the server
    cpu: float

    @property
    def span(self) -> float:
        """Seconds from the first to the last getHistory answer."""
        return self.last - self.first

    @property
    def flood_share(self) -> float:
        """Floods for each getHistory call, asked too early or not."""
        return (self.floods + self.early) / max(1, self.calls.get(HISTORY, 0))


class Server:
    """A simulated data centre with these chats, as a context manager. `latency` is in milliseconds."""

    def __init__(
        self, chats: Sequence[Chat], folder: Path, *, latency: float = 0.0, limit: Limit | None = None, accounts: int = 1
    ) -> None:
        self.chats = tuple(chats)
        self.latency = latency
        self.limit = limit
        self._folder = folder
        self._homes: dict[str, Path] = {}
        self._cpu = 0.0
        words = ["--latency", str(latency), "--accounts", str(accounts)]
        for chat in chats:
            files = ["--files", f"{chat.name}={chat.messages}x{chat.file_size}"]
            words += files if chat.file_size else ["--bulk", f"{chat.name}={chat.messages}"]
        self._dc = SimDC(*words)

    def __enter__(self) -> Server:
        self._dc.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._dc.__exit__(kind, error, trace)

    @property
    def file(self) -> Path:
        """For tgbulk --server."""
        return self._dc.server_file

    @property
    def settings(self) -> dict[str, Any]:
        """The server file, parsed."""
        return self._dc.settings

    @property
    def accounts(self) -> list[dict[str, str]]:
        """Who can log in: phone, code, perhaps password."""
        return self._dc.accounts

    def home(self, name: str, prepare: Callable[[Server, Path], None]) -> Path:
        """The folder of the program of this name, in which `prepare` has logged it in here."""
        home = self._homes.get(name)
        if home is None:
            home = self._folder / f"home-{self.settings['port']}-{name.replace(' ', '-')}"
            home.mkdir()
            prepare(self, home)
            self._homes[name] = home
        return home

    def marked_id(self, chat: Chat) -> int:
        """Of one without files."""
        bulk = [one for one in self.chats if not one.file_size]
        return -CHANNEL_MARK - FIRST_BULK - bulk.index(chat)

    def change(self, chat: Chat) -> None:
        """Edit a message of this chat, and delete another one."""
        self._dc.control("mutate", chat=chat.username, edit=1, delete=1)

    def insert(self, chats: Sequence[Chat], rate: float) -> None:
        """Messages come in each of these chats, so many a second."""
        for chat in chats:
            self._dc.control("mutate", chat=chat.username, rates={"insert": rate})

    def inserted(self) -> int:
        """Messages that came since the start."""
        return sum(one["do"] == "insert" for one in self._dc.control("mutations"))

    def begin(self) -> None:
        """Count from zero, with all that an account may ask at once."""
        self._dc.control("reset")
        if self.limit is not None:
            self._dc.control("flood", method=HISTORY, rate=self.limit.rate, burst=self.limit.burst)
        self._cpu = self._cpu_now()

    def traffic(self) -> Traffic:
        """What happened since `begin`."""
        cpu = self._cpu_now() - self._cpu
        counters = self._dc.counters()
        methods = counters["methods"]
        history = methods.get(HISTORY, {"calls": 0, "floods": 0, "early": 0, "errors": {}})
        first, last = counters["moments"].get(HISTORY, (0.0, 0.0))
        return Traffic(
            calls={name: count["calls"] for name, count in methods.items()},
            pages=history["calls"] - sum(history["errors"].values()),
            floods=history["floods"],
            early=history["early"],
            accounts=sum(HISTORY in account["methods"] for account in counters["accounts"].values()),
            first=first,
            last=last,
            cpu=cpu,
        )

    def _cpu_now(self) -> float:
        times = psutil.Process(self._dc.pid).cpu_times()
        return float(times.user + times.system)
