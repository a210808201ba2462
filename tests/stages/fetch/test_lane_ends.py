"""Where a lane ends or wakes another, and the pages at the edges of a chat."""
from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from telethon.extensions import BinaryReader
from telethon.tl import types

from support import telegram_page as made
from support.laned import Chat, answer, notices, walked
from support.line import Line
from support.virtual import virtually
from support.walks import CHAT
from tgbulk.stages.archive.id_range import IdRange
from tgbulk.stages.fetch.bound import UnusableAnswer
from tgbulk.stages.fetch.error import AuthNeededError, ChatError
from tgbulk.stages.fetch.history import METHOD
from tgbulk.stages.fetch.lane import AGAIN_AT_END
from tgbulk.stages.fetch.missing import Phase
from tgbulk.stages.fetch.walk import Probe
from tgbulk.stages.protocol.difference import BoxRequest
from tgbulk.stages.protocol.event import ChatStarted
from tgbulk.stages.protocol.receipt import Receipt

LOST = AuthNeededError("one", "this login has ended")


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    made_line = Line(tmp_path / "archive")
    yield made_line
    made_line.close()


@pytest.mark.parametrize(
    ("stopping", "lost", "expected", "under_way", "over"),
    [
        (False, False, True, True, False), (False, False, True, False, False), (False, False, False, True, False),
        (False, False, False, False, True), (True, False, True, True, True), (False, True, True, True, True),
    ],
)
def test_a_lane_waits_while_there_may_be_a_job(
    line: Line, stopping: bool, lost: bool, expected: bool, under_way: bool, over: bool
) -> None:
    """Until the run stops, its account is lost, or no chat is under way or expected."""

    async def main() -> None:
        chat = Chat(line, range(0))
        chat.stopping = stopping
        chat.readers[0].failure = LOST if lost else None
        if expected:
            chat.plan.expect()
        if under_way:
            chat.walk(readers=(1,))
        lane = asyncio.create_task(chat.lane().run())
        await asyncio.sleep(1)
        assert lane.done() is over
        assert len(chat.events.of("idle")) == (not over)
        assert chat.readers[0].caller.bucket(METHOD).flying == 0
        chat.stopping = True
        chat.plan.stop()
        await lane
        assert len(chat.events.of("idle")) == (not over)

    virtually(main())


@pytest.mark.parametrize("busy", [False, True])
def test_a_lane_that_may_not_ask_now_lets_another_account_ask(line: Line, busy: bool) -> None:
    async def main() -> None:
        chat = Chat(line, range(0))
        chat.plan.expect()
        bucket = chat.readers[1].caller.bucket(METHOD)
        if busy:
            await bucket.enter()
            bucket.flooded(100)
        waiting = asyncio.create_task(chat.plan.change(0))
        await asyncio.sleep(0)
        lane = asyncio.create_task(chat.lane(1).run())
        await asyncio.sleep(1)
        assert waiting.done() is busy
        chat.plan.stop()
        await waiting
        await lane

    virtually(main())


def test_what_ends_the_run_is_raised_as_it_is(line: Line) -> None:
    """Not in a group of exceptions."""

    async def main() -> None:
        chat = Chat(line, range(1, 51))
        failure = MemoryError("no page more")

        def lie(_: Any) -> None:
            raise failure

        chat.server.lie = lie
        chat.walk()
        with pytest.raises(MemoryError) as found:
            await chat.lane().run()
        assert found.value is failure

    virtually(main())


@pytest.mark.parametrize("kind", ["channel", "supergroup", "saved"])
def test_the_chats_own_name_is_taken_from_its_page(line: Line, kind: str) -> None:
    """Not that of another one in it; Saved Messages' is ours."""

    async def main() -> None:
        chat = Chat(line, range(1, 6), kind)
        before = chat.record.title
        others = [made.channel(number, "Another", username="another") for number in (8, 10)]
        chat.server.chats = (others[0], *chat.server.chats, others[1])
        chat.walk()
        await chat.run()
        assert chat.record.title == (before if kind == "saved" else "As it is called now")

    walked(line, main)


