"""A Telethon client as tgbulk wants it, and what its failures mean."""
from __future__ import annotations

import asyncio
import errno
import functools
import logging
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

from telethon import TelegramClient, errors
from telethon.crypto import aes
from telethon.errors.rpcerrorlist import rpc_errors_dict, rpc_errors_re
from telethon.network import authenticator, mtprotostate
from telethon.sessions import SQLiteSession

from tgbulk.engine.error import FileRefusedError, LockedError, StorageError, TgbulkError
from tgbulk.engine.version import VERSION
from tgbulk.stages.fetch.access import Access
from tgbulk.stages.fetch.bound import UnusableAnswer
from tgbulk.stages.fetch.error import (
    AuthNeededError,
    DamagedSessionError,
    FloodParkedError,
    RefusedError,
    TakeoutDelayedError,
    UnreachableError,
    UnusableAnswerError,
)
from tgbulk.stages.fetch.route import Client, addresses, history_transport, telethon_proxy
from tgbulk.stages.fetch.sender import CONNECT_SECONDS, Sender, method_name, network_reason
from tgbulk.stages.fetch.trouble import TROUBLE, persist

#: One TCP connection attempt.
ATTEMPT_SECONDS = 10
#: Seconds without a useful answer, in which one is waited for, after which a server is given up that was there once.
PATIENCE = 60.0
#: Seconds for a connection's orderly end.
CLOSE_SECONDS = 15.0
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
#: What ends a login.
LOGIN_ENDED = (*ENDED, errors.UnauthorizedError)


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


def telegram_text(error: errors.RPCError) -> str:
    """Telegram's own text of an error, which Telethon's classes have in place of it."""
    known = next((text for text, made in rpc_errors_dict.items() if made is type(error)), "")
    pattern = next((text for text, made in rpc_errors_re if made is type(error)), error.message or "")
    return known or pattern.replace(r"(\d+)", "X")


@asynccontextmanager
async def connect(
    access: Access, path: Path, *, patience: float = PATIENCE, notify: Callable[[str], None] = lambda text: None
) -> AsyncIterator[TelegramClient]:
    """A connected client on the session file at `path`, logged in or not; disconnected and saved at the end.

    UnreachableError where the server does not answer at once, or not within CONNECT_SECONDS; inside the block every failure
    of the network and of Telegram is raised as a TgbulkError. Every request has a deadline (stages/fetch/sender.py); notify
    gets lines for people about the connection.
    """
    with answering(access):
        client = _build(access, path, patience, notify)
        try:
            await _reach(client, access)
            yield client
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await client.disconnect()
                    with suppress(Exception):  # what ended the connection has been raised to whoever waited for an answer
                        await client.disconnected


async def _reach(client: TelegramClient, access: Access) -> None:
    """Connect to the first of its addresses that can be reached."""
    session = client.session
    first: Exception | None = None
    for place in addresses(access, session):
        if place != (session.dc_id, session.server_address, session.port):
            session.set_dc(*place)
        client._use_ipv6 = ":" in place[1]
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await persist(lambda: _open(client))
            return
        except (OSError, EOFError) as error:
            first = first or error
            await client._sender.disconnect()
    assert first is not None
    raise first


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
        raise UnreachableError(access.route, f"it answers {plain(error)}") from error
    except UnusableAnswer as error:
        raise UnusableAnswerError(access.server_name, _method(error), plain(error)) from error
    except errors.RPCError as error:
        raise RefusedError(_method(error), plain(error)) from error
    except TimeoutError as error:
        raise UnreachableError(access.route, "it does not answer") from error
    except (ConnectionError, EOFError, BufferError, errors.SecurityError, errors.InvalidChecksumError) as error:
        raise UnreachableError(access.route, network_reason(error)) from error
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise LockedError(f"account {access.account}", "another program") from error
        if "full" in str(error):
            full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            raise FileRefusedError.of(full, f"the session of account {access.account}") from error
        raise StorageError(f"the session of account {access.account}", error) from error
    except sqlite3.DatabaseError as error:
        raise DamagedSessionError(access.account, error) from error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise UnreachableError(access.route, "the connection was lost") from error


def plain(error: errors.RPCError) -> str:
    """Telethon's sentence without its note on the request, and Telegram's own text where that says more."""
    sentence, text = str(error).partition(" (caused by")[0].strip(), telegram_text(error)
    if not text and sentence.startswith("RPCError ") and sentence.endswith(":"):
        return f"error {error.code}, without a text"
    if not sentence or text in sentence:
        return sentence or text
    return f"{sentence} ({text})"


@functools.cache
def client_class(environment: str) -> type[TelegramClient]:
    """One subclass a server: Telethon caches the list of data centres in the class."""
    return type(f"Client_{environment}", (Client,), {"_config": None, "_cdn_config": None})


def _build(access: Access, path: Path, patience: float, notify: Callable[[str], None]) -> TelegramClient:
    if aes.cryptg is None:
        raise TgbulkError("the package cryptg cannot be loaded; without it the encryption is a thousand times slower")
    _set_log(access.verbose)
    session = SQLiteSession(str(path))
    server = access.server
    if server is not None:
        server.trust()
    client = client_class("telegram" if server is None else server.fingerprint)(
        session,
        access.api_id,
        access.api_hash,
        connection=history_transport(access.proxy),
        proxy=telethon_proxy(access.proxy),
        timeout=ATTEMPT_SECONDS,
        connection_retries=1,
        flood_sleep_threshold=0,
        raise_last_call_error=True,
        device_model="tgbulk",
        app_version=VERSION,
    )
    client.access = access
    client._sender = Sender(
        session.auth_key,
        name=f"the connection of account {access.account} to {access.route}",
        patience=patience,
        notify=notify,
        loggers=client._log,
        retries=1,
        connect_timeout=ATTEMPT_SECONDS,
        auth_key_callback=client._auth_key_callback,
        updates_queue=client._updates_queue,
    )
    return client


def _set_log(verbose: bool) -> None:
    """Telethon's log at INFO on standard error, or nowhere; never DEBUG, which shows requests."""
    log = logging.getLogger("telethon")
    log.setLevel(logging.INFO)
    log.propagate = False
    if not log.handlers:
        log.addHandler(logging.StreamHandler() if verbose else logging.NullHandler())


def _method(error: errors.RPCError) -> str:
    return method_name(error.request) if error.request else "request"
