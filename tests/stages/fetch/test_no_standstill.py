"""Lanes, buckets, backlog and slots never wait for each other in a circle: by a model, and by themselves in virtual time."""
from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import msgpack
import pytest
from telethon import errors
from telethon.tl import types

from support.limited import FloodWait, Server
from support.virtual import virtually
from tgbulk.engine.arena import Arena
from tgbulk.engine.channel import Channel, data_pair
from tgbulk.engine.frame import pack
from tgbulk.engine.hop import Ack, Page, WorkerGone
from tgbulk.engine.metric import Meter
from tgbulk.stages.fetch.backlog import EXPECTED_BYTES, FIRST_BYTES, Backlog
from tgbulk.stages.fetch.caller import Caller
from tgbulk.stages.fetch.history import METHOD
from tgbulk.stages.fetch.lane import Lane
from tgbulk.stages.fetch.missing import MissingRanges
from tgbulk.stages.fetch.pipeline import MOST_INSIDE, Pipeline
from tgbulk.stages.fetch.plan import Plan
from tgbulk.stages.fetch.resolver import Target
from tgbulk.stages.fetch.walk import Walk
from tgbulk.stages.protocol.receipt import PayloadKind, Receipt
from tgbulk.stages.telegram.chat import ChatRecord

#: Phases of a request in the model.
WANTS, ADMITTED, SHARE, ANSWERED, SLOT, DONE = range(6)
#: In the order that stood still: a slot was held from before the request was sent, through its flood waits.
HELD, HELD_WANTS = 6, 7


def steps(lanes: tuple[int, ...], owner: list[int], floods: int, sizes: tuple[int, int, int], late: bool) -> Iterator[Any]:
    """(lanes, floods left) after every step that is possible. sizes: of a bucket, the backlog, the ring."""
    bucket, backlog, slots = sizes
    shares = lanes.count(SHARE)
    taken = lanes.count(SLOT) if late else sum(phase in (SLOT, HELD, HELD_WANTS) for phase in lanes)
    for number, phase in enumerate(lanes):
        own = [p for lane, p in enumerate(lanes) if owner[lane] == owner[number]]
        admitted = sum(p in (ADMITTED, SHARE, HELD) for p in own)
        following: list[tuple[int, int]] = []
        if phase in (WANTS, HELD_WANTS) and admitted < bucket:
            following.append((ADMITTED if phase == WANTS else HELD, floods))
        if late:
            if phase == ADMITTED and shares < backlog:
                following.append((SHARE, floods))
            if phase == SHARE:
                following += [(ANSWERED, floods), *([(WANTS, floods - 1)] if floods else [])]
            if phase == ANSWERED and taken < slots:
                following.append((SLOT, floods))
        else:
            if phase == ADMITTED and taken < slots:
                following.append((HELD, floods))
            if phase == HELD:
                following += [(SLOT, floods), *([(HELD_WANTS, floods - 1)] if floods else [])]
        if phase == SLOT:
            following.append((DONE, floods))
        for new, left in following:
            yield (*lanes[:number], new, *lanes[number + 1 :]), left


def stands_still(accounts: int, lanes_each: int, sizes: tuple[int, int, int], *, late: bool = True) -> bool:
    """Whether any state can be reached in which nobody can take a step, and not everybody is done."""
    owner = [account for account in range(accounts) for _ in range(lanes_each)]
    start = (WANTS,) * len(owner), 2
    seen, todo = {start}, deque([start])
    while todo:
        lanes, floods = todo.popleft()
        found = list(steps(lanes, owner, floods, sizes, late))
        if not found and set(lanes) != {DONE}:
            return True
        for one in found:
            if one not in seen:
                seen.add(one)
                todo.append(one)
    return False


@pytest.mark.parametrize("sizes", [(1, 1, 1), (2, 1, 1), (1, 2, 1), (2, 2, 2), (2, 1, 2)])
@pytest.mark.parametrize(("accounts", "lanes"), [(1, 3), (2, 2), (1, 4), (2, 3)])
def test_no_state_is_without_a_way_on(accounts: int, lanes: int, sizes: tuple[int, int, int]) -> None:
    assert not stands_still(accounts, lanes, sizes)


