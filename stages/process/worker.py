"""The process stage: takes pages, makes blocks, keeps no page."""
from __future__ import annotations

import gc
import os

from engine.arena import Arena, open_parcel, parcel
from engine.channel import Channel, ChannelClosed
from engine.frame import pack
from engine.hop import Block, Page
from engine.metric import Meter, Outlet
from engine.pulse import BEAT_SECONDS, beat
from stages.process.acquaintance import Acquaintance
from stages.process.page import transform
from stages.receipt import Kind, Receipt

#: The stream of what is not written: its peers are still news for the chat.
_NOWHERE = -1


def main(
    control: Channel, pages: Channel, out: Channel, frames: Arena, blocks: Arena, outlet: Outlet | None = None
) -> None:
    """Work until fetch closes its end, or write is gone."""
    # What a page leaves behind refers to nothing else: there is no cycle to look for.
    gc.disable()
    met = Acquaintance()
    pages.set_limit(BEAT_SECONDS)
    with Meter(outlet) as meter:
        upstream, work, downstream = map(meter.span, ("upstream", "work", "downstream"))
        while True:
            beat()
            try:
                with upstream:
                    page, descriptors = pages.receive()
                with work:
                    block, extra = _handle(page, descriptors, frames, blocks, met, meter)
                with downstream:
                    _send(out, block, extra)
            except BlockingIOError:
                continue
            except ChannelClosed:
                return


def _handle(
    page: Page, descriptors: list[int], frames: Arena, blocks: Arena, met: Acquaintance, meter: Meter
) -> tuple[Block, int | None]:
    """(block, parcel of its body where it has one)."""
    if page.parcel:
        payload = open_parcel(descriptors[0], page.length)
        os.close(descriptors[0])
    else:
        payload = frames.read(page.slot, page.length)
    probe = page.kind == Kind.PROBE
    if probe or page.kind == Kind.HISTORY:
        made, body = transform(
            payload, _NOWHERE if probe else page.stream, page.mark, page.ceiling, met, with_media=bool(page.origin)
        )
        if made.error or made.slow:
            meter.count("page_errors" if made.error else "slow_pages")
    else:
        made, body = Receipt(), payload
    if probe:
        body = b""
    receipt = pack(made)
    fits = len(receipt) + len(body) <= blocks.slot_size
    blocks.write(page.slot, receipt)
    block = Block(
        page.seq, page.slot, page.stream, page.kind, len(receipt), len(body), page.segment, page.mark, not fits, page.origin
    )
    if fits:
        blocks.write(page.slot, body, len(receipt))
        return block, None
    return block, parcel(body)


def _send(out: Channel, block: Block, extra: int | None) -> None:
    if extra is None:
        out.send(block)
        return
    try:
        out.send(block, [extra])
    finally:
        os.close(extra)
