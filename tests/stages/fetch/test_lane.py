"""What a lane makes of a server's answers: of real pages, decoded and written as in a run, and of those that are none."""
from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from telethon import errors
from telethon.tl import types

from support import telegram_page as made
from support.laned import PEER, Chat, Server, answer, notices, walked
from support.line import Line
from support.virtual import virtually
from support.walks import CHAT
from tgbulk.stages.archive.id_range import UNBOUNDED, IdRange
from tgbulk.stages.fetch.bound import UnusableAnswer
from tgbulk.stages.fetch.error import AuthNeededError, ChatError, FloodParkedError, TroubledError
from tgbulk.stages.fetch.history import METHOD, STALE_PAGE
from tgbulk.stages.fetch.lane import AGAIN, AGAIN_AT_END, SPARE, STALE
from tgbulk.stages.fetch.missing import MissingRanges, Phase, WalkRange
from tgbulk.stages.fetch.walk import Probe, Walk
from tgbulk.stages.protocol.difference import BoxRequest
from tgbulk.stages.protocol.event import ChatStarted
from tgbulk.stages.protocol.receipt import Receipt

LOST = AuthNeededError("one", "this login has ended")


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    made_line = Line(tmp_path / "archive")
    yield made_line
    made_line.close()


@pytest.mark.parametrize("downloads", [False, True])
def test_a_chat_is_walked_page_after_page(line: Line, downloads: bool) -> None:
    """And told of once, with its first page, by what that says of it."""

    async def main() -> None:
        chat = Chat(line, range(1, 251))
        walk = chat.walk(before=5, readers=(0,))
        walk.counted = 5
        chat.server.count = 255
        await chat.run(downloads)
        assert chat.server.pages == [(1, 100), (101, 100), (201, 100), (251, 100)]
        assert chat.told == [ChatStarted(0, CHAT, "As it is called now", 255, 5)]
        assert (chat.record.usernames, walk.added, walk.pages) == (["called_now"], 250, 4)
        assert chat.events.of("first") == [[walk, chat.readers[0]]]
        assert chat.events.of("end") == [[walk]]
        assert {one.marked_id for one in chat.learnt} == {CHAT, *range(1, 8)}
        origin = 77 if downloads else -77
        first = {"stream": 0, "range_start": 1, "first": 1, "bound": UNBOUNDED, "origin": origin, "subject": CHAT}
        assert chat.process.places[:2] == [{**first, "last": False}, {**first, "first": 101, "last": False}]
        assert len(chat.plan) == 0

    assert walked(line, main) == list(range(1, 251))


def test_downloads_hear_of_pages_with_media_alone(line: Line) -> None:
    async def main() -> None:
        chat = Chat(line, range(1, 251))
        chat.walk()

        def alter(receipt: Receipt) -> None:
            receipt.media = int(receipt.low == 101)

        chat.process.alter = alter
        await chat.run(downloads=True)
        assert chat.met == 1

    walked(line, main)


def test_a_chat_of_which_no_count_is_known(line: Line) -> None:
    async def main() -> None:
        chat = Chat(line, range(1, 6))
        walk = chat.walk()

        def alter(receipt: Receipt) -> None:
            receipt.total = -1
            walk.message_ranges = [types.MessageRange(1, UNBOUNDED), types.MessageRange(1 << 40, UNBOUNDED)]

        chat.process.alter = alter
        await chat.run()
        assert [one.total for one in chat.told if isinstance(one, ChatStarted)] == [-1]

    walked(line, main)


@pytest.mark.parametrize("kind", ["channel", "saved"])
def test_the_name_of_saved_messages_is_ours(line: Line, kind: str) -> None:
    async def main() -> None:
        chat = Chat(line, range(1, 6), kind)
        chat.walk()
        await chat.run()
        assert (chat.record.title == "As it is called now") is (kind == "channel")

    walked(line, main)


def test_a_page_that_says_where_the_chat_goes_on_is_told_once(line: Line) -> None:
    async def main() -> None:
        chat = Chat(line, range(1, 251))
        walk = chat.walk()

        def alter(receipt: Receipt) -> None:
            if receipt.low > 100:
                own = next(one for one in chat.learnt if one.marked_id == CHAT)
                receipt.peers = [dataclasses.replace(own, migrated_to=-1000000000077)]

        chat.process.alter = alter
        await chat.run()
        assert chat.events.of("migrated") == [[walk, chat.readers[0], -1000000000077]]

    walked(line, main)


