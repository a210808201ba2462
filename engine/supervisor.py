"""The supervisor: starts the processes of a run, receives their messages, notices their exits, turns signals into events.

It decides nothing: `events()` yields what happened, in order, and the run (stages/run/) acts on it.
"""
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import msgpack

from tgbulk.engine.arena import overflow
from tgbulk.engine.channel import MAX_DESCRIPTORS, Channel, ChannelClosed, control_pair
from tgbulk.engine.descriptor import dump
from tgbulk.engine.entry import Context, EntryPoint
from tgbulk.engine.error import LimitError, TgbulkError
from tgbulk.engine.forkserver import GRACE
from tgbulk.engine.heartbeat import Watch

#: Seconds between two ticks.
TICK = 0.2
#: Seconds that the fork server has to import its modules.
START_LIMIT = 60.0
#: Seconds without a sign of life after which a process hangs, unless the caller sets another limit.
PATIENCE = 60.0
#: Seconds beyond the children's grace after which a fork server that does not leave is killed.
STOP_LIMIT = 5.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class ForkServerEndedError(TgbulkError):
    """the fork server ended before its time"""


@dataclass(slots=True)
class Child:
    """One process of the run."""

    number: int
    name: str
    control: Channel
    #: seconds without a sign of life after which it hangs
    patience: float
    pid: int = 0
    #: it hung, and was killed for that
    hung: bool = False
    #: exit code, or minus the signal; None while it lives
    status: int | None = None


@dataclass(slots=True)
class Received:
    """A child sent a frame."""

    child: Child
    frame: Any


@dataclass(slots=True)
class Exited:
    """A child ended; all that it had sent came before."""

    child: Child


@dataclass(slots=True)
class Hung:
    """A child did not respond and was killed. `stack`: where its threads were, "" when it did not answer."""

    child: Child
    stack: str


@dataclass(slots=True)
class Signalled:
    """The command got a signal."""

    number: int


@dataclass(slots=True)
class Readable:
    """The input can be read, or is at its end."""


@dataclass(slots=True)
class Tick:
    """TICK seconds or more went by."""


Event = Received | Exited | Hung | Signalled | Readable | Tick


