"""A run whose processes are played by a test: what each is given and told is real, what becomes of it the test says."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from functools import partial
from os import dup
from types import SimpleNamespace
from typing import Any

import pytest

from tgbulk.engine.arena import Arena
from tgbulk.engine.channel import Channel, ChannelClosed, control_pair
from tgbulk.engine.descriptor import dump, load
from tgbulk.engine.entry import EntryPoint
from tgbulk.engine.lock import Lock
from tgbulk.engine.restart_policy import RestartPolicy
from tgbulk.engine.supervisor import Child, Event, Exited, Received, Signalled, Tick
from tgbulk.stages.archive.summary import RunSummary
from tgbulk.stages.collect.status import Measured
from tgbulk.stages.protocol.event import Finish
from tgbulk.stages.run import attempt
from tgbulk.stages.run.attempt import Attempt, Setup
from tgbulk.stages.run.outcome import Outcome

#: How a process ended that was killed.
KILLED = -9


class Actor:
    """A process: its control channel and what it was started with, as the process itself would have them."""

    def __init__(self, child: Child, entry: str, control: Channel, context: Any) -> None:
        self.child = child
        self.entry = entry
        self.control = control
        self.context = context
        self._attached: list[Channel] = []
        self._open = True
        control.set_blocking(False)

    def told(self) -> list[Any]:
        """The frames that it was sent since the last look."""
        found = []
        while self._open:
            try:
                frame, descriptors = self.control.receive()
            except (BlockingIOError, ChannelClosed):
                break
            found.append(frame)
            self._attached += [Channel.from_descriptor(one, self.control.limit) for one in descriptors]
        return found

    def attached(self) -> list[Channel]:
        """The channels that came along with those."""
        found, self._attached = self._attached, []
        return found

    def close(self) -> None:
        if self._open:
            self._open = False
            _close((self.control, self.context, *self._attached))


def _close(value: Any) -> None:
    if isinstance(value, Channel | Arena):
        value.close()
    elif isinstance(value, Lock):
        value.release()
    elif isinstance(value, tuple):
        for one in value:
            _close(one)
    elif is_dataclass(value):
        for one in fields(value):
            _close(getattr(value, one.name))


Script = Callable[["Stage"], Iterator[Event]]


class Stage:
    """In the supervisor's place. `script` yields what happens; what it looks at in between is what the run made of it."""

    def __init__(self, script: Script) -> None:
        self.actors: dict[str, Actor] = {}
        #: who was killed, in order; a test lets them exit
        self.killed: list[str] = []
        #: what the input was watched for, each time that was said
        self.watched: list[int | None] = []
        self.preload: list[str] = []
        self.patience = 0.0
        #: signals after the last event
        self.signals = b""
        #: seconds, for all that the run does
        self.now = 1000.0
        self._script = script

    def __call__(self, preload: list[str], patience: float) -> Stage:
        self.preload, self.patience = preload, patience
        return self

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        for actor in self.actors.values():
            actor.child.control.close()

    def __getitem__(self, name: str) -> Actor:
        return self.actors[name]

    @property
    def children(self) -> list[Child]:
        return [actor.child for actor in self.actors.values() if actor.child.status is None]

    @property
    def living(self) -> list[str]:
        return [child.name for child in self.children]

    def start(self, name: str, entry: EntryPoint[Any], context: object, patience: float) -> Child:
        ours, theirs = control_pair()
        data, descriptors = dump(theirs, context)
        control, given = load(data, [dup(one) for one in descriptors])
        theirs.close()
        child = Child(len(self.actors), name, ours, patience, pid=100 + len(self.actors))
        self.actors[name] = Actor(child, entry.name, control, given)
        return child

    def watch_input(self, descriptor: int | None) -> None:
        self.watched.append(descriptor)

    def kill(self, only: Child | None = None) -> None:
        self.killed += [child.name for child in self.children if only in (None, child) and child.name not in self.killed]

    def events(self) -> Iterator[Event]:
        yield from self._script(self)
        raise AssertionError(f"the run goes on with {self.living}")

    def exit(self, name: str, status: int = 0, hung: bool = False) -> Exited:
        actor = self.actors[name]
        actor.close()
        actor.child.control.close()
        actor.child.status, actor.child.hung = status, hung
        return Exited(actor.child)

    def say(self, name: str, frame: object) -> Received:
        return Received(self.actors[name].child, frame)

    def signal(self, *numbers: int) -> Iterator[Signalled]:
        yield from map(Signalled, numbers)

    def tick(self, seconds: float = 0.0) -> Tick:
        """So many seconds later."""
        self.now += seconds
        return Tick()

    def wait_for(self, name: str) -> Iterator[Event]:
        """Ticks until this process is there."""
        for _ in range(1000):
            if name in self.actors:
                return
            yield self.tick(0.01)
        raise AssertionError(f"{name} is not started")

    def leave(self, **status: int) -> Iterator[Event]:
        """The end of a run: all that are left leave in the order in which their neighbours do, with this status or 0."""
        order = ["fetch", *(name for name in self.living if name not in ("fetch", "write", "collect")), "write", "collect"]
        for name in order:
            if name not in self.living:
                continue
            if name == "collect":
                yield self.say("collect", Measured("", ""))
            yield self.exit(name, status.get(name, 0))

    def deaths(self) -> Iterator[Event]:
        """Those that were killed end; collect as well, which leaves behind them."""
        for name in [*self.killed, "collect"]:
            if name in self.living:
                yield self.exit(name, KILLED if name in self.killed else 0)


