"""The simulated Telegram: its data centres, each listening on a port of its own."""
from __future__ import annotations

import asyncio
import sys
import time
import traceback
from functools import partial
from pathlib import Path

from perf.simdc import mutation, services, state
from perf.simdc.auth_key import AuthKey
from perf.simdc.connection import Connection
from perf.simdc.counter import Counter
from perf.simdc.dispatcher import Dispatcher
from perf.simdc.ledger import Ledger
from perf.simdc.rsa_key import RsaKey
from perf.simdc.world import World

HOME_DC = 2
MEDIA_DC = 4
#: Seconds between two looks at what changes by rate.
TICK = 0.05


class Server:
    """Everything one process serves. `start` listens, `close` ends it."""

    def __init__(self, world: World, *, gzip: bool = True, state_file: Path | None = None) -> None:
        services.load()
        self.world = world
        self.rsa_key = RsaKey(world.seed)
        self.counter = Counter()
        self.ledger = Ledger()
        self.dispatcher = Dispatcher(world, self.ledger, self.counter, gzip=gzip)
        self.dispatcher.fault.random.seed(world.seed)
        self.connections: set[Connection] = set()
        self._listeners: list[asyncio.Server] = []
        self._clock: asyncio.Task[None] | None = None
        if state_file is not None:
            state.load(state_file, self.ledger, world)
            self.ledger.save = partial(state.save, state_file, self.ledger, world)

    async def start(self, host: str = "127.0.0.1", *, home_port: int = 0, media_port: int = 0) -> None:
        """Listen; port 0 takes a free one. `ledger.addresses` tells where."""
        loop = asyncio.get_running_loop()
        for dc_id, port in ((HOME_DC, home_port), (MEDIA_DC, media_port)):
            listener = await loop.create_server(partial(Connection, self, dc_id), host, port)
            self._listeners.append(listener)
            self.ledger.addresses[dc_id] = host, listener.sockets[0].getsockname()[1]
        self._clock = loop.create_task(self._tick())

    async def close(self) -> None:
        """Stop listening and cut every connection."""
        for listener in self._listeners:
            listener.close()
        self.drop()
        for listener in self._listeners:
            await listener.wait_closed()
        if self._clock is not None:
            self._clock.cancel()

    def drop(self) -> None:
        """Cut every connection now."""
        for connection in list(self.connections):
            connection.abort()

    def admit(self, key: AuthKey) -> None:
        """Take in an auth key that a handshake made."""
        self.ledger.keys[key.login.key_id] = key
        self.counter.handshakes += 1
        self.ledger.save()

    def complain(self, line: str) -> None:
        """Say on stderr what a client did wrong."""
        print(f"simdc: {line}", file=sys.stderr, flush=True)

    async def _tick(self) -> None:
        last = time.monotonic()
        while True:
            await asyncio.sleep(TICK)
            now = time.monotonic()
            try:
                mutation.tick(self.world, now - last)
            except Exception:
                traceback.print_exc()
                self.complain("no more changes by rate after this error")
                return
            last = now
