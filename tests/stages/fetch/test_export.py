"""Names become chats, chats come to their end or fail alone: an export whose accounts, server and write are the test's."""
from __future__ import annotations

import asyncio
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from telethon import errors
from telethon.tl import types

from support.exported import LOST, OUT, PARKED, TROUBLE, World, failing, marked, move_username, run
from support.virtual import virtually
from tgbulk.engine.error import ExitCode
from tgbulk.stages.archive.account import Unlooked
from tgbulk.stages.archive.annex import AnnexName
from tgbulk.stages.archive.id_range import EVERYTHING, UNBOUNDED, IdRange
from tgbulk.stages.fetch import export as export_module
from tgbulk.stages.fetch.config import Selection
from tgbulk.stages.fetch.error import AuthNeededError, ChatError
from tgbulk.stages.fetch.export import ANOTHER, GAPS, TROUBLED
from tgbulk.stages.fetch.name import ChatName, parse_name
from tgbulk.stages.fetch.resolver import Target
from tgbulk.stages.fetch.sender import UNNOTICED
from tgbulk.stages.protocol.event import ChatFailed, ChatStarted, NameFetched
from tgbulk.stages.protocol.receipt import Receipt
from tgbulk.stages.protocol.request import OpenReply, Refusal
from tgbulk.stages.telegram.chat import ChatRecord


def test_every_chat_that_was_named_is_exported_to_its_end() -> None:
    world = run(lambda: World("@chat1", "@chat2", "@chat3"))
    assert sorted(one.marked_id for one in world.closed) == sorted(map(marked, (1, 2, 3)))
    for one in world.opened:
        assert (one.named, one.asked) == (f"@chat{marked(0) - one.marked_id}", [1, 0])
        assert (one.asked_ranges, one.state) == (None, "open")
    for one in world.closed:
        assert (one.state, one.reason, one.pages, one.ranges, one.short) == ("complete", None, 1, 1, 0)
    assert {type(one) for one in world.told} == {ChatStarted}
    assert len(world.told) == 3
    assert (world.export.done, world.export.failed) == (set(map(marked, (1, 2, 3))), set())
    assert (world.export.left, len(world.export._plan), world.saves >= 1) == (0, 0, True)
    assert sorted(stream for streams in world.streams.values() for stream in streams) == [0, 1, 2]
    assert world.known[marked(1)] == {0: (marked(1), 0)}


def test_a_chat_that_was_named_twice_is_exported_once() -> None:
    def world() -> World:
        made = World("@chat1", "@again")
        made.resolver.chats["@again"] = 1
        return made

    found = run(world)
    assert len(found.opened) == len(found.closed) == 1
    assert len(found.notices) == 1
    assert found.notices[0].endswith(": the same chat was named twice; it is exported once")


def test_in_a_feed_it_is_exported_again() -> None:
    """For what happened since. Each line is told of when all of it is at its end."""

    async def main() -> World:
        world = World(fed=True)
        world.resolver.chats["@refused"] = errors.RPCError(None, "NEVER_SEEN", 400)
        for line, name in enumerate(("@chat1", "@nobody", "@chat1", "@chat2", "@refused")):
            world.names.put(line + 10, parse_name(name))
        world.names.close()
        await world.run()
        return world

    world: World = virtually(main())
    assert [one.marked_id for one in world.closed].count(marked(1)) == 2
    fetched = {one.line: one for one in world.of(NameFetched)}
    assert len(fetched) == len(world.of(NameFetched)) == 5
    assert sorted(stream for line in (10, 12) for stream in fetched[line].streams) == sorted(world.streams[marked(1)])
    assert (fetched[13].streams, fetched[13].code) == (world.streams[marked(2)], 0)
    assert [(fetched[line].streams, fetched[line].code) for line in (11, 14)] == [([], ExitCode.NOTHING)] * 2
    assert world.notices == []


def test_a_name_that_leads_nowhere_fails_alone() -> None:
    world = run(lambda: World("@nobody", "@chat1"))
    (found,) = world.of(ChatFailed)
    assert found == ChatFailed("@nobody", 0, "nobody has this username", "Check it.", ExitCode.NOTHING, "not_found")
    assert [one.marked_id for one in world.closed] == [marked(1)]
    assert world.export.failed == set()


