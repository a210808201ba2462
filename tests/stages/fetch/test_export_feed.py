"""How many names and chats are under way at a time, what a line of a feed waits for, and what a stop leaves."""
from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from telethon import errors

from support.exported import LOST, PARKED, TROUBLE, World, marked, move_username, run
from support.virtual import virtually
from tgbulk.engine.error import ExitCode
from tgbulk.stages.archive.annex import AnnexName
from tgbulk.stages.archive.id_range import UNBOUNDED, IdRange
from tgbulk.stages.fetch import export as export_module
from tgbulk.stages.fetch.bucket import Halted
from tgbulk.stages.fetch.export import FINDERS, SAVE_SECONDS
from tgbulk.stages.fetch.name import ChatName, parse_name
from tgbulk.stages.fetch.parts import Located
from tgbulk.stages.fetch.resolver import Target
from tgbulk.stages.protocol.event import ChatFailed, ChatStarted, NameFetched
from tgbulk.stages.protocol.receipt import Receipt
from tgbulk.stages.protocol.request import OpenReply, Refusal
from tgbulk.stages.telegram.chat import ChatRecord


def now() -> float:
    return asyncio.get_running_loop().time()


def fed(change: Callable[[World], None], *names: str, **config: Any) -> World:
    """An export of lines 1, 2, ... of a feed."""

    async def main() -> World:
        world = World(fed=True, **config)
        change(world)
        for line, name in enumerate(names, 1):
            world.names.put(line, parse_name(name))
        world.names.close()
        await world.run()
        return world

    found: World = virtually(main())
    return found


def fetched(world: World) -> dict[int, tuple[list[int], int]]:
    """Line -> the chats that came to their end, and the exit code of what did not; each is told of once."""
    told = world.of(NameFetched)
    found = {one.line: (sorted(one.streams), one.code) for one in told}
    assert len(found) == len(told)
    return found


@pytest.mark.parametrize(("accounts", "most"), [(1, FINDERS), (2, 2 * FINDERS), (3, 2 * FINDERS)])
def test_names_that_are_looked_up_at_a_time(monkeypatch: pytest.MonkeyPatch, accounts: int, most: int) -> None:
    monkeypatch.setattr(export_module, "MOST_TURNS", 2)
    looking: list[int] = [0, 0]

    def world() -> World:
        made = World(*[f"@many{n}" for n in range(20)], accounts=accounts)
        for reader in made.readers:
            reader.resolver.chats = {f"@many{n}": n + 1 for n in range(20)}

            async def resolve(name: ChatName, fresh: bool = False, given: Any = reader.resolver.resolve) -> Target:
                looking[0] += 1
                looking[1] = max(looking)
                found: Target = await given(name, fresh)
                looking[0] -= 1
                return found

            reader.resolver.resolve = resolve
        return made

    found = run(world)
    assert (looking, len(found.closed)) == ([0, most], 20)


@pytest.mark.parametrize(("in_flight", "accounts", "most"), [(2, 1, 2), (1, 2, 2), (2, 2, 3)])
def test_chats_that_are_under_way_at_a_time(
    monkeypatch: pytest.MonkeyPatch, in_flight: int, accounts: int, most: int
) -> None:
    """As many as requests may be in flight, and no more than so many."""
    monkeypatch.setattr(export_module, "MOST_CHATS", 3)
    under_way: list[int] = []

    def world() -> World:
        made = World(*[f"@chat{n}" for n in range(1, 10)], accounts=accounts, in_flight=in_flight)
        opening = made.open_chat

        async def opened(stream: int, record: ChatRecord) -> OpenReply:
            reply = await opening(stream, record)
            under_way.append(len(made.opened) - len(made.closed))
            return reply

        made.open_chat = opened  # type: ignore[method-assign]
        return made

    run(world)
    assert max(under_way) == most


def test_what_changed_is_learnt_before_any_chat_is_looked_at() -> None:
    learnt: list[int] = []

    def world() -> World:
        made = World("@chat1")

        async def learn() -> None:
            await asyncio.sleep(5)
            learnt.append(len(made.resolver.asked))

        made.export._changes.learn = learn  # type: ignore[method-assign]
        return made

    run(world)
    assert learnt == [0]


@pytest.mark.parametrize("with_downloads", [False, True])
def test_downloads_hear_that_there_may_be_media(with_downloads: bool) -> None:
    async def main() -> None:
        world, met = World(), list[int]()
        world.export._downloads = SimpleNamespace(met=lambda: met.append(1)) if with_downloads else None  # type: ignore[assignment]
        world.export._met()
        assert len(met) == with_downloads

    virtually(main())


