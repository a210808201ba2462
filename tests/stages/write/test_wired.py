"""Workers and write as the processes that they are; fetch's side of the ring is here."""
from __future__ import annotations

import gc
import os
import random
import resource
import select
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from support import telegram_page as made
from tgbulk.engine.arena import Arena
from tgbulk.engine.channel import ChannelClosed, data_pair
from tgbulk.engine.error import ExitCode
from tgbulk.engine.frame import pack
from tgbulk.engine.hop import Attach
from tgbulk.engine.lock import Lock
from tgbulk.engine.ring import BLOCK_SIZE, FRAME_SIZE, SLOTS, Ring
from tgbulk.engine.supervisor import Child, Exited, Received, Supervisor
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.id_range import UNBOUNDED
from tgbulk.stages.process.config import WorkerContext
from tgbulk.stages.protocol.event import ChatEnded, Finish, Ready, Stopped
from tgbulk.stages.protocol.receipt import PayloadKind
from tgbulk.stages.run.attempt import EntryPoints
from tgbulk.stages.telegram.chat import ChatRecord
from tgbulk.stages.write.config import WriteConfig, WriteContext

#: Seconds after which a test has waited long enough.
PATIENCE = 20.0
CHATS = 12
PAGES = 25
#: Messages of a page.
LIMIT = 10


class Wired:
    """A supervisor, write and workers, in the topology of a run."""

    def __init__(self, root: Path, workers: int) -> None:
        self.lock = Archive(root).open()
        self._arenas = Arena.create("tgbulk-frames", SLOTS, FRAME_SIZE), Arena.create("tgbulk-blocks", SLOTS, BLOCK_SIZE)
        self.ring = Ring(*self._arenas, lambda seq, _: self.on_receipt(seq), lambda: None, lambda seq: self.on_lost(seq))
        self.on_receipt: Callable[[int], None] = lambda seq: None
        self.on_lost: Callable[[int], None] = lambda seq: None
        self.told: list[Any] = []
        self._closed = False
        self.supervisor = Supervisor(["tgbulk.stages.process.worker", "tgbulk.stages.write.main"]).__enter__()
        told, self.events = data_pair()
        self.events.set_blocking(False)
        config = WriteConfig(root)
        self.write = self.supervisor.start(
            "write", EntryPoints.write, WriteContext(config, self._arenas[1], told, self.lock)
        )
        told.close()
        self.lock.release()
        self.workers: list[Child] = []
        for _ in range(workers):
            self.start_worker()
        self.until(lambda: Ready() in self.told and all(child.pid for child in self.supervisor.children))

    def start_worker(self) -> None:
        number = len(self.workers)
        to_worker, pages = data_pair()
        blocks, from_worker = data_pair()
        context = WorkerContext(pages, blocks, *self._arenas)
        self.workers.append(self.supervisor.start(f"process-{number}", EntryPoints.process, context))
        self.write.control.send(Attach(number), [from_worker.fileno()])
        self.ring.attach(number, to_worker)
        for channel in (pages, blocks, from_worker):
            channel.close()

    def receive(self) -> bool:
        """Take in what write said, wait a little for it. False when write is gone."""
        select.select([self.events], [], [], 0.05)
        try:
            while True:
                self.ring.handle(self.events.receive()[0])
        except BlockingIOError:
            return True
        except ChannelClosed:
            return False

    def until(self, enough: Callable[[], bool]) -> None:
        """Listen to the supervisor until it is enough."""
        until = time.monotonic() + PATIENCE
        for event in self.supervisor.events():
            if isinstance(event, Received):
                self.told.append(event.frame)
            elif isinstance(event, Exited):
                self.told.append(event.child.name)
            if enough():
                return
            assert time.monotonic() < until, self.told

    def submit(self, payload: bytes, **where: int) -> int:
        return self.ring.submit(payload, **{"stream": 0, "bound": UNBOUNDED, **where})

    def settle(self) -> None:
        until = time.monotonic() + PATIENCE
        while not self.ring.idle():
            self.receive()
            assert time.monotonic() < until

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self.ring.close_workers()
        self.supervisor.__exit__(None, None, None)
        self.events.close()
        for arena in self._arenas:
            arena.close()


Wire = Callable[[int], Wired]


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    """Starts so many workers and write on an archive in tmp_path; ends what a test leaves."""
    gc.collect()  # what earlier tests of this process left open is closed now, not in between
    before = len(os.listdir("/proc/self/fd"))
    started: list[Wired] = []

    def start(workers: int) -> Wired:
        started.append(Wired(tmp_path, workers))
        return started[-1]

    yield start
    for wired in started:
        wired.close()
    assert len(os.listdir("/proc/self/fd")) == before


def record(marked_id: int, state: str = "open") -> ChatRecord:
    return ChatRecord(marked_id, "channel", "Title", 77, state=state)


def ids(root: Path, marked_id: int) -> list[int]:
    text = (root / "chats" / str(marked_id) / "messages.jsonl").read_bytes()
    return [orjson.loads(line)["id"] for line in text.splitlines()]