@pytest.mark.parametrize(
    ("error", "code"),
    [(PARKED, ExitCode.PARKED), (TROUBLE, ExitCode.NETWORK), (errors.RPCError(None, "NEVER_SEEN", 400), ExitCode.NOTHING)],
)
def test_a_name_that_cannot_be_looked_up_now(error: Exception, code: ExitCode) -> None:
    def world() -> World:
        made = World("@chat1", "@chat2")
        made.resolver.chats["@chat1"] = error
        return made

    found = run(world)
    (failed,) = found.of(ChatFailed)
    assert (failed.name, failed.code, failed.retryable) == ("@chat1", code, error in (PARKED, TROUBLE))
    assert failed.retry_after == (4000 if error is PARKED else None)
    assert [one.marked_id for one in found.closed] == [marked(2)]


@pytest.mark.parametrize("number", [TROUBLED - 1, TROUBLED])
def test_a_server_that_keeps_failing_ends_the_run(number: int) -> None:
    """With so many chats in a row; one that comes to its end is a new beginning."""

    def world() -> World:
        made = World(*[f"@chat{n}" for n in range(1, 8)], in_flight=1)
        for n in [*range(1, number + 1), *range(number + 2, number + TROUBLED + 1)]:
            made.errors[marked(n)] = TROUBLE
        return made

    if number < TROUBLED:
        assert len(run(world).of(ChatFailed)) == 2 * (TROUBLED - 1)
    else:
        with pytest.raises(BaseExceptionGroup):
            run(world)


@pytest.mark.parametrize("refusal", [one for one in Refusal if one])
def test_a_chat_that_write_refuses(refusal: Refusal) -> None:
    def world() -> World:
        made = World("@chat1", "@chat2")
        made.replies[marked(1)] = OpenReply(refusal)
        return made

    found = run(world)
    (failed,) = found.of(ChatFailed)
    reason, hint = export_module._REFUSALS[refusal]
    assert (failed.name, failed.reason, failed.hint, failed.kind) == ("@chat1", reason, hint, "storage")
    assert [one.marked_id for one in found.closed] == [marked(2)]
    assert found.export.left == 0


def test_a_stop_leaves_what_was_not_begun() -> None:
    """And what is under way is open: both are counted."""

    async def main() -> World:
        world = World(*[f"@chat{n}" for n in range(1, 10)], in_flight=1)
        world.ids[marked(1)] = range(1, 4)
        page = world.page

        async def stopping(answer: bytes, **place: Any) -> Receipt:
            world.stopping.set()
            return replace(await page(answer, **place), form="messages.channelMessages")

        world.page = stopping  # type: ignore[method-assign]
        await world.run()
        return world

    world: World = virtually(main())
    assert world.closed == []
    assert world.export.left == 9
    assert len(world.opened) < 9
    assert world.of(ChatFailed) == []


def test_an_older_half_and_a_discussion_come_along() -> None:
    def world() -> World:
        made = World("@chat1", comments=True)
        made.resolver.kinds[1] = {"type": "supergroup", "migrated_from": -5}
        made.resolver.older[marked(1)] = 7
        made.resolver.discussions[marked(1)] = 8
        return made

    found = run(world)
    assert sorted(one.marked_id for one in found.closed) == sorted(map(marked, (1, 7, 8)))


def test_a_discussion_that_was_named_itself_is_exported_once() -> None:
    def world() -> World:
        made = World("@chat8", "@chat1", comments=True, in_flight=1)
        made.resolver.chats["@chat1"] = 1
        made.resolver.discussions[marked(1)] = 8
        return made

    found = run(world)
    assert sorted(one.marked_id for one in found.closed) == sorted(map(marked, (1, 8)))
    assert found.notices == []