@pytest.mark.parametrize("old", [{1: 700, 101: 700, 201: 700}, {1: 700, 101: -5, 201: 900}, {1: 700, 101: 1, 201: 0}])
def test_the_lowest_state_of_a_box_is_told_once(line: Line, old: dict[int, int]) -> None:
    """A state below 1 is none."""

    async def main() -> None:
        chat = Chat(line, range(1, 251))
        chat.server.lie = lambda request: chat.server.truth(request, pts=old.get(request.offset_id, 900))
        chat.walk(unboxed=True)
        await chat.run()
        expected = [700, 1] if 1 in old.values() else [700]
        assert chat.process.boxes == [BoxRequest(77, CHAT, one) for one in expected]

    walked(line, main)


def test_several_messages_that_cannot_be_decoded_are_set_aside_each_alone(line: Line) -> None:
    """Those beside them are kept, however small the pages have become."""
    bad = {40, 43, 44}

    def lie(request: Any) -> Any:
        found = set(range(request.offset_id, request.offset_id + request.limit))
        if request.add_offset == -request.limit and bad & found:
            return UnusableAnswer(None, "too large")
        return None

    async def main() -> None:
        chat = Chat(line, range(1, 151))
        chat.server.lie = lie
        walk = chat.walk()
        await chat.run()
        assert (walk.failure, walk.added) == (None, 150 - len(bad))
        aside = [one for _, request in chat.process.asides for one in range(request.about.first, request.about.last + 1)]
        assert aside == sorted(bad)

    assert walked(line, main) == [one for one in range(1, 151) if one not in bad]


@pytest.mark.parametrize("lies", [1, AGAIN_AT_END + 1])
def test_the_newest_message_alone_is_missed_too(line: Line, lies: int) -> None:
    """Where its page comes empty, at the very id."""
    left = [lies]

    def lie(request: Any) -> Any:
        if request.offset_id == 101 and left[0]:
            left[0] -= 1
            return answer([], 101)
        return None

    async def main() -> None:
        chat = Chat(line, range(1, 102))
        chat.server.lie = lie
        walk = chat.walk()
        await chat.run()
        assert (walk.failure is None) is (lies == 1)

    assert walked(line, main) == list(range(1, 102 if lies == 1 else 101))


@pytest.mark.parametrize("newest", [1, 100])
def test_the_lowest_message_may_be_the_newest(line: Line, newest: int) -> None:
    """Whatever the server counts, what lies above it is not there."""

    async def main() -> None:
        chat = Chat(line, range(1, newest + 1))
        chat.server.count = 500
        walk = chat.walk()
        await chat.run()
        assert (walk.failure, walk.added) == (None, newest)

    assert walked(line, main) == list(range(1, newest + 1))


def test_an_empty_chat_without_a_count_is_empty(line: Line) -> None:
    async def main() -> None:
        chat = Chat(line, range(0))
        chat.server.lie = lambda _: bytes(types.messages.Messages([], [], [], []))
        walk = chat.walk(IdRange(1, 50))
        await chat.run()
        assert (walk.failure, walk.missing.done) == (None, True)
        assert len(chat.server.asked) == 2

    assert walked(line, main) == []


def test_an_account_lost_at_the_end_of_a_chat_leaves_it_to_another(line: Line) -> None:
    """Before it asked for the newest message: the page is asked for again."""

    async def main() -> None:
        chat = Chat(line, range(1, 51))
        chat.server.count = 60
        walk = chat.walk(readers=(0, 1))
        lost = [True]

        def alter(receipt: Receipt) -> None:
            if not receipt.high and lost.pop():
                lost.append(False)
                walk.peers.pop(0)

        lane = asyncio.create_task(chat.lane().run())
        chat.process.alter = alter
        await asyncio.sleep(5)
        assert (walk.flying, walk.failure, walk.ended, list(walk.peers)) == (0, None, False, [1])
        other = asyncio.create_task(chat.lane(1).run())
        await chat.plan.over.wait()
        for reader in chat.readers:
            reader.caller.halt()
        await asyncio.gather(lane, other)
        assert (walk.failure, walk.added) == (None, 50)
        assert [one.caller.bucket(METHOD).flying for one in chat.readers] == [0, 0]

    assert walked(line, main) == list(range(1, 51))


def test_a_page_of_a_box_that_is_known_is_not_told(line: Line) -> None:
    async def main() -> None:
        chat = Chat(line, range(1, 51))
        chat.walk()
        await chat.run()
        assert (chat.process.boxes, notices(chat)) == ([], [])

    walked(line, main)


