"""The fetch process: one event loop with the account's session, the supervisor's control and the ring."""
from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from functools import partial

from engine.arena import Arena
from engine.channel import Channel, ChannelClosed
from engine.frame import CONTROL_LIMIT, DATA_LIMIT
from engine.hop import Attach
from engine.lock import Lock
from engine.metric import Meter, Outlet
from engine.pulse import BEAT_SECONDS, beat
from stages.event import Blamed, Fetched, Finish, Notice, Ready, report_failure
from stages.fetch.config import FetchConfig
from stages.fetch.error import AuthNeededError, first
from stages.fetch.export import Export
from stages.fetch.media.film import Films
from stages.fetch.media.gallery import Gallery
from stages.fetch.pipeline import Pipeline
from stages.fetch.reader import Reader, open_reader
from stages.transcode.job import Desk, Staffed


def main(
    control: Channel,
    config: FetchConfig,
    frames: Arena,
    blocks: Arena,
    written: Channel,
    outlet: Outlet | None,
    films: bool,
    *session_locks: Lock,
) -> None:
    """Export the chats, hand every page on, and leave when write has taken the last one. films: whether some are made.
    A lock for each account."""
    with report_failure(control), Meter(outlet) as meter:
        asyncio.run(_run(control, config, frames, blocks, written, films, session_locks, meter))


async def _run(
    control: Channel,
    config: FetchConfig,
    frames: Arena,
    blocks: Arena,
    written: Channel,
    makes_films: bool,
    locks: tuple[Lock, ...],
    meter: Meter,
) -> None:
    gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    stopping = asyncio.Event()
    blame = partial(control.send, Blamed())
    pipeline = Pipeline(frames, blocks, written, gone, meter, blame)
    films = Films(pipeline, config.media.archive, stopping, blame) if makes_films and config.media else None
    _listen(control, pipeline, films, stopping, gone)
    task = asyncio.create_task(_export(control, config, pipeline, stopping, films, locks, meter))
    await asyncio.wait([task, gone], return_when=asyncio.FIRST_COMPLETED)
    if not task.done():
        task.cancel()
        await asyncio.wait([task])
        raise ChannelClosed
    await task


def _listen(
    control: Channel, pipeline: Pipeline, films: Films | None, stopping: asyncio.Event, gone: asyncio.Future[None]
) -> None:
    """Act on what the supervisor says; its end of file sets `gone`. Show that the loop goes round."""
    loop = asyncio.get_running_loop()

    def hear() -> None:
        try:
            frame, descriptors = control.receive()
        except ChannelClosed:
            loop.remove_reader(control.fileno())
            if not gone.done():
                gone.set_result(None)
            return
        if isinstance(frame, Attach):
            pipeline.attach(frame.worker, Channel.from_descriptor(descriptors[0], DATA_LIMIT))
        elif isinstance(frame, Staffed) and films:
            ends = [Channel.from_descriptor(descriptor, CONTROL_LIMIT) for descriptor in descriptors]
            films.staff(Desk(*ends) if ends else None, frame.fate)
        elif isinstance(frame, Finish):
            stopping.set()

    def live() -> None:
        beat()
        loop.call_later(BEAT_SECONDS, live)

    loop.add_reader(control.fileno(), hear)
    live()


async def _export(
    control: Channel,
    config: FetchConfig,
    pipeline: Pipeline,
    stopping: asyncio.Event,
    films: Films | None,
    locks: tuple[Lock, ...],
    meter: Meter,
) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            if films:
                group.create_task(films.run())
            export = await _export_with(films, control, config, pipeline, stopping, locks, meter)
            if films:
                films.close()
    except BaseExceptionGroup as errors:
        raise first(errors) from errors
    await pipeline.drain()
    control.send(Fetched(export.complete, export.left))
    pipeline.close()


async def _open_readers(
    stack: AsyncExitStack, control: Channel, config: FetchConfig, locks: tuple[Lock, ...], meter: Meter
) -> list[Reader]:
    """The accounts whose logins still hold; AuthNeededError where none does."""
    readers: list[Reader] = []
    ended: list[AuthNeededError] = []
    for access, lock in zip(config.accesses, locks, strict=True):
        try:
            opening = open_reader(len(readers), access, lock, config, control.send, meter)
            readers.append(await stack.enter_async_context(opening))
        except AuthNeededError as error:
            ended.append(error)
    if not readers:
        raise ended[0]
    for failure in ended:
        control.send(Notice(f"{failure}; the other accounts go on"))
    return readers


async def _export_with(
    films: Films | None,
    control: Channel,
    config: FetchConfig,
    pipeline: Pipeline,
    stopping: asyncio.Event,
    locks: tuple[Lock, ...],
    meter: Meter,
) -> Export:
    """All that needs Telegram; films may take longer than that."""
    async with AsyncExitStack() as stack:
        readers = await _open_readers(stack, control, config, locks, meter)
        control.send(Ready())
        gallery = Gallery(readers, pipeline, control.send, config.media, stopping, meter, films) if config.media else None
        export = Export(readers, pipeline, control.send, config, stopping, gallery)
        try:
            async with asyncio.TaskGroup() as group:
                if gallery:
                    group.create_task(gallery.run())
                await export.run()
                if gallery:
                    gallery.close()
        except BaseExceptionGroup as errors:
            raise first(errors) from errors
        await pipeline.drain()
        left = export.left or (gallery is not None and gallery.left)
        for reader in readers:
            if reader.caller.takeout and not (left or reader.failure):
                await reader.caller.takeout.finish()
    return export
