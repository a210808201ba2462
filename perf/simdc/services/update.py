"""updates.getState, getDifference, getChannelDifference (docs/spec/updates.md 3 and 4)."""
from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from struct import pack

from telethon.tl import types
from telethon.tl.functions.updates import GetChannelDifferenceRequest, GetDifferenceRequest, GetStateRequest

from tgbulk.perf.simdc.box import Box, Boxes, Event
from tgbulk.perf.simdc.call import Call, RpcError, serves
from tgbulk.perf.simdc.difference import Told, told
from tgbulk.perf.simdc.page import own, peers, vector
from tgbulk.perf.simdc.peer import readable
from tgbulk.perf.simdc.services.dialog import described, entry_of
from tgbulk.perf.simdc.view import View
from tgbulk.perf.simdc.window import unix
from tgbulk.perf.simdc.world import CHANNEL_MARK, Dialog

#: Seconds until a client should ask for a channel's difference again.
TIMEOUT = 30
#: Telegram's bound for the limit of a channel's difference.
MOST_STEPS = 100_000
#: Messages that come with a difference that is too long.
NEWEST = 10
#: flags final and timeout of the answers about channels
_FINAL, _TIMEOUT = 1, 2


@serves(GetStateRequest)
def get_state(call: Call, request: GetStateRequest) -> types.updates.State:
    """The account's common box as it is now."""
    return _state(call, Boxes.of(call.world).common(call.account).pts, int(time.time()))


@serves(GetDifferenceRequest)
def get_difference(call: Call, request: GetDifferenceRequest) -> bytes | types.updates.DifferenceEmpty:
    """What happened in the common box, and which channels changed since `date`.

    400 PERSISTENT_TIMESTAMP_EMPTY, PERSISTENT_TIMESTAMP_INVALID for a pts ahead of the box, DATE_EMPTY.
    """
    boxes = Boxes.of(call.world)
    box, now, since = boxes.common(call.account), int(time.time()), unix(request.date)
    _check(request.pts, box)
    if since <= 0:
        raise RpcError(400, "DATE_EMPTY")
    total = request.pts_total_limit or MOST_STEPS * 50
    if box.forgot(request.pts, boxes.fault.keep) or box.pts - request.pts > total:
        return bytes(types.updates.DifferenceTooLong(box.pts))
    seen = max(boxes.seen(box), request.pts)
    events = [event for event in box.since(request.pts) if event.pts <= seen]
    part = events[: min(boxes.fault.slice, request.pts_limit or boxes.fault.slice)]
    found = told(call, part)
    # what concerns one box alone is asked with a date from the future
    _add_channels(call, boxes, found, since)
    if found.empty and len(part) == len(events):
        pts = events[-1].pts if events else request.pts
        if pts == request.pts:
            return types.updates.DifferenceEmpty(datetime.fromtimestamp(now, UTC), seq=call.login.seq)
    if len(part) < len(events):
        kind, pts = types.updates.DifferenceSlice, part[-1].pts
    else:
        kind, pts = types.updates.Difference, events[-1].pts if events else request.pts
    return pack("<I", kind.CONSTRUCTOR_ID) + found.body(call, encrypted=True) + bytes(_state(call, pts, now))


@serves(GetChannelDifferenceRequest)
def get_channel_difference(call: Call, request: GetChannelDifferenceRequest) -> bytes:
    """What happened in one channel.

    400 CHANNEL_INVALID, CHANNEL_PRIVATE, PERSISTENT_TIMESTAMP_EMPTY, PERSISTENT_TIMESTAMP_INVALID; 500
    PERSISTENT_TIMESTAMP_OUTDATED from a replica that is behind the client.
    """
    boxes = Boxes.of(call.world)
    chat = readable(call, request.channel, "CHANNEL_INVALID")
    box = boxes.channel(chat)
    _check(request.pts, box)
    seen = boxes.seen(box)
    if request.pts > seen or boxes.random.random() < boxes.fault.outdated:
        raise RpcError(500, "PERSISTENT_TIMESTAMP_OUTDATED")
    limit = min(max(request.limit, 1), MOST_STEPS)
    if box.forgot(request.pts, boxes.fault.keep) or (boxes.fault.by_limit and request.pts + limit < seen):
        return _too_long(call, chat)
    events = [event for event in box.since(request.pts) if event.pts <= seen]
    part = list(_within(events, request.pts + limit))
    final = _FINAL if len(part) == len(events) else 0
    if not events:
        return bytes(types.updates.ChannelDifferenceEmpty(request.pts, final=True, timeout=TIMEOUT))
    head = pack("<IIii", types.updates.ChannelDifference.CONSTRUCTOR_ID, final | _TIMEOUT, part[-1].pts, TIMEOUT)
    found = told(call, part)
    found.named.add(chat)
    return head + found.body(call, encrypted=False)


def _check(pts: int, box: Box) -> None:
    if pts <= 0:
        raise RpcError(400, "PERSISTENT_TIMESTAMP_EMPTY")
    if pts > box.pts:
        raise RpcError(400, "PERSISTENT_TIMESTAMP_INVALID")


def _within(events: list[Event], pts: int) -> Iterator[Event]:
    """The events up to this state, at least one."""
    for place, event in enumerate(events):
        if place and event.pts > pts:
            return
        yield event


def _state(call: Call, pts: int, date: int) -> types.updates.State:
    return types.updates.State(pts, qts=0, date=datetime.fromtimestamp(date, UTC), seq=call.login.seq, unread_count=0)


def _add_channels(call: Call, boxes: Boxes, found: Told, since: int) -> None:
    """updateChannelTooLong of the channels that changed since then, updateChannel of those that let in or kept out."""
    for chat in sorted(View.of(call.world, call.account).joined):
        if chat >= -CHANNEL_MARK:
            continue
        number = -CHANNEL_MARK - chat
        if int(boxes.altered.get((call.account.index, chat), 0)) >= since:
            found.others.append(bytes(types.UpdateChannel(number)))
            found.named.add(chat)
        if chat in call.account.private or chat not in call.world.histories:
            continue
        box = boxes.channel(chat)
        if int(box.changed) >= since and boxes.random.random() >= boxes.fault.unnamed:
            found.others.append(bytes(types.UpdateChannelTooLong(number, box.pts)))
            found.named.add(chat)


def _too_long(call: Call, chat: int) -> bytes:
    """updates.channelDifferenceTooLong: the dialog with the state of now, and the newest messages."""
    entry = entry_of(call, Dialog(chat))
    ids = [] if entry.history is None else entry.history.ids(len(entry.history) - NEWEST, len(entry.history))
    messages = [] if entry.history is None else entry.history.messages(ids)
    named = {chat} | (set() if entry.history is None else entry.history.peers(ids))
    head = pack("<IIi", types.updates.ChannelDifferenceTooLong.CONSTRUCTOR_ID, _FINAL | _TIMEOUT, TIMEOUT)
    tail = peers(View.of(call.world, call.account), named)
    return head + described(call, entry) + own(call, vector(messages)) + tail
