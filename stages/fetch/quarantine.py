"""A message that can be decoded by nothing is kept as it came, and the walk goes on behind it."""
from __future__ import annotations

from itertools import count
from typing import Any

import msgpack
import telethon
from telethon.tl.alltlobjects import LAYER

from stages.fetch.coverage import OPEN, Range
from stages.fetch.error import ChatError
from stages.fetch.history import METHOD, RawHistory, behind, next_page
from stages.fetch.pipeline import Pipeline
from stages.fetch.reader import Reader
from stages.fetch.takeout import message_range
from stages.fetch.walk import Walk
from stages.receipt import Kind, Receipt

#: Messages in a row that are set aside; more of them mean that this version can read nothing here.
MOST = 100


class UndecodableError(Exception):
    """A page that neither decoder takes, or at which the workers died: (why, the answer's bytes)."""


async def set_aside(error: UndecodableError, walk: Walk, one: Range, reader: Reader, pipeline: Pipeline) -> int:
    """Keep the one message that comes first in this range, and those behind it that cannot be decoded either.

    Returns the id of the next one, 0 where there is none. ChatError when there are MOST in a row; the reader's failure when
    it was lost while the page was decoded.
    """
    reason, answer = error.args
    if reader.failure:
        raise reader.failure
    peer = walk.peers[reader.number]
    requests, answers = [next_page(peer, one.next, 1)], [answer]
    for skip in count(1):
        if skip > MOST:
            advice = "A newer version may know how."
            raise ChatError(walk.target.name, f"no message from id {one.next} on can be decoded: {reason}", advice)
        request = behind(peer, one.next, skip)
        request.message_range = message_range(walk.message_ranges, one.next)
        receipt, answer = await _ask(request, walk, reader, pipeline)
        if not receipt.error:
            break
        requests.append(request)
        answers.append(answer)
    following = receipt.high if one.next < receipt.high < one.hi else 0
    about = {
        "chat": walk.target.record.marked_id,
        "first": one.next,
        "last": (following or one.hi % OPEN or 1) - 1,
        "reason": reason,
        "requests": [_describe(request) for request in requests],
        "sizes": [len(one) for one in answers],
        "telethon": telethon.__version__,
        "layer": LAYER,
    }
    payload: bytes = msgpack.packb([about, b"".join(answers)])
    slot = await pipeline.reserve()
    await pipeline.send(slot, payload, stream=walk.stream, kind=Kind.QUARANTINE, mark=one.next)
    return following


async def _ask(request: RawHistory, walk: Walk, reader: Reader, pipeline: Pipeline) -> tuple[Receipt, bytes]:
    slot = await pipeline.reserve()
    try:
        answer: bytes = await reader.caller.call(request)
    except BaseException:
        pipeline.cancel(slot)
        raise
    receipt, _ = await pipeline.send(slot, answer, stream=walk.stream, kind=Kind.PROBE)
    return receipt, answer


def _describe(request: RawHistory) -> dict[str, Any]:
    shown = {name: getattr(request, name) for name in ("offset_id", "add_offset", "limit")}
    return {"method": METHOD, **shown}