@pytest.mark.parametrize("times", [AGAIN_AT_END, AGAIN_AT_END + 1])
def test_an_empty_page_below_the_newest_message_is_asked_for_again(line: Line, times: int) -> None:
    left = [times]

    def lie(request: Any) -> Any:
        if request.offset_id >= 101 and left[0]:
            left[0] -= 1
            return answer([], 250)
        return None

    async def main() -> None:
        chat = Chat(line, range(1, 251))
        chat.server.lie = lie
        walk = chat.walk()
        await chat.run()
        if times == AGAIN_AT_END:
            assert (walk.failure, walk.added) == (None, 250)
            assert chat.server.pages.count((101, 100)) == 1 + AGAIN_AT_END
        else:
            assert isinstance(walk.failure, ChatError)
            said = "Telegram gives no message from id 101 on, although it has some"
            assert walk.failure.args == ("@some_name", said, AGAIN)
            assert walk.added == 100
        assert chat.events.of("end") == [[walk]]

    walked(line, main)


@pytest.mark.parametrize("count", [1, 2, 1250])
def test_messages_that_are_counted_and_not_given(line: Line, count: int) -> None:
    async def main() -> None:
        chat = Chat(line, range(0))
        chat.server.count = count
        walk = chat.walk()
        await chat.run()
        assert walk.failure is not None
        assert walk.failure.args[1:] == (f"Telegram counts {count:,} messages and gives none", AGAIN)
        assert len(chat.server.pages) == 1 + AGAIN_AT_END

    walked(line, main)


@pytest.mark.parametrize("newest", ["below", "undecodable", "nothing"])
def test_an_empty_page_is_the_end_where_the_newest_message_is_below_it(line: Line, newest: str) -> None:
    """Whatever the server counts; or where the newest one says nothing. A bounded range is covered to its bound then."""

    def lie(request: Any) -> Any:
        if not request.offset_id:
            return {"below": None, "undecodable": b"\xde\xad\xbe\xef", "nothing": answer([], 0)}[newest]
        return answer([], 0) if newest == "nothing" else None

    async def main() -> None:
        chat = Chat(line, range(0) if newest == "nothing" else range(1, 51))
        chat.server.lie, chat.server.count = lie, 1000
        walk = chat.walk(IdRange(1, 250))
        if newest == "nothing":
            chat.record.total = 1000
            walk.counted = 1000
        await chat.run()
        if newest != "nothing":
            assert (walk.failure, walk.added, walk.missing.done) == (None, 50, True)
            assert [(one.offset_id, one.limit) for one in chat.server.asked] == [(1, 100), (51, 100), (0, 1)]
        assert chat.process.places[-1] | {"last": True, "bound": 250} == chat.process.places[-1]

    walked(line, main)
    assert line.writer._committed[CHAT].ranges[0].hi == 250


def test_an_end_that_nobody_doubts_is_asked_for_once(line: Line) -> None:
    async def main() -> None:
        chat = Chat(line, range(1, 51))
        walk = chat.walk()
        await chat.run()
        assert (walk.failure, [one.limit for one in chat.server.asked]) == (None, [100, 100])
        assert [one["last"] for one in chat.process.places] == [False, False]

    walked(line, main)


def test_an_answer_that_nothing_changed_is_none(line: Line) -> None:
    async def main() -> None:
        chat = Chat(line, range(1, 251))
        chat.server.lie = lambda request: bytes(types.messages.MessagesNotModified(250)) if request.offset_id > 1 else None
        walk = chat.walk()
        await chat.run()
        assert walk.failure is not None
        assert walk.failure.args[1:] == ("Telegram says that nothing changed, and was not asked that", AGAIN)

    assert walked(line, main) == list(range(1, 101))


def test_what_a_page_had_to_be_helped_with_is_said(line: Line) -> None:
    async def main() -> None:
        chat = Chat(line, range(1, 151))
        chat.walk()

        def alter(receipt: Receipt) -> None:
            if receipt.low == 101:
                receipt.slow, receipt.strange = "why", 2345

        chat.process.alter = alter
        await chat.run()
        assert notices(chat) == [
            "@some_name: the page from id 101: 2,345 users and chats that are none are left out",
            "@some_name: the page from id 101 was decoded by the slow decoder: why",
        ]

    assert walked(line, main) == list(range(1, 151))


