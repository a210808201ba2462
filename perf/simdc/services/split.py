"""messages.getSplitRanges."""
from __future__ import annotations

from telethon.tl import types
from telethon.tl.functions.messages import GetSplitRangesRequest

from tgbulk.perf.simdc.call import Call, RpcError, serves

#: How many ranges an account's common id space is split into.
RANGES = 3
#: The last range also holds what arrives later.
HIGHEST_ID = 2**31 - 1


@serves(GetSplitRangesRequest)
def get_split_ranges(call: Call, request: GetSplitRangesRequest) -> list[types.MessageRange]:
    """Ranges that cover the ids of private chats and basic groups; 403 TAKEOUT_REQUIRED outside a takeout."""
    if call.takeout_id is None:
        raise RpcError(403, "TAKEOUT_REQUIRED")
    top = max((history.top_id() for history in call.account.histories.values()), default=0)
    ends = [max(top, RANGES) * part // RANGES for part in range(1, RANGES)] + [HIGHEST_ID]
    starts = [1] + [end + 1 for end in ends]
    return [types.MessageRange(first, last) for first, last in zip(starts, ends, strict=False)]