def test_a_feed_saves_what_it_found_now_and_then() -> None:
    """So many seconds after the last time, at the earliest; any export at its end."""
    saved: list[float] = []

    async def main(is_fed: bool) -> None:
        world = World(*() if is_fed else ("@chat1", "@chat2"), fed=is_fed)
        world.readers[0].cache.save = lambda: saved.append(now())
        began = now()
        running = asyncio.create_task(world.run())
        if is_fed:
            for line, after in enumerate((1, SAVE_SECONDS, SAVE_SECONDS + 1, 2 * SAVE_SECONDS + 1), 1):
                await asyncio.sleep(began + after - now())
                world.names.put(line, parse_name(f"@chat{line}"))
            await asyncio.sleep(1)
            world.names.close()
        else:
            resolve = world.resolver.resolve

            async def late(name: ChatName, fresh: bool = False) -> Target:
                await asyncio.sleep(2 * SAVE_SECONDS)
                return await resolve(name, fresh)

            world.resolver.resolve = late  # type: ignore[method-assign]
        await running

    virtually(main(True))
    between, at_end = saved[:-FINDERS], saved[-FINDERS:]
    assert between == pytest.approx([SAVE_SECONDS + 0.01, 2 * SAVE_SECONDS + 1.01])
    assert at_end == pytest.approx([2 * SAVE_SECONDS + 2] * FINDERS)
    saved.clear()
    virtually(main(False))
    assert len(saved) == FINDERS


def test_a_chat_that_could_not_be_opened_can_be_named_again() -> None:
    """While it is being opened, and later."""

    def change(world: World) -> None:
        world.replies[marked(1)] = OpenReply(Refusal.DAMAGED)
        opening = world.open_chat

        async def opened(stream: int, record: ChatRecord) -> OpenReply:
            await asyncio.sleep(1)
            reply = await opening(stream, record)
            world.replies.clear()
            return reply

        world.open_chat = opened  # type: ignore[method-assign]

    world = fed(change, "@chat1", "@chat1", *[f"@chat{n}" for n in range(2, 10)], "@chat1")
    first, second, third = world.streams[marked(1)]
    lines = fetched(world)
    assert [lines[line] for line in (1, 2, 11)] == [([], ExitCode.NOTHING), ([second], 0), ([third], 0)]
    assert first not in lines[2][0]
    assert len(lines) == 11


@pytest.mark.parametrize(
    ("error", "code"), [(TROUBLE, ExitCode.NETWORK), (errors.RPCError(None, "NEVER_SEEN", 400), ExitCode.NOTHING)]
)
@pytest.mark.parametrize("where", ["look-up", "history"])
def test_a_line_tells_why_its_chat_failed(where: str, error: Exception, code: ExitCode) -> None:
    def change(world: World) -> None:
        if where == "look-up":
            world.resolver.chats["@chat1"] = error
        else:
            world.errors[marked(1)] = error

    world = fed(change, "@chat1", "@chat2")
    assert fetched(world) == {1: ([], code), 2: (world.streams[marked(2)], 0)}
    assert world.export.failed == (set() if where == "look-up" else {marked(1)})


@pytest.mark.parametrize("how", ["moved", "migrated", "comments", "older half"])
def test_a_line_is_fetched_when_all_that_came_along_is(how: str) -> None:
    """The chat that has the name now, the supergroup of a group, the comments, the group before: they take longer here."""

    def change(world: World) -> None:
        resolve, page, first = world.resolver.resolve, world.page, world.export.first
        world.resolver.chats[str(marked(1))] = 2
        if how in ("comments", "older half"):
            world.resolver.kinds[1] = {"type": "supergroup", "migrated_from": -5}
            among = world.resolver.discussions if how == "comments" else world.resolver.older
            among[marked(1)] = 2

        async def remembered(name: ChatName, fresh: bool = False) -> Target:
            if fresh:
                world.resolver.chats["@chat1"] = 2
                await asyncio.sleep(50)
            if name.text == str(marked(1)):
                await asyncio.sleep(50)
            found = await resolve(name, fresh)
            found.by_username = "chat1" if how == "moved" and not fresh else None
            return found

        async def slow(answer: bytes, **place: Any) -> Receipt:
            await asyncio.sleep(100 if int(answer) == marked(2) else 0)
            return await page(answer, **place)

        def told(walk: Any, reader: Any) -> None:
            first(walk, reader)
            if how == "migrated" and walk.target.record.marked_id == marked(1):
                world.export.migrated(walk, reader)

        world.resolver.resolve, world.page, world.export.first = remembered, slow, told  # type: ignore[method-assign]

    world = fed(change, "@chat1", comments=how == "comments")
    assert fetched(world) == {1: ([0, 1], 0)}
    assert sorted(world.streams) == sorted(map(marked, (1, 2)))


