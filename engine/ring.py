"""The ring: fetch's table of slots. A slot is free or belongs to exactly one sequence number.

      state      owner    may touch it            next state, on
      FREE       nobody   nobody                  RESERVED  reserve()
      RESERVED   fetch    fetch                   QUEUED    submit()          FREE  cancel()
      QUEUED     fetch    fetch (frames)          FLIGHT    a worker has credit
      FLIGHT     worker   that worker, then write FREE      have              QUEUED  gone (that worker)

One slot number is valid in both arenas, `frames` (the page) and `blocks` (what became of it). Write says `have` when it is
done with the slot; the receipt is read from it before it is free. A worker holds at most CREDIT
pages, so its socket never fills. `gone w` comes after the last block of w: exactly what is then still in FLIGHT at w never
arrived, and goes again.
"""
import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum

from engine.arena import Arena, parcel
from engine.channel import Channel, ChannelClosed
from engine.hop import Gone, Have, Page

#: Pages with one worker at a time.
CREDIT = 3
#: Slots of both arenas.
SLOTS = 32
#: Bytes of a slot in `frames` and in `blocks`.
FRAME_SIZE = 256 * 1024
BLOCK_SIZE = 512 * 1024
#: A page at which this many workers died is held to have killed them.
DEATHS = 2


class State(IntEnum):
    FREE = 0
    RESERVED = 1
    QUEUED = 2
    FLIGHT = 3


class RingError(Exception):
    """A frame that does not fit the state of its slot: a bug, not bad luck."""


@dataclass(slots=True)
class Slot:
    """One row of the table."""

    number: int
    state: State = State.FREE
    seq: int = -1
    page: Page | None = None
    #: the payload's own memory, -1 when it is in the arena
    parcel: int = -1
    worker: int = -1
    deaths: int = 0


@dataclass(slots=True)
class Worker:
    channel: Channel
    #: its pages in the order in which it got them; it works on the first
    flight: deque[int] = field(default_factory=deque)
    closed: bool = False


class Ring:
    """Slots, workers and credits, on the side that hands pages out. Not for several threads."""

    def __init__(
        self,
        frames: Arena,
        blocks: Arena,
        on_receipt: Callable[[int, bytes, int], None],
        on_free: Callable[[], None],
        on_lost: Callable[[int], None],
    ) -> None:
        """Callbacks: on_receipt(seq, receipt, answer); on_free() when a slot is free again; on_lost(seq) for a page that
        killed DEATHS workers and will not go out again."""
        self._frames = frames
        self._blocks = blocks
        self._slots = [Slot(number) for number in range(frames.slots)]
        self._free = deque(range(frames.slots))
        self._queue: deque[int] = deque()
        self._workers: dict[int, Worker] = {}
        #: workers that write has seen the last of, and that have yet to be attached here
        self._early: set[int] = set()
        self._next_seq = 0
        self._on_receipt = on_receipt
        self._on_free = on_free
        self._on_lost = on_lost

    def attach(self, worker: int, channel: Channel) -> None:
        """A new worker takes pages from now on. Worker numbers are never used twice."""
        if worker in self._early:
            self._early.remove(worker)
            channel.close()
            return
        self._workers[worker] = Worker(channel)
        self._pump()

    def reserve(self) -> int | None:
        """A slot for a page that is about to be asked for, None when all are taken."""
        if not self._free:
            return None
        slot = self._slots[self._free.popleft()]
        slot.state = State.RESERVED
        return slot.number

    def cancel(self, number: int) -> None:
        """Give back a reserved slot."""
        self._release(self._expect(number, State.RESERVED))

    def submit(
        self,
        number: int,
        payload: bytes,
        *,
        stream: int,
        kind: int,
        segment: int = 0,
        mark: int = 0,
        ceiling: int = 0,
        origin: int = 0,
    ) -> int:
        """Put the payload into its reserved slot and send it to a worker, now or as soon as one has credit. Its seq."""
        slot = self._expect(number, State.RESERVED)
        fits = len(payload) <= self._frames.slot_size
        if fits:
            self._frames.write(number, payload)
        else:
            slot.parcel = parcel(payload)
        slot.seq = self._next_seq
        self._next_seq += 1
        slot.page = Page(slot.seq, number, len(payload), stream, kind, segment, mark, ceiling, not fits, origin)
        slot.deaths = 0
        self._enqueue(slot)
        self._pump()
        return slot.seq

    def handle(self, frame: Have | Gone) -> None:
        """Take in what write says."""
        if isinstance(frame, Have):
            self._have(frame)
        else:
            self._gone(frame.worker)

    def idle(self) -> bool:
        """True when no slot is taken."""
        return len(self._free) == len(self._slots)

    @property
    def taken(self) -> int:
        """Slots that are not free."""
        return len(self._slots) - len(self._free)

    def state(self, number: int) -> State:
        return self._slots[number].state

    def close_workers(self) -> None:
        """End of file for every worker."""
        for worker in self._workers.values():
            worker.channel.close()
        self._workers.clear()

    def _have(self, frame: Have) -> None:
        slot = self._expect(frame.slot, State.FLIGHT, frame.seq)
        self._workers[slot.worker].flight.remove(slot.number)
        receipt = self._blocks.read(frame.slot, frame.receipt)
        self._release(slot)
        self._on_receipt(frame.seq, receipt, frame.answer)
        self._pump()
        self._on_free()

    def _gone(self, number: int) -> None:
        worker = self._workers.pop(number, None)
        if worker is None:
            self._early.add(number)
            return
        worker.channel.close()
        if worker.flight:
            self._slots[worker.flight[0]].deaths += 1
        for place in reversed(worker.flight):
            slot = self._slots[place]
            if slot.deaths < DEATHS:
                self._enqueue(slot, first=True)
            else:
                seq = slot.seq
                self._release(slot)
                self._on_lost(seq)
                self._on_free()
        self._pump()

    def _enqueue(self, slot: Slot, first: bool = False) -> None:
        slot.state = State.QUEUED
        slot.worker = -1
        if first:
            self._queue.appendleft(slot.number)
        else:
            self._queue.append(slot.number)

    def _pump(self) -> None:
        """Send queued pages, the oldest first, each to the worker that has the fewest."""
        while self._queue:
            ready = [(len(w.flight), n) for n, w in self._workers.items() if not w.closed and len(w.flight) < CREDIT]
            if not ready:
                return
            number = min(ready)[1]
            worker = self._workers[number]
            slot = self._slots[self._queue.popleft()]
            assert slot.page is not None
            slot.state = State.FLIGHT
            slot.worker = number
            worker.flight.append(slot.number)
            try:
                worker.channel.send(slot.page, [slot.parcel] if slot.parcel >= 0 else [])
            except ChannelClosed:
                # It stays in flight at the dead worker until write says that nothing more comes from it.
                worker.closed = True

    def _expect(self, number: int, state: State, seq: int | None = None) -> Slot:
        slot = self._slots[number]
        if slot.state is not state or (seq is not None and slot.seq != seq):
            raise RingError(f"slot {number} is {slot.state.name} of page {slot.seq}, expected {state.name} of {seq}")
        return slot

    def _release(self, slot: Slot) -> None:
        self._close_parcel(slot)
        slot.state = State.FREE
        slot.seq = -1
        slot.page = None
        slot.worker = -1
        self._free.append(slot.number)

    def _close_parcel(self, slot: Slot) -> None:
        if slot.parcel >= 0:
            os.close(slot.parcel)
            slot.parcel = -1
