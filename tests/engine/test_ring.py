from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

import pytest

from support.open_files import open_files
from tgbulk.engine.arena import Arena, open_overflow, overflow
from tgbulk.engine.channel import Channel, ChannelClosed, data_pair
from tgbulk.engine.hop import Ack, Page, WorkerGone
from tgbulk.engine.ring import CREDIT, DEATHS, Ring, RingError, SlotState

SLOTS, SIZE = 8, 64
STEPS = 250


@pytest.fixture(autouse=True)
def _leaks_nothing() -> Iterator[None]:
    before = open_files()
    yield
    assert open_files() == before


@dataclass
class Worker:
    """A worker and its way to write, as the model has them."""

    channel: Channel
    alive: bool = True
    #: the ring met its death
    closed: bool = False
    #: sequence numbers that it has, in order, and those of them that it can still receive
    flight: list[int] = field(default_factory=list)
    inbox: list[int] = field(default_factory=list)
    #: blocks on the way to write
    outbox: list[int] = field(default_factory=list)


class World:
    """A ring among real arenas and channels, and beside it a model of what its table must be."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.frames = Arena.create("tgbulk-frames", SLOTS, SIZE)
        self.blocks = Arena.create("tgbulk-blocks", SLOTS, SIZE)
        self.ring = Ring(self.frames, self.blocks, self.on_receipt, self.on_free, self.on_lost)
        self.states = [SlotState.FREE] * SLOTS
        self.slot: dict[int, int] = {}
        self.payload: dict[int, bytes] = {}
        self.queue: list[int] = []
        self.workers: dict[int, Worker] = {}
        self.deaths: Counter[int] = Counter()
        self.attached = 0
        self.frees = self.expected_frees = 0
        self.receipts: list[tuple[int, bytes]] = []
        self.lost: list[int] = []
        self.expected_lost: list[int] = []

    def on_receipt(self, seq: int, receipt: bytes) -> None:
        assert self.ring.state(self.slot[seq]) is SlotState.FREE
        self.receipts.append((seq, receipt))

    def on_free(self) -> None:
        self.frees += 1

    def on_lost(self, seq: int) -> None:
        self.lost.append(seq)

    def attach(self) -> None:
        ours, theirs = data_pair()
        theirs.set_blocking(False)
        self.workers[self.attached] = Worker(theirs)
        self.ring.attach(self.attached, ours)
        self.attached += 1
        self.pump()

    def submit(self, payload: bytes | None = None) -> None:
        if payload is None:
            payload = self.random.randbytes(self.random.choice((0, 1, SIZE, SIZE + 1, 500)))
        assert self.ring.full == (SlotState.FREE not in self.states)
        if self.ring.full:
            with pytest.raises(RingError):
                self.ring.submit(payload, stream=0, kind=1)
            return
        seq = self.ring.submit(payload, stream=0, kind=1, first=len(self.slot))
        assert seq == len(self.slot)
        free = [slot for slot in range(SLOTS) if self.states[slot] is SlotState.FREE]
        taken = [slot for slot in free if self.ring.state(slot) is not SlotState.FREE]
        assert len(taken) == 1
        self.slot[seq], self.payload[seq] = taken[0], payload
        self.states[taken[0]] = SlotState.QUEUED
        self.queue.append(seq)
        self.pump()

    def work(self) -> None:
        """A worker takes a page and answers it, or is killed on the way."""
        for worker in self.some_worker(lambda one: one.alive and bool(one.inbox)):
            page, descriptors = worker.channel.receive()
            assert isinstance(page, Page)
            seq = worker.inbox.pop(0)
            assert (page.seq, page.slot, page.first) == (seq, self.slot[seq], seq)
            if page.overflow:
                payload = open_overflow(descriptors[0], page.length)
                os.close(descriptors[0])
            else:
                payload = self.frames.read(page.slot, page.length)
            assert (payload, page.overflow) == (self.payload[seq], len(self.payload[seq]) > SIZE)
            self.blocks.write(page.slot, b"receipt %d" % seq)
            worker.outbox.append(seq)

    def kill(self) -> None:
        for worker in self.some_worker(lambda one: one.alive):
            worker.alive = False
            worker.channel.close()
            worker.inbox.clear()

    def have(self) -> None:
        for worker in self.some_worker(lambda one: bool(one.outbox)):
            seq = worker.outbox.pop(0)
            slot = self.slot[seq]
            before = len(self.receipts)
            receipt = b"receipt %d" % seq
            worker.flight.remove(seq)
            self.states[slot] = SlotState.FREE
            self.expected_frees += 1
            self.ring.handle(Ack(seq, slot, len(receipt)))
            assert self.receipts[before:] == [(seq, receipt)]
            self.pump()

    def gone(self) -> None:
        dead = [number for number, one in self.workers.items() if not one.alive and not one.outbox]
        if dead:
            number = self.random.choice(dead)
            worker = self.workers.pop(number)
            if worker.flight:
                self.deaths[worker.flight[0]] += 1
            again = [seq for seq in worker.flight if self.deaths[seq] < DEATHS]
            for seq in worker.flight:
                self.states[self.slot[seq]] = SlotState.QUEUED if seq in again else SlotState.FREE
            self.expected_lost += [seq for seq in worker.flight if seq not in again]
            self.expected_frees += len(worker.flight) - len(again)
            self.queue[:0] = again
            self.ring.handle(WorkerGone(number))
            self.ring.handle(WorkerGone(number))
            self.pump()

    def pump(self) -> None:
        """The oldest page to the worker that has the fewest, up to CREDIT."""
        while self.queue:
            ready = [(len(w.flight), n) for n, w in self.workers.items() if not w.closed and len(w.flight) < CREDIT]
            if not ready:
                return
            worker = self.workers[min(ready)[1]]
            seq = self.queue.pop(0)
            worker.flight.append(seq)
            self.states[self.slot[seq]] = SlotState.FLIGHT
            if worker.alive:
                worker.inbox.append(seq)
            else:
                worker.closed = True

    def some_worker(self, fits: object) -> list[Worker]:
        found = [one for one in self.workers.values() if fits(one)]  # type: ignore[operator]
        return [self.random.choice(found)] if found else []

    def check(self) -> None:
        assert [self.ring.state(slot) for slot in range(SLOTS)] == self.states
        flights = [seq for worker in self.workers.values() for seq in worker.flight]
        owned = [self.slot[seq] for seq in [*flights, *self.queue]]
        assert len(owned) == len(set(owned)), "a slot with two owners"
        assert all(len(worker.flight) <= CREDIT for worker in self.workers.values())
        assert self.ring.idle() == (self.states == [SlotState.FREE] * SLOTS)
        assert (self.lost, self.frees) == (self.expected_lost, self.expected_frees)

    def overflows(self) -> int:
        """Overflows that the ring holds open, beside those that wait in channels."""
        return sum("tgbulk-overflow" in target for target in open_files().values())

    def finish(self) -> None:
        """With one good worker everything comes to an end."""
        for worker in list(self.workers.values()):
            if worker.alive:
                worker.alive = False
                worker.channel.close()
                worker.inbox.clear()
        self.attach()
        while not self.ring.idle():
            for step in (self.have, self.gone, self.work):
                step()
                self.check()
        while any(not worker.alive for worker in self.workers.values()):
            self.gone()

    def close(self) -> None:
        self.ring.close_workers()
        for worker in self.workers.values():
            if worker.alive:
                for _ in worker.inbox:
                    worker.channel.receive()
                with pytest.raises(ChannelClosed):
                    worker.channel.receive()
            worker.channel.close()
        self.frames.close()
        self.blocks.close()


@pytest.mark.parametrize("start", range(0, 300, 100))
def test_a_random_walk_through_all_states(start: int) -> None:
    """Each page is answered once, or lost when DEATHS workers died of it; the table is the model's after every step."""
    lost = deaths = 0
    for seed in range(start, start + 100):
        world = World(seed)
        steps = [world.submit, world.submit, world.work, world.have] * 4
        steps += [world.submit, world.attach, world.kill, world.gone, world.gone]
        for _ in range(STEPS):
            if sum(worker.alive for worker in world.workers.values()) > 3:
                world.kill()
            world.random.choice(steps)()
            world.check()
        open_overflows = sum(len(world.payload[s]) > SIZE for s in world.queue + _in_flight(world))
        assert world.overflows() == open_overflows
        world.finish()
        assert world.overflows() == 0
        assert sorted([seq for seq, _ in world.receipts] + world.lost) == list(range(len(world.slot)))
        assert all(world.deaths[seq] == DEATHS for seq in world.lost)
        assert all(world.deaths[seq] < DEATHS for seq, _ in world.receipts)
        world.close()
        lost += len(world.lost)
        deaths += world.attached
    assert lost > 20
    assert deaths > 500


