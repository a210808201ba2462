"""The walk in memory: random schedules of split, overtaking and lost pages, and of resumes, over chats that change.

The server, process and write are models; plan, walk and missing ranges are the real ones. Every message that existed
throughout must be there once, and nothing twice.
"""
from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from tgbulk.stages.archive.id_range import EVERYTHING, UNBOUNDED, IdRange
from tgbulk.stages.fetch import missing as missing_module
from tgbulk.stages.fetch import walk as walk_module
from tgbulk.stages.fetch.missing import MissingRanges, Phase, WalkRange
from tgbulk.stages.fetch.plan import Plan
from tgbulk.stages.fetch.resolver import Target
from tgbulk.stages.fetch.walk import Probe, Walk
from tgbulk.stages.process.page import _next as next_of
from tgbulk.stages.protocol.receipt import Receipt
from tgbulk.stages.telegram.chat import ChatRecord

#: Messages of a page, and of a range that is worth two, so that small chats have many.
LIMIT = 8
WORTH = 5
READER = 0
SEEDS = 800


@pytest.fixture(autouse=True)
def _small_chats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(missing_module, "WORTH_SPLITTING", WORTH)
    monkeypatch.setattr(walk_module, "WORTH_SPLITTING", WORTH)


class Chat:
    """A chat of the server. `steady` are the messages that exist from the first to the last moment."""

    def __init__(self, source: random.Random) -> None:
        self._source = source
        highest = source.choice([5, 20, 20, 60, 400, 3000])
        self.ids = sorted(source.sample(range(1, highest + 1), source.randrange(min(highest, 160))))
        #: of these the server says messageEmpty
        self.hollow = {n for n in self.ids if source.random() < source.choice([0, 0.1, 0.9])}
        self.ever = set(self.ids) - self.hollow
        self.steady = set(self.ever)
        self._top = highest
        self._whole = source.random() < 0.3

    def change(self) -> None:
        """Some messages arrive, or one goes."""
        if self.ids and self._source.random() < 0.5:
            gone = self._source.choice(self.ids)
            self.ids.remove(gone)
            self.steady.discard(gone)
            return
        for _ in range(self._source.choice([1, 2, 15])):
            self._top += self._source.choice([1, 1, 1, 30])
            self.ids.append(self._top)
            self.ever.add(self._top)

    def page(self, first: int) -> tuple[list[int], bool]:
        """(ids from the first one on, whether they are called the whole list); short for no reason at times."""
        place = bisect_left(self.ids, first)
        found = self.ids[place : place + LIMIT]
        whole = self._whole and place == 0 and len(found) == len(self.ids)
        return (found if whole else found[: self._source.choice([LIMIT, LIMIT, LIMIT, 1, 3])]), whole

    def newest(self) -> list[int]:
        return self.ids[-1:]


@dataclass
class Shelf:
    """What write holds of one chat: [lo, next, ids] of each range, and the same as it was last committed."""

    ranges: list[tuple[int, int, list[int]]] = field(default_factory=list)
    committed: list[tuple[int, int, list[int]]] = field(default_factory=list)

    def append(self, lo: int, first: int, hi: int, ids: list[int]) -> None:
        """To the range of this name, or to the one that it has become part of."""
        place = bisect_right(self.ranges, lo, key=lambda one: one[0]) - 1
        if place >= 0 and (self.ranges[place][0] == lo or lo <= self.ranges[place][1]):
            start, next_id, held = self.ranges[place]
            assert first == next_id, f"ids {next_id} to {first} are missing, or came twice"
            self.ranges[place] = start, max(hi, first), held + ids
        else:
            assert first == lo
            self.ranges.insert(place + 1, (lo, max(hi, first), ids))

    def commit(self, source: random.Random) -> None:
        """Ranges that touch may have become one."""
        joined: list[tuple[int, int, list[int]]] = []
        for lo, following, ids in self.ranges:
            if joined and joined[-1][1] >= lo and source.random() < 0.7:
                joined[-1] = joined[-1][0], max(following, joined[-1][1]), joined[-1][2] + ids
            else:
                joined.append((lo, following, ids))
        self.ranges = joined
        self.committed = list(joined)

    @property
    def held(self) -> list[int]:
        return [one for *_, ids in self.ranges for one in ids]


