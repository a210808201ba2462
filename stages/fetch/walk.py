"""One chat from the id where it stands to its newest message, ascending, a page at a time."""
from __future__ import annotations

from collections.abc import Callable

from stages.fetch.caller import Caller
from stages.fetch.error import ChatError
from stages.fetch.history import next_page
from stages.fetch.pipeline import LostPageError, Pipeline
from stages.fetch.resolver import Target
from stages.receipt import Kind, Receipt

#: The answer that is the whole list: nothing lies above it.
_WHOLE = "messages.messages"


class InterruptedWalk(Exception):
    """The run was asked to stop; what was fetched is kept, and the next run goes on from there."""


async def walk(
    target: Target,
    stream: int,
    first_id: int,
    caller: Caller,
    pipeline: Pipeline,
    stopping: Callable[[], bool],
    on_page: Callable[[Receipt], None],
) -> None:
    """Fetch every message with an id of at least first_id; on_page sees each receipt.

    Only an empty page or the whole list ends it: a short page does not, nor one of messageEmpty alone
    (spec/history-fetching.md 1). ChatError for a page that cannot be processed; RPCError, InterruptedWalk.
    """
    while True:
        if stopping():
            raise InterruptedWalk
        slot = await pipeline.reserve()
        try:
            answer = await caller.call(next_page(target.peer, first_id))
        except BaseException:
            pipeline.cancel(slot)
            raise
        try:
            receipt, _ = await pipeline.send(slot, stream, Kind.HISTORY, first_id, answer)
        except LostPageError as error:
            raise ChatError(target.name, f"the page after id {first_id - 1} killed its workers", "") from error
        if receipt.error:
            raise ChatError(target.name, f"the page after id {first_id - 1} cannot be decoded: {receipt.error}", "")
        on_page(receipt)
        if receipt.high == 0 or receipt.form == _WHOLE:
            return
        if receipt.high < first_id:
            raise ChatError(target.name, f"Telegram repeats old messages instead of those after {first_id - 1}", "")
        first_id = receipt.high + 1