class Feed:
    """CHATS chats of PAGES pages, one page of each on its way at a time."""

    def __init__(self, wired: Wired) -> None:
        self.wired = wired
        self.done = 0
        self._sent: dict[int, tuple[int, int]] = {}
        self._due: list[tuple[int, int]] = [(chat, -1) for chat in range(1, CHATS + 1)]
        wired.on_receipt = self._received
        wired.on_lost = lambda seq: self._due.append(self._sent[seq])

    def pump(self) -> None:
        while self._due:
            chat, number = self._due.pop()
            if number == -1:
                seq = self.wired.submit(pack(record(chat)), stream=chat, kind=PayloadKind.OPEN)
            elif number == PAGES:
                seq = self.wired.submit(pack(record(chat, "complete")), stream=chat, kind=PayloadKind.CLOSE)
            else:
                first = number * LIMIT + 1
                payload = made.page([made.message(n, "x" * 200) for n in range(first, first + LIMIT)])
                seq = self.wired.submit(payload, stream=chat, kind=PayloadKind.HISTORY, range_start=1, first=first)
            self._sent[seq] = chat, number

    def _received(self, seq: int) -> None:
        chat, number = self._sent.pop(seq)
        self.done += 1
        if number < PAGES:
            self._due.append((chat, number + 1))


def test_pages_survive_their_workers(tmp_path: Path, wire: Wire) -> None:
    """Workers are killed while pages flow: every message once, in order, and an orderly end."""
    wired = wire(3)
    feed, source, killed = Feed(wired), random.Random(1), 0
    until = time.monotonic() + PATIENCE
    while feed.done < CHATS * (PAGES + 2):
        feed.pump()
        if feed.done // 30 > killed:
            living = [child for child in wired.workers if child.pid and child.status is None]
            os.kill(source.choice(living).pid, signal.SIGKILL)
            killed += 1
            wired.start_worker()
            wired.until(lambda: wired.workers[-1].pid > 0 and _deaths(wired) == len(wired.workers) - 3)
        wired.receive()
        assert time.monotonic() < until, feed.done
    wired.settle()
    wired.ring.close_workers()
    wired.until(lambda: _deaths(wired) == len(wired.workers))
    assert "write" not in wired.told
    wired.write.control.send(Finish())
    wired.until(lambda: wired.told[-1] == "write")
    assert wired.write.status == 0
    assert sorted(child.status or 0 for child in wired.workers) == [-9] * killed + [0] * 3
    assert killed >= 8
    ended = [frame for frame in wired.told if isinstance(frame, ChatEnded)]
    assert sorted(frame.marked_id for frame in ended) == list(range(1, CHATS + 1))
    wired.close()
    for chat in range(1, CHATS + 1):
        assert ids(tmp_path, chat) == list(range(1, PAGES * LIMIT + 1))


def _deaths(wired: Wired) -> int:
    return sum(child.status is not None for child in wired.workers)


def test_write_keeps_what_it_had_when_the_supervisor_is_gone(tmp_path: Path, wire: Wire) -> None:
    wired = wire(1)
    wired.submit(pack(record(5)), kind=PayloadKind.OPEN)
    wired.submit(made.page([made.message(1)]), kind=PayloadKind.HISTORY, range_start=1, first=1)
    wired.settle()
    with pytest.raises(Exception, match="in use by process"):
        Lock(tmp_path / "lock", "archive").acquire()
    wired.close()
    again = wire(1)
    answered: list[int] = []
    again.on_receipt = answered.append
    again.submit(pack(record(5, "complete")), kind=PayloadKind.OPEN)
    again.submit(pack(record(5, "complete")), kind=PayloadKind.CLOSE)
    again.settle()
    assert answered == [0, 1]
    again.close()
    assert ids(tmp_path, 5) == [1]


def test_a_disk_without_room_is_told_and_nothing_is_torn(tmp_path: Path, wire: Wire) -> None:
    """The limit is of one file's size: as real as a full disk, for one process alone."""
    wired = wire(1)
    resource.prlimit(wired.write.pid, resource.RLIMIT_FSIZE, (20_000, 20_000))
    wired.submit(pack(record(5)), kind=PayloadKind.OPEN)
    for number in range(1, 20):
        page = made.page([made.message(number, "x" * 3000)])
        wired.submit(page, kind=PayloadKind.HISTORY, range_start=1, first=number)
    while wired.receive():
        pass
    wired.until(lambda: "write" in wired.told)
    stopped = next(frame for frame in wired.told if isinstance(frame, Stopped))
    assert (stopped.reason, stopped.code) == (f"{tmp_path}: File too large", ExitCode.STORAGE)
    assert wired.write.status == ExitCode.STORAGE
    wired.close()

    again = wire(1)
    again.submit(pack(record(5)), kind=PayloadKind.OPEN)
    again.submit(pack(record(5, "failed")), kind=PayloadKind.CLOSE)
    again.settle()
    again.close()
    found = ids(tmp_path, 5)
    assert found == list(range(1, len(found) + 1))
