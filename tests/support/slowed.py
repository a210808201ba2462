"""Stages that are slow on purpose, started in the place of the real ones; each times itself by a clock of its own.

What a stage is told (its configuration) stays as it is, so where the clocks are kept comes from SLOWED_FOLDER.
"""
from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tgbulk.stages.fetch import main as fetch_main
from tgbulk.stages.fetch.history import RawHistory
from tgbulk.stages.process import worker
from tgbulk.stages.write import main as write_main
from tgbulk.stages.write.writer import Writer

#: CPU seconds that a page costs more, and seconds that a sync of a file takes longer.
PAGE_SECONDS = 0.05
SYNC_SECONDS = 0.4


class Clock:
    """Adds up what calls take."""

    def __init__(self, name: str) -> None:
        self._path = Path(os.environ["SLOWED_FOLDER"]) / f"{name}.json"
        self.count = 0
        self.total = 0.0

    def add(self, since: float) -> None:
        self.count += 1
        self.total += time.perf_counter() - since

    def around(self, function: Callable[..., Any], before: Callable[[], None] = lambda: None) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            since = time.perf_counter()
            before()
            try:
                return function(*arguments)
            finally:
                self.add(since)

        return timed

    def save(self) -> None:
        self._path.write_text(json.dumps({"count": self.count, "total": self.total}))


class SideBySide(Clock):
    """Adds up the time in which any of its calls is under way: they come from several threads."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._one = threading.Lock()
        self._under_way = 0
        self._since = 0.0

    def around(self, function: Callable[..., Any], before: Callable[[], None] = lambda: None) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            with self._one:
                self._under_way += 1
                if self._under_way == 1:
                    self._since = time.perf_counter()
            try:
                before()
                return function(*arguments)
            finally:
                with self._one:
                    self._under_way -= 1
                    if not self._under_way:
                        self.add(self._since)

        return timed


def process(*arguments: Any) -> None:
    """Every page costs PAGE_SECONDS of CPU more."""
    clock = Clock("process")
    worker._handle = clock.around(worker._handle, lambda: burn(PAGE_SECONDS))
    run(worker.main, arguments, clock)


def write(*arguments: Any) -> None:
    """Every sync takes SYNC_SECONDS longer, as on a disk that others use."""
    clock, disk = Clock("commit"), SideBySide("disk")
    Writer.commit = clock.around(Writer.commit)  # type: ignore[method-assign]
    os.fdatasync = disk.around(os.fdatasync, lambda: time.sleep(SYNC_SECONDS))
    run(write_main.main, arguments, clock, disk)


def fetch(*arguments: Any) -> None:
    """As it is; the time between a request for a page and its answer is taken at Telethon's sender."""
    from telethon.network.mtprotosender import MTProtoSender

    clock = Clock("fetch")
    send = MTProtoSender.send

    def timed(sender: MTProtoSender, request: Any, ordered: bool = False) -> Any:
        since = time.perf_counter()
        answer = send(sender, request, ordered)
        if isinstance(request, RawHistory):
            answer.add_done_callback(lambda _: clock.add(since))
        return answer

    MTProtoSender.send = timed
    run(fetch_main.main, arguments, clock)


def burn(seconds: float) -> None:
    """Use so much CPU time, however long that takes."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def run(main: Callable[..., None], arguments: tuple[Any, ...], *clocks: Clock) -> None:
    try:
        main(*arguments)
    finally:
        for clock in clocks:
            clock.save()
