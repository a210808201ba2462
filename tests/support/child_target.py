"""What the processes of the supervisor's tests do; the fork server imports it."""
from __future__ import annotations

import os
import select
import signal
import sys
import time
from dataclasses import dataclass

from support.open_files import open_files
from tgbulk.engine.arena import Arena
from tgbulk.engine.channel import Channel, ChannelClosed
from tgbulk.engine.frame import frame
from tgbulk.engine.heartbeat import beat
from tgbulk.engine.lock import Lock


@frame
@dataclass(slots=True)
class Word:
    """Anything, as text."""

    text: str


@dataclass(frozen=True, slots=True)
class Given:
    """What a process may get along."""

    arena: Arena
    out: Channel
    lock: Lock


def say(control: Channel, words: list[str]) -> None:
    for word in words:
        control.send(Word(word))


def say_without_listening(control: Channel, word: str) -> None:
    """Leave with a frame unread, once the supervisor has sent one."""
    control.send(Word("listening"))
    while not _readable(control):
        time.sleep(0.001)
    control.send(Word(word))


def _readable(control: Channel) -> bool:
    return bool(select.select([control], [], [], 0)[0])


def leave(control: Channel, code: int) -> None:
    raise SystemExit(code)


def fail(control: Channel, _: None) -> None:
    raise RuntimeError("on purpose")


def kill_itself(control: Channel, number: int) -> None:
    control.send(Word("last word"))
    os.kill(os.getpid(), number)
    time.sleep(60)


def wait(control: Channel, _: object = None) -> None:
    """An orderly child: leaves at the end of file."""
    control.send(Word(str(os.getpid())))
    try:
        while True:
            control.send(control.receive()[0])
    except ChannelClosed:
        pass


def sleep(control: Channel, _: None = None) -> None:
    """A child that listens to nobody."""
    control.send(Word(str(os.getpid())))
    while True:
        time.sleep(60)


def announce(control: Channel, behaviour: str) -> None:
    """Like wait or sleep, for a supervisor that does not read: the pid goes to standard output."""
    os.write(1, b"%d\n" % os.getpid())
    globals()[behaviour](control)


def list_descriptors(control: Channel, _: object) -> None:
    control.send(Word("\n".join(f"{number} {target}" for number, target in sorted(open_files().items()))))


def use(control: Channel, given: Given) -> None:
    """Read slot 0, write slot 1, say something on another channel, hold the lock until the end of file."""
    given.arena.write(1, given.arena.read(0, 5)[::-1])
    given.out.send(Word(given.lock.holder() or "nobody"))
    wait(control)


def signals(control: Channel, _: None) -> None:
    """Which signals this process ignores, and how it is called."""
    ignored = [s.name for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if signal.getsignal(s) is signal.SIG_IGN]
    with open("/proc/self/comm") as comm:
        control.send(Word(" ".join([comm.read().strip(), *ignored, *map(str, signal.pthread_sigmask(0, []))])))


def break_output(control: Channel, _: None) -> None:
    sys.stdout = None


def stand_still(control: Channel, _: None) -> None:
    """A child that counts for a moment, then blocks in C code for ever."""
    control.send(Word(str(os.getpid())))
    beat()
    os.read(os.pipe()[0], 1)


def stand_stopped(control: Channel, _: None) -> None:
    """A child that was stopped by somebody."""
    control.send(Word(str(os.getpid())))
    beat()
    os.kill(os.getpid(), signal.SIGSTOP)
    time.sleep(60)


def live(control: Channel, _: None) -> None:
    """A child that does nothing but count."""
    control.send(Word(str(os.getpid())))
    control.set_limit(0.1)
    while True:
        beat()
        try:
            control.receive()
        except BlockingIOError:
            pass
        except ChannelClosed:
            return