def _in_flight(world: World) -> list[int]:
    return [seq for worker in world.workers.values() for seq in worker.flight]


def test_a_page_goes_again_only_where_it_had_not_arrived() -> None:
    """The first is with write, the second was made but not sent, the third was never begun."""
    world = World(0)
    world.attach()
    for _ in range(3):
        world.submit(b"page")
    first = world.workers[0]
    world.work()
    world.have()
    world.kill()
    world.gone()
    assert first.flight == [1, 2]
    world.attach()
    assert [world.workers[1].channel.receive()[0].seq for _ in range(2)] == [1, 2]
    world.workers[1].inbox.clear()
    world.check()
    world.close()


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (Ack(0, 0, 1), "slot 0 is QUEUED of page 0, the ack is of page 0"),
        (Ack(5, 0, 1), "slot 0 is FLIGHT of page 0, the ack is of page 5"),
        (Ack(0, 1, 1), "slot 1 is FREE of page -1, the ack is of page 0"),
    ],
    ids=["before", "of another", "free"],
)
def test_a_frame_that_does_not_fit_is_refused(frame: Ack, said: str) -> None:
    world = World(0)
    if frame == Ack(5, 0, 1):
        world.attach()
    world.submit(b"page")
    with pytest.raises(RingError) as caught:
        world.ring.handle(frame)
    assert str(caught.value) == said
    world.check()
    world.close()


