"""A message that can be decoded by nothing is kept as it came, and the walk goes on behind it."""
from __future__ import annotations

from dataclasses import dataclass, field

import telethon
from telethon.tl import types
from telethon.tl.alltlobjects import LAYER

from tgbulk.stages.archive.id_range import IdRange
from tgbulk.stages.archive.quarantine import RawRequest, Undecoded
from tgbulk.stages.fetch.bound import UnusableAnswer
from tgbulk.stages.fetch.history import METHOD, RawHistory, behind, next_page
from tgbulk.stages.fetch.missing import WalkRange
from tgbulk.stages.fetch.pipeline import Pipeline
from tgbulk.stages.fetch.reader import Reader
from tgbulk.stages.fetch.takeout import message_range
from tgbulk.stages.fetch.walk import Walk
from tgbulk.stages.protocol.receipt import Receipt
from tgbulk.stages.protocol.request import QuarantineRequest

#: Messages in a row that a run sets aside; what lies behind more of them is left to the next one.
MOST = 10_000
#: The same for all of a chat: bytes, and answers in a row that are no pages, or larger than one message makes them.
MOST_BYTES = 256 << 20
MOST_STRANGE = 20
LARGE = 1 << 20
#: Bytes of answers that are held before they go to write.
HELD_BYTES = 1 << 20

_PAGES = {
    one.CONSTRUCTOR_ID.to_bytes(4, "little")
    for one in (types.messages.Messages, types.messages.MessagesSlice, types.messages.ChannelMessages)
}


class UndecodableError(Exception):
    """A page that neither decoder takes, or at which the workers died: (why, the answer's bytes)."""


@dataclass(slots=True)
class _Aside:
    """Answers on their way into the archive, as they come."""

    walk: Walk
    about: Undecoded
    #: those that have not gone to write, and the bytes of those that have
    held: list[bytes] = field(default_factory=list)
    sent: int = 0

    def add(self, request: RawHistory, answer: bytes) -> None:
        self.about.requests.append(RawRequest(METHOD, request.offset_id, request.add_offset, request.limit))
        self.about.sizes.append(len(answer))
        self.held.append(answer)
        self.walk.aside_bytes += len(answer)
        self.walk.strange += answer[:4] not in _PAGES or len(answer) > LARGE

    @property
    def bytes(self) -> int:
        """That wait for write."""
        return sum(map(len, self.held))

    @property
    def full(self) -> bool:
        walk = self.walk
        return len(self.about.sizes) >= MOST or walk.aside_bytes >= MOST_BYTES or walk.strange >= MOST_STRANGE

    async def send(self, pipeline: Pipeline, whole: bool) -> None:
        answers = b"".join(self.held)
        self.held.clear()
        await pipeline.quarantine(self.walk.stream, QuarantineRequest(self.about, answers, self.sent, whole))
        self.sent += len(answers)


async def set_aside(error: UndecodableError, walk: Walk, one: WalkRange, reader: Reader, pipeline: Pipeline) -> int:
    """Keep the one message that comes first in this range, and those behind it that cannot be decoded either.

    Returns the id of the next one, 0 where there is none or MOST were met. The reader's failure when it was lost while the
    page was decoded.
    """
    reason, answer = error.args
    if reader.failure:
        raise reader.failure
    peer = walk.peers[reader.number]
    request = next_page(peer, one.next, 1)
    about = Undecoded(walk.target.record.marked_id, one.next, 0, reason, [], [], telethon.__version__, LAYER)
    kept, next_id = _Aside(walk, about), 0
    while True:
        kept.add(request, answer)
        if kept.full:
            about.reason += f"; {len(about.sizes):,} in a row are kept, and what lies behind them was not asked for"
            break
        if kept.bytes >= HELD_BYTES:
            await kept.send(pipeline, whole=False)
        request = behind(peer, one.next, len(about.sizes))
        request.message_range = message_range(walk.message_ranges, one.next)
        receipt, answer = await _ask(request, walk, reader, pipeline)
        if not receipt.error:
            walk.strange = 0
            next_id = receipt.high if one.next < receipt.high < one.hi else 0
            break
    about.first, about.last = IdRange(one.next, next_id or one.hi).closed()
    await kept.send(pipeline, whole=True)
    return next_id


async def _ask(request: RawHistory, walk: Walk, reader: Reader, pipeline: Pipeline) -> tuple[Receipt, bytes]:
    try:
        answer: bytes = await reader.caller.call(request)
    except UnusableAnswer as error:
        return Receipt(error=error.message), b""
    return await pipeline.probe(answer, walk.stream), answer
