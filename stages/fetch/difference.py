"""What changed at Telegram, asked for as raw bytes: fetch moves them, process decodes them (docs/spec/updates.md 3, 4)."""
from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from telethon.tl import functions, types

from tgbulk.stages.archive.account import AccountState

#: Steps of one answer about a channel: what users are to ask for.
STEPS = 100
METHOD = "updates.getDifference"
METHOD_CHANNEL = "updates.getChannelDifference"


class Outside:
    """Asked outside of a takeout: what a takeout does to differences is not known (docs/spec/updates.md 6)."""

    outside_takeout = True


class Raw:
    """A request whose result is bytes, by read_result of the outermost one."""

    @staticmethod
    def read_result(reader: Any) -> bytes:
        data: bytes = reader.read()
        return data


class RawDifference(Outside, Raw, functions.updates.GetDifferenceRequest):  # type: ignore[misc]
    """What the account was not told yet: of its private chats and basic groups, and which channels changed."""


class RawChannelDifference(Outside, Raw, functions.updates.GetChannelDifferenceRequest):  # type: ignore[misc]
    """The same of one channel."""


class GetState(Outside, functions.updates.GetStateRequest):  # type: ignore[misc]
    """Up to where there is anything to tell."""


class GetPeerDialogs(Outside, functions.messages.GetPeerDialogsRequest):  # type: ignore[misc]
    """The states of chats' boxes, among other things."""


def after(state: AccountState) -> RawDifference:
    """The question for what came after this state."""
    return RawDifference(pts=state.pts, date=datetime.fromtimestamp(state.date, UTC), qts=state.qts)


def of_channel(peer: types.InputPeerChannel, pts: int) -> RawChannelDifference:
    """The question for what came after this pts. Without `force`, which leaves something out."""
    channel = types.InputChannel(peer.channel_id, peer.access_hash)
    return RawChannelDifference(channel, types.ChannelMessagesFilterEmpty(), pts, STEPS)


def made_of(account: int, state: types.updates.State) -> AccountState:
    """An answer of getState."""
    return AccountState(account, state.pts, state.qts, int(state.date.timestamp()), state.seq)