def test_the_model_knows_a_standstill() -> None:
    """The order in which slots were held through flood waits has one: one lane holds the slot, others the admission."""
    assert stands_still(1, 3, (1, 9, 1), late=False)
    assert stands_still(2, 2, (1, 9, 2), late=False)


class Stages:
    """Workers and write, in this process since time is virtual: they answer pages after a while, and workers die."""

    def __init__(self, pipeline: Pipeline, blocks: Arena, frames: Arena, written: Channel, source: random.Random) -> None:
        self._pipeline = pipeline
        self._frames = frames
        self._blocks = blocks
        self._written = written
        self._random = source
        self._workers: dict[int, Channel] = {}
        self._pages: dict[int, deque[Page]] = {}
        self._struck: set[int] = set()
        self._next = 0
        self.deaths = 0

    def attach(self) -> None:
        ours, theirs = data_pair()
        theirs.set_blocking(False)
        number, self._next = self._next, self._next + 1
        self._workers[number], self._pages[number] = theirs, deque()
        asyncio.get_running_loop().add_reader(theirs.fileno(), self._receive, number)
        self._pipeline.attach(number, ours)

    def close(self) -> None:
        for channel in self._workers.values():
            asyncio.get_running_loop().remove_reader(channel.fileno())
            channel.close()

    def _receive(self, number: int) -> None:
        page, _ = self._workers[number].receive()
        assert isinstance(page, Page)
        self._pages[number].append(page)
        if len(self._pages[number]) == 1:
            self._later(number)

    def _later(self, number: int) -> None:
        asyncio.get_running_loop().call_later(self._random.choice([0.0, 0.001, 0.02, 0.3]), self._work, number)

    def _work(self, number: int) -> None:
        page = self._pages[number][0]
        if self._random.random() < 0.03 and page.seq not in self._struck:
            self._struck.add(page.seq)
            return self._die(number)
        self._pages[number].popleft()
        payload = self._frames.read(page.slot, page.length)
        is_answer = page.kind in (PayloadKind.HISTORY, PayloadKind.PROBE)
        reply = pack(_receipt(page, msgpack.unpackb(payload)) if is_answer else Receipt())
        self._blocks.write(page.slot, reply)
        self._written.send(Ack(page.seq, page.slot, len(reply)))
        if self._pages[number]:
            self._later(number)

    def _die(self, number: int) -> None:
        self.deaths += 1
        channel = self._workers.pop(number)
        asyncio.get_running_loop().remove_reader(channel.fileno())
        channel.close()
        self._pages.pop(number)
        self._written.send(WorkerGone(number))
        asyncio.get_running_loop().call_later(0.5, self.attach)


def _receipt(page: Page, answer: list[int]) -> Receipt:
    """As of a chat with the ids 1 to `total`: `answer` has the first id that was asked for, how many, and the total."""
    first, limit, total = answer
    if not first:
        return Receipt(form="messages.channelMessages", total=total, low=total, high=total)
    last = min(first + limit - 1, total)
    if page.bound:
        last = min(last, page.bound - 1)
    found = max(0, last - first + 1)
    return Receipt(
        form="messages.channelMessages", total=total, low=first if found else 0, high=last if found else 0,
        next=last + 1 if found else first, messages=found,
    )


class Account:
    """A real caller, whose connection is a server that counts: real sockets know no virtual time."""

    def __init__(self, number: int, server: Server, total: dict[int, int], in_flight: int) -> None:
        self._server = server
        self._total = total
        client: Any = SimpleNamespace(_sender=SimpleNamespace(send=self._send))
        access: Any = SimpleNamespace(server_name="Telegram", account=f"account{number}")
        self.caller = Caller(client, access, lambda *_: None)
        self.caller.limit(METHOD, in_flight)
        resolver = SimpleNamespace(learn=lambda _: None)
        self.reader: Any = SimpleNamespace(number=number, caller=self.caller, resolver=resolver, failure=None, me=number)

    async def _send(self, request: Any) -> bytes:
        try:
            await self._server.call()
        except FloodWait as wait:
            raise errors.FloodWaitError(request, wait.seconds) from wait
        answer: bytes = msgpack.packb([request.offset_id, request.limit, self._total[request.peer.user_id]])
        return answer


