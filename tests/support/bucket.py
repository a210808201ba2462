"""Requests that a bucket lets pass, and what becomes of them; in a loop of the test's own time."""
from __future__ import annotations

import asyncio

from tgbulk.stages.fetch.bucket import Bucket


def now() -> float:
    return asyncio.get_running_loop().time()


async def serve(bucket: Bucket, count: int, gap: float, seconds: float | None = None) -> None:
    """So many requests, one after the other, each answered after so long."""
    for _ in range(count):
        await bucket.enter()
        await asyncio.sleep(gap)
        bucket.succeeded(seconds)


async def flood(bucket: Bucket, seconds: float = 1) -> None:
    await bucket.enter()
    bucket.flooded(seconds)
