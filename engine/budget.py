"""What dies is started again: at once, then after pauses that double, and not for ever."""
from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable


class Budget:
    """Deaths of the last `window` seconds decide; what worked for longer starts afresh."""

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
        self._deaths: deque[float] = deque()
        #: what is to be started, and when
        self._due: list[tuple[float, Callable[[], None]]] = []

    def spend(self) -> float | None:
        """It died: seconds until it may start again, None when it died too often."""
        now = self._clock()
        while self._deaths and self._deaths[0] <= now - self.window:
            self._deaths.popleft()
        self._deaths.append(now)
        count = len(self._deaths)
        if count > self.most:
            return None
        return 0.0 if count <= self._free else min(self._longest, self._pause * 2.0 ** (count - self._free - 1))

    def again(self, start: Callable[[], None]) -> bool:
        """It died: start it now, or by start_due() when its pause is over; False when it died too often."""
        pause = self.spend()
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

    def forgive(self) -> None:
        """What it died of was found and is dealt with."""
        self._deaths.clear()
