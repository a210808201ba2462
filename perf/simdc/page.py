"""Answers joined from ready bytes: messages.Messages and its relatives, without building an object."""
from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from struct import Struct
from typing import Any

from telethon.tl import types

from tgbulk.perf.simdc.box import Boxes
from tgbulk.perf.simdc.call import Call
from tgbulk.perf.simdc.history import FILE_REFERENCE_PLACEHOLDER, MEDIA_HASH_PLACEHOLDER, History
from tgbulk.perf.simdc.reference import current
from tgbulk.perf.simdc.view import View
from tgbulk.perf.simdc.window import Window
from tgbulk.perf.simdc.world import CHANNEL_MARK

_VECTOR = Struct("<Ii")
_SLICE = Struct("<IIii")
_CHANNEL = Struct("<IIiii")
_BOXED = 0x1CB5_C415
_HASH = MEDIA_HASH_PLACEHOLDER.to_bytes(8, "little")
#: the flag of offset_id_offset
_OFFSET = 4
#: constructor id of messages.messages
COMPLETE = Struct("<I").pack(types.messages.Messages.CONSTRUCTOR_ID)


def vector(items: Sequence[bytes]) -> bytes:
    """A boxed vector of boxed objects."""
    return _VECTOR.pack(_BOXED, len(items)) + b"".join(items)


def peers(view: View, marked_ids: Iterable[int], *, short: bool = False) -> bytes:
    """The vectors of chats and of users that every answer with messages ends with."""
    look = view.short if short else view.full
    chats: list[bytes] = []
    users: list[bytes] = []
    for marked_id in marked_ids:
        (users if marked_id > 0 else chats).append(look(marked_id))
    return vector(chats) + vector(users)


def own(call: Call, data: bytes) -> bytes:
    """Put the account's own file reference and media access hash where the stored bytes have placeholders."""
    data = data.replace(FILE_REFERENCE_PLACEHOLDER, current(call.account, time.time()))
    return data.replace(_HASH, View.of(call.world, call.account).media_hash)


def channel_pts(call: Call, marked_id: int) -> int:
    """The channel's pts, as one of the replicas knows it."""
    boxes = Boxes.of(call.world)
    return boxes.seen(boxes.channel(marked_id))


def page(call: Call, marked_id: int, history: History, window: Window, pts: int = 0) -> bytes:
    """messages.channelMessages for channels, messages.messages for a complete list, else messages.messagesSlice.

    pts: that of the channel's box, 0 for what one of the replicas knows.
    """
    ids = history.shown(window.ids)
    return answer(call, marked_id, history, window, history.messages(ids), history.peers(ids), pts)


def answer(
    call: Call, marked_id: int, history: History, window: Window, messages: Sequence[bytes], named: set[int],
    pts: int = 0,
) -> bytes:
    """The same for messages at hand, naming the marked ids `named`; withheld ones are already out."""
    if marked_id < -CHANNEL_MARK:
        kind = types.messages.ChannelMessages.CONSTRUCTOR_ID
        head = _CHANNEL.pack(kind, _OFFSET, pts or channel_pts(call, marked_id), window.count, window.offset)
    elif window.complete:
        head = COMPLETE
    else:
        head = _SLICE.pack(types.messages.MessagesSlice.CONSTRUCTOR_ID, _OFFSET, window.count, window.offset)
    view = View.of(call.world, call.account)
    tail = peers(view, named | {marked_id}, short=marked_id < 0)
    return own(call, b"".join((head, vector(messages), vector(_topics(call, marked_id, window)), tail)))


def _topics(call: Call, marked_id: int, window: Window) -> list[bytes]:
    """A forum's topics come along with the pages that begin at its newest message."""
    topics: list[Any] = call.world.topics.get(marked_id, [])
    return [bytes(topic) for topic in topics] if topics and window.offset == 0 else []
