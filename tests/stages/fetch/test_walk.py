"""One chat's walk: every job taken is given back, however it ended, and what it counts."""
from __future__ import annotations

from typing import Any

import pytest
from telethon.tl import types

from tgbulk.engine.error import TgbulkError
from tgbulk.stages.archive.id_range import EVERYTHING, UNBOUNDED, IdRange
from tgbulk.stages.fetch.missing import NARROWING, MissingRanges, Phase, WalkRange
from tgbulk.stages.fetch.plan import Plan
from tgbulk.stages.fetch.resolver import Target
from tgbulk.stages.fetch.walk import WHOLE, WORTH_JOINING, Probe, Walk
from tgbulk.stages.protocol.receipt import Receipt
from tgbulk.stages.telegram.chat import ChatRecord

LOST = TgbulkError("lost")
RANGES = [types.MessageRange(1, 99), types.MessageRange(100, 199)]


def walk(ranges: Any = (), wanted: IdRange = EVERYTHING, before: int = 0) -> Walk:
    target = Target("chat", ChatRecord(-1, "supergroup", "Chat", 7), None)
    return Walk(target, 0, MissingRanges.of([], wanted), {0: None, 1: None}, list(ranges), before, True)


def taken(one: Walk) -> WalkRange:
    job = one.take()
    assert isinstance(job, WalkRange)
    assert one.take() is None
    assert one.flying == 1
    return job


def test_a_job_that_a_lost_account_had_is_taken_by_another() -> None:
    one = walk()
    job = taken(one)
    one.lose(0, job, LOST)
    assert (one.flying, one.failure, list(one.peers)) == (0, None, [1])
    assert taken(one) is job
    one.lose(1, job, LOST)
    assert (one.flying, one.failure, one.ended) == (0, LOST, True)
    assert one.take() is None
    assert one.split() is None


def test_the_question_for_the_newest_id_is_asked_again_where_it_was_not_answered() -> None:
    one = walk()
    first = taken(one)
    one.answered(first, Receipt(form="messages.channelMessages", total=5000, high=100, next=101, messages=100))
    assert (one.take(), one.probe, one.flying) == (Probe.ASKED, Probe.ASKED, 1)
    one.release(Probe.ASKED)
    assert (one.flying, one.take()) == (0, Probe.ASKED)
    one.probed(Receipt(high=5000))
    assert (one.flying, one.probe) == (0, Probe.DONE)
    assert [(part.next, part.hi) for part in one.missing.ranges] == [(101, 5001), (5001, UNBOUNDED)]
    assert one.missing.density == pytest.approx(1.0)
    job = one.take()
    assert isinstance(job, WalkRange)
    assert one.split() is not None
    assert (one.flying, one.ranges) == (2, 2)


