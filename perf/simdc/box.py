"""Boxes: every change of a message takes a step in the box of its chat (docs/spec/updates.md 1).

A channel has a box of its own; all private chats and basic groups of an account share one.
"""
from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tgbulk.perf.simdc.history import History
from tgbulk.perf.simdc.world import CHANNEL_MARK, Account, World


@dataclass(frozen=True, slots=True)
class Event:
    """One change: `pts` is the box behind it, `count` how many steps it took."""

    pts: int
    count: int
    #: new, edit, delete, pin, unpin; step for one that is no change of a message
    kind: str
    chat: int
    ids: tuple[int, ...]
    #: Unix time
    time: float


@dataclass(frozen=True, slots=True)
class Version:
    """A message as it was from a moment on; no data from when it was gone."""

    chat: int
    id: int
    pts: int
    time: float
    data: bytes


@dataclass(slots=True)
class BoxFault:
    """What goes wrong with updates on purpose. Rates are probabilities of a push, 0 to 1."""

    lose: float = 0.0
    double: float = 0.0
    #: of being held back until another push has gone, or half a second
    reorder: float = 0.0
    #: seconds, at most, by which a push is late
    delay: float = 0.0
    #: of updatesTooLong in place of a push
    too_long: float = 0.0
    #: new texts of private chats and groups come as updateShortMessage, updateShortChatMessage
    short: bool = False
    #: containers carry seq numbers
    seq: bool = False
    #: seconds by which the replicas that answer differences, dialogs and pages may be behind; each answer by its own
    lag: float = 0.0
    #: of a channel's difference that is answered PERSISTENT_TIMESTAMP_OUTDATED
    outdated: float = 0.0
    #: events in one answer of getDifference
    slice: int = 1000
    #: steps that a box remembers
    keep: int = 100_000
    #: a channel's difference of more steps than its limit is too long
    by_limit: bool = False
    #: of a changed channel that getDifference does not name
    unnamed: float = 0.0
    #: deletions in one event
    batch: int = 100


class Box:
    """The events of one channel, or of one account's other chats. The state is its `pts`, never 0."""

    def __init__(self, pts: int) -> None:
        self.pts = pts
        #: Unix time of the last event
        self.changed = 0.0
        self._events: list[Event] = []
        #: the steps up to this one are forgotten
        self._first = pts

    def add(self, kind: str, chat: int, ids: Iterable[int], count: int) -> Event:
        """A change, now."""
        self.pts += count
        self.changed = time.time()
        event = Event(self.pts, count, kind, chat, tuple(ids), self.changed)
        self._events.append(event)
        return event

    def since(self, pts: int) -> Iterator[Event]:
        """The events behind this state, in order."""
        return (event for event in self._events if event.pts > pts)

    def at(self, moment: float) -> int:
        """The pts as it was at a Unix time."""
        return next((event.pts for event in reversed(self._events) if event.time <= moment), self._first)

    def forgot(self, pts: int, keep: int) -> bool:
        """Whether steps behind this state are remembered no more."""
        return pts < self._first or self.pts - pts > keep


@dataclass(slots=True)
class Boxes:
    """Every box of the world, and what became of every message that changed."""

    world: World
    fault: BoxFault = field(default_factory=BoxFault)
    versions: list[Version] = field(default_factory=list)
    #: (channel, id) -> the message before its first change, if it was there before
    firsts: dict[tuple[int, int], bytes] = field(default_factory=dict)
    #: (account index, marked id) -> Unix time of the last time that the chat itself changed for it: its name, or its door
    altered: dict[tuple[int, int], float] = field(default_factory=dict)
    #: what sends pushes: called with the event, or with an update without a pts, and the chat
    listeners: list[Any] = field(default_factory=list)
    random: Random = field(default_factory=Random)
    _boxes: dict[int, Box] = field(default_factory=dict)

    @classmethod
    def of(cls, world: World) -> Boxes:
        """The world's boxes, made at first use."""
        if world.boxes is None:
            world.boxes = cls(world, random=Random(world.seed))
        boxes: Boxes = world.boxes
        return boxes

    def channel(self, marked_id: int) -> Box:
        """Of a channel; its first state is that of its newest message."""
        return self._box(marked_id, [self.world.histories.get(marked_id)])

    def begin(self, marked_id: int) -> None:
        """A channel that has just been made: its first message will be the first step."""
        self._boxes[marked_id] = Box(1)

    def common(self, account: Account) -> Box:
        """Of an account."""
        return self._box(account.user_id, account.histories.values())

    def of_chat(self, account: Account, chat: int) -> Box:
        """The box in which this chat is for this account."""
        return self.channel(chat) if chat < -CHANNEL_MARK else self.common(account)

    def seen(self, box: Box) -> int:
        """The pts that one of the replicas tells: the box's own, unless they are behind."""
        return box.at(time.time() - self.random.uniform(0, self.fault.lag)) if self.fault.lag else box.pts

    def past(self, channel: int, pts: int) -> dict[int, bytes]:
        """What each message of a channel that changed behind this pts was then, no bytes where it was not there."""
        versions = [one for one in self.versions if one.chat == channel]
        found = {one.id: self.firsts.get((channel, one.id), b"") for one in versions if one.pts > pts}
        return found | {one.id: one.data for one in versions if one.id in found and one.pts <= pts}

    def happened(self, account: Account, chat: int, kind: str, ids: list[int], history: History | None = None) -> None:
        """A change of these messages: into the box, among the versions, and out to who listens."""
        box = self.of_chat(account, chat)
        size = self.fault.batch if kind == "delete" else 1
        for start in range(0, max(1, len(ids)), size):
            some = ids[start : start + size]
            event = box.add(kind, chat, some, max(1, len(some)))
            for message_id in some if kind in ("new", "edit", "delete") else ():
                data = b"" if history is None or kind == "delete" else history.message(message_id)
                self.versions.append(Version(chat, message_id, event.pts, event.time, data))
            self.tell(account, chat, event)

    def tell(self, account: Account, chat: int, what: Any) -> None:
        """Push it to whoever sees the chat."""
        for listener in self.listeners:
            listener(account, chat, what)

    def admit(self, account: Account, chat: int, allowed: bool) -> None:
        """Let an account in, or keep it out."""
        (account.private.discard if allowed else account.private.add)(chat)
        self.altered[account.index, chat] = time.time()

    def _box(self, key: int, histories: Iterable[History | None]) -> Box:
        box = self._boxes.get(key)
        if box is None:
            box = self._boxes[key] = Box(1 + max((h.top_id() for h in histories if h is not None), default=0))
        return box
