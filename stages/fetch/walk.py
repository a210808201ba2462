"""One chat under way: what to ask for next, what the answers mean, when it has ended."""
from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from engine.error import TgbulkError
from stages.fetch.coverage import WORTH_SPLITTING, Coverage, Phase, Range
from stages.fetch.resolver import Target
from stages.fetch.takeout import message_range
from stages.receipt import Receipt

#: The answer that is the whole list: nothing lies above it.
WHOLE = "messages.messages"


class Probe(Enum):
    """The question for the newest id, which turns the tail into ranges; asked once, when a chat is worth it."""

    NO = "no"
    WANTED = "wanted"
    ASKED = "asked"
    DONE = "done"


@dataclass(slots=True)
class Walk:
    """A chat that was opened. Every job taken is given back by answered(), probed() or fail()."""

    target: Target
    stream: int
    coverage: Coverage
    #: by the number of the reader: the peer to ask, for each account that may
    peers: dict[int, Any]
    #: the ranges of ids to ask in, where a takeout demands it
    message_ranges: list[Any]
    #: messages that the archive held before
    before: int
    #: whether ranges are of any use: more than one request may be in flight
    splitting: bool
    #: jobs under way
    flying: int = 0
    #: messages that this run added
    added: int = 0
    pages: int = 0
    #: parts in which they were asked for
    ranges: int = 1
    probe: Probe = Probe.NO
    top: int = 0
    failure: TgbulkError | None = None
    _counts: dict[int, int] = field(default_factory=dict)
    #: places where messages are missing that could not be decoded
    gaps: int = 0

    @property
    def ended(self) -> bool:
        """Nothing is under way and nothing is left, or it failed."""
        return not self.flying and (self.failure is not None or self.coverage.done)

    def take(self) -> Range | Probe | None:
        """The next job of this chat that needs no split, None while there is none."""
        if self.failure:
            return None
        if self.probe is Probe.WANTED:
            self.probe = Probe.ASKED
            self.flying += 1
            return Probe.ASKED
        one = self.coverage.take()
        if one is not None:
            self.flying += 1
        return one

    def split(self) -> Range | None:
        """A job made by splitting the largest range, None where none is worth it."""
        largest = None if self.failure else self.coverage.largest()
        if largest is None:
            return None
        self.flying += 1
        self.ranges += 1
        return self.coverage.split(largest)

    def left(self) -> float:
        """Messages in the largest range that can be split, as far as one can tell."""
        largest = None if self.failure else self.coverage.largest()
        return 0.0 if largest is None else (largest.hi - largest.next) * self.coverage.density

    def answered(self, one: Range, receipt: Receipt) -> None:
        """A page of a range is with write."""
        self.flying -= 1
        self.pages += 1
        self.added += receipt.messages
        total = receipt.total
        self._count(one, receipt)
        # Only an empty page or the whole list ends a range: a short page does not, nor one of messageEmpty alone.
        self.coverage.advance(one, receipt.next, receipt.high == 0 or receipt.form == WHOLE)
        if self.splitting and self.probe is Probe.NO and total - self.before - self.added > WORTH_SPLITTING:
            self.probe = Probe.WANTED
        self._bound()

    def _count(self, one: Range, receipt: Receipt) -> None:
        """Keep the server's count. In a takeout it counts range by range: of the chat it is known when all were asked."""
        record = self.target.record
        if self.message_ranges:
            whole = receipt.messages + len(receipt.empty or []) + receipt.repeated
            asked = message_range(self.message_ranges, one.next)
            self._counts[asked.min_id] = receipt.total if receipt.total >= 0 else whole
            record.total = sum(self._counts.values()) if len(self._counts) == len(self.message_ranges) else None
        elif receipt.total >= 0 or record.total is None:
            record.total = receipt.total if receipt.total >= 0 else self.before + receipt.messages

    def narrowed(self, one: Range) -> None:
        """A page of a range could not be decoded, and is to be asked for in smaller ones."""
        self.flying -= 1
        self.coverage.narrow(one)

    def skipped(self, one: Range, behind: int) -> None:
        """A message could not be decoded, alone, and was set aside; `behind` is the id of the next one, 0 where none is."""
        self.flying -= 1
        self.gaps += 1
        self.coverage.skip(one, behind)
        self._bound()

    def probed(self, receipt: Receipt) -> None:
        """The newest id is known."""
        self.flying -= 1
        self.probe = Probe.DONE
        self.top = receipt.high
        self._bound()

    def fail(self, failure: TgbulkError) -> None:
        """A job ended in an error that ends the chat."""
        self.flying -= 1
        self.failure = self.failure or failure

    def lose(self, reader: int, job: Range | Probe, failure: TgbulkError) -> None:
        """The reader that had this job is out; another one takes it up, if there is one."""
        self.release(job)
        self.forget(reader, failure)

    def release(self, job: Range | Probe) -> None:
        """A job that was not done: it will be taken again."""
        self.flying -= 1
        if isinstance(job, Range):
            job.phase = Phase.READY
        else:
            self.probe = Probe.WANTED

    def forget(self, reader: int, failure: TgbulkError) -> None:
        """This reader asks for nothing more of the chat."""
        self.peers.pop(reader, None)
        if not self.peers:
            self.failure = self.failure or failure

    def _bound(self) -> None:
        """Cut the tail at the newest id, as soon as no page of it is on its way through process and write."""
        if self.top and self.coverage.missing and self.coverage.missing[-1].phase is not Phase.SENT:
            tail = self.coverage.missing[-1]
            width = self.top + 1 - tail.next
            if width > 0:
                total = self.target.record.total or 0
                self.coverage.density = min(1.0, max(0, total - self.before - self.added) / width)
            self.coverage.bound(self.top)
            self.top = 0