def test_pages_that_cannot_be_decoded_are_given_back() -> None:
    one = walk(wanted=IdRange(1, 500))
    job = taken(one)
    limit = job.limit
    one.narrowed(job)
    assert (one.flying, one.gaps, job.limit) == (0, 0, limit // NARROWING)
    assert taken(one) is job
    one.skipped(job, 40)
    assert (one.flying, one.gaps, one.ended, job.next, job.start) == (0, 1, False, 40, 40)
    taken(one)
    one.skipped(job, 0)
    assert (one.flying, one.gaps, one.ended) == (0, 2, True)


@pytest.mark.parametrize(("total", "probe"), [(600, Probe.WANTED), (501, Probe.WANTED), (500, Probe.NO), (400, Probe.NO)])
def test_the_newest_id_is_asked_for_where_more_than_a_few_pages_are_left(total: int, probe: Probe) -> None:
    one = walk(before=100)
    one.answered(taken(one), Receipt(form="messages.channelMessages", total=total, high=100, next=101, messages=100))
    assert one.probe is probe


def test_after_a_page_that_could_not_be_decoded_pages_grow_again() -> None:
    one = walk(wanted=IdRange(1, 5000))
    limits = []
    one.narrowed(taken(one))
    for number in range(5):
        job = taken(one)
        limits.append(job.limit)
        one.answered(job, Receipt(form="messages.channelMessages", total=9, high=number + 1, next=number + 2))
    assert limits == [10, 20, 40, 80, 100]


def test_a_failure_ends_it_when_nothing_is_under_way() -> None:
    one = walk(wanted=IdRange(1, 5000))
    job = taken(one)
    assert one.split() is not None
    one.fail(LOST)
    assert (one.flying, one.ended) == (1, False)
    one.fail(TgbulkError("later"))
    assert (one.flying, one.ended, one.failure) == (0, True, LOST)
    assert job.hi == 2500


def test_only_an_empty_page_or_the_whole_list_ends_it() -> None:
    one = walk()
    one.answered(taken(one), Receipt(form="messages.channelMessages", total=3, high=9, next=10, messages=1))
    assert (one.ended, one.added, one.pages, one.flying) == (False, 1, 1, 0)
    one.answered(taken(one), Receipt(form="messages.channelMessages", total=3, high=0, next=10))
    assert (one.ended, one.pages, one.target.record.total) == (True, 2, 3)
    one = walk(before=4)
    one.answered(taken(one), Receipt(form=WHOLE, total=-1, high=9, next=10, messages=2))
    assert (one.ended, one.target.record.total) == (True, 6)


def test_a_count_of_none_is_a_count() -> None:
    one = walk(before=4)
    one.answered(taken(one), Receipt(form="messages.channelMessages", total=0, high=0, next=1))
    assert (one.ended, one.target.record.total) == (True, 0)


def test_a_takeouts_counts_are_summed_when_every_range_was_asked() -> None:
    one = walk(RANGES, IdRange(1, 150))
    one.missing.cut([1, 100])
    job = one.take()
    assert isinstance(job, WalkRange)
    # without a count: what came, the empty ids and those that came twice
    one.answered(job, Receipt(form=WHOLE, total=-1, high=9, next=100, messages=5, empty=[3, 4], repeated=1))
    counts = [one.target.record.total]
    job = one.take()
    assert isinstance(job, WalkRange)
    one.answered(job, Receipt(form="messages.messagesSlice", total=30, high=0, next=150))
    assert (counts, one.target.record.total, one.ended) == ([None], 38, True)


@pytest.mark.parametrize(("total", "count"), [(-1, 8), (300, 300)])
def test_a_takeouts_count_is_not_that_of_a_later_page_without_one(total: int, count: int) -> None:
    one = walk(RANGES[:1], IdRange(1, 150))
    first = Receipt(form=WHOLE, total=total, high=9, next=10, messages=5, empty=[3, 4], repeated=1, doubtful=True)
    one.answered(taken(one), first)
    one.answered(taken(one), Receipt(form=WHOLE, total=-1, high=0, next=10))
    assert (one.target.record.total, one.ended) == (count, True)


def test_two_walks_are_two_whatever_they_hold() -> None:
    one, other = walk(), walk()
    other.target = one.target
    assert one != other
    assert len({id(one): one, id(other): other}) == 2


@pytest.mark.parametrize(
    ("total", "record_total", "held", "more"),
    [
        (-1, None, (0, 0, 0, 0), True),
        (-1, None, (0, 1, 0, 0), False),
        (-1, 5, (0, 0, 0, 0), True),
        (-1, 5, (5, 0, 0, 0), False),
        (-1, None, (1, 0, 0, 0), False),
        (-1, None, (0, 0, 1, 0), False),
        (-1, None, (0, 0, 0, 1), False),
        (0, None, (0, 0, 0, 0), False),
        (10, None, (4, 3, 2, 1), False),
        (10, None, (3, 3, 2, 1), True),
        (10, None, (4, 2, 2, 1), True),
        (10, None, (4, 3, 1, 1), True),
        (10, None, (4, 3, 2, 0), True),
        (10, 99, (4, 3, 2, 1), False),
    ],
)
def test_whether_the_server_counts_more(
    total: int, record_total: int | None, held: tuple[int, int, int, int], more: bool
) -> None:
    one = walk()
    one.target.record.total = record_total
    one.before, one.added, one.explained, one._empty = held
    assert one.counts_more(Receipt(total=total)) is more
    assert one.has_any == (held != (0, 0, 0, 0))


@pytest.mark.parametrize(
    ("total", "held", "short"),
    [
        (None, (0, 0, 0, 0), 0),
        (10, (0, 0, 0, 0), 0),
        (11, (0, 0, 0, 0), 11),
        (50, (40, 0, 0, 0), 0),
        (50, (20, 10, 5, 4), 11),
        (1000, (800, 99, 0, 0), 101),
        (1000, (800, 50, 25, 25), 0),
        (1000, (700, 100, 50, 49), 101),
        (9000, (8100, 0, 0, 0), 0),
        (9000, (8099, 0, 0, 0), 901),
    ],
)
def test_how_many_are_short(total: int | None, held: tuple[int, int, int, int], short: int) -> None:
    """More than ten, and more than a tenth of all."""
    one = walk()
    one.target.record.total = total
    one.before, one.added, one.explained, one._empty = held
    assert one.short == short


def test_who_is_worth_joining() -> None:
    one = walk()
    one.shared, one.probe = True, Probe.DONE
    one.before, one.added = 10, 20
    one.target.record.total = 30 + 3 * (WORTH_JOINING + 1)
    assert one.worth_joining(2) == WORTH_JOINING + 1
    one.joining.add(3)
    assert one.worth_joining(2) == 0
    one.joining.clear()
    assert one.worth_joining(0) == 0
    one.refused.add(2)
    assert one.worth_joining(2) == 0
    one.refused.clear()
    for name, value in {"shared": False, "probe": Probe.NO, "failure": LOST}.items():
        before = getattr(one, name)
        setattr(one, name, value)
        assert one.worth_joining(2) == 0
        setattr(one, name, before)
    one.target.record.total = 30 + 3 * WORTH_JOINING
    assert one.worth_joining(2) == 0
    one.target.record.total += 1
    assert one.worth_joining(2) == pytest.approx(WORTH_JOINING + 1 / 3)


def test_an_account_looks_one_chat_up_at_a_time() -> None:
    plan, walks = Plan(10), [walk(), walk()]
    for number, one in enumerate(walks):
        one.shared, one.probe = True, Probe.DONE
        one.target.record.total = (number + 3) * WORTH_JOINING * 2
        plan.add(one)
    first = plan.joinable(2)
    assert first is walks[1]
    first.joining.add(2)
    assert plan.joinable(2) is None
    assert plan.joinable(3) is not None
    first.joining.remove(2)
    first.refused.add(2)
    assert plan.joinable(2) is walks[0]


def test_a_walk_begins_with_nothing() -> None:
    one = walk()
    assert (one.shared, one.unboxed, one.doubted, one.probe, one.failure) == (False, False, False, Probe.NO, None)
    assert (one.flying, one.pages, one.ranges, one.gaps) == (0, 0, 1, 0)
    assert (one.place, one.told, one.pts, one.top, one.explained, one.counted) == (0, 0, 0, 0, 0, 0)
    assert (one.added, one.aside_bytes, one.strange, one.has_any, one.short) == (0, 0, 0, False, 0)
    assert not one.counts_more(Receipt(total=0))
    assert one.counts_more(Receipt(total=1))


def test_where_the_server_says_no_count_the_last_one_holds() -> None:
    """The highest that is known: of this run, or of one before."""
    for record_total, counted, more in ((None, 9, True), (None, 8, False), (9, 8, True), (8, 9, True), (8, 8, False)):
        one = walk(before=8)
        one.target.record.total, one.counted = record_total, counted
        assert one.counts_more(Receipt(total=-1)) is more


@pytest.mark.parametrize(
    ("known", "told", "total"), [(None, -1, 6), (None, 0, 0), (5, -1, 5), (5, 0, 0), (5, 9, 9), (None, 9, 9)]
)
def test_the_servers_count_is_kept(known: int | None, told: int, total: int) -> None:
    """Where it gave none yet: what is there."""
    one = walk(before=4)
    one.target.record.total = known
    one.answered(taken(one), Receipt(form="messages.channelMessages", total=told, high=9, next=10, messages=2))
    assert one.target.record.total == total


@pytest.mark.parametrize(
    ("form", "high", "doubtful", "ended"),
    [
        ("messages.messages", 9, False, True),
        ("messages.messagesSlice", 9, False, False),
        ("messages.channelMessages", 9, False, False),
        ("messages.messagesSlice", 1, False, False),
        ("messages.messagesSlice", 0, False, True),
        ("messages.messagesSlice", 0, True, False),
        ("messages.messages", 9, True, False),
    ],
)
def test_what_ends_a_range(form: str, high: int, doubtful: bool, ended: bool) -> None:
    one = walk()
    one.answered(taken(one), Receipt(form=form, total=9, high=high, next=10, messages=1, doubtful=doubtful))
    assert one.ended is ended


def test_a_takeouts_range_of_which_the_server_counts_nothing() -> None:
    one = walk(RANGES[:1], IdRange(1, 150))
    one.answered(taken(one), Receipt(form=WHOLE, total=0, high=9, next=100, empty=[3, 4]))
    assert one.target.record.total == 0


@pytest.mark.parametrize("splitting", [False, True])
@pytest.mark.parametrize("probe", [Probe.NO, Probe.ASKED, Probe.DONE])
def test_the_newest_id_is_asked_for_once(splitting: bool, probe: Probe) -> None:
    """And only where several requests may be in flight."""
    one = walk()
    job = taken(one)
    one.splitting, one.probe = splitting, probe
    one.answered(job, Receipt(form="messages.channelMessages", total=9000, high=100, next=101, messages=100))
    assert one.probe is (Probe.WANTED if splitting and probe is Probe.NO else probe)


def test_how_many_messages_the_largest_range_has_left() -> None:
    one = walk(wanted=IdRange(1, 5001))
    assert one.left() == 0.0
    job = taken(one)
    one.missing.density, job.next = 0.5, 1001
    assert one.left() == 2000.0
    one.failure = LOST
    assert one.left() == 0.0
    assert one.split() is None
    assert one.flying == 1


def test_a_box_that_is_not_known_is_learnt_from_one_page() -> None:
    one = walk(wanted=IdRange(1, 9000))
    one.missing.cut([4000])
    one.unboxed = True
    assert one.take() is not None
    assert one.take() is None
    one.unboxed = False
    assert one.take() is not None
    assert one.flying == 2


@pytest.mark.parametrize(
    ("peers", "joining", "fails"),
    [({0}, set(), True), ({0, 1}, set(), False), ({0}, {1}, False), ({1}, {1}, False), (set(), set(), True)],
)
@pytest.mark.parametrize("before", [None, TgbulkError("before")])
def test_a_chat_fails_with_the_last_account_that_reads_it(
    peers: set[int], joining: set[int], fails: bool, before: TgbulkError | None
) -> None:
    one = walk()
    one.peers, one.joining, one.failure = dict.fromkeys(peers), joining, before
    one.forget(0, LOST)
    assert one.peers.keys() == peers - {0}
    assert one.failure is (before or (LOST if fails else None))


@pytest.mark.parametrize(
    ("top", "total", "bounded"),
    [
        (1000, 500, True), (1000, 2000, True), (1000, 20, True), (1000, None, True), (101, 31, True),
        (100, 500, False), (40, 9, False),
    ],
)
def test_the_tail_is_cut_when_no_page_of_it_is_under_way(top: int, total: int | None, bounded: bool) -> None:
    """Of what is left, as many are in each id as the server counts; where nothing is left, it stays as it is."""
    one = walk(before=10)
    one.missing = MissingRanges([WalkRange(1, 1, 5), WalkRange(5, 5, 9), WalkRange(50, 101, UNBOUNDED)])
    one.target.record.total, one.added = total, 20
    tail = one.missing.ranges[-1]
    one.missing.density = 1.0
    tail.phase = Phase.SENT
    one.probe, one.flying = Probe.ASKED, 1
    one.probed(Receipt(high=top))
    assert (tail.hi, one.top) == (UNBOUNDED, top)
    tail.phase = Phase.ASKED
    one._bound()
    # ids 101 to `top` are left of it
    left = top - 100
    expected = min(1.0, max(0, (total or 0) - 30) / left) if bounded else 1.0
    assert one.missing.density == pytest.approx(expected)
    assert [(part.next, part.hi) for part in one.missing.ranges[2:]] == (
        [(101, top + 1), (top + 1, UNBOUNDED)] if bounded else [(101, UNBOUNDED)]
    )
    assert one.top == 0


@pytest.mark.parametrize("ending", ["answered", "skipped"])
def test_the_tail_is_cut_when_its_page_is_with_write(ending: str) -> None:
    one = walk()
    job = taken(one)
    job.phase = Phase.SENT
    one.probe, one.flying = Probe.ASKED, 2
    one.probed(Receipt(high=500))
    assert job.hi == UNBOUNDED
    if ending == "answered":
        one.answered(job, Receipt(form="messages.channelMessages", total=500, high=100, next=101, messages=100))
    else:
        one.skipped(job, 101)
    assert [(part.next, part.hi) for part in one.missing.ranges] == [(101, 501), (501, UNBOUNDED)]
    assert (one.flying, one.pages) == (0, int(ending == "answered"))
