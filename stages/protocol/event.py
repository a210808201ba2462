"""Messages of the stages to the supervisor, for people and for programs."""
from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tgbulk.engine.channel import Channel, ChannelClosed
from tgbulk.engine.error import ExitCode, TgbulkError, refusal
from tgbulk.engine.frame import frame


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
class ChatChanged:
    """So many messages of a chat were told to be new, edited, deleted or restored, or found to be so, since the last such
    event: durable on disk. The chat need not be one that the run was asked for."""

    marked_id: int
    new: int
    edited: int
    deleted: int
    restored: int


@frame
@dataclass(slots=True)
class ChatStated:
    """How complete a chat is at its end, complete or failed: the fields of stages.archive.statement.Statement."""

    stream: int
    marked_id: int
    statement: dict[str, Any]
    title: str = ""


@frame
@dataclass(slots=True)
class ChatEnded:
    """A chat is complete and durable. `new`: messages that this run added; `empty`: ids without a message.

    `pages` and `ranges`: what this run asked for, and in how many parts; `gaps`: places where a page could not be decoded
    and was kept as it came; `short`: messages that the server counts and did not give, where they are many; `edited`,
    `deleted`, `restored`: archived messages of which this run learnt it.
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
    short: int = 0
    edited: int = 0
    deleted: int = 0
    restored: int = 0


@frame
@dataclass(slots=True)
class FollowState:
    """All chats are caught up with, and pushes are taken; once a second. `lag`: milliseconds between the server's clock and
    ours, of the newest push; `turn`: how often all were caught up with, this time included."""

    chats: int
    pushes: int
    gaps: int
    differences: int
    lag: int
    turn: int = 0


@frame
@dataclass(slots=True)
class NewNames:
    """To fetch: these are the chats from now on."""

    names: list[str]


@frame
@dataclass(slots=True)
class FedName:
    """To fetch: one name more, from this line of the feed."""

    line: int
    name: str


@frame
@dataclass(slots=True)
class FeedClosed:
    """To fetch: no name comes any more."""


@frame
@dataclass(slots=True)
class NameFetched:
    """Nothing is left to do for this line of the feed but to commit the chats with these numbers. `code`: 0, or an
    engine.error.ExitCode of what failed."""

    line: int
    streams: list[int]
    code: int


@frame
@dataclass(slots=True)
class NameEnded:
    """All that this line of the feed means has come to its end: `complete` chats are durable. `code` as in NameFetched."""

    line: int
    name: str
    complete: list[int]
    code: int


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
    #: see engine.error.TgbulkError
    kind: str = "internal"
    retryable: bool = False
    retry_after: int | None = None
    telegram: str = ""


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
class Standstill:
    """Nothing has moved for so many seconds, and nothing says why; after `most` the run ends. `state`: what everybody waits
    for, in lines."""

    seconds: int
    most: int
    state: str


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
class PoisonFound:
    """A page was found to be what workers died of; it will be dealt with."""


@frame
@dataclass(slots=True)
class Restarted:
    """All processes were started again; events of chats come again."""

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
    #: see engine.error.TgbulkError
    kind: str = "internal"
    retryable: bool = False
    retry_after: int | None = None
    telegram: str = ""

    @classmethod
    def of(cls, error: TgbulkError) -> Stopped:
        about = error.kind, error.retryable, error.retry_after, error.telegram
        return cls(str(error), error.hint, int(error.exit_code), *about)


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
        _stop(control, Stopped.of(error))
    except Exception as error:
        known = refusal(error)
        if known is not None:
            _stop(control, Stopped.of(known))
        traceback.print_exc()
        reason = f"{type(error).__name__}: {error}"
        _stop(control, Stopped(reason, "This is a bug; please report it.", int(ExitCode.INTERNAL)))


def _stop(control: Channel, stopped: Stopped) -> None:
    try:
        control.send(stopped)
    except ChannelClosed:
        pass  # the supervisor is gone, too
    raise SystemExit(stopped.code)