@pytest.mark.parametrize("sent", [b"\xde\xad\xbe\xef", UnusableAnswer(None, "too large"), "of another chat"])
def test_a_message_that_cannot_be_decoded_is_set_aside_alone(line: Line, sent: Any) -> None:
    """It is looked for in smaller pages."""
    other = types.Message(id=40, peer_id=types.PeerChannel(8), date=made.DAY, message="of another chat")

    def lie(request: Any) -> Any:
        found = range(request.offset_id, request.offset_id + request.limit)
        if request.add_offset == -request.limit and 40 in found:
            return answer([other], 150) if sent == "of another chat" else sent
        return None

    async def main() -> None:
        chat = Chat(line, range(1, 151))
        chat.server.lie = lie
        walk = chat.walk()
        await chat.run()
        assert (walk.failure, walk.gaps, walk.added, walk.flying) == (None, 1, 149, 0)
        assert [limit for first, limit in chat.server.pages if first == 1] == [100, 10]
        (stream, request), = chat.process.asides
        about = request.about
        assert (stream, about.first, about.last, request.whole) == (0, 40, 40, True)
        if sent == b"\xde\xad\xbe\xef":
            assert (request.answers, "too large" in about.reason) == (sent, False)
        elif sent != "of another chat":
            assert (request.answers, about.reason) == (b"", "too large")

    assert walked(line, main) == [one for one in range(1, 151) if one != 40]


@pytest.mark.parametrize("times", [1, 1000])
def test_a_page_that_is_older_than_what_was_told(line: Line, times: int) -> None:
    """It is asked for again; stays it so, changes of the chat are unknown, which is said once, and no page is asked for
    twice any more."""
    left = [times]

    def lie(request: Any) -> Any:
        left[0] -= 1
        return chats[0].server.truth(request, pts=400) if left[0] >= 0 else None

    chats: list[Chat] = []

    async def main() -> None:
        chats.append(Chat(line, range(1, 151)))
        chat = chats[0]
        chat.server.lie = lie
        walk = chat.walk(told=500)
        await chat.run()
        again = [first for first, _ in chat.server.pages]
        assert (walk.failure, walk.added, walk.doubted) == (None, 150, times > 1)
        assert (chat.process.backlog.flying, chat.process.backlog.bytes) == (0, 0)
        if times == 1:
            assert (again, chat.process.boxes, notices(chat)) == ([1, 1, 101, 151], [], [])
        else:
            assert again == [1, 1, 1, 1, 101, 151]
            assert chat.process.boxes == [BoxRequest(77, CHAT, 500, lost=True)] * 3
            assert notices(chat) == [f"@some_name: {STALE_PAGE}: changes of it are unknown"]

    walked(line, main)


@pytest.mark.parametrize("unboxed", [False, True])
def test_a_box_that_is_not_known_is_as_old_as_the_oldest_page(line: Line, unboxed: bool) -> None:
    old = {1: 700, 101: 600, 201: 650, 301: 0}

    async def main() -> None:
        chat = Chat(line, range(1, 351))
        chat.server.lie = lambda request: chat.server.truth(request, pts=old.get(request.offset_id, 900))
        walk = chat.walk(unboxed=unboxed)
        await chat.run()
        expected = [BoxRequest(77, CHAT, 700), BoxRequest(77, CHAT, 600)] if unboxed else []
        assert (chat.process.boxes, walk.unboxed, walk.pts) == (expected, False, 600 if unboxed else 0)

    walked(line, main)


REFUSED = errors.RPCError(None, "NEVER_SEEN", 400)


