"""The ring: fetch's table of slots. A slot is free or belongs to exactly one sequence number.

      state      owner    may touch it            next state, on
      FREE       nobody   nobody                  QUEUED    submit()
      QUEUED     fetch    fetch (frames)          FLIGHT    a worker has credit
      FLIGHT     worker   that worker, then write FREE      ack               QUEUED  worker gone

A slot is taken when its payload is there, never before: nobody holds one while waiting for anything but the work it was sent
with, and that work waits for nobody who waits for a slot. So every slot comes back.
One slot number is valid in both arenas, `frames` (the page) and `blocks` (what became of it). Write sends `ack` when
it is done with the slot; the receipt is read from it before it is free. A worker holds at most CREDIT pages, so its socket
never fills. `worker gone` comes after the last block of that worker: exactly what is then still in FLIGHT there never
arrived, and goes again.
"""
import os
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from tgbulk.engine.arena import Arena, open_overflow, overflow
from tgbulk.engine.channel import Channel, ChannelClosed
from tgbulk.engine.hop import Ack, Page, WorkerGone

#: Pages with one worker at a time.
CREDIT = 3
#: Slots of both arenas.
SLOTS = 32
#: Bytes of a slot in `frames` and in `blocks`.
FRAME_SIZE = 256 * 1024
BLOCK_SIZE = 512 * 1024
#: A page at which this many workers died is held to have killed them.
DEATHS = 2


class SlotState(Enum):
    FREE = auto()
    QUEUED = auto()
    FLIGHT = auto()


class RingError(Exception):
    """A frame that does not fit the state of its slot: a bug, not bad luck."""


@dataclass(slots=True)
class Slot:
    """One row of the table; what is in a slot counts while it is not free."""

    number: int
    state: SlotState = SlotState.FREE
    seq: int = -1
    page: Page = field(init=False)
    #: the payload's own memory, None when it is in the arena
    overflow: int | None = None
    worker: int = field(init=False)
    deaths: int = field(init=False)


@dataclass(slots=True)
class AttachedWorker:
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
        on_receipt: Callable[[int, bytes], None],
        on_free: Callable[[], None],
        on_lost: Callable[[int], None],
    ) -> None:
        """Callbacks: on_receipt(seq, receipt); on_free() when a slot is free again; on_lost(seq) for a page that
        killed DEATHS workers and will not go out again."""
        self._frames = frames
        self._blocks = blocks
        self._slots = [Slot(number) for number in range(frames.slots)]
        self._free = deque(range(frames.slots))
        self._queue: deque[int] = deque()
        self._workers: dict[int, AttachedWorker] = {}
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
        self._workers[worker] = AttachedWorker(channel)
        self._pump()

    def submit(
        self,
        payload: bytes,
        *,
        stream: int,
        kind: int,
        range_start: int = 0,
        first: int = 0,
        bound: int = 0,
        origin: int = 0,
        subject: int = 0,
    ) -> int:
        """Put the payload into a free slot and send it to a worker, now or as soon as one has credit. Its seq.

        RingError when no slot is free.
        """
        if not self._free:
            raise RingError("no slot is free")
        slot = self._slots[self._free.popleft()]
        fits = len(payload) <= self._frames.slot_size
        if fits:
            self._frames.write(slot.number, payload)
        else:
            slot.overflow = overflow(payload)
        slot.seq = self._next_seq
        self._next_seq += 1
        slot.page = Page(
            slot.seq, slot.number, len(payload), stream, kind, range_start, first, bound, not fits, origin, subject
        )
        slot.deaths = 0
        self._enqueue(slot)
        self._pump()
        return slot.seq

    def handle(self, frame: Ack | WorkerGone, descriptors: Sequence[int] = ()) -> None:
        """Take a message from write, and the descriptors that came with it."""
        if isinstance(frame, Ack):
            self._acknowledged(frame, descriptors)
        else:
            self._worker_gone(frame.worker)

    def idle(self) -> bool:
        """True when no slot is taken."""
        return len(self._free) == len(self._slots)

    @property
    def full(self) -> bool:
        """True when every slot is taken."""
        return not self._free

    @property
    def taken(self) -> int:
        """Slots that are not free."""
        return len(self._slots) - len(self._free)

    def describe(self) -> str:
        """Every slot that is taken, and what each worker has, for people."""
        slots = ", ".join(
            f"{slot.number} {slot.state.name.lower()} (page {slot.seq}, worker {slot.worker})"
            for slot in self._slots
            if slot.state is not SlotState.FREE
        )
        workers = ", ".join(f"{number} has {len(one.flight)}" for number, one in self._workers.items())
        return f"slots taken: {slots or 'none'}; workers: {workers or 'none'}"

    def state(self, number: int) -> SlotState:
        return self._slots[number].state

    def close_workers(self) -> None:
        """End of file for every worker."""
        for worker in self._workers.values():
            worker.channel.close()
        self._workers.clear()

    def _acknowledged(self, frame: Ack, descriptors: Sequence[int]) -> None:
        slot = self._slots[frame.slot]
        if slot.state is not SlotState.FLIGHT or slot.seq != frame.seq:
            raise RingError(f"slot {slot.number} is {slot.state.name} of page {slot.seq}, the ack is of page {frame.seq}")
        self._workers[slot.worker].flight.remove(slot.number)
        if frame.overflow:
            receipt = open_overflow(descriptors[0], frame.receipt)
            os.close(descriptors[0])
        else:
            receipt = self._blocks.read(frame.slot, frame.receipt)
        self._release(slot)
        self._on_receipt(frame.seq, receipt)
        self._pump()
        self._on_free()

    def _worker_gone(self, number: int) -> None:
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
                self._release(slot)
                self._on_lost(slot.seq)
                self._on_free()
        self._pump()

    def _enqueue(self, slot: Slot, first: bool = False) -> None:
        slot.state = SlotState.QUEUED
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
            slot.state = SlotState.FLIGHT
            slot.worker = number
            worker.flight.append(slot.number)
            try:
                worker.channel.send(slot.page, [] if slot.overflow is None else [slot.overflow])
            except ChannelClosed:
                # It stays in flight at the dead worker until write reports that nothing more comes from it.
                worker.closed = True

    def _release(self, slot: Slot) -> None:
        if slot.overflow is not None:
            os.close(slot.overflow)
            slot.overflow = None
        slot.state = SlotState.FREE
        self._free.append(slot.number)
