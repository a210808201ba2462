"""An account: a logged-in session, opened by one process at a time."""
from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext

from telethon import TelegramClient
from telethon.tl import functions

from tgbulk.engine.lock import Lock
from tgbulk.stages.fetch.access import Access
from tgbulk.stages.fetch.client import PATIENCE, connect
from tgbulk.stages.fetch.error import AuthNeededError
from tgbulk.stages.fetch.session import Session


@asynccontextmanager
async def open_account(
    access: Access,
    *,
    lock: Lock | None = None,
    patience: float = PATIENCE,
    notify: Callable[[str], None] = lambda text: None,
) -> AsyncIterator[TelegramClient]:
    """A connected, logged-in client.

    The session's lock is taken and let go, unless `lock` is given: the same one, held by the caller, who keeps it.
    Raises AuthNeededError (no session, or its login has ended), UnsafeSessionError, LockedError, UnreachableError;
    within the block also what `stages.fetch.client.answering` makes of Telethon's errors. Sleeps out no flood wait.
    """
    session = Session.of(access.home, access.server, access.account)
    if not session.exists():
        raise AuthNeededError(access.account, f"there is no session for {access.server_name}")
    with nullcontext(lock) if lock else session.lock:
        async with connect(access, session.path, patience=patience, notify=notify) as client:
            await require_login(client, access)
            yield client


async def require_login(client: TelegramClient, access: Access) -> None:
    """AuthNeededError, with the reason where Telegram gives one, unless the client is logged in."""
    if not await client.is_user_authorized():
        await client(functions.updates.GetStateRequest())
        raise AuthNeededError(access.account, "the session holds no login")


async def log_out(access: Access) -> bool:
    """End the login at Telegram, then delete its files; False where it had ended before (the files go all the same)."""
    session = Session.of(access.home, access.server, access.account)
    if not session.exists():
        raise AuthNeededError(access.account, f"there is no session for {access.server_name}")
    with session.lock as lock:
        try:
            async with open_account(access, lock=lock) as client:
                await client(functions.auth.LogOutRequest())
            ended_here = True
        except AuthNeededError:
            ended_here = False
        session.remove(lock)
    return ended_here
