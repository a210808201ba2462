"""One chat under way: what to ask for next, what the answers mean, when it has ended."""
from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from tgbulk.engine.error import TgbulkError
from tgbulk.stages.fetch.missing import WORTH_SPLITTING, MissingRanges, Phase, WalkRange
from tgbulk.stages.fetch.resolver import Target
from tgbulk.stages.fetch.takeout import message_range
from tgbulk.stages.protocol.receipt import Receipt

#: Messages left for each account that reads a chat, above which another one may join: it costs a look-up and a range more.
WORTH_JOINING = 1000
#: Messages that a chat may be short of without a word.
WITHHELD = 10
#: The answer that is the whole list: nothing lies above it.
WHOLE = "messages.messages"


class Probe(Enum):
    """The question for the newest id, which turns the tail into ranges; asked once, when a chat is worth it."""

    NO = "no"
    WANTED = "wanted"
    ASKED = "asked"
    DONE = "done"


@dataclass(slots=True, eq=False)
class Walk:
    """A chat that was opened. Every job taken is given back by answered(), probed() or fail()."""

    target: Target
    stream: int
    missing: MissingRanges
    #: by the number of the reader: the peer to ask, for each account that may
    peers: dict[int, Any]
    #: the ranges of ids to ask in, where a takeout demands it
    message_ranges: list[Any]
    #: messages that the archive held before
    before: int
    #: whether ranges are of any use: more than one request may be in flight
    splitting: bool
    #: its ids are the same for every account
    shared: bool = False
    #: number of the name that led to it
    place: int = 0
    #: the pts of its box is not known: that of the first page will be it, which goes alone
    unboxed: bool = False
    #: up to where the box was told when the chat was opened, 0 for none; no page may be older
    told: int = 0
    #: whether pages were, all the same
    doubted: bool = False
    #: what the box is known by: the lowest pts of a page
    pts: int = 0
    #: readers that are looking it up, and those that may not read it
    joining: set[int] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)
    #: held while a peer that was not taken is resolved anew
    renewal: asyncio.Lock = field(default_factory=asyncio.Lock)
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
    #: ids that the server counts, and that are known to have no line: of earlier runs, of this one
    explained: int = 0
    #: the server's count at an earlier run
    counted: int = 0
    _empty: int = 0
    _counts: dict[int, int] = field(default_factory=dict)
    #: places where messages are missing that could not be decoded
    gaps: int = 0
    #: bytes of answers that were set aside, and of strange ones how many came in a row
    aside_bytes: int = 0
    strange: int = 0

    @property
    def is_large(self) -> bool:
        """It is worth several requests at a time."""
        return self.probe is not Probe.NO

    def worth_joining(self, reader: int) -> float:
        """Messages left for each account that reads it or will, if one more did; 0 where that is not to be."""
        if self.failure or not self.is_large or reader in self.peers or reader in self.refused or not self.shared:
            return 0.0
        left = (self.target.record.total or 0) - self.before - self.added
        each = left / (len(self.peers) + len(self.joining) + 1)
        return each if each > WORTH_JOINING else 0.0

    @property
    def ended(self) -> bool:
        """Nothing is under way and nothing is left, or it failed."""
        return not self.flying and (self.failure is not None or self.missing.done)

    def take(self) -> WalkRange | Probe | None:
        """The next job of this chat that needs no split, None while there is none."""
        if self.failure or (self.unboxed and self.flying):
            return None
        if self.probe is Probe.WANTED:
            self.probe = Probe.ASKED
            self.flying += 1
            return Probe.ASKED
        one = self.missing.take()
        if one is not None:
            self.flying += 1
        return one

    def split(self) -> WalkRange | None:
        """A job made by splitting the largest range, None where none is worth it."""
        largest = None if self.failure else self.missing.largest()
        if largest is None:
            return None
        self.flying += 1
        self.ranges += 1
        return self.missing.split(largest)

    def left(self) -> float:
        """Messages in the largest range that can be split, as far as one can tell."""
        largest = None if self.failure else self.missing.largest()
        return 0.0 if largest is None else (largest.hi - largest.next) * self.missing.density

    def counts_more(self, receipt: Receipt) -> bool:
        """Whether the server counts more messages than it has given by now, or gave neither a count nor a message."""
        if receipt.total < 0 and not self.target.record.total and not self.has_any:
            return True
        total = receipt.total if receipt.total >= 0 else max(self.target.record.total or 0, self.counted)
        return total > self.before + self.added + self.explained + self._empty

    @property
    def short(self) -> int:
        """Messages that the server counts and has not given, where they are more than WITHHELD and than a tenth: that some
        are withheld is usual."""
        total = self.target.record.total or 0
        missing = total - self.before - self.added - self.explained - self._empty
        return missing if missing > max(WITHHELD, total // 10) else 0

    @property
    def has_any(self) -> bool:
        return bool(self.before or self.added or self.explained or self._empty)

    def answered(self, one: WalkRange, receipt: Receipt) -> None:
        """A page of a range is with write."""
        self.flying -= 1
        self.pages += 1
        self.added += receipt.messages
        total = receipt.total
        self._count(one, receipt)
        self._empty += len(receipt.empty or [])
        # Only an empty page at the end or the whole list ends a range: a short page does not, nor one of messageEmpty alone.
        ended = receipt.high == 0 or receipt.form == WHOLE
        self.missing.advance(one, receipt.next, ended and not receipt.doubtful)
        if self.splitting and self.probe is Probe.NO and total - self.before - self.added > WORTH_SPLITTING:
            self.probe = Probe.WANTED
        self._bound()

    def _count(self, one: WalkRange, receipt: Receipt) -> None:
        """Keep the server's count. In a takeout it counts range by range: of the chat it is known when all were asked."""
        record = self.target.record
        if self.message_ranges:
            asked = message_range(self.message_ranges, one.next)
            if receipt.total >= 0:
                self._counts[asked.min_id] = receipt.total
            self._counts.setdefault(asked.min_id, receipt.listed)
            record.total = sum(self._counts.values()) if len(self._counts) == len(self.message_ranges) else None
        elif receipt.total >= 0 or record.total is None:
            record.total = receipt.total if receipt.total >= 0 else self.before + receipt.messages

    def narrowed(self, one: WalkRange) -> None:
        """A page of a range could not be decoded, and is to be asked for in smaller ones."""
        self.flying -= 1
        self.missing.narrow(one)

    def skipped(self, one: WalkRange, next_id: int) -> None:
        """A message could not be decoded, alone, and was set aside; `next_id` is the id of the next one, 0 where none is."""
        self.flying -= 1
        self.gaps += 1
        self.missing.skip(one, next_id)
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

    def lose(self, reader: int, job: WalkRange | Probe, failure: TgbulkError) -> None:
        """The reader that had this job is out; another one takes it up, if there is one."""
        self.release(job)
        self.forget(reader, failure)

    def release(self, job: WalkRange | Probe) -> None:
        """A job that was not done: it will be taken again."""
        self.flying -= 1
        if isinstance(job, WalkRange):
            job.phase = Phase.READY
        else:
            self.probe = Probe.WANTED

    def forget(self, reader: int, failure: TgbulkError) -> None:
        """This reader asks for nothing more of the chat. It fails where nobody else does, or is about to."""
        self.peers.pop(reader, None)
        if not self.peers and not self.joining:
            self.failure = self.failure or failure

    def _bound(self) -> None:
        """Cut the tail at the newest id, as soon as no page of it is on its way through process and write."""
        if self.top and self.missing.ranges and self.missing.ranges[-1].phase is not Phase.SENT:
            tail = self.missing.ranges[-1]
            width = self.top + 1 - tail.next
            if width > 0:
                total = self.target.record.total or 0
                self.missing.density = min(1.0, max(0, total - self.before - self.added) / width)
            self.missing.bound(self.top)
            self.top = 0
