"""The way out of the event loop and back: a page and its receipt, a request to write and its reply."""
from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tgbulk.engine.arena import Arena
from tgbulk.engine.channel import Channel, ChannelClosed
from tgbulk.engine.frame import pack, unpack
from tgbulk.engine.metric import Meter, Number
from tgbulk.engine.ring import Ring
from tgbulk.stages.archive.id_range import UNBOUNDED
from tgbulk.stages.fetch.backlog import Backlog
from tgbulk.stages.protocol.annex import AnnexPage, AnnexReply
from tgbulk.stages.protocol.difference import BoxRequest, DifferenceReceipt, StateReply, StateRequest
from tgbulk.stages.protocol.receipt import PayloadKind, Receipt
from tgbulk.stages.protocol.request import (
    MediaBatch,
    MediaRequest,
    OpenReply,
    QuarantineRequest,
    VideoBatch,
    VideoRequest,
)
from tgbulk.stages.telegram.chat import ChatRecord

#: Bytes of payloads in slots, at most, but for one: ordinary pages in all of them have a twentieth of it.
MOST_INSIDE = 32 << 20

#: What the receipt of a page says of which every worker died.
LOST = "the processes that decode died of it"


@dataclass(slots=True)
class QueuedPayload:
    """A payload that has no slot yet."""

    payload: bytes
    #: arguments of Ring.submit
    place: dict[str, int]
    reply: asyncio.Future[Any | None]
    #: time.monotonic()
    since: float


