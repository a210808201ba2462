"""A method that floods for hours when it is called too often: some calls at once, and then no more than so many a second."""
from __future__ import annotations

from collections.abc import Callable

from tgbulk.stages.fetch.bucket import Bucket


class Allowance(Bucket):
    """A bucket whose first calls do not wait for its rate."""

    def __init__(self, most: int, rate: float, free: int, on_pace: Callable[[], None]) -> None:
        """free: how many they are; on_pace: called when one has to wait for the first time."""
        super().__init__(most, rate)
        self._paced, self.rate = rate, None
        self._free = free
        self._on_pace = on_pace

    async def enter(self) -> None:
        self._free -= 1
        if self._free == -1:
            self._on_pace()
        if self._free <= 0 and self.rate is None:
            self.rate = self._paced
        await super().enter()
