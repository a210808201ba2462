"""Answers of getDifference and getChannelDifference, made with Telethon's own classes."""
from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from telethon.tl import types

from support.telegram_page import DAY
from tgbulk.stages.telegram.chat import CHANNEL_MARK


def said(number: int, text: str = "", peer: int = -CHANNEL_MARK - 9, edited: int = 0, **fields: Any) -> types.Message:
    """A message of a chat by its marked id; edited: Unix seconds."""
    if peer > 0:
        of: Any = types.PeerUser(peer)
    else:
        of = types.PeerChat(-peer) if peer > -CHANNEL_MARK else types.PeerChannel(-peer - CHANNEL_MARK)
    when = datetime.fromtimestamp(edited, UTC) if edited else None
    return types.Message(id=number, peer_id=of, date=DAY, message=text or f"text {number}", edit_date=when, **fields)


def channel_difference(
    pts: int, new: Sequence[Any] = (), other: Sequence[Any] = (), users: Sequence[Any] = (), final: bool = True
) -> bytes:
    return bytes(types.updates.ChannelDifference(pts, list(new), list(other), [], list(users), final=final, timeout=30))


def difference(
    pts: int, new: Sequence[Any] = (), other: Sequence[Any] = (), users: Sequence[Any] = (), date: int = 1_800_000_000,
    seq: int = 1, whole: bool = True,
) -> bytes:
    """whole: it is the last slice."""
    state = types.updates.State(pts, 0, datetime.fromtimestamp(date, UTC), seq, 0)
    kind = types.updates.Difference if whole else types.updates.DifferenceSlice
    return bytes(kind(list(new), [], list(other), [], list(users), state))


def edit(message: types.Message, pts: int = 0) -> Any:
    if isinstance(message.peer_id, types.PeerChannel):
        return types.UpdateEditChannelMessage(message, pts, 0)
    return types.UpdateEditMessage(message, pts, 0)


def deletion(ids: Sequence[int], channel: int = 9, pts: int = 0) -> Any:
    return types.UpdateDeleteChannelMessages(channel, list(ids), pts, 0)


def common_deletion(ids: Sequence[int], pts: int = 0) -> Any:
    return types.UpdateDeleteMessages(list(ids), pts, 0)