class Supervisor:
    """Use as a context manager: leaving it ends every child that is still there."""

    def __init__(self, preload: list[str], patience: float = PATIENCE) -> None:
        """preload: what the fork server imports (module) and calls (module:function) once for all children; patience:
        seconds without a sign of life after which the fork server hangs."""
        self._preload = preload
        self._patience = patience
        self._children: dict[int, Child] = {}
        #: poll also takes an input that is a file, unlike epoll
        self._selector = selectors.PollSelector()
        self._input: int | None = None
        self._handlers: dict[int, Any] = {}
        self._next_tick = time.monotonic() + TICK
        #: numbers of the signals that came after the last event
        self.signals = b""
        #: Whether one came. Then the handlers stay, and do nothing: who was asked to stop writes down how it ended, and is
        #: not to be cut short at that by being asked again.
        self._signalled = False

    def __enter__(self) -> "Supervisor":
        # Blocked while the fork server starts: it and its children inherit no half-made state.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            self._watch = Watch()
            self._start_server()
            self._wake, self._waker = os.pipe()
            os.set_blocking(self._wake, False)
            os.set_blocking(self._waker, False)
            self._old_wakeup = signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
            for number in _SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it for SIGHUP
                    self._handlers[number] = signal.signal(number, lambda *_: None)
            self._selector.register(self._server, selectors.EVENT_READ, None)
            self._selector.register(self._wake, selectors.EVENT_READ, None)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        return self

    def _start_server(self) -> None:
        self._server, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            given = [theirs.fileno(), self._watch.counters, self._watch.stacks]
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "tgbulk.engine.forkserver", *map(str, given), *self._preload],
                pass_fds=given,
                stdin=subprocess.DEVNULL,
            )
        self._server.settimeout(START_LIMIT)
        self._watch.add(0, self._process.pid, START_LIMIT)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # End of file: the fork server gives children their grace, kills the rest, and leaves.
        for child in self.children:
            child.control.end()
        self._server.close()
        try:
            self._process.wait(GRACE + STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_LIMIT)
        # Had it been killed, its children die of that at the same time, but nobody has waited for them.
        for child in self._children.values():
            _await_end(child.control)
            child.control.close()
        try:
            self.signals = os.read(self._wake, 64)
        except BlockingIOError:
            pass
        if not self._signalled and not self.signals:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
        signal.set_wakeup_fd(self._old_wakeup)
        os.close(self._wake)
        os.close(self._waker)
        self._selector.close()
        self._watch.close()

    @property
    def children(self) -> list[Child]:
        """The living ones."""
        return [child for child in self._children.values() if child.status is None]

    def start(
        self, name: str, entry: EntryPoint[Context], context: Context, patience: float = PATIENCE
    ) -> Child:
        """Start a process there, with its control channel and this context.

        The context is pickled; channels, arenas and locks in it travel as descriptors, and the caller closes its own.
        """
        ours, theirs = control_pair()
        child = Child(len(self._children), name, ours, patience)
        try:
            self._request(child, entry.name, *dump(theirs, context))
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self._children[child.number] = child
        self._selector.register(ours, selectors.EVENT_READ, child)
        return child

    def _request(self, child: Child, entry: str, data: bytes, descriptors: list[int]) -> None:
        if len(descriptors) >= MAX_DESCRIPTORS:
            raise ValueError(f"{child.name} needs {len(descriptors)} descriptors, the limit is {MAX_DESCRIPTORS - 1}")
        request = msgpack.packb([child.number, child.name, entry, len(data)])
        data_overflow = overflow(data)
        try:
            socket.send_fds(self._server, [request], [*descriptors, data_overflow])
        except ConnectionError as error:
            raise ForkServerEndedError from error
        finally:
            os.close(data_overflow)

    def watch_input(self, descriptor: int | None) -> None:
        """Yield Readable whenever this descriptor can be read; None: not any more."""
        if descriptor == self._input:
            return
        if self._input is not None:
            self._selector.unregister(self._input)
        if descriptor is not None:
            self._selector.register(descriptor, selectors.EVENT_READ)
        self._input = descriptor

    def kill(self, only: Child | None = None) -> None:
        """SIGKILL every child that still lives, or this one."""
        for child in self.children:
            if child.pid and only in (None, child):
                _kill(child.pid)

    def events(self) -> Iterator[Event]:
        """What happens, until the caller has seen enough. ForkServerEndedError when the fork server dies, LimitError when
        the system gives it too little."""
        while True:
            ready = self._selector.select(max(0.0, self._next_tick - time.monotonic()))
            # Exits last: what a child sent is often their cause.
            for key, _ in sorted(ready, key=lambda pair: pair[0].fileobj is self._server):
                if isinstance(key.data, Child):
                    yield from self._receive(key.data)
                elif key.fileobj == self._wake:
                    for number in os.read(self._wake, 64):
                        self._signalled = True
                        yield Signalled(number)
                elif key.fileobj is self._server:
                    yield from self._receive_server()
                elif key.fileobj == self._input:  # else it is not watched any more, since an event before this one
                    yield Readable()
            if time.monotonic() >= self._next_tick:
                self._next_tick = time.monotonic() + TICK
                yield from self._look()
                yield Tick()

    def _receive(self, child: Child) -> Iterator[Event]:
        try:
            frame, _ = child.control.receive()
        except ChannelClosed:
            self._selector.unregister(child.control)
            return
        yield Received(child, frame)

    def _receive_server(self) -> Iterator[Event]:
        try:
            report = self._server.recv(4096)
        except ConnectionError as error:
            raise ForkServerEndedError from error
        if not report:
            raise ForkServerEndedError
        what, number, value = msgpack.unpackb(report)
        if what == "short":
            raise LimitError(*value)
        child = self._children[number]
        if what == "born":
            child.pid = value
            self._watch.add(number + 1, value, child.patience)
            self._watch.add(0, self._process.pid, self._patience)  # its imports are over
            return
        self._watch.remove(number + 1)
        yield from self._drain(child)
        child.status = value
        yield Exited(child)

    def _look(self) -> Iterator[Event]:
        """Kill what hangs."""
        for place, stack in self._watch.look():
            if place == 0:
                self._process.kill()
                continue
            child = self._children[place - 1]
            child.hung = True
            _kill(child.pid)
            yield Hung(child, stack)

    def _drain(self, child: Child) -> Iterator[Event]:
        """What a dead child had sent before; waits for nothing, should some heir of the child hold its end open."""
        child.control.set_blocking(False)
        while True:
            try:
                frame, _ = child.control.receive()
            except (ChannelClosed, BlockingIOError):
                break
            yield Received(child, frame)
        if child.control in self._selector.get_map():
            self._selector.unregister(child.control)
        child.control.close()


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # reaped by the fork server a moment ago; its report is on the way


def _await_end(control: Channel) -> None:
    """Wait until nobody holds the other end, which a process that is being killed does until it has closed its files."""
    if control.fileno() < 0:
        return
    control.set_limit(STOP_LIMIT)
    try:
        while True:
            control.receive()
    except (ChannelClosed, BlockingIOError):
        pass
