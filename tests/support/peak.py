"""The memory of a command with all its processes, while it runs."""
from __future__ import annotations

import threading

import psutil

from support.exporter import members

#: Bytes that all processes of a run may have, a page that several share counted once.
MOST = 600 << 20
#: Seconds between two looks.
LOOK = 0.5


class Peak(threading.Thread):
    """Looks at the processes of a session until it is told to stop."""

    def __init__(self, session: int) -> None:
        super().__init__(daemon=True)
        self._session = session
        self._over = threading.Event()
        self.bytes = 0
        self.start()

    def run(self) -> None:
        over = False
        while not over:
            total = 0
            for process in members(self._session):
                try:
                    total += process.memory_full_info().pss
                except psutil.Error:
                    pass  # it ended just now
            self.bytes = max(self.bytes, total)
            over = self._over.wait(LOOK)

    def stop(self) -> int:
        self._over.set()
        self.join()
        return self.bytes
