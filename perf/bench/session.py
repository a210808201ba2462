"""Ready-made Telethon sessions, so that no program asks for a code."""
from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from telethon import TelegramClient
from telethon.crypto import rsa
from telethon.sessions import SQLiteSession


def log_in(settings: dict[str, Any], path: Path, usernames: Sequence[str] = ()) -> list[int]:
    """Log the first account in, into a session file at `path`; the marked ids of these chats.

    `settings` is the server file, parsed. Looking a chat up leaves it in the session.
    """
    return asyncio.run(_log_in(settings, path, usernames))


async def _log_in(settings: dict[str, Any], path: Path, usernames: Sequence[str]) -> list[int]:
    rsa.add_key(settings["public_key"], old=False)
    session = SQLiteSession(str(path))
    session.set_dc(settings["dc_id"], settings["host"], settings["port"])
    account = settings["simdc"]["account"][0]
    client = TelegramClient(session, settings["api_id"], settings["api_hash"])
    await client.connect()
    try:
        await client.send_code_request(account["phone"])
        await client.sign_in(account["phone"], account["code"])
        return [await client.get_peer_id(username) for username in usernames]
    finally:
        await client.disconnect()
