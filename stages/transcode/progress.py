"""ffmpeg's -progress: blocks of key=value lines, each ended by progress=continue or progress=end."""
from __future__ import annotations

#: Bytes of a line that does not end; what is longer is no progress.
LINE_LIMIT = 4096
_GROWING = ("frame", "out_time_us", "total_size")


class Progress:
    """Feed it standard output; it knows whether anything grew."""

    def __init__(self) -> None:
        self._rest = b""
        self._values: dict[str, int] = {}
        #: times real time, 0 unknown
        self.speed = 0.0

    @property
    def seconds(self) -> float:
        """How much of the film is written."""
        return self._values.get("out_time_us", 0) / 1e6

    def hear(self, data: bytes) -> bool:
        """Take some bytes; True when a frame, a time or a size in them is larger than before."""
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[:LINE_LIMIT]
        grew = False
        for line in lines:
            key, _, value = line.decode("ascii", "replace").partition("=")
            if key in _GROWING and value.strip().isdecimal():  # N/A before the first frame
                number = int(value)
                grew = grew or number > self._values.get(key, 0)
                self._values[key] = max(number, self._values.get(key, 0))
            elif key == "speed":
                try:
                    self.speed = float(value.strip().rstrip("x"))
                except ValueError:
                    self.speed = 0.0
        return grew