@pytest.mark.parametrize(
    "sent", [REFUSED, TroubledError("Telegram", "500", METHOD), ChatError("@some_name", "why", ""), LOST]
)
@pytest.mark.parametrize("probing", [False, True])
def test_what_a_request_ends_with(line: Line, sent: Any, probing: bool) -> None:
    """The chat fails, or goes on with the other account where it is this one that ends."""

    async def main() -> None:
        chat = Chat(line, range(1, 1251))
        failing = [True]

        def lie(request: Any) -> Any:
            if failing[0] and (not request.offset_id if probing else request.offset_id > 1):
                failing[0] = False
                return sent
            return None

        chat.server.lie = lie
        walk = chat.walk(splitting=probing, readers=(0, 1) if sent is LOST else (0,))
        await chat.run()
        assert (walk.flying, len(chat.plan)) == (0, 0)
        assert chat.events.of("end") == [[walk]]
        if sent is LOST:
            (reader, failure), = chat.events.of("lost")
            assert failure is LOST
            assert (walk.failure, walk.added, list(walk.peers)) == (None, 1250, [1 - reader.number])
        else:
            assert chat.events.of("lost") == []
            assert isinstance(walk.failure, ChatError if sent is REFUSED else type(sent))
            assert "NEVER_SEEN" in str(walk.failure) or sent is not REFUSED

    walked(line, main)


@pytest.mark.parametrize("kind", STALE)
def test_a_peer_that_is_not_taken(line: Line, kind: type[errors.RPCError]) -> None:
    """Whoever is told of it has the job, and gives it back."""
    failing = [kind(None)]

    async def main() -> None:
        chat = Chat(line, range(1, 51))
        chat.server.lie = lambda _: failing.pop() if failing else None
        walk = chat.walk()

        def settle(of: Walk, reader: Any, job: Any, peer: Any, error: Any) -> None:
            assert (of, reader, peer, type(error)) == (walk, chat.readers[0], PEER, kind)
            assert (of.flying, job.phase) == (1, Phase.ASKED)
            of.release(job)

        chat.events.on_stale = settle
        await chat.run()
        assert (walk.failure, walk.added, len(chat.events.of("stale"))) == (None, 50, 1)

    walked(line, main)


@pytest.mark.parametrize("before", [False, True])
def test_a_flood_wait_that_is_not_sat_out(line: Line, before: bool) -> None:
    """Of this request, or known of an earlier one: the account is out, and what it had under way is free."""

    async def main() -> None:
        chat = Chat(line, range(1, 251))
        parked = FloodParkedError(4000, METHOD)
        if before:
            chat.readers[0].caller.bucket(METHOD).shut(parked)
        else:
            chat.server.lie = lambda request: errors.FloodWaitError(request, 4000) if request.offset_id > 1 else None
        walk = chat.walk()
        chat.plan.expect()
        lane = asyncio.create_task(chat.lane().run())
        await lane
        (reader, failure), = chat.events.of("lost")
        assert (reader, type(failure), walk.flying) == (chat.readers[0], FloodParkedError, 0)
        assert len(chat.server.asked) == (0 if before else 2)
        assert (walk.failure is None) is before

    walked(line, main)


def test_an_account_that_is_lost_between_admission_and_its_request(line: Line) -> None:
    """Nothing is asked, its turn is free, and the job goes to whoever comes."""

    async def main() -> None:
        chat = Chat(line, range(1, 51))
        walk = chat.walk(readers=(0, 1))
        lane = chat.lane()
        bucket = chat.readers[0].caller.bucket(METHOD)
        bucket.rate = 10.0
        await bucket.enter()
        due = bucket._next
        found = chat.plan.next(0)
        assert found is not None
        del walk.peers[0]
        await lane._work(*found)
        assert (bucket.flying, walk.flying, chat.server.asked) == (0, 0, [])
        assert bucket._next == pytest.approx(due - 0.1)
        assert chat.plan.next(1) == found
        await bucket.enter()
        await lane._work(*found)
        lane._jobs = 0

    virtually(main())


def test_a_stop_leaves_what_is_left(line: Line) -> None:
    async def main() -> None:
        chat = Chat(line, range(1, 1001))

        def lie(request: Any) -> Any:
            if request.offset_id == 301:
                chat.stopping = True
                chat.readers[0].caller.halt()
            return None

        chat.server.lie = lie
        idle: list[bool] = []
        chat.events.idle = lambda reader: idle.append(chat.stopping)  # type: ignore[method-assign]
        walk = chat.walk()
        chat.plan.expect()
        await chat.lane().run()
        assert (walk.added, walk.flying, walk.failure, len(chat.plan)) == (400, 0, None, 1)
        assert chat.events.of("end") == []
        assert not any(idle)

    assert walked(line, main) == list(range(1, 401))


