"""What systemd is told of a service: that it is ready, and that it is alive (sd_notify(3))."""
from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from typing import Any

from tgbulk.cli.reporting import Reporter
from tgbulk.stages.protocol.event import FollowState
from tgbulk.stages.run.watcher import Tee

#: Seconds without a report of the follower after which it is not called alive.
SILENT_SECONDS = 30.0


class ServiceNotifier:
    """A watcher of a run that follows. Without a supervisor that wants to know, it does nothing."""

    live = False

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        #: seconds between two signs of life, half of what is asked for
        self._every = int(environment.get("WATCHDOG_USEC") or 0) / 2e6
        self._next = 0.0
        self._heard = float("-inf")
        self._ready = False

    def on_start(self, run: str, chats: int) -> None:
        self._heard = time.monotonic()

    def on_event(self, event: Any) -> None:
        self._heard = time.monotonic()
        if isinstance(event, FollowState):
            status = f"STATUS={event.chats} chats, {event.pushes} pushes, {event.differences} differences"
            self._send(status if self._ready else f"READY=1\n{status}")
            self._ready = True

    def tick(self) -> None:
        now = time.monotonic()
        if self._every and now >= self._next and now - self._heard < SILENT_SECONDS:
            self._next = now + self._every
            self._send("WATCHDOG=1")

    def on_end(self, *_: Any) -> None:
        self._send("STOPPING=1")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
                out.setblocking(False)
                out.sendto(text.encode(), address)
        except OSError:
            pass  # nobody there, or too busy to hear it: the next one tells the same


def notifying(reporter: Reporter) -> Tee:
    """The reporter, and systemd."""
    return Tee([reporter, ServiceNotifier()])
