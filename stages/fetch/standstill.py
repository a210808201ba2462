"""A run that makes no progress while nothing says why: noticed, shown, and ended.

What says why: a request that waits for its answer (which has a deadline), a connection that is being made again, a pause
that the pace or a flood wait asks for, a video with the process that makes it. All of these end or are told by themselves.
"""
from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tgbulk.stages.fetch.error import StandstillError
from tgbulk.stages.fetch.pipeline import Pipeline
from tgbulk.stages.fetch.reader import Reader
from tgbulk.stages.protocol.event import Standstill

#: Seconds without progress after which it is told, and after which the run ends.
NOTICED_SECONDS = 60.0
ENDED_SECONDS = 300.0
#: Seconds between two looks.
LOOK_SECONDS = 2.0
#: Characters of the state that are kept: less than a frame holds.
MOST = 60_000


class StandstillWatch:
    """Looks at the accounts, the ring and the tasks of this process."""

    def __init__(
        self, readers: list[Reader], pipeline: Pipeline, notify: Callable[[object], None], excused: Callable[[], bool]
    ) -> None:
        """excused: whether something else than the accounts says why nothing moves."""
        self._readers = readers
        self._pipeline = pipeline
        self._notify = notify
        self._excused = excused

    async def run(self) -> None:
        """For ever; StandstillError after ENDED_SECONDS."""
        clock = asyncio.get_running_loop().time
        before, since, told = self._moves(), clock(), False
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            now, moves = clock(), self._moves()
            if moves != before or self._excused() or any(map(_waits, self._readers)):
                before, since, told = moves, now, False
            elif now - since >= ENDED_SECONDS:
                raise StandstillError(round(now - since))
            elif now - since >= NOTICED_SECONDS and not told:
                told = True
                self._notify(Standstill(round(now - since), round(ENDED_SECONDS), self.state()))

    def state(self) -> str:
        """What everybody waits for, for those who mend it."""
        lines = ["slots:", f"  {self._pipeline.describe()}", "accounts:"]
        for reader in self._readers:
            lines.append(f"  {reader.access.account}: {reader.failure or 'at work'}")
            lines += [f"    {line}" for line in reader.caller.describe()]
        lines.append("tasks:")
        lines += _stacks(asyncio.all_tasks())
        return "\n".join(lines)[:MOST] + "\n"

    def _moves(self) -> tuple[int, int]:
        return self._pipeline.moves, sum(reader.caller.moves for reader in self._readers)


def _waits(reader: Reader) -> bool:
    """Whether this account says why nothing moves."""
    sender = reader.client._sender
    return bool(sender.waiting) or sender.reconnecting or reader.caller.pausing


def _stacks(tasks: Iterable[asyncio.Task[Any]]) -> Iterator[str]:
    """Where they stand, the innermost place last; those at the same place are counted."""
    places = Counter("\n    ".join(_chain(task.get_coro())) for task in tasks)
    for place, number in places.most_common():
        yield f"  {number} at"
        yield f"    {place}"


def _chain(awaited: Any) -> Iterator[str]:
    """A coroutine, what it awaits, and so on."""
    while (frame := getattr(awaited, "cr_frame", None)) is not None:
        yield f"{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_qualname}"
        awaited = getattr(awaited, "cr_await", None)
