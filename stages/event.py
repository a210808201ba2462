"""What the stages tell the supervisor, for people and for programs."""
from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from engine.channel import Channel, ChannelClosed
from engine.error import ExitCode, TgbulkError, shortage
from engine.frame import frame


@frame
@dataclass(slots=True)
class ChatStarted:
    """A chat was found and its export begins or goes on. `total`: the server's count of messages, -1 unknown; `before`:
    messages of it that the archive has."""

    stream: int
    marked_id: int
    title: str
    total: int
    before: int = 0


@frame
@dataclass(slots=True)
class ChatProgress:
    """So many messages of this chat are durable on disk."""

    stream: int
    messages: int


@frame
@dataclass(slots=True)
class ChatStated:
    """What can be said of a chat's completeness at its end, complete or failed: the fields of stages.statement.Statement."""

    stream: int
    marked_id: int
    statement: dict[str, Any]


@frame
@dataclass(slots=True)
class ChatEnded:
    """A chat is complete and durable. `new`: messages that this run added; `empty`: ids without a message.

    `pages` and `ranges`: what this run asked for, and in how many parts; `gaps`: places where a page could not be decoded
    and was kept as it came.
    """

    stream: int
    marked_id: int
    messages: int
    new: int
    empty: int
    total: int
    pages: int = 0
    ranges: int = 0
    gaps: int = 0


@frame
@dataclass(slots=True)
class ChatFailed:
    """A chat could not be exported, or not to its end. `code`: an engine.error.ExitCode."""

    #: the chat as the user named it
    name: str
    marked_id: int
    reason: str
    hint: str
    code: int


@frame
@dataclass(slots=True)
class Waiting:
    """Telegram asked for a pause."""

    account: str
    method: str
    seconds: int


@frame
@dataclass(slots=True)
class TakeoutState:
    """An account's takeout changed its state (stages/fetch/takeout.py). `until`: Unix seconds, while it waits."""

    account: str
    state: str
    until: int


@frame
@dataclass(slots=True)
class Notice:
    """Something that went otherwise than planned and was dealt with; one line for the log."""

    text: str


@frame
@dataclass(slots=True)
class Quarantined:
    """A page could not be decoded and is kept as it came; `last` is 0 where nothing lies behind it."""

    marked_id: int
    first: int
    last: int
    reason: str


@frame
@dataclass(slots=True)
class Blamed:
    """A page was found to be what workers died of; it will be dealt with."""


@frame
@dataclass(slots=True)
class Restarted:
    """All processes were started again; what was said of chats will be said again."""

    reason: str


@frame
@dataclass(slots=True)
class Ready:
    """A stage began its work."""


@frame
@dataclass(slots=True)
class Fetched:
    """Fetch has done all it was asked to. `complete`: chats that reached their end; `left`: chats that a stop cut short."""

    complete: int
    left: int


@frame
@dataclass(slots=True)
class Stopped:
    """A stage cannot go on; the run ends. `code`: an engine.error.ExitCode."""

    reason: str
    hint: str
    code: int


@frame
@dataclass(slots=True)
class Finish:
    """To a stage: end in order, keep what is there."""


#: Exit status of a process whose neighbour is gone: no cause of anything, the supervisor sees the neighbour's own.
ABANDONED = 75


@contextmanager
def report_failure(control: Channel) -> Iterator[None]:
    """Turn what ends a stage early into Stopped for the supervisor and an exit code for the process."""
    try:
        yield
    except ChannelClosed:
        raise SystemExit(ABANDONED) from None
    except TgbulkError as error:
        _stop(control, str(error), error.hint, error.exit_code)
    except Exception as error:
        short = shortage(error)
        if short is not None:
            _stop(control, str(short), short.hint, short.exit_code)
        traceback.print_exc()
        _stop(control, f"{type(error).__name__}: {error}", "This is a bug; please report it.", ExitCode.INTERNAL)


def _stop(control: Channel, reason: str, hint: str, code: ExitCode) -> None:
    try:
        control.send(Stopped(reason, hint, int(code)))
    except ChannelClosed:
        pass  # nobody is left to be told
    raise SystemExit(int(code))
