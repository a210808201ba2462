"""The process stage: takes pages, makes blocks, keeps no page."""
from __future__ import annotations

import gc
import os
from dataclasses import replace

from tgbulk.engine.arena import open_overflow, overflow
from tgbulk.engine.channel import Channel, ChannelClosed
from tgbulk.engine.frame import pack
from tgbulk.engine.heartbeat import BEAT_SECONDS, beat
from tgbulk.engine.hop import Block, Page
from tgbulk.engine.metric import Meter
from tgbulk.stages.process.config import WorkerContext
from tgbulk.stages.process.difference import transform_difference
from tgbulk.stages.process.page import transform
from tgbulk.stages.process.seen_peers import SeenPeers
from tgbulk.stages.protocol.difference import DifferenceReceipt
from tgbulk.stages.protocol.receipt import LOOKED_AGAIN, PayloadKind, Receipt

#: The stream of what is not written: its peers are still news for the chat.
_NOWHERE = -1
#: Added to a chat's marked id this gives the stream of pages of chats that are not open: below all others.
_AGAIN = -(1 << 48)
#: Pages of messages.
_PAGES = (PayloadKind.HISTORY, PayloadKind.END, PayloadKind.PROBE, *LOOKED_AGAIN)


def main(control: Channel, context: WorkerContext) -> None:
    """Work until fetch closes its end, or write is gone."""
    # What a page leaves behind refers to nothing else: there is no cycle to look for.
    gc.disable()
    met = SeenPeers()
    pages = context.pages
    pages.set_limit(BEAT_SECONDS)
    with Meter(context.outlet) as meter:
        upstream, work, downstream = map(meter.span, ("upstream", "work", "downstream"))
        while True:
            beat()
            try:
                with upstream:
                    page, descriptors = pages.receive()
                with work:
                    block, extra = _handle(page, descriptors, context, met, meter)
                with downstream:
                    _send(context.out, block, extra)
            except BlockingIOError:
                continue
            except ChannelClosed:
                return


def _handle(
    page: Page, descriptors: list[int], context: WorkerContext, met: SeenPeers, meter: Meter
) -> tuple[Block, int | None]:
    """(block, overflow of its body where it has one)."""
    if page.overflow:
        payload = open_overflow(descriptors[0], page.length)
        os.close(descriptors[0])
    else:
        payload = context.frames.read(page.slot, page.length)
    made: Receipt | DifferenceReceipt
    if page.kind in _PAGES:
        probe, again = page.kind == PayloadKind.PROBE, page.kind in LOOKED_AGAIN
        stream = _NOWHERE if probe else _AGAIN + page.subject if again else page.stream
        made, found = transform(
            payload, stream, page.first, page.bound, met, with_media=page.origin > 0, subject=page.subject,
            proved=page.kind in (PayloadKind.END, PayloadKind.AGAIN_END),
        )
        body = b"" if probe else pack(found)
    elif page.kind == PayloadKind.DIFFERENCE:
        made, difference = transform_difference(payload, page.origin, page.subject)
        body = pack(difference)
    else:
        made, body = Receipt(), payload
    if made.error or made.slow:
        meter.count("page_errors" if made.error else "slow_pages")
    blocks = context.blocks
    receipt = pack(made)
    if len(receipt) > blocks.slot_size:
        receipt = pack(replace(made, peers=None))  # fetch asks for those that it needs
    if len(receipt) > blocks.slot_size:
        receipt, body = pack(type(made)(error="the page names more than a page of messages can")), b""
    fits = len(receipt) + len(body) <= blocks.slot_size
    blocks.write(page.slot, receipt)
    sizes = len(receipt), len(body)
    block = Block(
        page.seq, page.slot, page.stream, page.kind, *sizes, page.range_start, page.first, not fits, page.origin,
        page.subject,
    )
    if fits:
        blocks.write(page.slot, body, len(receipt))
        return block, None
    return block, overflow(body)


def _send(out: Channel, block: Block, extra: int | None) -> None:
    if extra is None:
        out.send(block)
        return
    try:
        out.send(block, [extra])
    finally:
        os.close(extra)
