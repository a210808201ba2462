"""updates.getState, getDifference, getChannelDifference: a quiet account, whatever happens to its chats."""
from __future__ import annotations

from datetime import UTC, datetime

from telethon.tl import types
from telethon.tl.functions.updates import GetChannelDifferenceRequest, GetDifferenceRequest, GetStateRequest

from perf.simdc.call import Call, serves
from perf.simdc.peer import readable

#: Seconds until a client should ask for a channel's difference again.
TIMEOUT = 30


@serves(GetStateRequest)
def get_state(call: Call, request: GetStateRequest) -> types.updates.State:
    """The account's pts grows with its own id space."""
    pts = 1 + max((history.top_id() for history in call.account.histories.values()), default=0)
    return types.updates.State(pts, qts=0, date=datetime.now(UTC), seq=1, unread_count=0)


@serves(GetDifferenceRequest)
def get_difference(call: Call, request: GetDifferenceRequest) -> types.updates.DifferenceEmpty:
    """No updates."""
    return types.updates.DifferenceEmpty(datetime.now(UTC), seq=1)


@serves(GetChannelDifferenceRequest)
def get_channel_difference(call: Call, request: GetChannelDifferenceRequest) -> types.updates.ChannelDifferenceEmpty:
    """No updates; 400 CHANNEL_INVALID, CHANNEL_PRIVATE."""
    readable(call, request.channel, "CHANNEL_INVALID")
    return types.updates.ChannelDifferenceEmpty(request.pts, final=True, timeout=TIMEOUT)
