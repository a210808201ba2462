"""The fetch process: one event loop with the account's session, the supervisor's control and the ring."""
from __future__ import annotations

import asyncio

from engine.arena import Arena
from engine.channel import Channel, ChannelClosed
from engine.frame import DATA_LIMIT
from engine.hop import Attach
from engine.lock import Lock
from stages.event import Fetched, Finish, Ready, Waiting, report_failure
from stages.fetch.account import open_account
from stages.fetch.caller import Caller
from stages.fetch.config import FetchConfig
from stages.fetch.export import Export
from stages.fetch.pipeline import Pipeline

#: Attempts to reconnect, about a second apart, before the run ends.
RECONNECTS = 30


def main(
    control: Channel, config: FetchConfig, frames: Arena, blocks: Arena, written: Channel, session_lock: Lock
) -> None:
    """Export the chats, hand every page on, and leave when write has taken the last one."""
    with report_failure(control):
        asyncio.run(_run(control, config, frames, blocks, written, session_lock))


async def _run(
    control: Channel, config: FetchConfig, frames: Arena, blocks: Arena, written: Channel, lock: Lock
) -> None:
    gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    stopping = asyncio.Event()
    pipeline = Pipeline(frames, blocks, written, gone)
    _listen(control, pipeline, stopping, gone)
    task = asyncio.create_task(_export(control, config, pipeline, stopping, lock))
    await asyncio.wait([task, gone], return_when=asyncio.FIRST_COMPLETED)
    if not task.done():
        task.cancel()
        await asyncio.wait([task])
        raise ChannelClosed
    await task


def _listen(control: Channel, pipeline: Pipeline, stopping: asyncio.Event, gone: asyncio.Future[None]) -> None:
    """Act on what the supervisor says; its end of file sets `gone`."""
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
        elif isinstance(frame, Finish):
            stopping.set()

    loop.add_reader(control.fileno(), hear)


async def _export(
    control: Channel, config: FetchConfig, pipeline: Pipeline, stopping: asyncio.Event, lock: Lock
) -> None:
    async with open_account(config.access, lock=lock, connection_retries=RECONNECTS) as client:
        control.send(Ready())
        caller = Caller(
            client, config.access, lambda method, seconds: control.send(Waiting(config.access.account, method, seconds))
        )
        export = Export(client, caller, pipeline, control, config, stopping)
        try:
            await export.run()
        except BaseExceptionGroup as group:
            raise first(group) from group
        await pipeline.drain()
    control.send(Fetched(export.complete, export.left))
    pipeline.close()


def first(error: BaseException) -> BaseException:
    """The first error in a group of groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
