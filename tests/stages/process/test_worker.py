from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from support import telegram_page as made
from tgbulk.engine.arena import Arena, open_overflow, overflow
from tgbulk.engine.channel import ChannelClosed, control_pair, data_pair
from tgbulk.engine.frame import unpack
from tgbulk.engine.hop import Block, Page
from tgbulk.stages.archive.id_range import UNBOUNDED
from tgbulk.stages.process import worker
from tgbulk.stages.process.config import WorkerContext
from tgbulk.stages.process.page import transform
from tgbulk.stages.process.seen_peers import SeenPeers
from tgbulk.stages.protocol.receipt import PayloadKind, Receipt

SLOTS = 3


class Bench:
    """A worker in a thread, with both its neighbours' ends in our hands."""

    def __init__(self) -> None:
        self.frames = Arena.create("tgbulk-frames", SLOTS, 4096)
        self.blocks = Arena.create("tgbulk-blocks", SLOTS, 4096)
        self.pages, self._its_pages = data_pair()
        self._out, self.out = data_pair()
        self._control = control_pair()
        context = WorkerContext(self._its_pages, self._out, self.frames, self.blocks)
        self.thread = threading.Thread(target=worker.main, args=(self._control[1], context))
        self.thread.start()

    def send(self, seq: int, payload: bytes, kind: PayloadKind = PayloadKind.HISTORY, **where: int) -> None:
        page = Page(seq, seq % SLOTS, len(payload), 4, kind, where.get("range_start", 1), where.get("first", 1),
                    where.get("bound", UNBOUNDED), len(payload) > 4096)
        if not page.overflow:
            self.frames.write(page.slot, payload)
            self.pages.send(page)
            return
        extra = overflow(payload)
        self.pages.send(page, [extra])
        os.close(extra)

    def receive(self) -> tuple[Block, Receipt, bytes]:
        block, descriptors = self.out.receive()
        receipt = unpack(self.blocks.read(block.slot, block.receipt))
        assert len(descriptors) == block.overflow
        if not block.overflow:
            return block, receipt, self.blocks.read(block.slot, block.body, block.receipt)
        body = open_overflow(descriptors[0], block.body)
        os.close(descriptors[0])
        return block, receipt, body

    def close(self) -> None:
        self.pages.close()
        self.thread.join(10)
        assert not self.thread.is_alive()
        for one in (self._its_pages, self._out, self.out, *self._control, self.frames, self.blocks):
            one.close()


@pytest.fixture
def bench() -> Iterator[Bench]:
    before = len(os.listdir("/proc/self/fd"))
    made_bench = Bench()
    yield made_bench
    made_bench.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_page_becomes_a_block_in_the_same_slot(bench: Bench) -> None:
    payload = made.page([made.message(n) for n in (5, 6, 9)], [made.user(3)])
    bench.send(7, payload, range_start=2, first=6, bound=9)
    block, receipt, body = bench.receive()
    assert (receipt, unpack(body)) == transform(payload, 0, 6, 9, SeenPeers())
    assert receipt.messages == 1
    expected = Block(7, 1, 4, PayloadKind.HISTORY, block.receipt, len(body), 2, 6, False)
    assert block == expected


def test_pages_come_out_in_order(bench: Bench) -> None:
    payloads = [made.page([made.message(n)]) for n in range(1, 4)]
    for seq, payload in enumerate(payloads):
        bench.send(seq, payload)
    assert [bench.receive()[0].seq for _ in payloads] == [0, 1, 2]


@pytest.mark.parametrize("text", ["x" * 3000, "x" * 5000, "\x01" * 1000, "\x01" * 5000])
def test_what_is_too_large_for_its_slot_goes_as_an_overflow(bench: Bench, text: str) -> None:
    payload = made.page([made.message(1, text)])
    for seq in range(3):
        bench.send(seq, payload)
        block, receipt, body = bench.receive()
        assert (receipt, unpack(body)) == transform(payload, 0, 1, UNBOUNDED, SeenPeers())
        assert block.overflow == (block.receipt + len(body) > 4096)


@pytest.mark.parametrize("spare", [0, 1])
def test_a_block_that_fills_its_slot_to_the_last_byte(bench: Bench, spare: int) -> None:
    bench.send(0, b"", kind=PayloadKind.OPEN)
    head = bench.receive()[0].receipt
    bench.send(1, b"r" * (4096 - head + spare), kind=PayloadKind.OPEN)
    block, _, body = bench.receive()
    assert (block.overflow, body) == (bool(spare), b"r" * (4096 - head + spare))


@pytest.mark.parametrize(("kind", "body"), [(PayloadKind.OPEN, b"record"), (PayloadKind.CLOSE, b"record")])
def test_records_pass_as_they_are(bench: Bench, kind: PayloadKind, body: bytes) -> None:
    bench.send(0, body, kind=kind)
    block, receipt, came = bench.receive()
    assert (block.kind, receipt, came) == (kind, Receipt(), body)


def test_of_a_probe_only_the_receipt_passes(bench: Bench) -> None:
    payload = made.page([made.message(5)])
    bench.send(0, payload, kind=PayloadKind.PROBE)
    assert bench.receive()[1:] == (transform(payload, 0, 1, UNBOUNDED, SeenPeers())[0], b"")


def test_peers_of_a_probe_are_still_news_for_the_chat(bench: Bench) -> None:
    payload = made.page([made.message(5)], [made.user(3)])
    bench.send(0, payload, kind=PayloadKind.PROBE)
    bench.receive()
    bench.send(1, payload)
    assert [peer.marked_id for peer in unpack(bench.receive()[2]).peers] == [3]
    bench.send(2, payload)
    assert unpack(bench.receive()[2]).peers == []


def test_a_page_that_cannot_be_decoded_does_not_end_it(bench: Bench) -> None:
    bench.send(0, b"nonsense")
    assert bench.receive()[1].error
    bench.send(1, made.page([made.message(5)]))
    assert bench.receive()[1].messages == 1


def test_it_leaves_when_fetch_does(bench: Bench) -> None:
    bench.send(0, made.page([made.message(5)]))
    bench.pages.close()
    bench.thread.join(10)
    assert bench.receive()[0].seq == 0
    assert not bench.thread.is_alive()


@pytest.mark.parametrize("text", ["small", "\x01" * 5000])
def test_it_leaves_when_write_does(bench: Bench, text: str) -> None:
    bench.out.close()
    bench.send(0, made.page([made.message(5, text)]))
    bench.thread.join(10)
    assert not bench.thread.is_alive()
    with pytest.raises(ChannelClosed):
        _send_until_closed(bench)


def _send_until_closed(bench: Any) -> None:
    """The worker's process would have closed its end."""
    bench._its_pages.close()
    bench.send(1, b"")
