"""Time that passes faster for some processes, by fast_clock.c: a day of theirs takes minutes."""
from __future__ import annotations

import mmap
import struct
import subprocess
import time
from pathlib import Path

_PACE = struct.Struct("<Qdqq")


class FastClock:
    """The clock of whoever has its `variables`; it begins as the right one."""

    def __init__(self, folder: Path) -> None:
        """folder: a new one. It needs gcc."""
        folder.mkdir()
        self._library, self._file = folder / "fast_clock.so", folder / "pace"
        source = Path(__file__).with_suffix(".c")
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", self._library, source], check=True)
        self._file.write_bytes(_PACE.pack(0, 1.0, 0, 0))
        with self._file.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _PACE.size)
        self._turn = 0
        self.speed, self._since, self._ahead = 1.0, time.monotonic_ns(), 0

    @property
    def variables(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self._library), "FAST_CLOCK": str(self._file)}

    @property
    def ahead(self) -> float:
        """Seconds by which it is ahead of ours."""
        return self._ahead_at(time.monotonic_ns()) / 1e9

    def run(self, speed: float) -> None:
        """So fast from now on. What waits just now waits as long as it would have."""
        now = time.monotonic_ns()
        self._ahead = self._ahead_at(now)
        self.speed, self._since = speed, now
        self._turn += 2
        self._map[:8] = struct.pack("<Q", self._turn - 1)
        self._map[8:] = _PACE.pack(0, speed, now, self._ahead)[8:]
        self._map[:8] = struct.pack("<Q", self._turn)

    def _ahead_at(self, now: int) -> int:
        return self._ahead + int((self.speed - 1.0) * (now - self._since))
