"""A request to stop, for every thread of a process."""
from __future__ import annotations

import os
import threading


class Stop:
    """A request to stop that every thread's selector can wait for."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        self._lock = threading.Lock()
        self.requested = False
        #: nobody waits for children to leave by themselves
        self.at_once = False

    def request(self, at_once: bool = False) -> None:
        """Ask; for good."""
        with self._lock:
            self.at_once = self.at_once or at_once
            if not self.requested:
                self.requested = True
                os.close(self._writer)  # the reading end is readable from now on

    def fileno(self) -> int:
        return self._reader
