"""The write process's loop, in a thread of this process: who is connected, what is due, how it ends."""
from __future__ import annotations

import errno
import gc
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.open_files import open_files
from support.walks import lines, record
from tgbulk.engine import heartbeat
from tgbulk.engine.arena import Arena
from tgbulk.engine.channel import Channel, control_pair, data_pair
from tgbulk.engine.error import ExitCode
from tgbulk.engine.frame import pack
from tgbulk.engine.hop import Ack, Attach, Block, WorkerGone
from tgbulk.engine.metric import Outlet, Snapshot
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.id_range import IdRange
from tgbulk.stages.protocol.event import ChatEnded, ChatProgress, ChatStated, Finish, Ready, Stopped
from tgbulk.stages.protocol.receipt import PageBody, PayloadKind, Receipt
from tgbulk.stages.telegram.chat import ChatRecord
from tgbulk.stages.telegram.medium import CATEGORIES, MediaSelection, MediaStated
from tgbulk.stages.write import writer as writer_module
from tgbulk.stages.write.config import WriteConfig, WriteContext
from tgbulk.stages.write.main import main

#: Seconds after which a test has waited long enough.
PATIENCE = 10.0


@pytest.fixture(autouse=True)
def _leaks_nothing() -> Iterator[None]:
    before = open_files()
    yield
    gc.collect()  # a process leaves its selector to its end
    assert open_files().items() <= before.items()


class Serving:
    """write under way, with the ends of its neighbours. A context manager."""

    def __init__(self, root: Path, measured: bool = False, media: MediaSelection | None = None) -> None:
        self._root = root
        self._media = media
        self._arena = Arena.create("tgbulk-blocks", 4, 1 << 16)
        self.acks, self._fetch = data_pair()
        self.control, self._own = control_pair()
        self.metrics, outlet = control_pair()
        self._outlet = outlet
        self._measured = measured
        self._workers: dict[int, Channel] = {}
        self._seq = 0
        self.status: object = None
        for channel in (self.acks, self.control, self.metrics):
            channel.set_limit(PATIENCE)

    def __enter__(self) -> Serving:
        self._lock = Archive(self._root).open()
        outlet = Outlet("write", self._outlet) if self._measured else None
        config = WriteConfig(self._root, self._media)
        context = WriteContext(config, self._arena, self._fetch, self._lock, outlet)

        def work() -> None:
            try:
                main(self._own, context)
            except SystemExit as error:
                self.status = error.code

        self._thread = threading.Thread(target=work, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for worker in list(self._workers):
            self.leave(worker)
        self.control.close()
        self.join()
        for channel in (self.acks, self._fetch, self._own, self.metrics, self._outlet):
            channel.close()
        self._arena.close()
        self._lock.release()

    def join(self) -> None:
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    def attach(self, worker: int) -> None:
        self._workers[worker], end = data_pair()
        self.control.send(Attach(worker), [end.fileno()])
        end.close()

    def leave(self, worker: int) -> None:
        self._workers.pop(worker).close()

    def send(self, kind: PayloadKind, body: bytes, worker: int = 0, receipt: Receipt | None = None, **where: int) -> None:
        """One block, and wait until it is taken."""
        head, slot = pack(receipt or Receipt()), self._seq % 4
        self._arena.write(slot, head + body)
        place = where.get("range_start", 1), where.get("first", 1)
        self._workers[worker].send(Block(self._seq, slot, 0, kind, len(head), len(body), *place))
        frame, _ = self.acks.receive()
        assert isinstance(frame, Ack)
        assert (frame.seq, frame.slot) == (self._seq, slot)
        self._seq += 1

    def open(self, worker: int = 0) -> None:
        self.send(PayloadKind.OPEN, pack(record()), worker)

    def page(self, number: int, worker: int = 0, start: int = 1) -> None:
        body = PageBody([], b'{"_":"message","id":%d}\n' % number)
        receipt = Receipt(messages=1, low=number, high=number, next=number + 1)
        self.send(PayloadKind.HISTORY, pack(body), worker, receipt, first=number, range_start=start)

    def end(self, state: str = "complete", worker: int = 0) -> None:
        one: ChatRecord = record()
        one.state = state
        self.send(PayloadKind.CLOSE, pack(one), worker)

    def until(self, enough: Callable[[Any], bool]) -> list[Any]:
        """What write tells the supervisor up to there."""
        found: list[Any] = []
        while not found or not enough(found[-1]):
            found.append(self.control.receive()[0])
        return found


def is_a(*kinds: type) -> Callable[[Any], bool]:
    return lambda frame: isinstance(frame, kinds)


def test_it_ends_when_it_is_asked_to_and_no_worker_is_left(tmp_path: Path) -> None:
    """In whatever order; what came last is kept."""
    with Serving(tmp_path) as write:
        assert write.until(is_a(Ready)) == [Ready()]
        for worker in (4, 7):
            write.attach(worker)
        write.open(4)
        write.leave(4)
        assert write.acks.receive()[0] == WorkerGone(4)
        write.page(1, 7)
        write.control.send(Finish())
        write.page(2, 7)
        write.end(worker=7)
        write.leave(7)
        assert write.acks.receive()[0] == WorkerGone(7)
        assert isinstance(write.until(is_a(ChatEnded))[-1], ChatEnded)
        write.join()
    assert write.status is None
    assert [one["id"] for one in lines(tmp_path)] == [1, 2]


def test_without_workers_it_waits_to_be_asked(tmp_path: Path) -> None:
    with Serving(tmp_path) as write:
        write.until(is_a(Ready))
        for worker in (0, 1):
            write.attach(worker)
            write.leave(worker)
            assert write.acks.receive()[0] == WorkerGone(worker)
        write.attach(2)
        write.open(2)
        write.leave(2)
        write.acks.receive()
        write.control.send(Finish())
        write.join()


def test_a_commit_comes_by_itself_when_it_is_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "COMMIT_SECONDS", 0.05)
    with Serving(tmp_path) as write:
        write.attach(0)
        write.open()
        for number in (1, 2):
            write.page(number)
            assert write.until(is_a(ChatProgress))[-1] == ChatProgress(0, number)