@pytest.mark.parametrize("error", [PARKED, TROUBLE, ChatError("@chat1", "not for you", "")])
def test_comments_and_older_halves_fail_by_themselves(error: Exception) -> None:
    def world() -> World:
        made = World("@chat1", comments=True)
        made.resolver.kinds[1] = {"type": "supergroup", "migrated_from": -5, "linked": -77}
        made.resolver.discussions[marked(1)] = made.resolver.older[marked(1)] = error
        return made

    found = run(world)
    assert [one.marked_id for one in found.closed] == [marked(1)]
    assert ("@chat1 (comments)", -77) in [one[:2] for one in found.failed]
    older = [one for one in found.failed if "comments" not in one[0]]
    if isinstance(error, ChatError):
        assert (older, found.notices) == ([], [f"{error}; it is left out"])
    else:
        assert [one[1] for one in older] == [0]
    assert found.export.failed == {-77}


def test_a_username_that_moved_is_looked_up_anew() -> None:
    """Its chat is told of, and the one that has the name now is exported as well."""

    def world() -> World:
        made = World("@chat1")
        move_username(made)
        return made

    found = run(world)
    assert found.resolver.asked == [("@chat1", False), ("@chat1", True)]
    assert found.notices == ["@chat1 is not this chat's name any more: Chat 1"]
    assert sorted(one.marked_id for one in found.closed) == sorted(map(marked, (1, 2)))


@pytest.mark.parametrize("found", ["the same", "another", "nobody", "lost", "parked"])
def test_a_peer_of_the_cache_that_is_not_taken_is_resolved_once_more(found: str) -> None:
    def world() -> World:
        made = World("@chat1")
        made.resolver.moved.add("@chat1")
        made.errors[marked(1)] = errors.ChannelInvalidError(None)
        resolve = made.resolver.resolve

        async def again(name: ChatName, fresh: bool = False) -> Target:
            if fresh:
                given = {
                    "the same": 1, "another": 2, "lost": LOST, "parked": PARKED,
                    "nobody": ChatError("@chat1", "nobody has this username", ""),
                }
                made.resolver.chats["@chat1"] = given[found]
                made.resolver.moved.clear()
                if found == "the same":
                    made.errors.clear()
            return await resolve(name, fresh)

        made.resolver.resolve = again  # type: ignore[method-assign]
        return made

    made = run(world, AuthNeededError if found == "lost" else None)
    assert made.resolver.forgotten == [marked(1)]
    assert made.resolver.asked == [("@chat1", False), ("@chat1", True)]
    assert len(made.closed) == 1
    if found == "the same":
        assert (made.failed, made.closed[0].state) == ([], "complete")
        return
    (failed,) = made.of(ChatFailed)
    assert made.closed[0].state == "failed"
    assert made.closed[0].reason == f"{'@chat1: ' if found in ('another', 'nobody') else ''}{failed.reason}"
    assert made.export.failed == {marked(1)}
    if found == "another":
        assert (failed.reason, failed.hint, failed.kind) == ("the name leads to another chat now", ANOTHER, "not_found")


def test_a_peer_that_telegram_gave_is_what_it_says() -> None:
    def world() -> World:
        made = World("@chat1")
        made.errors[marked(1)] = errors.ChannelPrivateError(None)
        return made

    found = run(world)
    (failed,) = found.of(ChatFailed)
    assert (failed.kind, found.resolver.forgotten, len(found.resolver.asked)) == ("forbidden", [], 1)


@pytest.mark.parametrize("covered", [[], [IdRange(1, 3)]])
@pytest.mark.parametrize(("pts", "looked", "behind"), [(9, 5, 0), (9, 0, 0), (9, 5, 2), (0, 5, 0)])
@pytest.mark.parametrize("told", [False, True])
def test_what_was_told_is_not_walked(
    covered: list[IdRange], pts: int, looked: int, behind: int, told: bool
) -> None:
    """Where everything above what is covered was told, and nothing is known to be missing there."""

    def world() -> World:
        made = World("@chat1")
        made.replies[marked(1)] = OpenReply(
            messages=5, covered=list(covered), explained=2, pts=pts, looked=looked, behind=behind, counted=8,
            unlooked=[Unlooked(1, 2, 3, 4)],
        )
        made.told_all = {marked(1)} if told else set()
        return made

    found = run(world)
    (closed,) = found.closed
    assert closed.state == "complete"
    assert found.rechecked == [(marked(1), pts, [Unlooked(1, 2, 3, 4)])]
    if told and looked and not behind and covered:
        assert (found.walked, closed.pages) == ([], 0)
        assert found.told == [ChatStarted(0, marked(1), "Chat 1", -1, 5)]
    else:
        assert found.walked == [(marked(1), 3 if covered else 1, UNBOUNDED)]
        (started,) = found.of(ChatStarted)
        assert started.before == 5