class Heard:
    """A watcher that keeps what it is told."""

    live = False

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.ticks = 0

    def on_start(self, run: str, chats: int) -> None: ...

    def on_event(self, event: Any) -> None:
        self.events.append(event)

    def tick(self) -> None:
        self.ticks += 1

    def on_end(self, outcome: Outcome, summary: RunSummary) -> None: ...

    @property
    def notices(self) -> list[str]:
        return [event.text for event in self.events if hasattr(event, "text")]


class Rehearsal:
    """`run` plays an attempt: what it returned as its cause, what it left in `outcome`, `heard` and `stage`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, setup: Setup) -> None:
        self._monkeypatch = monkeypatch
        self.setup = setup
        self.outcome = Outcome(fed=setup.feed is not None)
        self.heard = Heard()

    def run(self, script: Script, signals: bytes = b"") -> str | None:
        self.stage = stage = Stage(script)
        stage.signals = signals
        patch = self._monkeypatch.setattr
        patch(attempt, "Supervisor", stage)
        patch(attempt, "time", SimpleNamespace(monotonic=lambda: stage.now))
        patch(attempt, "RestartPolicy", partial(RestartPolicy, clock=lambda: stage.now))
        try:
            return Attempt(self.setup, self.outcome, self.heard).run()
        finally:
            for actor in stage.actors.values():
                actor.close()


def finishes(actor: Actor) -> int:
    """How often it was told to finish since the last look."""
    return sum(isinstance(frame, Finish) for frame in actor.told())


def with_(rehearsal: Rehearsal, **fields: object) -> Rehearsal:
    rehearsal.setup = replace(rehearsal.setup, **fields)  # type: ignore[arg-type]
    rehearsal.outcome.fed = rehearsal.setup.feed is not None
    return rehearsal


def is_closed(channel: Channel) -> bool:
    """Whether nobody can send any more."""
    channel.set_blocking(False)
    try:
        channel.receive()
    except ChannelClosed:
        return True
    except BlockingIOError:
        return False
    raise AssertionError("there is something to receive")


def sent(channel: Channel, frame: object, other: Channel) -> object:
    """What arrives at the other end."""
    channel.send(frame)
    return other.receive()[0]
