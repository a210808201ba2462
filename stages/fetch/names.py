"""The names of a run's chats, and in a feed what is left to do for each of them."""
from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tgbulk.stages.fetch.name import ChatName
from tgbulk.stages.protocol.event import NameFetched


@dataclass(slots=True)
class FedLine:
    """A line of the feed that is under way."""

    #: the loop's time when it came
    came: float
    #: look-ups and chats that are not at their end
    pending: int = 1
    #: numbers of the chats that came to theirs
    streams: list[int] = field(default_factory=list)
    #: ExitCode of what failed last, 0 for nothing
    code: int = 0


class ChatNames:
    """Gives each name with its number, to whoever asks first; in a feed it waits for more until it is closed."""

    def __init__(
        self, names: Iterable[tuple[int, ChatName]] = (), fetched: Callable[[NameFetched], None] | None = None
    ) -> None:
        """fetched: called for each line of a feed that nothing is left to do for; None: these names, and no others."""
        self._waiting = deque(names)
        self._fetched = fetched
        self._lines: dict[int, FedLine] = {}
        self._closed = fetched is None
        self._more = asyncio.Event()

    @property
    def fed(self) -> bool:
        return self._fetched is not None

    @property
    def idle(self) -> bool:
        """Whether nothing is to be done until another name comes."""
        return self.fed and not self._closed and not self._lines

    def put(self, line: int, name: ChatName) -> None:
        """One more."""
        self._lines[line] = FedLine(asyncio.get_running_loop().time())
        self._waiting.append((line, name))
        self._more.set()

    def close(self) -> None:
        """No more will come."""
        self._closed = True
        self._more.set()

    def __aiter__(self) -> ChatNames:
        return self

    async def __anext__(self) -> tuple[int, ChatName]:
        while not self._waiting:
            if self._closed:
                raise StopAsyncIteration
            self._more.clear()
            await self._more.wait()
        return self._waiting.popleft()

    def came(self, line: int) -> float:
        """When it came, the loop's time."""
        return self._lines[line].came

    def begin(self, line: int) -> None:
        """A look-up or a chat more belongs to this line."""
        if line in self._lines:
            self._lines[line].pending += 1

    def end(self, line: int, stream: int | None = None) -> None:
        """One of them has come to its end; stream: the chat is complete."""
        one = self._lines.get(line)
        if one is None or self._fetched is None:
            return
        one.pending -= 1
        if stream is not None:
            one.streams.append(stream)
        if not one.pending:
            del self._lines[line]
            self._fetched(NameFetched(line, one.streams, one.code))

    def fail(self, line: int, code: int) -> None:
        """Something of it failed."""
        if line in self._lines:
            self._lines[line].code = code