@pytest.mark.parametrize(
    ("selection", "asked", "walked"),
    [
        (Selection(), [1, 0], (1, UNBOUNDED)),
        (Selection(min_id=2), [2, 0], (2, UNBOUNDED)),
        (Selection(max_id=2), [1, 2], (1, 3)),
    ],
)
def test_only_what_was_asked_for_is_walked(selection: Selection, asked: list[int], walked: tuple[int, int]) -> None:
    found = run(lambda: World("@chat1", selection=selection))
    assert found.opened[0].asked == found.closed[0].asked == asked
    assert found.walked == [(marked(1), *walked)]


def test_parts_of_one_chat_are_one_walk() -> None:
    def world() -> World:
        made = World("https://t.me/chat1/2", "https://t.me/chat1/7-9", "@chat2")
        for name in ("https://t.me/chat1/2", "https://t.me/chat1/7-9"):
            made.resolver.chats[name] = 1
        made.ids[marked(1)] = range(1, 10)
        return made

    found = run(world)
    (one,) = (record for record in found.closed if record.marked_id == marked(1))
    assert (one.asked, one.asked_ranges, one.state) == ([2, 9], [[2, 2], [7, 9]], "complete")
    assert sorted(place[1:] for place in found.walked if place[0] == marked(1)) == [(2, 3), (7, 10)]
    assert len(found.closed) == 2


@pytest.mark.parametrize(
    ("total", "short", "selection", "fails"),
    [
        (3, 0, Selection(), False), (13, 0, Selection(), False), (14, 11, Selection(), False), (None, 0, Selection(), False),
        (14, 0, Selection(max_id=9), False), (14, 0, Selection(min_id=2), False), (14, 0, Selection(), True),
    ],
)
def test_a_chat_that_is_far_shorter_than_its_count_says_so(
    total: int | None, short: int, selection: Selection, fails: bool
) -> None:
    """Where all of it was asked for, and nothing else says that it is not whole."""

    def world() -> World:
        made = World("@chat1", "@chat2", selection=selection)
        if fails:
            made.errors.update(dict.fromkeys(map(marked, (1, 2)), errors.RPCError(None, "NEVER_SEEN", 400)))
        page = made.page

        async def counted(answer: bytes, **place: Any) -> Receipt:
            return replace(await page(answer, **place), total=-1 if total is None else total)

        made.page = counted  # type: ignore[method-assign]
        return made

    found = run(world)
    assert {one.short for one in found.closed} == {short}
    said = f"Telegram counts {short} messages more than it gives, which is more than a tenth"
    advice = "`tgbulk verify --against-server` asks for all of them again"
    expected = {f"@chat{n}: {said}; {advice}" for n in (1, 2)} if short else set()
    assert set(found.notices) == expected


def test_a_chat_with_gaps_says_why() -> None:
    """And not that it is short."""

    async def main() -> World:
        world = World("@chat1")
        page = world.page

        async def counted(answer: bytes, **place: Any) -> Receipt:
            return replace(await page(answer, **place), total=14)

        world.page = counted  # type: ignore[method-assign]
        begin = world.export._open

        async def opened(*arguments: Any) -> Any:
            reader = await begin(*arguments)
            for walk in world.export._plan:
                walk.gaps = 1
            return reader

        world.export._open = opened  # type: ignore[method-assign, assignment]
        await world.run()
        return world

    world: World = virtually(main())
    assert [(one.state, one.reason, one.short) for one in world.closed] == [("gaps", GAPS, 0)]
    assert world.export.done == {marked(1)}


@pytest.mark.parametrize("both", [False, True])
def test_a_run_without_an_account_ends_with_the_reason(both: bool) -> None:
    def world() -> World:
        made = World("@chat1", "@chat2", accounts=2)
        made.readers[0].resolver.chats["@chat1"] = LOST
        if both:
            made.readers[1].resolver.chats["@chat1"] = LOST
        return made

    found = run(world, AuthNeededError if both else None)
    if both:
        assert [one.failure for one in found.readers] == [LOST, LOST]
    else:
        assert found.notices == [f"{LOST}; the other accounts continue"]
        assert sorted(one.marked_id for one in found.closed) == sorted(map(marked, (1, 2)))