def test_jobs_beyond_the_requests_in_flight_are_few(line: Line) -> None:
    """While no receipt comes, a lane takes no more jobs than SPARE beyond its bucket's, fewer once that allows less; then it
    goes on."""

    async def main() -> None:
        chat = Chat(line, range(1, 2001))
        walk = chat.walk()
        walk.missing = MissingRanges([WalkRange(lo, lo, lo + 100) for lo in range(1, 2001, 100)])
        chat.process.room = asyncio.Semaphore(0)
        lanes = asyncio.create_task(chat.run())
        bucket = chat.readers[0].caller.bucket(METHOD)
        bucket.window = 3.0
        await asyncio.sleep(100)
        most = 3 + SPARE
        assert (chat.process.inside, walk.flying, len(chat.server.asked)) == (most, most, most)
        for left, asked in ((most - 1, most), (most - 2, most), (most - 2, most + 1)):
            bucket.window = 1.0
            chat.process.room.release()
            await asyncio.sleep(100)
            assert (chat.process.inside, len(chat.server.asked)) == (left, asked)
        for _ in chat.server.ids:
            chat.process.room.release()
        await lanes
        assert (walk.failure, walk.added, len(chat.plan)) == (None, 2000, 0)

    walked(line, main)


def test_an_account_without_a_job_hears_of_a_large_chat(line: Line) -> None:
    """With its first page, and each time that there may be something for it."""

    async def main() -> None:
        chat = Chat(line, range(1, 6001))
        walk = chat.walk(splitting=True)
        seen: list[tuple[Any, Probe, int]] = []

        def idle(reader: Any) -> None:
            seen.append((reader.number, walk.probe, walk.pages))

        chat.events.idle = idle  # type: ignore[method-assign]
        await chat.run()
        others = [(probe, pages) for number, probe, pages in seen if number == 1]
        assert others[:3] == [(Probe.NO, 0), (Probe.ASKED, 1), (Probe.DONE, 1)]
        assert (walk.added, walk.ranges > 2, walk.top) == (6000, True, 0)

    assert walked(line, main) == list(range(1, 6001))


def test_in_a_takeout_each_question_says_in_which_range_it_is(line: Line) -> None:
    """The page of the id it begins with, the newest one of the end's, the probe of the last range."""
    ranges = [types.MessageRange(1, 1000), types.MessageRange(1001, 1400)]

    async def main() -> None:
        chat = Chat(line, range(0), "private")

        def lie(request: Any) -> Any:
            low, high = request.message_range.min_id, request.message_range.max_id
            inside = Server(range(low, high - 9))
            inside.count += 5000
            return inside.truth(request)

        chat.server.lie = lie
        walk = chat.walk(message_ranges=ranges, splitting=True, shared=False)
        walk.missing.cut([1001])
        await chat.run()
        assert (walk.failure, walk.added) == (None, 1380)
        for one in chat.server.asked:
            if one.offset_id:
                assert one.message_range is ranges[one.offset_id > 1000]
        newest = [one.message_range for one in chat.server.asked if not one.offset_id]
        assert newest[0] is ranges[1]
        assert {one.min_id for one in newest[1:]} == {1, 1001}

    walked(line, main)


def test_a_lane_ends_where_nothing_changes_any_more(line: Line) -> None:
    """Its chat ended while it stood at the bucket: nobody is told that it is idle, and nobody would wake it."""

    async def main() -> None:
        chat = Chat(line, range(1, 51))
        walk = chat.walk()
        lane = asyncio.create_task(chat.lane(1).run())
        bucket = chat.readers[1].caller.bucket(METHOD)
        bucket.window = 0.0
        await bucket.enter()
        await asyncio.sleep(0.1)
        chat.plan.remove(walk)
        bucket.cancel()
        await lane
        assert (chat.events.told, bucket.flying) == ([], 0)

    virtually(main())


def test_the_chat_that_one_more_account_helps_most_is_joined(line: Line) -> None:
    """None where none is worth it, or while the account looks one up."""

    async def main() -> None:
        chat = Chat(line, range(1, 51))
        walk = chat.walk(splitting=True)
        assert chat.plan.joinable(1) is None
        walk.probe, chat.record.total = Probe.WANTED, 5000
        assert chat.plan.joinable(1) is walk
        assert chat.plan.joinable(0) is None
        walk.joining.add(1)
        assert chat.plan.joinable(1) is None

    virtually(main())
