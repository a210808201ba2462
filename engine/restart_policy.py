"""When to restart what exited: at once, then after pauses that double, and not for ever."""
from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable


class RestartPolicy:
    """Exits of the last `window` seconds decide; what worked for longer starts afresh."""

    def __init__(
        self,
        most: int,
        window: float,
        free: int,
        pause: float = 0.1,
        longest: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """most: restarts within the window; free: of them, those without a pause; pause, longest: seconds."""
        self.most = most
        self.window = window
        self._free = free
        self._pause = pause
        self._longest = longest
        self._clock = clock
        self._exits: deque[float] = deque()
        #: what is to be started, and when
        self._due: list[tuple[float, Callable[[], None]]] = []

    def next_delay(self) -> float | None:
        """A process exited: seconds until it may start again, None when it did so too often."""
        now = self._clock()
        while self._exits and self._exits[0] <= now - self.window:
            self._exits.popleft()
        self._exits.append(now)
        count = len(self._exits)
        if count > self.most:
            return None
        return 0.0 if count <= self._free else min(self._longest, self._pause * 2.0 ** (count - self._free - 1))

    def restart(self, start: Callable[[], None]) -> bool:
        """A process exited: start it now, or by start_due() when its pause is over; False when it did so too often."""
        pause = self.next_delay()
        if pause is None:
            return False
        self._due.append((self._clock() + pause, start))
        self.start_due()
        return True

    def start_due(self) -> None:
        """Start what has paused for long enough."""
        now = self._clock()
        due = [start for at, start in self._due if at <= now]
        self._due = [(at, start) for at, start in self._due if at > now]
        for start in due:
            start()

    def reset(self) -> None:
        """The cause was found and is dealt with: earlier exits do not count any more."""
        self._exits.clear()
