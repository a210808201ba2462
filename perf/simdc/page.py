"""Answers joined from ready bytes: messages.Messages and its relatives, without building an object."""
from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from struct import Struct
from typing import Any

from telethon.tl import types

from perf.simdc.call import Call
from perf.simdc.history import FILE_REFERENCE_PLACEHOLDER, MEDIA_HASH_PLACEHOLDER, History
from perf.simdc.reference import current
from perf.simdc.view import View
from perf.simdc.window import Window
from perf.simdc.world import CHANNEL_MARK

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


def channel_pts(history: History | None) -> int:
    """The channel's pts; nothing here asks for a difference, so it only follows the newest message."""
    return 1 if history is None else history.top_id() + 1


def page(call: Call, marked_id: int, history: History, window: Window) -> bytes:
    """messages.channelMessages for channels, messages.messages for a complete list, else messages.messagesSlice."""
    ids = history.shown(window.ids)
    return answer(call, marked_id, history, window, history.messages(ids), history.peers(ids))


def answer(
    call: Call, marked_id: int, history: History, window: Window, messages: Sequence[bytes], named: set[int]
) -> bytes:
    """The same for messages at hand, naming the marked ids `named`; withheld ones are already out."""
    if marked_id < -CHANNEL_MARK:
        kind = types.messages.ChannelMessages.CONSTRUCTOR_ID
        head = _CHANNEL.pack(kind, _OFFSET, channel_pts(history), window.count, window.offset)
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
