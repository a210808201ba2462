"""An account at work: its connection, its limits, what it knows."""
from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from telethon import TelegramClient

from engine.error import TgbulkError
from engine.lock import Lock
from engine.metric import Meter, Number
from stages.event import Notice, Waiting
from stages.fetch.access import Access
from stages.fetch.account import open_account
from stages.fetch.caller import Caller
from stages.fetch.config import FetchConfig
from stages.fetch.error import FloodParkedError, TakeoutDelayedError
from stages.fetch.history import METHOD
from stages.fetch.link import watched
from stages.fetch.peer_cache import PeerCache
from stages.fetch.resolver import RESOLVE, Resolver
from stages.fetch.session import Session
from stages.fetch.takeout import Takeout

#: Attempts to reconnect before the run ends: about a second apart where connections are refused, and eleven where nothing
#: answers, so the network may be gone for minutes.
RECONNECTS = 180
#: Usernames looked up a second, after the first ones of a run: at 30 a minute, or 160 in a burst, Telegram asks for waits of
#: up to 18 hours (spec/history-fetching.md 5). The first ones are a third of such a burst.
NAMES_RATE = 10 / 60
NAMES_AT_ONCE = 50
PACED = f"usernames are looked up at {NAMES_RATE * 60:.0f} a minute from here on; Telegram answers more with waits of hours"


@dataclass(slots=True)
class Reader:
    """One of the accounts of a run. `number`: its place among them."""

    number: int
    access: Access
    client: TelegramClient
    #: its user id
    me: int
    caller: Caller
    cache: PeerCache
    resolver: Resolver
    #: why it cannot go on
    failure: TgbulkError | None = None


@asynccontextmanager
async def open_reader(
    number: int, access: Access, lock: Lock, config: FetchConfig, tell: Callable[[object], None], meter: Meter
) -> AsyncIterator[Reader]:
    """A connected reader, inside a takeout where the run wants one. TgbulkError when it cannot be had."""
    async with open_account(access, lock=lock, connection_retries=RECONNECTS) as client:
        caller = Caller(client, access, lambda method, seconds: tell(Waiting(access.account, method, seconds)), meter)
        caller.limit(METHOD, config.in_flight, config.rate)
        caller.allow(RESOLVE, NAMES_RATE, NAMES_AT_ONCE, lambda: tell(Notice(PACED)))
        if config.takeout != "no":
            takeout = Takeout(client, access, tell, config.takeout == "yes", config.media is not None)
            try:
                await takeout.request()
                caller.takeout = takeout
            except (TakeoutDelayedError, FloodParkedError) as error:
                if config.takeout != "try":
                    raise
                tell(Notice(f"{error}; going on without it"))
        # Connecting has asked who we are; this only reads it.
        me = (await client.get_me(input_peer=True)).user_id
        cache = _open_cache(client, access, tell)
        meter.watch(lambda: _cache_numbers(cache))
        try:
            with watched(client, access, tell):
                yield Reader(number, access, client, me, caller, cache, Resolver(caller, me, cache))
        finally:
            _keep(cache, access, tell)


def _open_cache(client: TelegramClient, access: Access, tell: Callable[[object], None]) -> PeerCache:
    """The account's input peers, of this login."""
    path = Session.of(access.home, access.server, access.account).peers
    cache = PeerCache(path, client.session.auth_key.key_id.to_bytes(8, "little"))
    if cache.cold:
        tell(Notice(f"the peer cache of account {access.account} is not used: {cache.cold}; names are resolved again"))
    return cache


def _keep(cache: PeerCache, access: Access, tell: Callable[[object], None]) -> None:
    """Save the cache; a run is worth no less without."""
    try:
        cache.save()
    except OSError as error:
        what = f"the peer cache of account {access.account} cannot be saved: {error.strerror or error}"
        tell(Notice(f"{what}; names are resolved again next time"))


def _cache_numbers(cache: PeerCache) -> Iterator[Number]:
    yield "cache_hits", "peers", cache.hits
    yield "cache_misses", "peers", cache.misses
    yield "cache_negative_hits", "peers", cache.negative_hits
    yield "cache_evictions", "peers", cache.evictions