class Job:
    """One request: asked, then answered, then with write."""

    def __init__(self, chat: Chat, shelf: Shelf, walk: Walk, job: WalkRange | Probe) -> None:
        self.chat, self.shelf, self.walk, self.job = chat, shelf, walk, job
        self.first = job.next if isinstance(job, WalkRange) else 0
        self.bound = UNBOUNDED
        self._found: tuple[list[int], bool] | None = None

    def step(self) -> bool:
        """The next thing that happens to it; True when it is done."""
        if self._found is None:
            self._found = (self.chat.newest(), False) if isinstance(self.job, Probe) else self.chat.page(self.first)
            if isinstance(self.job, WalkRange):
                self.job.phase = Phase.SENT
                self.bound = self.job.hi
            return False
        ids, whole = self._found
        if isinstance(self.job, Probe):
            self.walk.probed(Receipt(high=max(ids, default=0)))
            return True
        wanted = [n for n in ids if self.first <= n < self.bound]
        receipt = Receipt(
            form="messages.messages" if whole else "messages.channelMessages",
            total=-1 if whole else len(self.chat.ids),
            low=min(ids, default=0),
            high=max(ids, default=0),
            messages=len([n for n in wanted if n not in self.chat.hollow]),
        )
        receipt.next = next_of(receipt, self.first, self.bound)
        self.shelf.append(self.job.start, self.first, receipt.next, [n for n in wanted if n not in self.chat.hollow])
        self.walk.answered(self.job, receipt)
        return True


def opened(shelf: Shelf, number: int, splitting: bool, wanted: IdRange = EVERYTHING) -> Walk:
    covered = [IdRange(lo, hi) for lo, hi, _ in shelf.ranges]
    target = Target("chat", ChatRecord(-1, "supergroup", "Chat", 7), None)
    return Walk(target, number, MissingRanges.of(covered, wanted), {READER: None}, [], len(shelf.held), splitting)


def run(
    chats: list[Chat], shelves: list[Shelf], source: random.Random, steps: int, wanted: IdRange = EVERYTHING
) -> bool:
    """Go on from what the shelves hold, for so many steps; True when every chat came to its end."""
    most = source.choice([1, 2, 5, 16])
    plan = Plan(most)
    for number, shelf in enumerate(shelves):
        walk = opened(shelf, number, most > 1, wanted)
        if not walk.ended:
            plan.add(walk)
    flying: list[Job] = []
    while steps and len(plan):
        steps -= 1
        if len(flying) < most and (not flying or source.random() < 0.6) and (found := plan.next(READER)):
            walk, job = found
            flying.append(Job(chats[walk.stream], shelves[walk.stream], walk, job))
            continue
        assert flying, "nothing is under way and nothing can be asked"
        one = source.choice(flying)
        if one.step():
            flying.remove(one)
            if one.walk.ended:
                plan.remove(one.walk)
        if source.random() < 0.1:
            source.choice(shelves).commit(source)
        if source.random() < 0.1:
            source.choice(chats).change()
    return not len(plan)


def check(chat: Chat, shelf: Shelf, wanted: IdRange = EVERYTHING) -> None:
    held = shelf.held
    assert held == sorted(set(held))
    assert {n for n in chat.steady if n in wanted} <= set(held) <= chat.ever


