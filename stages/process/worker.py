"""The process stage: takes pages, makes blocks, keeps no page."""
from __future__ import annotations

import os

from engine.arena import Arena, open_parcel, parcel
from engine.channel import Channel, ChannelClosed
from engine.frame import pack
from engine.hop import Block, Page
from stages.process.page import transform
from stages.receipt import Kind, Receipt


def main(control: Channel, pages: Channel, out: Channel, frames: Arena, blocks: Arena) -> None:
    """Work until fetch closes its end, or write is gone."""
    told: dict[int, bytes] = {}
    while True:
        try:
            page, descriptors = pages.receive()
            _handle(page, descriptors, out, frames, blocks, told)
        except ChannelClosed:
            return


def _handle(
    page: Page, descriptors: list[int], out: Channel, frames: Arena, blocks: Arena, told: dict[int, bytes]
) -> None:
    if page.parcel:
        payload = open_parcel(descriptors[0], page.length)
        os.close(descriptors[0])
    else:
        payload = frames.read(page.slot, page.length)
    if page.kind in (Kind.HISTORY, Kind.PROBE):
        made, body = transform(payload, page.mark, page.ceiling, told, with_media=bool(page.origin))
    else:
        made, body = Receipt(), payload
    if page.kind == Kind.PROBE:
        body = b""
    receipt = pack(made)
    fits = len(receipt) + len(body) <= blocks.slot_size
    blocks.write(page.slot, receipt)
    block = Block(
        page.seq, page.slot, page.stream, page.kind, len(receipt), len(body), page.segment, page.mark, not fits, page.origin
    )
    if fits:
        blocks.write(page.slot, body, len(receipt))
        out.send(block)
        return
    extra = parcel(body)
    try:
        out.send(block, [extra])
    finally:
        os.close(extra)
