"""The write process: waits for blocks, new workers, commits that are due, and the end."""
from __future__ import annotations

import selectors
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tgbulk.engine.channel import Channel, ChannelClosed
from tgbulk.engine.error import file_error, shortage
from tgbulk.engine.frame import DATA_LIMIT
from tgbulk.engine.heartbeat import BEAT_SECONDS, beat
from tgbulk.engine.hop import Attach
from tgbulk.engine.metric import Meter, Span
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.protocol.event import Finish, Ready, report_failure
from tgbulk.stages.write.config import WriteContext
from tgbulk.stages.write.writer import Writer

#: Without a block for so long, what can wait is done.
LULL_SECONDS = 0.02


def main(control: Channel, context: WriteContext) -> None:
    """Serve until asked to finish and every worker is gone, or until the supervisor is gone. Holds the archive's lock."""
    config = context.config
    with report_failure(control), _named(config.archive), Meter(context.outlet) as meter:
        writer = Writer(Archive(config.archive), context.blocks, context.fetch, control, meter, config.media, config.videos)
        control.send(Ready())
        _serve(control, writer, meter)
        writer.close()


@contextmanager
def _named(archive: Path) -> Iterator[None]:
    """A full disk raises an OSError that names no file."""
    try:
        yield
    except OSError as error:
        if shortage(error):
            raise
        raise file_error(error, error.filename or archive) from error


def _serve(control: Channel, writer: Writer, meter: Meter) -> None:
    upstream, taking = meter.span("upstream"), meter.span("block")
    selector = selectors.DefaultSelector()
    selector.register(control, selectors.EVENT_READ, None)
    finishing = False
    workers = 0
    while not (finishing and workers == 0):
        beat()
        timeout = BEAT_SECONDS if writer.due is None else max(0.0, writer.due - time.monotonic())
        if writer.joining:
            timeout = min(timeout, LULL_SECONDS)
        with upstream:
            ready = selector.select(timeout)
        for key, _ in ready:
            if key.data is not None:
                workers -= _take(selector, key.fileobj, key.data, writer, taking)  # type: ignore[arg-type]
                continue
            try:
                frame, descriptors = control.receive()
            except ChannelClosed:
                return
            if isinstance(frame, Attach):
                channel = Channel.from_descriptor(descriptors[0], DATA_LIMIT)
                selector.register(channel, selectors.EVENT_READ, frame.worker)
                workers += 1
            elif isinstance(frame, Finish):
                finishing = True
        if (writer.joining and not ready) or (writer.due is not None and time.monotonic() >= writer.due):
            writer.commit()


def _take(
    selector: selectors.BaseSelector, channel: Channel, worker: int, writer: Writer, taking: Span
) -> bool:
    """One block of a worker; True when it was its last."""
    try:
        block, descriptors = channel.receive()
    except ChannelClosed:
        selector.unregister(channel)
        channel.close()
        writer.gone(worker)
        return True
    with taking:
        writer.take(block, descriptors)
    return False
