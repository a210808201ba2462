"""Pauses that grow while something fails, and never come at the same moment for everybody."""
from __future__ import annotations

import random

#: Seconds of the first pause, and of the longest.
FIRST_SECONDS = 0.5
LONGEST_SECONDS = 30.0
#: A pause is longer or shorter by this share.
JITTER = 0.25


class Backoff:
    """Doubles from FIRST_SECONDS to `longest`, until reset(); where `at_once`, none follows the first failure."""

    def __init__(self, longest: float = LONGEST_SECONDS, *, at_once: bool = False) -> None:
        self._longest = longest
        self._at_once = at_once
        #: failures since the last reset
        self.failures = 0

    def failed(self) -> float:
        """One more failure: seconds to wait before the next attempt."""
        self.failures += 1
        step = self.failures - self._at_once - 1
        if step < 0:
            return 0.0
        # The exponent is bounded too: a float has no room for 2 to the 2000.
        return min(self._longest, FIRST_SECONDS * 2.0 ** min(step, 30)) * random.uniform(1 - JITTER, 1 + JITTER)

    def reset(self) -> None:
        """It works again."""
        self.failures = 0