class Pipeline:
    """The ring, for coroutines."""

    def __init__(
        self,
        frames: Arena,
        blocks: Arena,
        written: Channel,
        gone: asyncio.Future[None],
        meter: Meter,
        on_poison: Callable[[], None],
    ) -> None:
        """written: the channel from the write process; its end of file sets `gone`, for nothing can go on then.
        on_poison: called when a page was found to be what workers died of."""
        self._ring = Ring(frames, blocks, self._on_receipt, self._on_free, self._on_lost)
        self._written = written
        self._receipts: dict[int, asyncio.Future[Any | None]] = {}
        self.most_inside = MOST_INSIDE
        #: bytes of payloads in slots that have no reply yet, in all and by sequence number
        self._inside = 0
        self._sizes: dict[int, int] = {}
        self._waiting: deque[QueuedPayload] = deque()
        self.backlog = Backlog()
        #: replies so far
        self.moves = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._gone = gone
        self._on_poison = on_poison
        self._meter = meter
        meter.watch(lambda: [Number("slots", "", self._ring.taken)])
        written.set_blocking(False)
        asyncio.get_running_loop().add_reader(written.fileno(), self._read)

    def describe(self) -> str:
        """What is under way, for those who mend it."""
        waits = f"{len(self._waiting)} payloads wait for a slot, {self.backlog.flying} answers are on the way"
        return f"{self._ring.describe()}; {waits}, {self.backlog.bytes} bytes are here"

    def attach(self, worker: int, channel: Channel) -> None:
        self._ring.attach(worker, channel)

    async def page(
        self,
        answer: bytes,
        *,
        stream: int,
        range_start: int,
        first: int,
        bound: int,
        origin: int,
        subject: int = 0,
        last: bool = False,
    ) -> Receipt:
        """The receipt of a getHistory answer, whose lines are with write then; with an error where its workers died of it.

        origin: the account that brings it, negative where write keeps no media of it; subject: marked id of the chat, 0 for
        any; last: even where the page is empty, nothing lies above it.
        """
        place = {"range_start": range_start, "first": first, "bound": bound, "origin": origin, "subject": subject}
        return await self._receipt(answer, PayloadKind.END if last else PayloadKind.HISTORY, stream, **place)

    async def probe(self, answer: bytes, stream: int) -> Receipt:
        """The receipt of a getHistory answer that is not to be written."""
        return await self._receipt(answer, PayloadKind.PROBE, stream, bound=UNBOUNDED)

    async def difference(self, answer: bytes, account: int, channel: int = 0) -> DifferenceReceipt:
        """What became of a getDifference answer, or of a getChannelDifference answer of this channel (marked id); with an
        error where it changed nothing."""
        receipt: DifferenceReceipt | None = await self._submit(
            answer, PayloadKind.DIFFERENCE, 0, bound=UNBOUNDED, origin=account, subject=channel
        )
        if receipt is None:
            self._on_poison()
            return DifferenceReceipt(error=LOST)
        return receipt

    async def again(
        self, answer: bytes, *, chat: int, account: int, first: int, bound: int, last: bool = False
    ) -> Receipt:
        """The receipt of a getHistory answer whose messages are looked at again, ids from first to below its `next`.

        bound: at most the end of what was covered before the walk; last: nothing lies above the page.
        """
        kind = PayloadKind.AGAIN_END if last else PayloadKind.AGAIN
        return await self._receipt(answer, kind, 0, first=first, bound=bound, origin=account, subject=chat)

    async def state(self, request: StateRequest) -> StateReply:
        reply: StateReply = await self._exchange(PayloadKind.STATE, request)
        return reply

    async def box(self, request: BoxRequest) -> StateReply:
        reply: StateReply = await self._exchange(PayloadKind.BOX, request)
        return reply

    async def open_chat(self, stream: int, record: ChatRecord) -> OpenReply:
        """Open a chat in the archive under this number; no page of it before."""
        reply: OpenReply = await self._exchange(PayloadKind.OPEN, record, stream)
        return reply

    async def close_chat(self, stream: int, record: ChatRecord) -> None:
        """Its last page is with write, and this is its end."""
        await self._exchange(PayloadKind.CLOSE, record, stream)

    async def media(self, request: MediaRequest) -> MediaBatch:
        batch: MediaBatch = await self._exchange(PayloadKind.MEDIA, request)
        return batch

    async def videos(self, request: VideoRequest) -> VideoBatch:
        batch: VideoBatch = await self._exchange(PayloadKind.VIDEO, request)
        return batch

    async def annex(self, stream: int, page: AnnexPage) -> AnnexReply:
        """Keep a page of an open chat's annex."""
        reply: AnnexReply = await self._exchange(PayloadKind.ANNEX, page, stream)
        return reply

    async def quarantine(self, stream: int, request: QuarantineRequest) -> None:
        """Keep messages of an open chat as they came."""
        await self._exchange(PayloadKind.QUARANTINE, request, stream)

    async def _receipt(self, answer: bytes, kind: PayloadKind, stream: int, **place: int) -> Receipt:
        receipt: Receipt | None = await self._submit(answer, kind, stream, **place)
        if receipt is None:
            self._on_poison()
            return Receipt(error=LOST)
        return receipt

    async def _exchange(self, kind: PayloadKind, request: object, stream: int = 0) -> Any:
        """Write's reply. Workers only pass the request on and cannot have died of it, so it goes again until it is there."""
        payload = pack(request)
        while True:
            reply = await self._submit(payload, kind, stream)
            if reply is not None:
                return reply

    async def _submit(self, payload: bytes, kind: PayloadKind, stream: int, **place: int) -> Any | None:
        """What comes back for a payload, None where its workers died of it; it goes out once a slot is free, in turn."""
        future: asyncio.Future[Any | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(QueuedPayload(payload, {"stream": stream, "kind": kind, **place}, future, time.monotonic()))
        self.backlog.wait(len(payload))
        self._idle.clear()
        self._fill()
        return await future

    def _fill(self) -> None:
        """Free slots go to those who have waited longest, as long as the payloads in slots are not too large together."""
        while self._waiting and not self._ring.full and self._has_room(len(self._waiting[0].payload)):
            one = self._waiting.popleft()
            size = len(one.payload)
            self.backlog.go(size)
            if not one.reply.done():
                self._meter.observe("slot", time.monotonic() - one.since)
                seq = self._ring.submit(one.payload, **one.place)
                self._receipts[seq] = one.reply
                self._sizes[seq] = size
                self._inside += size

    def _has_room(self, size: int) -> bool:
        """One goes in any case: so there is always a reply to come, after which the next ones go."""
        return not self._inside or self._inside + size <= self.most_inside

    async def drain(self) -> None:
        """Wait until write has freed every slot."""
        await self._idle.wait()

    def close(self) -> None:
        """No more pages: the workers see the end of file."""
        asyncio.get_running_loop().remove_reader(self._written.fileno())
        self._ring.close_workers()

    def _read(self) -> None:
        """One frame; the loop calls again for the next, which is cheaper than to ask whether there is one."""
        try:
            frame, descriptors = self._written.receive()
        except BlockingIOError:
            return
        except ChannelClosed:
            asyncio.get_running_loop().remove_reader(self._written.fileno())
            if not self._gone.done():
                self._gone.set_result(None)
            return
        self._ring.handle(frame, descriptors)

    def _on_receipt(self, seq: int, receipt: bytes) -> None:
        self.moves += 1
        self._reply(seq, unpack(receipt))

    def _on_lost(self, seq: int) -> None:
        self._reply(seq, None)

    def _reply(self, seq: int, reply: Any | None) -> None:
        future = self._receipts.pop(seq)
        self._inside -= self._sizes.pop(seq)
        if not future.done():
            future.set_result(reply)

    def _on_free(self) -> None:
        self._fill()
        if self._ring.idle() and not self._waiting:
            self._idle.set()