def test_comments_that_were_exported_for_an_earlier_line_are_asked_for_again() -> None:
    def change(world: World) -> None:
        world.resolver.discussions[marked(1)] = 8

    world = fed(change, "@chat8", "@chat1", comments=True)
    assert len(world.streams[marked(8)]) == 2
    assert fetched(world)[2] == (sorted([*world.streams[marked(1)], world.streams[marked(8)][1]]), 0)


def test_the_comments_of_a_chat_that_was_named_twice() -> None:
    def world() -> World:
        made = World("@chat1", "@again", comments=True)
        made.resolver.chats["@again"] = 1
        made.resolver.discussions[marked(1)] = 8
        return made

    found = run(world)
    assert sorted(one.marked_id for one in found.closed) == sorted(map(marked, (1, 8)))
    assert found.failed == []


def test_comments_of_which_nobody_knows_the_group_fail_without_an_id() -> None:
    def world() -> World:
        made = World("@chat1", comments=True)
        made.resolver.discussions[marked(1)] = PARKED
        return made

    found = run(world)
    assert [one[:2] for one in found.failed] == [("@chat1 (comments)", 0)]
    assert found.export.failed == set()


@pytest.mark.parametrize("is_fed", [False, True])
def test_what_a_person_has_to_know_of_a_part_is_told(monkeypatch: pytest.MonkeyPatch, is_fed: bool) -> None:
    """Parts of a feed begin at once, the others when all names are known."""
    remark = "other messages lie between"

    async def locate(_: Any, target: Target, *__: Any) -> Located:
        return Located(target, [IdRange(2, 3)], [remark])

    monkeypatch.setattr(export_module, "locate", locate)
    name = "https://t.me/chat1/2"

    def change(world: World) -> None:
        world.resolver.chats[name] = 1

    def world() -> World:
        made = World(name)
        change(made)
        return made

    found = fed(change, name) if is_fed else run(world)
    assert found.notices == [f"{name}: {remark}"]
    assert found.walked == [(marked(1), 2, 3)]
    if is_fed:
        assert fetched(found) == {1: ([0], 0)}


def test_only_the_open_end_of_what_was_asked_for_is_left_out_where_it_was_told() -> None:
    """What is missing below is walked."""

    async def main(covered: list[IdRange]) -> list[tuple[int, int]]:
        world = World(fed=True)
        world.replies[marked(1)] = OpenReply(covered=covered, pts=9, looked=5)
        world.told_all = {marked(1)}
        asked = [IdRange(2, 4), IdRange(6, 8), IdRange(20, UNBOUNDED)]
        await world.export._begin(world.readers[0], world.resolver.target("@chat1", 1), 1, asked)
        assert world.opened[0].asked_ranges == [one.closed() for one in asked]
        return [(one.next, one.hi) for walk in world.export._plan for one in walk.missing.ranges]

    parts = [IdRange(2, 3), IdRange(21, 22), IdRange(25, 26), IdRange(30, 31)]
    assert virtually(main(parts)) == [(3, 4), (6, 8), (20, 21), (22, 25), (26, 30)]
    assert virtually(main([IdRange(2, 3)])) == [(3, 4), (6, 8)]


def test_a_username_that_moved_is_noticed_where_there_is_nothing_to_walk() -> None:
    def world() -> World:
        made = World("@chat1")
        made.replies[marked(1)] = OpenReply(messages=5, covered=[IdRange(1, 3)], pts=9, looked=5)
        made.told_all = {marked(1)}
        move_username(made)
        return made

    found = run(world)
    assert sorted(one.marked_id for one in found.closed) == sorted(map(marked, (1, 2)))
    assert len(found.of(ChatStarted)) == 2


@pytest.mark.parametrize("case", ["whole", "with gaps", "failed"])
@pytest.mark.parametrize("error", [PARKED, LOST])
def test_the_annexes_of_a_chat_of_an_account_that_may_not_ask(error: Exception, case: str) -> None:
    """Those that the chat has are named; nobody asks for those of a chat that failed."""
    asked: list[Any] = []

    def world() -> World:
        made = World("@chat1", annexes=(AnnexName.INFO, AnnexName.MEMBERS), accounts=1 if error is PARKED else 2)
        for reader in made.readers:
            reader.resolver.chats = {"@chat1": 1} if reader.number == 0 else {}
        if case == "failed":
            made.errors[marked(1)] = errors.RPCError(None, "NEVER_SEEN", 400)

        async def annex(*_: Any) -> None:
            asked.append(1)
            raise error

        made.annex, made.readers[0].caller.call = annex, None  # type: ignore[attr-defined]
        end = made.export.end

        async def ended(walk: Any) -> None:
            walk.gaps = int(case == "with gaps")
            await end(walk)

        made.export.end = ended  # type: ignore[method-assign]
        if error is PARKED:
            made.export._annexes.look = raising(PARKED)  # type: ignore[method-assign, assignment]
        return made

    found = run(world)
    (failed,) = found.of(ChatFailed)
    if case == "failed":
        assert (asked, found.closed[0].state, found.export.done) == ([], "failed", set())
        return
    begins = "not whole: its info, members: " if case == "with gaps" else "its messages are whole, its info, members not: "
    assert failed.reason == f"{begins}{error}"
    assert (failed.name, failed.marked_id) == ("@chat1", marked(1))
    assert found.closed[0].state == ("gaps" if case == "with gaps" else "complete")
    assert (found.export.done, found.export.failed) == ({marked(1)}, {marked(1)})


