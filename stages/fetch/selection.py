"""From what people want of a chat, dates and counts, to the ids to walk: one question each, never a scan."""
from __future__ import annotations

from telethon.tl.tlobject import TLRequest

from stages.fetch.caller import Caller
from stages.fetch.config import Selection
from stages.fetch.coverage import OPEN
from stages.fetch.error import ChatError
from stages.fetch.history import before_date, newest
from stages.fetch.pipeline import Pipeline
from stages.fetch.resolver import Target
from stages.receipt import Kind, Receipt


async def bounds(
    selection: Selection, target: Target, stream: int, caller: Caller, pipeline: Pipeline
) -> tuple[int, int]:
    """[start, end) of the ids that the selection means in this chat; where it means none, both are the same and above 1."""

    async def ask(request: TLRequest) -> int:
        """The id of the one message that the request is for, 0 where there is none."""
        slot = await pipeline.reserve()
        try:
            answer = await caller.call(request)
        except BaseException:
            pipeline.cancel(slot)
            raise
        receipt: Receipt
        receipt, _ = await pipeline.send(slot, answer, stream=stream, kind=Kind.PROBE)
        if receipt.error:
            raise ChatError(target.name, f"the bounds of the selection cannot be read: {receipt.error}", "")
        return receipt.high

    start, end = selection.min_id or 1, OPEN
    if selection.max_id is not None:
        end = selection.max_id + 1
    if selection.since is not None:
        start = max(start, await ask(before_date(target.peer, selection.since)) + 1)
    if selection.until is not None:
        end = min(end, await ask(before_date(target.peer, selection.until + 1)) + 1)
    if selection.last is not None:
        start = max(start, await ask(newest(target.peer, selection.last - 1)))
    if end <= start:
        start = end = max(start, 2)  # as first and last id from 1 on, nothing would be [1, 0], which means everything
    return start, end
