"""Metrics of one process: cumulative numbers and histograms, sent once a second to the process that collects them.

Sending costs the work nothing: a thread does it, over a channel that is never waited for. As everything is cumulative, a
snapshot that was dropped is made good by the next one. Numbers and histograms have a name and a label; how they are to be
understood is for those who name them and those who read them.
"""
import os
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import monotonic
from types import TracebackType

from tgbulk.engine.channel import Channel, ChannelClosed
from tgbulk.engine.frame import FrameError, frame
from tgbulk.engine.heartbeat import leave_stack_to_main
from tgbulk.engine.histogram import Histogram

#: Seconds between two snapshots.
PERIOD = 1.0
#: Labels of one name; what comes later is counted under OTHER.
LABELS = 64
OTHER = "other"


@dataclass(slots=True)
class Number:
    """A cumulative count, or a value as it is now."""

    name: str
    label: str
    value: float


@dataclass(slots=True)
class Distribution:
    """The histogram of one name and label."""

    name: str
    label: str
    histogram: Histogram


@dataclass(frozen=True, slots=True)
class Outlet:
    """Where a process sends its metrics, and under which name."""

    process: str
    channel: Channel


@frame
@dataclass(slots=True)
class Snapshot:
    """All that a process has measured since it began."""

    process: str
    pid: int
    #: monotonic seconds, the same for all processes of a machine
    started: float
    at: float
    #: CPU seconds of the whole process, and of sending
    cpu: float
    own_cpu: float
    #: snapshots that nobody took
    dropped: int
    #: whether the process leaves in order and this is its last one
    last: bool
    #: the innermost span under way and its seconds so far, "" for none
    doing: str
    since: float
    numbers: list[Number]
    distributions: list[Distribution]


class Span:
    """Times a block, again and again, and leaves out the spans within it; what Meter.span() gives."""

    __slots__ = ("_histogram", "_meter", "_outer", "_within", "name", "start")

    def __init__(self, meter: "Meter", name: str, histogram: Histogram) -> None:
        self._meter = meter
        self._histogram = histogram
        self.name = name

    def __enter__(self) -> None:
        meter = self._meter
        self._outer = meter.open
        self._within = 0.0
        self.start = monotonic()
        meter.open = self

    def __exit__(self, *_: object) -> None:
        seconds = monotonic() - self.start
        self._meter.open = outer = self._outer
        self._histogram.add(seconds - self._within)
        if outer is not None:
            outer._within += seconds


class Meter:
    """Counts for its process, and sends while it is entered. Only one thread may count."""

    def __init__(self, outlet: Outlet | None) -> None:
        """Without an outlet it counts and sends nothing."""
        self._outlet = outlet
        self._numbers: dict[tuple[str, str], float] = {}
        self._histograms: dict[tuple[str, str], Histogram] = {}
        self._labels: dict[str, set[str]] = {}
        self._sources: list[Callable[[], Iterable[Number]]] = []
        self._dropped = 0
        self._own_cpu = 0.0
        self._leaving = threading.Event()
        self._thread: threading.Thread | None = None
        #: the innermost span under way
        self.open: Span | None = None
        self.started = monotonic()

    def __enter__(self) -> "Meter":
        if self._outlet is not None:
            self._outlet.channel.set_blocking(False)
            self._thread = threading.Thread(target=self._send_periodically, name="metrics", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leaving.set()
        if self._thread is not None:
            self._thread.join()
            self.notify(last=True)

    def count(self, name: str, amount: float = 1, label: str = "") -> None:
        """Add to a number."""
        key = name, label
        if key not in self._numbers:
            key = self._admit(name, label)
        self._numbers[key] = self._numbers.get(key, 0) + amount

    def set(self, name: str, value: float, label: str = "") -> None:
        """Replace a number."""
        self._numbers[self._admit(name, label)] = value

    def observe(self, name: str, value: float, label: str = "") -> None:
        """Add a value, in seconds as a rule, to a histogram."""
        histogram = self._histograms.get((name, label))
        if histogram is None:
            histogram = self._histogram(name, label)
        histogram.add(value)

    def span(self, name: str) -> Span:
        """A context manager that observes how long its block takes, without the spans in it.

        Make it once and enter it often, but not within itself, and not in coroutines.
        """
        return Span(self, name, self._histogram(name, ""))

    def watch(self, source: Callable[[], Iterable[Number]]) -> None:
        """Numbers that somebody else keeps, asked for at every snapshot, by the thread that sends."""
        self._sources.append(source)

    def snapshot(self, last: bool = False) -> Snapshot:
        """What was counted so far."""
        now = monotonic()
        span = self.open
        watched = [number for source in self._sources for number in source()]
        return Snapshot(
            self._outlet.process if self._outlet else "",
            os.getpid(),
            self.started,
            now,
            time.process_time(),
            self._own_cpu,
            self._dropped,
            last,
            span.name if span else "",
            max(0.0, now - span.start) if span else 0.0,
            [Number(*key, value) for key, value in list(self._numbers.items())] + watched,
            [Distribution(*key, value.copy()) for key, value in list(self._histograms.items())],
        )

    def notify(self, last: bool = False) -> bool:
        """Send a snapshot, or drop it; False when nobody is left to receive it."""
        assert self._outlet is not None
        try:
            self._outlet.channel.send(self.snapshot(last))
        except (BlockingIOError, FrameError):  # nobody takes it, or it is too large to be taken
            self._dropped += 1
        except (ChannelClosed, OSError):
            return False
        return True

    def _send_periodically(self) -> None:
        leave_stack_to_main()
        while self.notify():
            self._own_cpu = time.thread_time()
            if self._leaving.wait(PERIOD):
                return

    def _histogram(self, name: str, label: str) -> Histogram:
        return self._histograms.setdefault(self._admit(name, label), Histogram())

    def _admit(self, name: str, label: str) -> tuple[str, str]:
        known = self._labels.setdefault(name, set())
        if label not in known and len(known) >= LABELS:
            return name, OTHER
        known.add(label)
        return name, label