def test_no_more_than_there_are_slots() -> None:
    world = World(0)
    for _ in range(SLOTS):
        world.submit(b"page")
    assert world.ring.full
    with pytest.raises(RingError, match="no slot is free"):
        world.ring.submit(b"", stream=0, kind=1)
    world.check()
    world.close()


def test_a_worker_whose_end_is_known_before_it_is_attached_gets_nothing() -> None:
    world = World(0)
    ours, theirs = data_pair()
    world.ring.handle(WorkerGone(0))
    world.ring.attach(0, ours)
    with pytest.raises(ChannelClosed):
        theirs.receive()
    theirs.close()
    world.attached = 1
    world.submit(b"page")
    world.attach()
    assert world.workers[1].channel.receive()[0].seq == 0
    world.workers[1].inbox.clear()
    world.check()
    world.close()


def test_what_a_page_says_and_what_it_says_unless_told() -> None:
    world = World(0)
    world.attach()
    world.ring.submit(b"page", stream=3, kind=2)
    world.ring.submit(b"pages", stream=4, kind=1, range_start=5, first=6, bound=7, origin=8, subject=9)
    assert [world.workers[0].channel.receive()[0] for _ in range(2)] == [
        Page(0, 0, 4, 3, 2, 0, 0, 0, False, 0), Page(1, 1, 5, 4, 1, 5, 6, 7, False, 8, 9)
    ]
    world.close()


def test_what_it_does_is_described() -> None:
    world = World(0)
    assert world.ring.describe() == "slots taken: none; workers: none"
    assert (world.ring.taken, world.ring.idle()) == (0, True)
    world.attach()
    for _ in range(CREDIT + 1):
        world.submit(b"page")
    flying = ", ".join(f"{number} flight (page {number}, worker 0)" for number in range(CREDIT))
    queued = f"{CREDIT} queued (page {CREDIT}, worker -1)"
    assert world.ring.describe() == f"slots taken: {flying}, {queued}; workers: 0 has {CREDIT}"
    assert (world.ring.taken, world.ring.full, world.ring.idle()) == (CREDIT + 1, False, False)
    world.close()


def test_a_receipt_that_has_no_room_in_its_slot_comes_beside_the_ack() -> None:
    """What it came with is closed."""
    world = World(0)
    world.attach()
    world.submit(b"page")
    receipt = b"receipt" * SIZE
    descriptor = overflow(receipt)
    world.ring.handle(Ack(0, 0, len(receipt), True), [descriptor])
    assert world.receipts == [(0, receipt)]
    assert (world.frees, world.ring.idle()) == (1, True)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
    world.close()


def test_an_ack_that_comes_twice_is_refused_the_second_time() -> None:
    world = World(0)
    world.attach()
    for _ in range(CREDIT):
        world.submit(b"page")
    world.ring.handle(Ack(1, 1, 1))
    with pytest.raises(RingError, match="slot 1 is FREE"):
        world.ring.handle(Ack(1, 1, 1))
    assert [seq for seq, _ in world.receipts] == [1]
    assert world.ring.taken == CREDIT - 1
    world.close()


def test_a_page_that_is_acknowledged_while_it_waits_to_go_again_is_refused() -> None:
    """Its worker is gone: nothing of it can come any more."""
    world = World(0)
    world.attach()
    world.submit(b"page")
    world.kill()
    world.gone()
    with pytest.raises(RingError, match="slot 0 is QUEUED of page 0, the ack is of page 0"):
        world.ring.handle(Ack(0, 0, 1))
    assert world.receipts == []
    world.close()


def test_an_ack_of_the_page_that_had_the_slot_before_is_refused() -> None:
    world = World(0)
    world.attach()
    for _ in range(SLOTS):
        world.submit(b"page")
        world.work()
        world.have()
    world.submit(b"page")
    with pytest.raises(RingError, match=f"slot 0 is FLIGHT of page {SLOTS}, the ack is of page 0"):
        world.ring.handle(Ack(0, 0, 1))
    world.check()
    world.close()


def test_a_page_that_goes_again_belongs_to_nobody_until_it_does() -> None:
    world = World(0)
    world.attach()
    world.submit(b"page")
    world.kill()
    world.gone()
    assert world.ring.describe() == "slots taken: 0 queued (page 0, worker -1); workers: none"
    world.attach()
    assert world.ring.describe() == "slots taken: 0 flight (page 0, worker 1); workers: 1 has 1"
    world.ring.close_workers()
    assert world.ring.describe().endswith("; workers: none")
    world.close()
