"""The way of a page without fetch's network: the ring, a real worker in a thread, a writer; one page at a time."""
from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

from engine.arena import Arena
from engine.channel import control_pair, data_pair
from engine.frame import unpack
from engine.ring import BLOCK_SIZE, FRAME_SIZE, Ring
from stages.process import worker
from stages.receipt import Kind, Receipt
from stages.telegram.chat import ChatRecord
from stages.write.archive import Archive
from stages.write.writer import Writer

SLOTS = 4


class Line:
    """An archive under way. Leaving it by `close` is an orderly end, by `abandon` a crash."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.archive = Archive(root)
        self._lock = self.archive.open()
        self._arenas = Arena.create("tgbulk-frames", SLOTS, FRAME_SIZE), Arena.create("tgbulk-blocks", SLOTS, BLOCK_SIZE)
        self.ring = Ring(*self._arenas, self._on_receipt, lambda: None, lambda seq: None)
        self._receipts: dict[int, tuple[Receipt, int]] = {}
        told, self._hears = data_pair()
        self._control, control = control_pair()
        self._control.set_blocking(False)
        to_worker, pages = data_pair()
        out, self._blocks = data_pair()
        self._others = told, control, pages, out
        self.writer = Writer(self.archive, self._arenas[1], told, control)
        self._worker = threading.Thread(target=worker.main, args=(control, pages, out, *self._arenas))
        self._worker.start()
        self.ring.attach(0, to_worker)

    def send(self, kind: Kind, payload: bytes, **where: int) -> tuple[Receipt, int]:
        """(receipt, write's answer) of one payload; it is written when this returns."""
        slot = self.ring.reserve()
        assert slot is not None
        seq = self.ring.submit(slot, payload, kind=kind, **{"stream": 0, **where})
        self.writer.take(*self._blocks.receive())
        while not self.ring.idle():
            self.ring.handle(self._hears.receive()[0])
        return self._receipts.pop(seq)

    def begin(self, record: ChatRecord, stream: int = 0) -> tuple[list[list[int]] | None, int]:
        """(what is covered, answer)."""
        receipt, answer = self.send(Kind.OPEN, record.pack(), stream=stream)
        return receipt.covered, answer

    def page(self, payload: bytes, mark: int, ceiling: int = 0, segment: int = 1, stream: int = 0) -> Receipt:
        where = {"segment": segment, "mark": mark, "ceiling": ceiling, "stream": stream}
        return self.send(Kind.HISTORY, payload, **where)[0]

    def end(self, record: ChatRecord, stream: int = 0, state: str = "complete") -> None:
        record.state = state
        self.send(Kind.CLOSE, record.pack(), stream=stream)
        record.state = "open"

    def said(self) -> list[Any]:
        """What write told the supervisor since it was last asked."""
        frames = []
        while True:
            try:
                frames.append(self._control.receive()[0])
            except BlockingIOError:
                return frames

    def close(self) -> None:
        self.writer.close()
        self._let_go()

    def abandon(self) -> None:
        """What a killed process leaves: descriptors closed, nothing committed."""
        chats = self.writer._open.values()
        for chat in chats:
            chat.close()
        self.writer._journal.close()
        self._let_go()

    def crash(self, copy: Path) -> Line:
        """A new line on what is on disk at this moment."""
        shutil.copytree(self.root, copy)
        self.abandon()
        return Line(copy)

    def _on_receipt(self, seq: int, receipt: bytes, answer: int) -> None:
        self._receipts[seq] = unpack(receipt), answer

    def _let_go(self) -> None:
        self.ring.close_workers()
        self._worker.join()
        for one in (*self._others, self._hears, self._control, self._blocks, *self._arenas):
            one.close()
        self._lock.release()
