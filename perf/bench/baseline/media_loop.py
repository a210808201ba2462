"""The loop that everybody writes for files: one message after the other, download_media() for each.

    SESSION USERNAME FOLDER     arguments of main
"""
from __future__ import annotations

import asyncio
import sys

from telethon import TelegramClient

API_ID, API_HASH = 1, "simulated"


async def download(session: str, username: str, folder: str) -> None:
    """Every file of the chat into the folder, newest first."""
    async with TelegramClient(session, API_ID, API_HASH) as client:
        async for message in client.iter_messages(username, limit=None, wait_time=0):
            await message.download_media(file=folder)


def main() -> None:
    asyncio.run(download(*sys.argv[1:4]))
