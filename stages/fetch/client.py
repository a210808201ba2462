"""A Telethon client as tgbulk wants it, and what its failures mean."""
from __future__ import annotations

import asyncio
import functools
import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

from telethon import TelegramClient, errors
from telethon.crypto import aes
from telethon.network import authenticator, mtprotostate
from telethon.sessions import SQLiteSession

from engine.error import LockedError, StorageError, TgbulkError
from stages.fetch.access import Access
from stages.fetch.error import (
    AuthNeededError,
    DamagedSessionError,
    FloodParkedError,
    RefusedError,
    TakeoutDelayedError,
    UnreachableError,
)
from stages.fetch.trouble import TROUBLE, persist

#: One TCP connection attempt.
ATTEMPT_SECONDS = 10
#: Everything from the first packet to the server's answer that it knows us.
CONNECT_SECONDS = 30
#: Why a login that the file holds is none any more.
ENDED = {
    errors.AuthKeyNotFound: "the server does not know this login",
    errors.AuthKeyDuplicatedError: "it was used from two places at once, and Telegram ended it",
    errors.AuthKeyUnregisteredError: "this login has ended",
    errors.SessionRevokedError: "this login was ended from another device",
    errors.SessionExpiredError: "this login has expired",
    errors.UserDeactivatedError: "the account was deleted",
    errors.UserDeactivatedBanError: "Telegram has banned the account",
}


class SteadyTime:
    """Unix time for MTProto's message ids, by a clock that nobody sets.

    When the real one jumps, Telethon drops the answers on their way as too old or too new, and nobody asks for them again.
    """

    def __init__(self) -> None:
        self._zero = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)

    def time(self) -> float:
        """What time.time() would be if nobody had set it since."""
        return self._zero + time.clock_gettime(time.CLOCK_BOOTTIME)


mtprotostate.time = authenticator.time = SteadyTime()


@asynccontextmanager
async def connect(access: Access, path: Path, *, connection_retries: int = 1) -> AsyncIterator[TelegramClient]:
    """A connected client on the session file at `path`, logged in or not; disconnected and saved at the end.

    UnreachableError where the server does not answer at once, or not within CONNECT_SECONDS; inside the block every failure
    of the network and of Telegram is raised as a TgbulkError. A server that was there once is given connection_retries.
    """
    with answering(access):
        client = _build(access, path)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await persist(lambda: _open(client))
            client._sender._retries = connection_retries
            yield client
        finally:
            await client.disconnect()
            with suppress(Exception):  # what ended the connection has been raised to whoever waited for an answer
                await client.disconnected


async def _open(client: TelegramClient) -> None:
    """Connect, or leave it as it was: a client that is half connected would not ask again."""
    try:
        await client.connect()
    except TROUBLE:
        await client._sender.disconnect()
        raise


@contextmanager
def answering(access: Access) -> Iterator[None]:
    """Turn what Telethon raises into a TgbulkError that names the account or the server."""
    try:
        yield
    except TgbulkError:
        raise
    except (errors.FloodWaitError, errors.FloodPremiumWaitError, errors.FloodTestPhoneWaitError) as error:
        raise FloodParkedError(error.seconds, _method(error)) from error
    except errors.TakeoutInitDelayError as error:
        raise TakeoutDelayedError(access.account, error.seconds) from error
    except tuple(ENDED) as error:
        raise AuthNeededError(access.account, ENDED[type(error)]) from error
    except errors.UnauthorizedError as error:
        raise AuthNeededError(access.account, plain(error)) from error
    except (errors.ServerError, errors.TimedOutError) as error:
        raise UnreachableError(access.server_name, f"it answers {plain(error)}") from error
    except errors.RPCError as error:
        raise RefusedError(_method(error), plain(error)) from error
    except TimeoutError as error:
        raise UnreachableError(access.server_name, "it does not answer") from error
    except (ConnectionError, EOFError, BufferError, errors.SecurityError, errors.InvalidChecksumError) as error:
        raise UnreachableError(access.server_name, _network_reason(error)) from error
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise LockedError(f"account {access.account}", "another program") from error
        raise StorageError(f"the session of account {access.account}", error) from error
    except sqlite3.DatabaseError as error:
        raise DamagedSessionError(access.account, error) from error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise UnreachableError(access.server_name, "the connection was lost") from error


def plain(error: errors.RPCError) -> str:
    """Telethon's sentence without its note on the request."""
    return str(error).partition(" (caused by")[0]


@functools.cache
def client_class(environment: str) -> type[TelegramClient]:
    """One subclass a server: Telethon caches the list of data centres in the class."""
    return type(f"Client_{environment}", (TelegramClient,), {"_config": None, "_cdn_config": None})


def _build(access: Access, path: Path) -> TelegramClient:
    if aes.cryptg is None:
        raise TgbulkError("the package cryptg cannot be loaded; without it the encryption is a thousand times slower")
    _set_log(access.verbose)
    session = SQLiteSession(str(path))
    server = access.server
    if server is not None:
        server.trust()
        # A session that moved to another data centre keeps its address: the key belongs to that one.
        if session.dc_id in (0, server.dc_id):
            session.set_dc(server.dc_id, server.host, server.port)
    return client_class("telegram" if server is None else server.fingerprint)(
        session,
        access.api_id,
        access.api_hash,
        use_ipv6=":" in (session.server_address or ""),
        timeout=ATTEMPT_SECONDS,
        connection_retries=1,
        flood_sleep_threshold=0,
        raise_last_call_error=True,
        device_model="tgbulk",
        app_version=version("tgbulk"),
    )


def _set_log(verbose: bool) -> None:
    """Telethon's log at INFO on standard error, or nowhere; never DEBUG, which shows requests."""
    log = logging.getLogger("telethon")
    log.setLevel(logging.INFO)
    log.propagate = False
    if not log.handlers:
        log.addHandler(logging.StreamHandler() if verbose else logging.NullHandler())


def _method(error: errors.RPCError) -> str:
    return type(error.request).__name__.removesuffix("Request") if error.request else "request"


def _network_reason(error: Exception) -> str:
    if isinstance(error, EOFError):
        return "it closed the connection"
    if "auth_key generation" in str(error):
        return "no encryption key could be agreed on; its public_key may be another one"
    if "Connection to Telegram" in str(error):
        return "no connection could be made"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