def test_what_is_due_later_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also for nobody to be told of it."""
    monkeypatch.setattr(writer_module, "COMMIT_SECONDS", 10 * PATIENCE)
    with Serving(tmp_path) as write:
        write.until(is_a(Ready))
        write.attach(0)
        write.open()
        for number in range(1, 5):
            write.page(number)
        write.control.set_blocking(False)
        with pytest.raises(BlockingIOError):
            write.control.receive()
        write.control.set_blocking(True)
        write.leave(0)
        write.control.send(Finish())
        assert write.until(is_a(ChatProgress))[-1] == ChatProgress(0, 4)
        write.join()


def test_what_is_left_to_be_joined_is_joined_while_nothing_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As soon as nothing does: what is due later than any test waits is not waited for."""
    monkeypatch.setattr(writer_module, "JOIN_BYTES", 1)
    with Serving(tmp_path) as write:
        write.attach(0)
        write.open()
        for number in (1, 11, 21, 31):
            write.page(number, start=number)
        write.end("gaps")
        monkeypatch.setattr(writer_module.Writer, "_expect_commit", lambda self, due=None: None)
        stated = write.until(is_a(ChatStated))[-1]
        assert stated.statement["missing"] == [IdRange(2, 11).closed(), IdRange(12, 21).closed(), IdRange(22, 31).closed()]


def test_it_lives_and_is_measured(tmp_path: Path) -> None:
    media = MediaSelection(frozenset(CATEGORIES))
    beats = heartbeat._own[0]
    with Serving(tmp_path, True, media) as write:
        write.attach(0)
        write.open()
        write.page(1)
        write.end()
        write.leave(0)
        write.control.send(Finish())
        assert write.until(is_a(MediaStated))
        write.join()
        assert heartbeat._own[0] >= beats + 5
        snapshot: Snapshot = write.metrics.receive()[0]
        while not snapshot.last:
            snapshot = write.metrics.receive()[0]
    counts = {one.name: one.histogram.count for one in snapshot.distributions}
    assert (snapshot.process, counts["block"], counts["commit"] >= 1, counts["upstream"] >= 4) == ("write", 3, True, True)
    assert {one.name: one.value for one in snapshot.numbers}["messages"] == 1


@pytest.mark.parametrize(("error", "said", "code"), [
    (OSError(errno.EIO, "Input/output error"), "{archive}: Input/output error", ExitCode.STORAGE),
    (OSError(errno.ENOSPC, "No space left on device", "{archive}/journal"), "{archive}/journal: No space", ExitCode.STORAGE),
    (OSError(errno.EMFILE, "Too many open files"), "the system ran out of resources: too many open files", ExitCode.LIMIT),
])
def test_what_the_system_refuses_is_said_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, said: str, code: ExitCode
) -> None:
    if error.filename:
        error.filename = error.filename.replace("{archive}", str(tmp_path))

    def refused(*_: object) -> None:
        raise error

    monkeypatch.setattr(writer_module.Writer, "__init__", refused)
    with Serving(tmp_path) as write:
        stopped = write.until(is_a(Stopped))[-1]
        write.join()
    assert stopped.reason.startswith(said.replace("{archive}", str(tmp_path)))
    assert (stopped.code, write.status) == (code, code)
    assert os.listdir(tmp_path / "chats") == []


