"""The simulated Telegram: its data centres, each listening on a port of its own."""
from __future__ import annotations

import asyncio
import time
import traceback
from functools import partial
from pathlib import Path

from tgbulk.perf.simdc import mutation, services, state
from tgbulk.perf.simdc.connection import Connection, Hub, complain
from tgbulk.perf.simdc.counter import Counter
from tgbulk.perf.simdc.dispatcher import Dispatcher
from tgbulk.perf.simdc.ledger import Ledger
from tgbulk.perf.simdc.push import Pusher
from tgbulk.perf.simdc.rsa_key import RsaKey
from tgbulk.perf.simdc.world import World

HOME_DC = 2
MEDIA_DC = 4
#: Seconds between two looks at what changes by rate.
TICK = 0.05


class Server:
    """Everything one process serves. `start` listens, `close` ends it."""

    def __init__(self, world: World, *, gzip: bool = True, state_file: Path | None = None) -> None:
        services.load()
        self.world = world
        self.counter = Counter()
        self.ledger = Ledger()
        self.dispatcher = Dispatcher(world, self.ledger, self.counter, gzip=gzip)
        self.dispatcher.fault.random.seed(world.seed)
        self.pusher = Pusher(world, self.ledger, HOME_DC)
        self.hub = Hub(RsaKey(world.seed), self.dispatcher)
        self._listeners: list[asyncio.Server] = []
        self._clock: asyncio.Task[None] | None = None
        if state_file is not None:
            state.load(state_file, self.ledger, world)
            self.ledger.save = partial(state.save, state_file, self.ledger, world)

    async def start(
        self, host: str = "127.0.0.1", *, home_port: int = 0, media_port: int = 0, host6: str | None = None
    ) -> None:
        """Listen, perhaps on an IPv6 address as well; port 0 takes a free one. `ledger.addresses` tells where."""
        loop = asyncio.get_running_loop()
        for dc_id, port in ((HOME_DC, home_port), (MEDIA_DC, media_port)):
            listener = await loop.create_server(partial(Connection, self.hub, dc_id), host, port)
            self._listeners.append(listener)
            port = listener.sockets[0].getsockname()[1]
            self.ledger.addresses[dc_id] = host, port
            if host6 is not None:
                self._listeners.append(await loop.create_server(partial(Connection, self.hub, dc_id), host6, port))
                self.ledger.addresses6[dc_id] = host6, port
        self._clock = loop.create_task(self._tick())

    async def close(self) -> None:
        """Stop listening and cut every connection."""
        for listener in self._listeners:
            listener.close()
        self.hub.drop()
        for listener in self._listeners:
            await listener.wait_closed()
        if self._clock is not None:
            self._clock.cancel()

    async def _tick(self) -> None:
        last = time.monotonic()
        while True:
            await asyncio.sleep(TICK)
            now = time.monotonic()
            try:
                mutation.tick(self.world, now - last)
            except Exception:
                traceback.print_exc()
                complain("no more changes by rate after this error")
                return
            last = now
