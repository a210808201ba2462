"""An account at work: its connection, its limits, what it knows."""
from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from telethon import TelegramClient

from tgbulk.engine.error import TgbulkError
from tgbulk.engine.lock import Lock
from tgbulk.engine.metric import Meter, Number
from tgbulk.stages.fetch.access import Access
from tgbulk.stages.fetch.account import open_account
from tgbulk.stages.fetch.caller import Caller
from tgbulk.stages.fetch.config import FetchConfig
from tgbulk.stages.fetch.history import METHOD
from tgbulk.stages.fetch.pace import open_paces
from tgbulk.stages.fetch.peer_cache import PeerCache
from tgbulk.stages.fetch.resolver import RESOLVE, Resolver
from tgbulk.stages.fetch.session import Session
from tgbulk.stages.fetch.shared_pace import SharedPaces
from tgbulk.stages.fetch.takeout import REFUSED, Takeout, refused
from tgbulk.stages.protocol.event import Notice, Waiting

#: Seconds for which the network, or the server's answers, may be gone before the run ends.
PATIENCE = 300.0
#: The same for a run that follows: it sits out a day and more.
FOLLOW_PATIENCE = 14 * 86_400.0
#: Usernames looked up a second, after the first ones of a run: at 30 a minute, or 160 in a burst, Telegram asks for waits of
#: up to 18 hours (docs/spec/history-fetching.md 5). The first ones are a third of such a burst.
NAMES_RATE = 10 / 60
NAMES_AT_ONCE = 50
PACED = f"usernames are looked up at {NAMES_RATE * 60:.0f} a minute from here on; Telegram answers more with waits of hours"

#: Methods of the annexes: one request at a time each.
ANNEX_METHODS = (
    "channels.getFullChannel", "messages.getFullChat", "users.getFullUser", "channels.getParticipants",
    "channels.getAdminLog", "stories.getPeerStories", "stories.getPinnedStories", "stories.getStoriesArchive",
    "stories.getStoriesByID", "messages.getCustomEmojiDocuments",
)  # fmt: skip


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
    number: int,
    access: Access,
    lock: Lock,
    config: FetchConfig,
    notify: Callable[[object], None],
    meter: Meter,
    shared: SharedPaces | None = None,
) -> AsyncIterator[Reader]:
    """A connected reader, inside a takeout where the run wants one. TgbulkError when it cannot be had."""

    def say(text: str) -> None:
        notify(Notice(text))

    patience = FOLLOW_PATIENCE if config.follow else PATIENCE
    async with open_account(access, lock=lock, patience=patience, notify=say) as client:
        login = client.session.auth_key.key_id.to_bytes(8, "little")
        paces = open_paces(access, login, say)
        waiting = lambda method, seconds: notify(Waiting(access.account, method, seconds))  # noqa: E731
        caller = Caller(client, access, waiting, meter, say, paces, shared)
        caller.allow(RESOLVE, NAMES_RATE, NAMES_AT_ONCE, lambda: notify(Notice(PACED)))
        if config.takeout != "no":
            takeout = Takeout(client, access, notify, config.takeout == "yes", config.media is not None)
            try:
                await takeout.request()
                caller.takeout = takeout
            except REFUSED as error:
                if config.takeout != "try":
                    raise
                notify(Notice(f"{refused(error)}; continuing without it"))
        caller.limit(METHOD, config.in_flight, config.rate)
        for method in ANNEX_METHODS if config.annexes else ():
            caller.limit(method, 1)
        # Connecting has asked who we are; this only reads it.
        me = (await client.get_me(input_peer=True)).user_id
        cache = _open_cache(access, login, notify)
        meter.watch(lambda: _cache_numbers(cache))
        try:
            yield Reader(number, access, client, me, caller, cache, Resolver(caller, me, cache, bool(config.annexes)))
        finally:
            caller.keep()
            _keep(cache, access, notify)


def _open_cache(access: Access, login: bytes, notify: Callable[[object], None]) -> PeerCache:
    """The account's input peers, of this login."""
    cache = PeerCache(Session.of(access.home, access.server, access.account).peers, login)
    if cache.cold:
        notify(Notice(f"the peer cache of account {access.account} is not used: {cache.cold}; names are resolved again"))
    return cache


def _keep(cache: PeerCache, access: Access, notify: Callable[[object], None]) -> None:
    """Save the cache; a run is worth no less without."""
    try:
        cache.save()
    except OSError as error:
        what = f"the peer cache of account {access.account} cannot be saved: {error.strerror or error}"
        notify(Notice(f"{what}; names are resolved again next time"))


def _cache_numbers(cache: PeerCache) -> Iterator[Number]:
    yield Number("cache_hits", "peers", cache.hits)
    yield Number("cache_misses", "peers", cache.misses)
    yield Number("cache_negative_hits", "peers", cache.negative_hits)
    yield Number("cache_evictions", "peers", cache.evictions)
