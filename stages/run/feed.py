"""`export --feed`: names of chats that come while the run goes on, and what has become of each."""
from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from tgbulk.engine.error import ExitCode
from tgbulk.stages.fetch.name import NotAChatError, parse_line
from tgbulk.stages.protocol.event import ChatEnded, ChatFailed, FedName, NameEnded, NameFetched

#: Names that are not at their end, at most; what is written beyond them waits in the pipe. With lines of the greatest
#: length they still fit into the channel to fetch, which may be busy.
MOST_NAMES = 128
#: Bytes of a line, at most, and of one read.
LONGEST, CHUNK = 512, 1 << 16


class FeedInput:
    """Reads lines, keeps what is not at its end, and says what is. It outlives processes that are started again."""

    def __init__(self, descriptor: int, keep: Callable[[list[str]], None]) -> None:
        """keep: makes the names that are not at their end durable, before the newest of them is handed out."""
        self._descriptor = descriptor
        self._keep = keep
        #: names on their way, by line
        self._names: dict[int, str] = {}
        #: what fetch is done with; and chats that are durable, by number: their lines may still have others
        self._fetched: dict[int, NameFetched] = {}
        self._durable: dict[int, int] = {}
        self._buffer = b""
        self._line = 0
        #: a line that was too long has not ended yet
        self._overlong = False
        #: whether more can come
        self.open = True

    @property
    def left(self) -> int:
        """Lines that were read and are not at their end."""
        return len(self._names) + self._buffer.count(b"\n")

    @property
    def uncommitted(self) -> int:
        """Lines that fetch is done with and write is not."""
        return len(self._fetched)

    @property
    def over(self) -> bool:
        """Whether every line was handed out, and none comes any more."""
        return not self.open and not self._buffer

    @property
    def watched(self) -> int | None:
        """The descriptor, while something is to be read from it."""
        return self._descriptor if self.open and self._room and b"\n" not in self._buffer else None

    def read(self) -> None:
        """What is there; waits where nothing is. A descriptor that cannot be read is at its end."""
        try:
            data = os.read(self._descriptor, CHUNK)
        except OSError:
            data = b""
        self._buffer += data or (b"\n" if self._buffer or self._overlong else b"")  # the last line may lack its end
        self.open = bool(data)
        if b"\n" not in self._buffer and len(self._buffer) > LONGEST:
            self._overlong, self._buffer = True, b""

    def close(self) -> None:
        """Read no more, whatever comes."""
        self.open = False

    def again(self) -> list[FedName]:
        """For processes that were started again: all that is not at its end."""
        self._fetched.clear()
        self._durable.clear()
        return [FedName(line, name) for line, name in self._names.items()]

    def take(self) -> Iterator[FedName | ChatFailed | NameEnded]:
        """The next lines, as far as there is room: a name each, or why it is none, with its end. OSError, StorageError."""
        found: list[FedName] = []
        while self._room and b"\n" in self._buffer:
            raw, _, self._buffer = self._buffer.partition(b"\n")
            self._line += 1
            overlong, self._overlong = self._overlong or len(raw) > LONGEST, False
            shown = raw[:LONGEST].decode(errors="replace").strip()
            try:
                if overlong:
                    raise ValueError(f"it has more than {LONGEST} bytes")
                name = parse_line(raw.decode("utf-8-sig" if self._line == 1 else "utf-8"))
            except UnicodeDecodeError:
                yield from self._refuse(shown, "it is not UTF-8", "")
            except NotAChatError as error:
                yield from self._refuse(shown, str(error), error.hint)
            except ValueError as error:
                yield from self._refuse(shown[:40] + "...", str(error), "")
            else:
                if name is not None:
                    self._names[self._line] = name.text
                    found.append(FedName(self._line, name.text))
        if found:
            self._keep(list(self._names.values()))
        yield from found

    def fetched(self, frame: NameFetched) -> Iterator[NameEnded]:
        """Fetch is done with a line."""
        self._fetched[frame.line] = frame
        yield from self._settle()

    def ended(self, frame: ChatEnded) -> Iterator[NameEnded]:
        """A chat is durable."""
        self._durable[frame.stream] = frame.marked_id
        yield from self._settle()

    @property
    def _room(self) -> bool:
        return len(self._names) < MOST_NAMES

    def _refuse(self, name: str, reason: str, hint: str) -> Iterator[ChatFailed | NameEnded]:
        yield ChatFailed(name, 0, f"line {self._line}: {reason}", hint, int(ExitCode.NOTHING), "usage")
        yield NameEnded(self._line, name, [], int(ExitCode.NOTHING))

    def _settle(self) -> Iterator[NameEnded]:
        for line, one in list(self._fetched.items()):
            if all(stream in self._durable for stream in one.streams):
                complete = [self._durable.pop(stream) for stream in one.streams]
                del self._fetched[line]
                yield NameEnded(line, self._names.pop(line), complete, one.code)
