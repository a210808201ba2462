"""The loop that everybody writes first: one chat, one request at a time, a line for each message.

    SESSION USERNAME OUTPUT     arguments of main
"""
from __future__ import annotations

import asyncio
import sys

from telethon import TelegramClient

API_ID, API_HASH = 1, "simulated"


async def export(session: str, username: str, output: str) -> None:
    """Write every message of the chat, newest first."""
    async with TelegramClient(session, API_ID, API_HASH) as client:
        with open(output, "w", encoding="utf-8") as file:
            async for message in client.iter_messages(username, limit=None, wait_time=0):
                file.write(message.to_json() + "\n")


def main() -> None:
    asyncio.run(export(*sys.argv[1:4]))
