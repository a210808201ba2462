"""Looking again at messages of which Telegram can no longer tell whether they changed (docs/spec/updates.md 10)."""
from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial

from telethon.tl import functions, types

from tgbulk.stages.archive.account import Unlooked
from tgbulk.stages.archive.id_range import IdRange
from tgbulk.stages.fetch.config import Recheck, Selection
from tgbulk.stages.fetch.error import ChatError
from tgbulk.stages.fetch.history import STALE_PAGE, RawHistory, fresh, newest, next_page
from tgbulk.stages.fetch.pipeline import Pipeline
from tgbulk.stages.fetch.reader import Reader
from tgbulk.stages.fetch.resolver import Target
from tgbulk.stages.fetch.selection import bounds

DAY = 86_400
#: How often a page is asked for again that is empty where it cannot be.
DOUBTS = 3


@dataclass(frozen=True, slots=True)
class Recheckable:
    """A chat, and what it takes to look at it again."""

    target: Target
    stream: int
    reader: Reader
    pipeline: Pipeline
    #: of its own box, up to which everything was told; 0: it has none
    pts: int

    async def ask(self, request: RawHistory) -> bytes:
        """A page that is no older than what was told of the chat: such a one would deny what is known. ChatError."""
        call = partial(self.reader.caller.call, request)
        answer, stale = await fresh(await call(), self.pts, call)
        if stale:
            raise ChatError(self.target.name, STALE_PAGE, "")
        return answer


async def recheck(chat: Recheckable, unlooked: list[Unlooked], policy: Recheck) -> None:
    """Look at what is unlooked again, as far as the policy wants. ChatError, errors.RPCError, as any other page."""
    wanted = [one for one in unlooked if one.since or policy.asked]
    if not wanted or policy.days == 0:
        return
    window = IdRange()
    if policy.days is not None:
        since = Selection(since=int(time.time() - policy.days * DAY))
        window = (await bounds(since, chat.target, chat.stream, chat.reader.caller, chat.pipeline))[0]
    await _learn_cleared(chat)
    for one in wanted:
        lo, hi = max(one.lo, window.lo), min(one.hi, window.hi)
        if lo < hi:
            await _look(chat, IdRange(lo, hi))


async def _learn_cleared(chat: Recheckable) -> None:
    """What was taken from this account alone is not there for it, and not deleted (docs/spec/updates.md 5)."""
    if not chat.pts:
        return
    channel = types.InputChannel(chat.target.peer.channel_id, chat.target.peer.access_hash)
    answer = await chat.reader.caller.call(functions.channels.GetFullChannelRequest(channel))
    if up_to := answer.full_chat.available_min_id:
        told = types.UpdateChannelAvailableMessages(channel.channel_id, up_to)
        difference = types.updates.ChannelDifference(chat.pts, [], [told], [], [])
        await chat.pipeline.difference(bytes(difference), chat.reader.me, chat.target.record.marked_id)


async def _look(chat: Recheckable, ids: IdRange) -> None:
    """Every page of these ids."""
    pipeline, marked = chat.pipeline, chat.target.record.marked_id
    place, doubts = ids.lo, 0
    while place < ids.hi:
        answer = await chat.ask(next_page(chat.target.peer, place))
        look = partial(pipeline.again, answer, chat=marked, account=chat.reader.me, first=place, bound=ids.hi)
        receipt = await look()
        if receipt.error:
            raise ChatError(chat.target.name, f"messages from id {place} cannot be looked at again: {receipt.error}", "")
        if not receipt.high:
            top = await pipeline.probe(await chat.ask(newest(chat.target.peer)), chat.stream)
            nothing = not top.high and max(receipt.total, top.total) <= 0
            if not top.error and (nothing or 0 < top.high < place):
                await look(last=True)
                return
            doubts += 1
            if doubts > DOUBTS:
                raise ChatError(chat.target.name, f"Telegram gives no message from id {place} on, although it has some", "")
        if receipt.next > place:
            place, doubts = receipt.next, 0
