"""Trouble of the server's own, which is over when it is asked again after a pause."""
from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from telethon import errors

Result = TypeVar("Result")

#: Tries of one request while the server has trouble, and the seconds before the second one; they double.
TRIES = 7
FIRST_PAUSE = 0.5

TROUBLE = (
    errors.ServerError,
    errors.TimedOutError,
    errors.RpcCallFailError,
    errors.RpcMcgetFailError,
    errors.InterdcCallErrorError,
    errors.InterdcCallRichErrorError,
)


def pause(attempt: int) -> float:
    """Seconds between this try, the first is 1, and the next: not the same for everybody."""
    return FIRST_PAUSE * 2.0 ** (attempt - 1) * random.uniform(0.75, 1.25)


async def persist(ask: Callable[[], Awaitable[Result]]) -> Result:
    """What ask() answers, however often that takes; what its last try raises."""
    for attempt in range(1, TRIES):
        try:
            return await ask()
        except TROUBLE:
            await asyncio.sleep(pause(attempt))
    return await ask()
