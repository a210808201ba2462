"""Who would export: the API id, the session, and on request the server's own word."""
from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

from engine.error import ExitCode, TgbulkError
from scripts.check import Check, State
from scripts.setting import VARIABLES, MissingApiError, Setting
from stages.fetch.access import Access
from stages.fetch.session import Session

#: Seconds by which the clock may differ from the server's: it ignores what is 30 s early, and 300 s late.
SKEW = 25


def check_account(setting: Setting, account: str, online: bool) -> Iterator[Check]:
    """Offline nothing tells whether the login still holds."""
    missing = [name for name in ("api_id", "api_hash") if getattr(setting, name) is None]
    if missing:
        text = f"{' and '.join(VARIABLES[name] for name in missing)} not set"
        yield Check("API id", State.BAD, text, MissingApiError.advice, ExitCode.USAGE)
    else:
        yield Check("API id", State.OK, "set", facts={"server": str(setting.server or "Telegram")})
    session = _session(setting, account)
    yield session
    if online and not missing and session.state is not State.BAD:
        assert setting.api_id is not None
        assert setting.api_hash is not None
        access = Access(setting.api_id, setting.api_hash, setting.server, setting.home, account, setting.verbose)
        yield _server(access)


def _session(setting: Setting, account: str) -> Check:
    name = f"account {account}"
    try:
        session = Session.of(setting.home, setting.server, account)
        if not session.exists():
            facts = {"path": str(session.path), "present": False}
            return Check(name, State.BAD, f"there is no session in {session.folder}", "tgbulk login", ExitCode.AUTH, facts)
        holder = session.lock.holder()
        user_id, shown = session.user()
    except TgbulkError as error:
        return Check(name, State.BAD, str(error), error.hint, error.exit_code)
    facts = {"path": str(session.path), "present": True, "user_id": user_id, "name": shown, "holder": holder}
    if holder:
        return Check(name, State.BAD, f"in use by {holder}", "Wait until it ends, or stop it.", ExitCode.LOCKED, facts)
    who = f"{shown} ({user_id})" if user_id else "a login that no server has confirmed"
    return Check(name, State.OK, f"{who}, {session.path}, closed to others", facts=facts)


def _server(access: Access) -> Check:
    try:
        skew, seconds = asyncio.run(_ask(access))
    except TgbulkError as error:
        return Check("server", State.BAD, str(error), error.hint, error.exit_code)
    facts = {"skew": round(skew, 1), "seconds": round(seconds, 3)}
    text = f"{access.server_name} answers in {seconds * 1000:.0f} ms and knows the login"
    if abs(skew) > SKEW:
        text += f"; this machine's clock is {abs(skew):.0f} s {'slow' if skew > 0 else 'fast'}"
        return Check("server", State.NOTE, text, "Set the clock, or let NTP do so.", facts=facts)
    return Check("server", State.OK, f"{text}; the clocks agree within {max(1, round(abs(skew)))} s", facts=facts)


async def _ask(access: Access) -> tuple[float, float]:
    """(server's clock minus ours, seconds of one request)"""
    from telethon.tl.functions.help import GetConfigRequest

    from stages.fetch.account import open_account

    async with open_account(access) as client:
        began = time.monotonic()
        config = await client(GetConfigRequest())
        seconds = time.monotonic() - began
    return config.date.timestamp() - time.time(), seconds