@pytest.mark.parametrize("part", range(8))
def test_every_message_once_in_any_schedule(part: int) -> None:
    """Each run may be killed at any moment: the next one goes on from what was committed."""
    for seed in range(part * SEEDS // 8, (part + 1) * SEEDS // 8):
        source = random.Random(seed)
        chats = [Chat(source) for _ in range(source.choice([1, 1, 3]))]
        shelves = [Shelf() for _ in chats]
        for _ in range(source.randrange(4)):
            run(chats, shelves, source, source.randrange(120))
            for shelf in shelves:
                if source.random() < 0.3:
                    shelf.commit(source)  # an orderly stop
                shelf.ranges = list(shelf.committed)
        assert run(chats, shelves, source, 10**6), seed
        for chat, shelf in zip(chats, shelves, strict=True):
            check(chat, shelf)


@pytest.mark.parametrize("part", range(4))
def test_selections_in_any_order_then_everything(part: int) -> None:
    for seed in range(part * SEEDS // 8, (part + 1) * SEEDS // 8):
        source = random.Random(seed)
        chat, shelf = Chat(source), Shelf()
        for _ in range(source.randrange(1, 5)):
            start = source.randrange(1, 500)
            wanted = IdRange(start, source.choice([start, start + source.randrange(1, 300), UNBOUNDED]))
            finished = run([chat], [shelf], source, source.choice([20, 10**6]), wanted)
            if finished:
                check(chat, shelf, wanted)
            shelf.commit(source)
        assert run([chat], [shelf], source, 10**6)
        check(chat, shelf)


def test_an_unchanged_chat_costs_one_request() -> None:
    source = random.Random(5)
    for seed in range(100):
        chat, shelf = Chat(random.Random(seed)), Shelf()
        run([chat], [shelf], source, 10**6)
        shelf.commit(source)
        walk = opened(shelf, 0, True)
        job = walk.take()
        assert isinstance(job, WalkRange)
        if shelf.ranges == [] or job.next > max(chat.ids, default=0):
            one = Job(chat, shelf, walk, job)
            assert walk.take() is None
            assert not one.step()
            assert one.step()
            assert walk.ended


def test_the_plan_is_fair() -> None:
    """Chats take turns; the tail of one is asked alone, ranges of another as long as they are worth it."""
    plan = Plan(16)
    walks = [opened(Shelf(), number, True) for number in range(3)]
    for walk in walks:
        plan.add(walk)
    assert [found[0].stream for _ in range(3) if (found := plan.next(READER))] == [0, 1, 2]
    assert plan.next(READER) is None
    first = Receipt(form="messages.channelMessages", total=500, high=8, next=9, messages=8)
    walks[1].answered(walks[1].missing.ranges[0], first)
    found = plan.next(READER)
    assert found == (walks[1], Probe.ASKED)
    walks[1].probed(Receipt(high=500))
    asked = [plan.next(READER) for _ in range(5)]
    ranges = [one for found in asked if found for one in found[1:] if isinstance(one, WalkRange)]
    assert [(one.next, one.hi) for one in ranges[:1]] == [(9, ranges[0].hi)]
    assert len(ranges) == 5
    assert walks[1].missing.ranges[-1].phase is Phase.READY
    edges = sorted((one.next, one.hi) for one in walks[1].missing.ranges)
    assert all(left[1] == right[0] for left, right in pairwise(edges))


def test_a_range_whose_page_is_on_its_way_is_not_split() -> None:
    missing = MissingRanges([WalkRange(1, 1, 1000)])
    one = missing.take()
    assert one is not None
    one.phase = Phase.SENT
    assert missing.largest() is None
    one.phase = Phase.ASKED
    upper = missing.split(one)
    assert (one.hi, upper.start, upper.next, upper.hi) == (500, 500, 500, 1000)


def test_ranges_of_a_takeout_are_not_crossed() -> None:
    missing = MissingRanges.of([IdRange(1, 50)])
    missing.cut([1, 40, 100, 200])
    found = [(one.start, one.next, one.hi) for one in missing.ranges]
    assert found == [(1, 50, 100), (100, 100, 200), (200, 200, UNBOUNDED)]


@pytest.mark.parametrize(
    ("covered", "start", "end", "missing"),
    [
        ([], 1, UNBOUNDED, [(1, 1, UNBOUNDED)]),
        ([[1, 50]], 1, UNBOUNDED, [(1, 50, UNBOUNDED)]),
        ([[1, 50], [60, 70]], 1, UNBOUNDED, [(1, 50, 60), (60, 70, UNBOUNDED)]),
        ([[60, 70], [1, 50]], 10, 65, [(1, 50, 60)]),
        ([[1, 50], [50, 70]], 1, UNBOUNDED, [(50, 70, UNBOUNDED)]),
        ([[100, 200]], 150, 180, []),
        ([[100, 200]], 20, 40, [(20, 20, 40)]),
        ([[100, 200]], 300, UNBOUNDED, [(300, 300, UNBOUNDED)]),
        ([[1, 90], [20, 30]], 1, UNBOUNDED, [(1, 90, UNBOUNDED)]),
    ],
)
def test_what_is_missing(
    covered: list[list[int]], start: int, end: int, missing: list[tuple[int, int, int]]
) -> None:
    found = MissingRanges.of(IdRange.from_pairs(covered), IdRange(start, end)).ranges
    assert [(one.start, one.next, one.hi) for one in found] == missing