def test_a_refused_probe_is_the_end_of_its_chat_alone(line: Line) -> None:
    async def main() -> None:
        chat = Chat(line, range(1, 1251))
        chat.server.lie = lambda request: None if request.offset_id else ChatError("@some_name", "no", "")
        walk = chat.walk(splitting=True)
        await chat.run()
        assert walk.probe is Probe.ASKED
        assert str(walk.failure) == str(ChatError("@some_name", "no", ""))
        assert chat.events.of("end") == [[walk]]

    walked(line, main)


def test_a_range_whose_page_is_on_its_way_to_write_is_not_split(line: Line) -> None:
    """Its bound is part of the page."""

    async def main() -> None:
        chat = Chat(line, range(1, 5001))
        walk = chat.walk(IdRange(1, 5001))
        chat.process.room = asyncio.Semaphore(0)
        lanes = asyncio.create_task(chat.run())
        await asyncio.sleep(100)
        assert walk.flying == chat.process.inside > 1
        assert {one.phase for one in walk.missing.ranges} == {Phase.SENT}
        assert chat.plan.next(0) is None
        for _ in chat.server.ids:
            chat.process.room.release()
        await lanes
        assert (walk.failure, walk.added) == (None, 5000)

    assert walked(line, main) == list(range(1, 5001))


def test_the_newest_id_is_something_for_everybody(line: Line) -> None:
    """A chat may be split then, and others may join it."""

    async def main() -> None:
        chat = Chat(line, range(1, 51))
        chat.plan.expect()
        chat.walk(splitting=True).probe = Probe.WANTED
        chat.process.room = asyncio.Semaphore(0)
        waiting = [asyncio.create_task(chat.plan.change(number)) for number in (1, 2)]
        lane = asyncio.create_task(chat.lane().run())
        await asyncio.sleep(0.005)
        assert [one.done() for one in waiting] == [False, False]
        await asyncio.sleep(1)
        assert [one.done() for one in waiting] == [True, True]
        for _ in range(9):
            chat.process.room.release()
        await asyncio.sleep(1)
        chat.plan.stop()
        await lane

    assert walked(line, main) == list(range(1, 51))


def test_a_chat_of_one_page_is_told_of_with_it(line: Line) -> None:
    async def main() -> None:
        chat = Chat(line, range(0))
        messages = [made.message(number) for number in (3, 2, 1)]
        users = [made.user(one.id % 7 + 1) for one in messages]
        chat.server.lie = lambda _: bytes(types.messages.Messages(messages, [], list(chat.server.chats), users))
        walk = chat.walk()
        await chat.run()
        assert (walk.failure, walk.pages, len(chat.server.asked)) == (None, 1, 1)
        assert chat.told == [ChatStarted(0, CHAT, "As it is called now", 3, 0)]
        assert chat.events.of("first") == [[walk, chat.readers[0]]]

    assert walked(line, main) == [1, 2, 3]


@pytest.mark.parametrize("newest", [99, 100, 120, 250])
@pytest.mark.parametrize("form", [types.messages.Messages, types.messages.MessagesSlice, types.messages.MessagesNotModified])
def test_pages_come_in_several_forms_and_one_is_none(line: Line, form: type[Any], newest: int) -> None:
    """That nothing changed is no answer to what was asked, and a full page is not the whole list because it says so."""

    async def main() -> None:
        chat = Chat(line, range(1, newest + 1))

        def lie(request: Any) -> bytes:
            truth = BinaryReader(chat.server.truth(request)).tgread_object()
            fields = {"topics": [], "chats": truth.chats, "users": truth.users, "messages": truth.messages, "count": newest}
            return bytes(form(**{name: fields[name] for name in inspect.signature(form).parameters if name in fields}))

        chat.server.lie = lie
        walk = chat.walk()
        await chat.run()
        if form is types.messages.MessagesNotModified:
            assert walk.failure is not None
            assert "nothing changed" in str(walk.failure)
        else:
            assert (walk.failure, walk.added) == (None, newest)
            if form is types.messages.Messages and newest < 100:
                assert len(chat.server.asked) == 1

    walked(line, main)
