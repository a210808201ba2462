"""The bytes of updates: what an event looks like in a difference and in a push (docs/spec/updates.md 3 to 5)."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from struct import pack

from telethon.tl import types
from telethon.utils import get_peer

from tgbulk.perf.simdc.box import Event
from tgbulk.perf.simdc.call import Call
from tgbulk.perf.simdc.page import own, peers, vector
from tgbulk.perf.simdc.view import View
from tgbulk.perf.simdc.world import CHANNEL_MARK

#: kind of an event -> its update in a channel, and elsewhere
_MESSAGE = {
    "new": (types.UpdateNewChannelMessage.CONSTRUCTOR_ID, types.UpdateNewMessage.CONSTRUCTOR_ID),
    "edit": (types.UpdateEditChannelMessage.CONSTRUCTOR_ID, types.UpdateEditMessage.CONSTRUCTOR_ID),
}


@dataclass(slots=True)
class Told:
    """What an answer tells, in bytes; `named`: the marked ids of the peers that have to come along."""

    messages: list[bytes] = field(default_factory=list)
    others: list[bytes] = field(default_factory=list)
    named: set[int] = field(default_factory=set)

    @property
    def empty(self) -> bool:
        return not (self.messages or self.others)

    def body(self, call: Call, *, encrypted: bool) -> bytes:
        """The vectors of a difference."""
        secret = vector([]) if encrypted else b""
        found = own(call, vector(self.messages) + secret + vector(self.others))
        return found + peers(View.of(call.world, call.account), self.named)


def told(call: Call, events: Iterable[Event]) -> Told:
    """These events as a difference tells them: messages as they are now, none that is gone, and no steps counted."""
    result = Told()
    shown: set[tuple[int, int]] = set()
    events = list(events)
    fresh = {(event.chat, one) for event in events if event.kind == "new" for one in event.ids}
    for event in events:
        if event.kind in _MESSAGE:
            for one in event.ids:
                key = event.chat, one
                data = _message(call, event.chat, one)
                if data is None or key in shown:
                    continue
                shown.add(key)
                result.named |= _named(call, event.chat, one)
                if key in fresh:
                    result.messages.append(data)
                else:
                    result.others.append(_framed(event, data, count=0))
        elif (data := plain(event, count=0)) is not None:
            result.others.append(data)
            if event.chat < -CHANNEL_MARK:
                result.named.add(event.chat)
    return result


def pushed(call: Call, event: Event) -> tuple[bytes, set[int]] | None:
    """(update, marked ids that it names) of an event that has just happened; None for one that is not pushed."""
    if event.kind not in _MESSAGE:
        data = plain(event, count=event.count)
        return None if data is None else (data, {event.chat})
    (one,) = event.ids
    message = _message(call, event.chat, one)
    return None if message is None else (own(call, _framed(event, message, event.count)), _named(call, event.chat, one))


def plain(event: Event, count: int) -> bytes | None:
    """The update of an event that holds no message; None for a step that a channel's difference does not tell."""
    ids, pts = list(event.ids), event.pts
    if event.chat < -CHANNEL_MARK:
        channel = -CHANNEL_MARK - event.chat
        if event.kind == "delete":
            return bytes(types.UpdateDeleteChannelMessages(channel, ids, pts, count))
        if event.kind in ("pin", "unpin"):
            pinned = event.kind == "pin" or None
            return bytes(types.UpdatePinnedChannelMessages(channel, ids, pts, count, pinned=pinned))
        return None
    if event.kind == "delete":
        return bytes(types.UpdateDeleteMessages(ids, pts, count))
    if event.kind in ("pin", "unpin"):
        peer = get_peer(event.chat)
        return bytes(types.UpdatePinnedMessages(peer, ids, pts, count, pinned=event.kind == "pin" or None))
    return bytes(types.UpdateReadHistoryOutbox(get_peer(event.chat), max_id=1, pts=pts, pts_count=count))


def _framed(event: Event, message: bytes, count: int) -> bytes:
    constructor = _MESSAGE[event.kind][event.chat > -CHANNEL_MARK]
    return pack("<I", constructor) + message + pack("<ii", event.pts, count)


def _message(call: Call, chat: int, message_id: int) -> bytes | None:
    history = call.world.history(call.account, chat)
    if history is None or message_id not in history or history.withheld(message_id):
        return None
    return history.message(message_id)


def _named(call: Call, chat: int, message_id: int) -> set[int]:
    history = call.world.history(call.account, chat)
    assert history is not None
    return history.peers([message_id]) | {chat}