class Chats:
    """What lanes tell: large chats are joined by accounts without a job, and every end is counted."""

    def __init__(self, plan: Plan, pipeline: Pipeline, accounts: list[Account]) -> None:
        self._plan, self._pipeline, self._accounts = plan, pipeline, accounts
        self.ended: list[Walk] = []

    def first(self, walk: Walk, reader: Any) -> None:
        pass

    def migrated(self, walk: Walk, reader: Any) -> None:
        pass

    def idle(self, reader: Any) -> None:
        walk = self._plan.joinable(reader.number)
        if walk is not None:
            walk.peers[reader.number] = next(iter(walk.peers.values()))
            self._plan.notify()

    async def end(self, walk: Walk) -> None:
        self.ended.append(walk)
        await self._pipeline.close_chat(walk.stream, walk.target.record)


async def export(seed: int) -> int:
    """A run of random size; how many workers died in it."""
    source = random.Random(seed)
    accounts_number = source.choice([1, 2, 3, 20])
    in_flight = source.choice([1, 2, 5, 28])
    slots = source.choice([1, 1, 2, 3, 8])
    total = {number: source.choice([0, 1, 99, 100, 350, 1500, 6000]) for number in range(1, source.choice([2, 4, 12]))}
    frames, blocks = Arena.create("tgbulk-frames", slots, 4096), Arena.create("tgbulk-blocks", slots, 4096)
    written, write = data_pair()
    gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    pipeline = Pipeline(frames, blocks, written, gone, Meter(None), lambda: None)
    pipeline.backlog = Backlog(source.choice([1, EXPECTED_BYTES, 3 * EXPECTED_BYTES, 40 * EXPECTED_BYTES]))
    pipeline.most_inside = source.choice([1, 40, MOST_INSIDE])
    stages = Stages(pipeline, blocks, frames, write, source)
    for _ in range(source.choice([1, 2, 3])):
        stages.attach()
    limit = source.choice([(2.0, 3.0), (10.0, 25.0), (10.0, 1.0), (50.0, 5.0), (None, 1.0)])
    servers = [Server(limit[0], limit[1], 0.04, seed + number) for number in range(accounts_number)]
    accounts = [Account(number, server, total, in_flight) for number, server in enumerate(servers)]
    plan = Plan(16)
    chats = Chats(plan, pipeline, accounts)
    for number in total:
        record = ChatRecord(number, "channel", f"Chat {number}", 1)
        target = Target(f"chat{number}", record, None)
        peers = {number % accounts_number: types.InputPeerUser(number, 0)}
        plan.add(Walk(target, number, MissingRanges.of([]), peers, [], 0, in_flight > 1, True))
    events: Any = chats
    lanes = [
        Lane(plan, account.reader, pipeline, lambda: False, lambda _: None, events).run() for account in accounts
    ]

    async def shut() -> None:
        await plan.over.wait()
        for account in accounts:
            account.caller.halt()

    await asyncio.gather(shut(), *lanes)
    await pipeline.drain()
    assert {walk.target.record.marked_id: walk.added for walk in chats.ended} == total
    assert [walk.failure for walk in chats.ended] == [None] * len(total)
    assert (pipeline.backlog.flying, pipeline.backlog.bytes) == (0, 0)
    assert [account.caller.bucket(METHOD).flying for account in accounts] == [0] * len(accounts)
    pipeline.close()
    stages.close()
    for one in (written, write, frames, blocks):
        one.close()
    return stages.deaths