@pytest.mark.parametrize("since", [UNNOTICED, UNNOTICED + 1])
@pytest.mark.parametrize("where", ["look-up", "history"])
def test_an_account_that_is_answered_no_more_leaves_its_chats_to_those_that_are(where: str, since: float) -> None:
    """Where none is, nobody can go on, and no chat has failed for it."""

    def world() -> World:
        made = World("@chat1", "@chat2", accounts=2)
        if where == "look-up":
            made.readers[0].resolver.chats["@chat1"] = OUT
        else:
            made.readers[0].caller.exchange = failing(OUT)
        made.readers[1].caller.answered_at = made.readers[0].caller.answered_at + since
        return made

    found = run(world, ExceptionGroup if since == UNNOTICED else None)
    assert found.failed == []
    if since == UNNOTICED:
        assert [one.failure for one in found.readers] == [OUT, OUT]
        assert found.notices == []
    else:
        assert [one.failure for one in found.readers] == [OUT, None]
        assert found.notices == [f"account one: {OUT}; the other accounts continue"]
        assert sorted(one.marked_id for one in found.closed) == sorted(map(marked, (1, 2)))


@pytest.mark.parametrize("progress", [False, True])
def test_an_account_that_takes_over_and_gets_no_further_ends_the_run(progress: bool) -> None:
    """Or each of them would take its time, one after the other. All answer other questions."""

    async def main() -> World:
        world = World("@chat1", accounts=3)

        async def answered(*_: Any) -> None:
            return None

        async def lost(*_: Any) -> None:
            await asyncio.sleep(300)
            if progress:
                world.moves += 1
            raise OUT

        for one in world.readers:
            one.caller.call = answered
        for one in world.readers[:2]:
            one.caller.exchange = lost
        world.readers[1].caller.answered_at = 400.0  # the look-up, after the first was left out
        with nullcontext() if progress else pytest.raises(ExceptionGroup):
            await world.run()
        return world

    world: World = virtually(main())
    assert world.failed == []
    assert [one.failure for one in world.readers] == [OUT, OUT, None if progress else OUT]
    assert len(world.closed) == progress


def test_the_supergroup_of_a_group_comes_along_when_a_page_tells_of_it() -> None:
    """Once: not where it is under way already."""

    async def main() -> World:
        world = World("@chat1", "@chat2")
        for name in (str(marked(1)), str(marked(2))):
            world.resolver.chats[name] = 3
        first = world.export.first

        def told(walk: Any, reader: Any) -> None:
            first(walk, reader)
            if walk.target.record.marked_id != marked(3):
                world.export.migrated(walk, reader)

        world.export.first = told  # type: ignore[method-assign]
        await world.run()
        return world

    world: World = virtually(main())
    assert sorted(one.marked_id for one in world.closed) == sorted(map(marked, (1, 2, 3)))
    assert world.of(ChatFailed) == []


def test_everything_is_asked_for_where_nothing_else_is_said() -> None:
    found = run(lambda: World("@chat1"))
    assert found.opened[0].asked == EVERYTHING.closed()


@pytest.mark.parametrize("in_flight", [1, 4])
def test_few_chats_are_looked_at_beside_their_messages_at_a_time(monkeypatch: pytest.MonkeyPatch, in_flight: int) -> None:
    """No further one begins meanwhile."""
    monkeypatch.setattr(export_module, "MOST_LOOKS", 2)
    looking, begun = [0, 0], list[int]()

    async def look(*_: Any) -> None:
        looking[0] += 1
        looking[1] += 1
        await asyncio.sleep(10)
        looking[0] -= 1

    def world() -> World:
        made = World(*[f"@chat{n}" for n in range(1, 10)], in_flight=in_flight, annexes=(AnnexName.INFO,))
        made.export._annexes = SimpleNamespace(look=look)  # type: ignore[assignment]
        opening = made.open_chat

        async def opened(stream: int, record: ChatRecord) -> OpenReply:
            begun.append(looking[0])
            return await opening(stream, record)

        made.open_chat = opened  # type: ignore[method-assign]
        return made

    found = run(world)
    assert (len(found.closed), looking, max(begun)) == (9, [0, 9], 1)
    assert begun[:in_flight] == [0] * in_flight


