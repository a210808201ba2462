"""The way of a page out of the event loop and back: reserve, send, await the receipt."""
from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from engine.arena import Arena
from engine.channel import Channel, ChannelClosed
from engine.frame import unpack
from engine.metric import Meter
from engine.ring import Ring
from stages.receipt import Kind, Receipt

#: What the receipt of a page says of which every worker died.
LOST = "the processes that decode died of it"


class Pipeline:
    """The ring, for coroutines."""

    def __init__(
        self,
        frames: Arena,
        blocks: Arena,
        written: Channel,
        gone: asyncio.Future[None],
        meter: Meter,
        blame: Callable[[], None],
    ) -> None:
        """written: the channel from the write process; its end of file sets `gone`, for nothing can go on then.
        blame: called when a page was found to be what workers died of."""
        self._ring = Ring(frames, blocks, self._on_receipt, self._on_free, self._on_lost)
        self._written = written
        self._receipts: dict[int, asyncio.Future[tuple[Any, int] | None]] = {}
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._idle = asyncio.Event()
        self._idle.set()
        self._gone = gone
        self._blame = blame
        self._meter = meter
        meter.watch(lambda: [("slots", "", self._ring.taken)])
        written.set_blocking(False)
        asyncio.get_running_loop().add_reader(written.fileno(), self._read)

    def attach(self, worker: int, channel: Channel) -> None:
        self._ring.attach(worker, channel)

    async def reserve(self) -> int:
        """A slot; waits until one is free. Give it to send() or cancel()."""
        while (slot := self._ring.reserve()) is None:
            began = time.monotonic()
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            await waiter
            self._meter.observe("slot", time.monotonic() - began)
        self._idle.clear()
        return slot

    def cancel(self, slot: int) -> None:
        self._ring.cancel(slot)
        self._on_free()

    async def send(
        self,
        slot: int,
        payload: bytes,
        *,
        stream: int,
        kind: Kind,
        segment: int = 0,
        mark: int = 0,
        ceiling: int = 0,
        origin: int = 0,
    ) -> tuple[Any, int]:
        """(Receipt, or a batch for Kind.MEDIA and FILM; write's answer) of the payload. A page of which its workers died
        gives a receipt with an error; what they only pass on they cannot have died of, so it goes again."""
        while True:
            seq = self._ring.submit(
                slot, payload, stream=stream, kind=kind, segment=segment, mark=mark, ceiling=ceiling, origin=origin
            )
            future: asyncio.Future[tuple[Any, int] | None] = asyncio.get_running_loop().create_future()
            self._receipts[seq] = future
            answered = await future
            if answered is not None:
                return answered
            if kind in (Kind.HISTORY, Kind.PROBE):
                self._blame()
                return Receipt(error=LOST), 0
            slot = await self.reserve()

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
            frame, _ = self._written.receive()
        except BlockingIOError:
            return
        except ChannelClosed:
            asyncio.get_running_loop().remove_reader(self._written.fileno())
            if not self._gone.done():
                self._gone.set_result(None)
            return
        self._ring.handle(frame)

    def _on_receipt(self, seq: int, receipt: bytes, answer: int) -> None:
        future = self._receipts.pop(seq)
        if not future.done():
            future.set_result((unpack(receipt), answer))

    def _on_lost(self, seq: int) -> None:
        future = self._receipts.pop(seq)
        if not future.done():
            future.set_result(None)

    def _on_free(self) -> None:
        if self._ring.idle():
            self._idle.set()
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
