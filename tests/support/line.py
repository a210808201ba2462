"""The way of a page without fetch's network: the ring, a real worker in a thread, a writer; one page at a time."""
from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

from tgbulk.engine.arena import Arena
from tgbulk.engine.channel import control_pair, data_pair
from tgbulk.engine.frame import pack, unpack
from tgbulk.engine.metric import Meter
from tgbulk.engine.ring import BLOCK_SIZE, FRAME_SIZE, Ring
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.id_range import UNBOUNDED
from tgbulk.stages.process import worker
from tgbulk.stages.process.config import WorkerContext
from tgbulk.stages.protocol.receipt import PayloadKind, Receipt
from tgbulk.stages.protocol.request import OpenReply
from tgbulk.stages.telegram.chat import ChatRecord
from tgbulk.stages.telegram.medium import MediaSelection
from tgbulk.stages.write.writer import Writer

SLOTS = 4
#: User id of who reads pages with media.
ACCOUNT = 77


class Line:
    """An archive under way. Leaving it by `close` is an orderly end, by `abandon` a crash."""

    def __init__(
        self, root: Path, media: MediaSelection | None = None, videos: str | None = None, meter: Meter | None = None
    ) -> None:
        self.root = root
        self._with_media = media is not None
        self.archive = Archive(root)
        self._lock = self.archive.open()
        self._arenas = Arena.create("tgbulk-frames", SLOTS, FRAME_SIZE), Arena.create("tgbulk-blocks", SLOTS, BLOCK_SIZE)
        self.ring = Ring(*self._arenas, self._on_receipt, lambda: None, lambda seq: None)
        self._receipts: dict[int, Any] = {}
        told, self._events = data_pair()
        self._control, control = control_pair()
        self._control.set_blocking(False)
        to_worker, pages = data_pair()
        out, self._blocks = data_pair()
        self._others = told, control, pages, out
        self.writer = Writer(self.archive, self._arenas[1], told, control, meter, media, videos)
        self._worker = threading.Thread(
            target=worker.main, args=(control, WorkerContext(pages, out, *self._arenas)), daemon=True  # a test may fail
        )
        self._worker.start()
        self.ring.attach(0, to_worker)

    def send(self, kind: PayloadKind, payload: bytes, **where: int) -> Any:
        """The receipt, or write's reply, of one payload; it is written when this returns."""
        seq = self.ring.submit(payload, kind=kind, **{"stream": 0, "bound": UNBOUNDED, **where})
        self.writer.take(*self._blocks.receive())
        while not self.ring.idle():
            self.ring.handle(*self._events.receive())
        return self._receipts.pop(seq)

    def begin(self, record: ChatRecord, stream: int = 0) -> OpenReply:
        reply: OpenReply = self.send(PayloadKind.OPEN, pack(record), stream=stream)
        return reply

    def page(
        self, payload: bytes, first: int, bound: int = UNBOUNDED, range_start: int = 1, stream: int = 0, last: bool = False
    ) -> Receipt:
        """last: fetch knows that nothing lies above."""
        where = {"range_start": range_start, "first": first, "bound": bound, "stream": stream}
        where |= {"origin": ACCOUNT} if self._with_media else {}
        receipt: Receipt = self.send(PayloadKind.END if last else PayloadKind.HISTORY, payload, **where)
        return receipt

    def end(self, record: ChatRecord, stream: int = 0, state: str = "complete") -> None:
        record.state = state
        self.send(PayloadKind.CLOSE, pack(record), stream=stream)
        record.state = "open"

    def said(self) -> list[Any]:
        """What write told the supervisor since it was last asked."""
        frames = []
        while True:
            try:
                frames.append(self._control.receive()[0])
            except BlockingIOError:
                return frames

    def close(self) -> list[Any]:
        """What write told the supervisor since it was last asked."""
        self.writer.close()
        said = self.said()
        self._let_go()
        return said

    def abandon(self) -> None:
        """What a killed process leaves: descriptors closed, nothing committed. Not of a line with media."""
        for chat in (*self.writer._open.values(), *self.writer._boxes._files.values()):
            chat.close()
        self.writer._journal.close()
        self._let_go()

    def crash(self, copy: Path) -> Line:
        """A new line on what is on disk at this moment."""
        shutil.copytree(self.root, copy)
        self.abandon()
        return Line(copy)

    def _on_receipt(self, seq: int, receipt: bytes) -> None:
        self._receipts[seq] = unpack(receipt)

    def _let_go(self) -> None:
        self.ring.close_workers()
        self._worker.join()
        for one in (*self._others, self._events, self._control, self._blocks, *self._arenas):
            one.close()
        self._lock.release()
