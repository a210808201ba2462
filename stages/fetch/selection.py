"""From what people want of a chat, dates and counts, to the ids to walk: one question each, never a scan."""
from __future__ import annotations

from collections.abc import Sequence

from telethon.tl.tlobject import TLRequest

from tgbulk.stages.archive.id_range import EVERYTHING, IdRange, intersect
from tgbulk.stages.fetch.caller import Caller
from tgbulk.stages.fetch.config import Selection
from tgbulk.stages.fetch.error import ChatError
from tgbulk.stages.fetch.history import before_date, newest
from tgbulk.stages.fetch.pipeline import Pipeline
from tgbulk.stages.fetch.resolver import Target


async def bounds(
    selection: Selection, target: Target, stream: int, caller: Caller, pipeline: Pipeline,
    part: Sequence[IdRange] = (EVERYTHING,),
) -> list[IdRange]:
    """The ids that the selection means in this part of the chat, ascending and apart; where none, an empty range that begins
    above 1."""

    async def ask(request: TLRequest, before: int = 0) -> int:
        """The id of the one message that the request is for, 0 where there is none; its date must be before that one."""
        receipt = await pipeline.probe(await caller.call(request), stream)
        if receipt.error:
            raise ChatError(target.name, f"the bounds of the selection cannot be read: {receipt.error}", "")
        if before and receipt.date >= before:
            advice = "Give ids: --min-id, --max-id."
            raise ChatError(target.name, "Telegram takes no notice of the date that it was asked for", advice)
        return receipt.high

    start, end = max(selection.min_id or 1, part[0].lo), part[-1].hi
    if selection.max_id is not None:
        end = min(end, selection.max_id + 1)
    if selection.since is not None:
        start = max(start, await ask(before_date(target.peer, selection.since), selection.since) + 1)
    if selection.until is not None:
        end = min(end, await ask(before_date(target.peer, selection.until + 1), selection.until + 1) + 1)
    if selection.last is not None:
        start = max(start, await ask(newest(target.peer, selection.last - 1)))
    # As first and last id from 1 on, nothing would be [1, 0], which means everything.
    return intersect(part, IdRange(start, end)) or [IdRange(max(start, 2), max(start, 2))]