@pytest.mark.parametrize("readable", [False, True])
def test_a_chat_that_lost_its_account_while_another_looked_it_up_goes_to_a_third(readable: bool) -> None:
    """It fails where nobody is left that may read it."""

    async def main() -> World:
        world = World("@chat1", accounts=3)
        world.readers[1].resolver.chats.clear()
        if not readable:
            world.readers[2].resolver.chats.clear()
        world.export._plan.expect()
        async with asyncio.TaskGroup() as world.export._group:
            await world.export._begin(world.readers[0], world.resolver.target("@chat1", 1))
            (walk,) = world.export._plan
            walk.joining.add(1)
            world.export._group.create_task(world.export._join(walk, world.readers[1]))
            await world.export.lost(world.readers[0], LOST)
        assert (walk.refused, walk.joining) == ({1} if readable else {1, 2}, set())
        assert list(walk.peers) == ([2] if readable else [])
        assert walk.failure is (None if readable else LOST)
        return world

    world: World = virtually(main())
    assert [one.state for one in world.closed] == ([] if readable else ["failed"])
    assert [one[1] for one in world.failed] == ([] if readable else [marked(1)])


@pytest.mark.parametrize(
    ("kind", "pts", "told", "in_flight", "expected"),
    [
        ("channel", 0, True, 2, (True, True, True)),
        ("channel", 9, True, 1, (False, True, False)),
        ("supergroup", 0, False, 1, (False, True, False)),
        ("private", 0, True, 2, (True, False, False)),
        ("group", 0, True, 2, (True, False, False)),
    ],
)
def test_a_walk_begins_with_what_is_known_of_its_chat(
    kind: str, pts: int, told: bool, in_flight: int, expected: tuple[bool, bool, bool]
) -> None:
    """(whether it may be split; whether its ids are the same for others; whether its box is to be learnt)."""

    async def main() -> None:
        world = World("@chat1", in_flight=in_flight)
        assert world.export.updates is world.export._changes.updates
        world.export.updates[0].told = told
        world.resolver.kinds[1] = {"type": kind}
        ranges = [types.MessageRange(1, 300), types.MessageRange(301, 900)]
        world.readers[0].caller.takeout = SimpleNamespace(ranges=ranges)
        world.replies[marked(1)] = OpenReply(messages=5, covered=[IdRange(1, 3)], explained=2, pts=pts, counted=8)
        await world.export._begin(world.readers[0], world.resolver.target("@chat1", 1), 4)
        (walk,) = world.export._plan
        assert (walk.splitting, walk.shared, walk.unboxed) == expected
        assert (walk.before, walk.explained, walk.counted, walk.told, walk.place, walk.stream) == (5, 2, 8, pts, 4, 0)
        assert walk.peers == world.known[marked(1)] == {0: (marked(1), 0)}
        own = kind in ("private", "group")
        assert walk.message_ranges == (ranges if own else [])
        assert [(one.start, one.next, one.hi) for one in walk.missing.ranges] == (
            [(1, 3, 301), (301, 301, UNBOUNDED)] if own else [(1, 3, UNBOUNDED)]
        )
        assert world.export.left == 1

    virtually(main())


@pytest.mark.parametrize("missing", ["comments", "older half"])
def test_a_line_of_a_feed_has_what_failed_of_it(missing: str) -> None:
    async def main() -> World:
        world = World(fed=True, comments=True)
        world.resolver.kinds[1] = {"type": "supergroup", "migrated_from": -5}
        among = world.resolver.discussions if missing == "comments" else world.resolver.older
        among[marked(1)] = PARKED
        world.names.put(4, parse_name("@chat1"))
        world.names.close()
        await world.run()
        return world

    world: World = virtually(main())
    assert world.of(NameFetched) == [NameFetched(4, world.streams[marked(1)], ExitCode.PARKED)]