@pytest.mark.parametrize("start", range(0, 40, 10))
def test_every_run_comes_to_its_end_with_every_message_once(start: int) -> None:
    """Rings of one slot, buckets of one request, backlogs of one answer, floods and deaths of workers: the loop of the test
    fails where everybody waits for somebody else."""
    deaths = 0
    for seed in range(start, start + 10):
        random.seed(seed)
        deaths += virtually(export(seed))
    assert deaths > 3


@pytest.mark.parametrize(
    ("size", "inside"), [(100, 8), (MOST_INSIDE // 4, 4), (MOST_INSIDE // 4 + 1, 3), (MOST_INSIDE * 2, 1)]
)
def test_large_payloads_leave_slots_free(size: int, inside: int) -> None:
    """Of eight, so many are in slots at a time; the others follow one by one."""

    async def main() -> None:
        frames, blocks = Arena.create("tgbulk-frames", 8, 4096), Arena.create("tgbulk-blocks", 8, 4096)
        written, write = data_pair()
        pipeline = Pipeline(frames, blocks, written, asyncio.Future(), Meter(None), lambda: None)
        tasks = [asyncio.create_task(pipeline.probe(bytes(size), number)) for number in range(8)]
        for number in range(9):
            await asyncio.sleep(0)
            assert pipeline._ring.taken == min(inside, 8 - number)
            if number < 8:
                taken = next(slot for slot in pipeline._ring._slots if slot.seq == min(pipeline._receipts))
                pipeline._ring._release(taken)
                pipeline._ring._queue.remove(taken.number)
                pipeline._on_lost(min(pipeline._receipts))
                pipeline._on_free()
        assert all(receipt.error for receipt in await asyncio.gather(*tasks))
        for one in (written, write, frames, blocks):
            one.close()

    asyncio.run(main())


def test_of_answers_that_nobody_knows_few_are_asked_for_at_once() -> None:
    async def main() -> None:
        backlog = Backlog(4 * FIRST_BYTES)
        tasks = [asyncio.create_task(backlog.enter()) for _ in range(200)]
        await asyncio.sleep(0)
        assert backlog.flying == 4
        for _ in range(100):  # they are small
            backlog.leave(EXPECTED_BYTES)
            backlog.wait(0)
            await asyncio.sleep(0)
        assert backlog.flying > 4 * FIRST_BYTES // EXPECTED_BYTES // 2
        for task in tasks:
            task.cancel()

    asyncio.run(main())


def test_shares_go_in_turn_and_come_back() -> None:
    async def main() -> None:
        backlog = Backlog(3 * EXPECTED_BYTES, EXPECTED_BYTES)
        got: list[int] = []

        async def ask(number: int) -> None:
            await backlog.enter()
            got.append(number)

        tasks = [asyncio.create_task(ask(number)) for number in range(6)]
        await asyncio.sleep(0)
        assert (got, backlog.flying) == ([0, 1, 2], 3)
        tasks[3].cancel()
        await asyncio.sleep(0)
        backlog.leave(1000)
        backlog.wait(1000)
        await asyncio.sleep(0)
        assert got == [0, 1, 2]
        backlog.go(1000)
        await asyncio.sleep(0)
        assert got == [0, 1, 2, 4]
        # A huge answer: until it has its slot and the others are there, none more; then one at a time.
        backlog.leave(10 * EXPECTED_BYTES)
        backlog.wait(10 * EXPECTED_BYTES)
        backlog.leave()
        backlog.leave()
        await asyncio.sleep(0)
        assert got == [0, 1, 2, 4]
        backlog.go(10 * EXPECTED_BYTES)
        await asyncio.sleep(0)
        assert got == [0, 1, 2, 4, 5]
        assert backlog.flying == 1
        # Handed over and given up in the same moment: it goes on to the next.
        given = [asyncio.create_task(ask(number)) for number in (6, 7)]
        await asyncio.sleep(0)
        backlog.leave()
        given[0].cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert got == [0, 1, 2, 4, 5, 7]
        backlog.leave()
        assert (backlog.flying, backlog.bytes) == (0, 0)

    asyncio.run(main())