def raising(error: Exception) -> Callable[..., Awaitable[None]]:
    async def asked(*_: Any) -> None:
        raise error

    return asked


def test_a_stop_while_annexes_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are left; whoever waits for it to be their turn need not."""
    monkeypatch.setattr(export_module, "MOST_LOOKS", 1)
    times: list[float] = []

    async def main() -> World:
        world = World(*[f"@chat{n}" for n in range(1, 6)], in_flight=1, annexes=(AnnexName.INFO,))

        async def look(*_: Any) -> None:
            await asyncio.sleep(1000)
            raise Halted

        world.export._annexes.look = look  # type: ignore[method-assign, assignment]
        opening = world.open_chat

        async def opened(stream: int, record: ChatRecord) -> OpenReply:
            times.append(now())
            return await opening(stream, record)

        world.open_chat = opened  # type: ignore[method-assign]
        running = asyncio.create_task(world.run())
        await asyncio.sleep(100)
        world.stopping.set()
        await running
        return world

    world: World = virtually(main())
    assert [one.state for one in world.closed] == ["complete"]
    assert max(times) <= 100
    # the one whose annexes are left, and the others
    assert world.export.left == 5


def test_a_stop_ends_a_feed_that_waits() -> None:
    async def main() -> World:
        world = World(fed=True)
        running = asyncio.create_task(world.run())
        world.names.put(1, parse_name("@chat1"))
        await asyncio.sleep(10)
        assert not running.done()
        world.stopping.set()
        await running
        return world

    world: World = virtually(main())
    assert (fetched(world), world.export.left) == ({1: ([0], 0)}, 0)


@pytest.mark.parametrize("stopped", [False, True])
def test_nobody_sits_a_flood_wait_out_for_nothing(stopped: bool) -> None:
    """When all chats have ended, or are to be left."""

    async def main() -> float:
        world = World("@chat1", accounts=2)
        bucket = world.readers[1].caller.bucket("")
        await bucket.enter()
        bucket.flooded(1000)
        if stopped:
            bucket = world.readers[0].caller.bucket("")
            await bucket.enter()
            bucket.flooded(1000)
            asyncio.get_running_loop().call_later(5, world.stopping.set)
        await world.run()
        assert len(world.closed) == (not stopped)
        assert world.export.left == stopped
        return now()

    assert virtually(main()) < 10


def test_parts_are_begun_once() -> None:
    """Though a name is looked up anew after all were known."""
    part = "https://t.me/chat3/2"

    def world() -> World:
        made = World(part, "@chat1")
        made.resolver.chats[part] = 3
        resolve = made.resolver.resolve

        async def remembered(name: ChatName, fresh: bool = False) -> Target:
            if fresh:
                made.resolver.chats["@chat1"] = 2
            found = await resolve(name, fresh)
            found.by_username = "chat1" if name.text == "@chat1" and not fresh else None
            return found

        made.resolver.resolve = remembered  # type: ignore[method-assign]
        return made

    found = run(world)
    assert found.notices == ["@chat1 is not this chat's name any more: Chat 1"]
    assert sorted(one.marked_id for one in found.closed) == sorted(map(marked, (1, 2, 3)))


def test_parts_that_a_stop_leaves_are_counted() -> None:
    async def main() -> World:
        names = [f"https://t.me/chat{n}/2" for n in range(1, 5)]
        world = World(*names, in_flight=1)
        world.resolver.chats |= {name: n for n, name in enumerate(names, 1)}
        page = world.page

        async def stopping(answer: bytes, **place: Any) -> Receipt:
            world.stopping.set()
            return replace(await page(answer, **place), form="messages.channelMessages")

        world.page = stopping  # type: ignore[method-assign]
        await world.run()
        return world

    world: World = virtually(main())
    assert len(world.closed) + world.export.left == 4
    assert world.export.left >= 3
