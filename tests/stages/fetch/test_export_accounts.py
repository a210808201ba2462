"""Which account reads a chat of an export, who joins it, and what becomes of it when one is lost or a peer is not taken."""
from __future__ import annotations

import asyncio
from typing import Any

import pytest
from telethon import errors

from support.exported import LOST, OUT, PARKED, TROUBLE, World, failing, marked, run
from support.virtual import virtually
from tgbulk.engine.error import TgbulkError
from tgbulk.stages.fetch.bucket import Halted
from tgbulk.stages.fetch.error import AuthNeededError, UnreachableError
from tgbulk.stages.fetch.name import ChatName, parse_name
from tgbulk.stages.fetch.resolver import Target
from tgbulk.stages.fetch.walk import Probe, Walk
from tgbulk.stages.protocol.event import NameFetched

INVALID = errors.ChannelInvalidError(None)
NEVER_SEEN = errors.RPCError(None, "NEVER_SEEN", 400)
FAILURE = TgbulkError("it failed before")


async def begun(world: World, reader: int = 0) -> Walk:
    """The walk of @chat1, under way with this account."""
    world.export._plan.expect()
    await world.export._begin(world.readers[reader], world.readers[reader].resolver.target("@chat1", 1))
    (walk,) = world.export._plan
    return walk


@pytest.mark.parametrize("case", ["settled", "failed", "lost", "cached", "given"])
def test_a_peer_is_resolved_anew_once_for_all_that_asked_with_it(case: str) -> None:
    async def main() -> None:
        world = World("@chat1")
        world.resolver.moved.add("@chat1")
        walk = await begun(world)
        peer, job = walk.peers[0], walk.take()
        assert job is not None
        if case == "settled":
            walk.peers[0] = "another"
        elif case == "failed":
            walk.failure = FAILURE
        elif case == "lost":
            world.readers[0].failure = LOST
        elif case == "given":
            walk.target.cached = False
        await world.export.stale(walk, world.readers[0], job, peer, NEVER_SEEN)
        assert world.resolver.asked == ([("@chat1", True)] if case == "cached" else [])
        assert walk.flying == 0
        assert (walk.failure is None) is (case not in ("failed", "given"))
        assert walk.target.cached is (case not in ("cached", "given"))
        if case != "given":
            walk.failure = None
            assert walk.take() is job

    virtually(main())


def test_a_peer_that_is_not_taken_again_is_what_telegram_says() -> None:
    def world() -> World:
        made = World("@chat1")
        made.resolver.moved.add("@chat1")
        made.errors[marked(1)] = errors.ChannelPrivateError(None)
        return made

    found = run(world)
    assert [fresh for _, fresh in found.resolver.asked] == [False, True]
    assert [one.state for one in found.closed] == ["failed"]


@pytest.mark.parametrize("outcome", ["found", "lost meanwhile", "halted", "lost", "trouble", "parked", "higher", "lower"])
def test_what_becomes_of_a_job_while_its_peer_is_resolved_anew(outcome: str) -> None:
    async def main() -> None:
        world = World("@chat2", accounts=2)
        reader = world.readers[0]
        reader.resolver.chats["@chat2"] = 2
        world.export._plan.expect()
        target = Target("@chat2", reader.resolver.target("@chat2", 2).record, "old", cached=True)
        await world.export._begin(reader, target)
        (walk,) = world.export._plan
        walk.peers[1] = "of the other"
        job = walk.take()
        assert job is not None
        raised = {"halted": Halted(), "lost": LOST, "trouble": TROUBLE, "parked": PARKED}

        async def resolve(name: ChatName, fresh: bool = False) -> Target:
            assert fresh
            if outcome in raised:
                raise raised[outcome]
            if outcome == "lost meanwhile":
                reader.failure = LOST
            found: Target = reader.resolver.target(name.text, {"higher": 1, "lower": 3}.get(outcome, 2))
            return found

        reader.resolver.resolve = resolve
        await world.export.stale(walk, reader, job, "old", INVALID)
        assert walk.flying == 0
        failed = outcome in ("trouble", "parked", "higher", "lower")
        assert (walk.failure is not None) is failed
        assert walk.target.cached is (outcome == "halted")
        new = {"found": (marked(2), 0), "lost meanwhile": None, "lost": None}
        assert walk.peers == {0: new.get(outcome, "old"), 1: "of the other"} if new.get(outcome, "") is not None else True
        assert (0 in walk.peers) is ("lost" not in outcome)
        if not failed:
            assert walk.take() is job

    virtually(main())


def test_an_account_is_lost_once() -> None:
    async def main() -> None:
        world = World("@chat1", accounts=2)
        withdrawn: list[int] = []
        for reader in world.readers:
            reader.caller.withdraw = lambda number=reader.number: withdrawn.append(number)
        for failure in (LOST, AuthNeededError("one", "once more")):
            await world.export.lost(world.readers[0], failure)
        assert (withdrawn, len(world.notices)) == ([0], 1)
        assert (world.readers[0].failure, world.readers[1].failure) == (LOST, None)

    virtually(main())


def test_a_feed_ends_with_its_last_account() -> None:
    async def main() -> None:
        world = World(fed=True, accounts=2)
        for reader in world.readers:
            reader.resolver.chats["@chat1"] = LOST
        world.names.put(1, parse_name("@chat1"))
        with pytest.raises(AuthNeededError):
            await world.run()
        assert len(world.of(NameFetched)) == 1

    virtually(main())


@pytest.mark.parametrize(
    ("changed", "replaced"),
    [
        ({}, True),
        ({"failure": FAILURE}, False),
        ({"joining": {2}}, False),
        ({"shared": False}, False),
        ({"peers": {1: "other"}}, False),
        ({"peers": {0: "lost", 1: "other"}}, False),
        ({"peers": {}}, True),
        ({"ended": True}, False),
        ({"refused": {1}}, True),
        ({"refused": {1, 2}}, False),
    ],
)
def test_a_chat_that_nobody_else_reads_goes_to_the_next_account_that_may(changed: dict[str, Any], replaced: bool) -> None:
    async def main() -> None:
        world = World("@chat1", accounts=3)
        walk = await begun(world)
        world.readers[0].failure = LOST
        for name, value in changed.items():
            if name == "ended":
                walk.missing.ranges.clear()
            else:
                setattr(walk, name, value)
        async with asyncio.TaskGroup() as world.export._group:
            before = set(walk.joining)
            world.export._replace(walk, 0)
            other = {2} if changed.get("refused") else {1}
            assert walk.joining == (before | other if replaced else before)
        assert [len(one.resolver.asked) for one in world.readers[1:]] == [
            int(replaced and other == {1}), int(replaced and other == {2})
        ]

    virtually(main())


@pytest.mark.parametrize("case", ["small", "stopping", "lost", "large"])
def test_an_account_without_a_job_joins_a_large_chat(case: str) -> None:
    """Not in a run that stops, and not when it is lost itself; who looks one up is not asked to look it up again."""

    async def main() -> None:
        world = World("@chat1", accounts=2)
        walk = await begun(world)
        walk.target.record.total = 100_000
        walk.probe = Probe.NO if case == "small" else Probe.DONE
        if case == "stopping":
            world.stopping.set()
        other = world.readers[1]
        if case == "lost":
            other.failure = LOST
        async with asyncio.TaskGroup() as world.export._group:
            world.export.idle(other)
            world.export.idle(other)
            assert walk.joining == ({1} if case == "large" else set())
        assert len(other.resolver.asked) == (case == "large")
        assert walk.peers.get(1) == ((marked(1), 1) if case == "large" else None)
        assert (walk.joining, walk.refused) == (set(), set())

    virtually(main())


@pytest.mark.parametrize("outcome", ["found", "nobody", "higher", "lower", "halted", "lost meanwhile"])
def test_who_joins_a_chat_and_who_may_not(outcome: str) -> None:
    async def main() -> None:
        world = World("@chat5", accounts=2)
        world.export._plan.expect()
        await world.export._begin(world.readers[0], world.resolver.target("@chat5", 5))
        (walk,) = world.export._plan
        other = world.readers[1]
        resolve = other.resolver.resolve
        other.resolver.chats = {"@chat5": {"higher": 4, "lower": 6}.get(outcome, 5)} if outcome != "nobody" else {}

        async def looked(name: ChatName, fresh: bool = False) -> Target:
            if outcome == "halted":
                raise Halted
            if outcome == "lost meanwhile":
                other.failure = LOST
            found: Target = await resolve(name, fresh)
            return found

        other.resolver.resolve = looked
        walk.joining.add(1)
        waiting = asyncio.create_task(world.export._plan.change(0))
        await asyncio.sleep(0)
        await world.export._join(walk, other)
        assert walk.joining == set()
        assert (1 in walk.peers) is (outcome == "found")
        assert walk.refused == ({1} if outcome in ("nobody", "higher", "lower") else set())
        assert (walk.failure, walk.peers[0], len(world.export._plan)) == (None, (marked(5), 0), 1)
        # whoever waits for a job looks again
        await asyncio.sleep(0)
        assert waiting.done() is (outcome != "halted")
        waiting.cancel()

    virtually(main())


@pytest.mark.parametrize("state", ["read", "joined", "ended"])
def test_who_may_not_read_a_chat_does_not_end_it_for_others(state: str) -> None:
    async def main() -> None:
        world = World("@chat1", accounts=3)
        walk = await begun(world)
        world.readers[1].resolver.chats.clear()
        walk.joining.add(1)
        if state != "read":
            world.readers[0].failure = LOST
            walk.peers.clear()
        if state == "joined":
            walk.joining.add(2)
        if state == "ended":
            walk.missing.ranges.clear()
        async with asyncio.TaskGroup() as world.export._group:
            await world.export._join(walk, world.readers[1])
        assert walk.failure is None
        assert (len(world.export._plan), world.closed, world.readers[2].resolver.asked) == (1, [], [])

    virtually(main())


def test_the_supergroup_of_a_group_is_waited_for() -> None:
    """Where it is found when nothing else is under way any more."""

    async def main() -> World:
        world = World("@chat1")
        resolve, first = world.resolver.resolve, world.export.first
        world.resolver.chats[str(marked(1))] = 3

        async def late(name: ChatName, fresh: bool = False) -> Target:
            await asyncio.sleep(50 if name.text == str(marked(1)) or (name.text == "@chat1" and fresh) else 0)
            return await resolve(name, fresh)

        def told(walk: Walk, reader: Any) -> None:
            first(walk, reader)
            if walk.target.record.marked_id == marked(1):
                world.export.migrated(walk, reader)

        world.resolver.resolve, world.export.first = late, told  # type: ignore[method-assign]
        await world.run()
        return world

    world: World = virtually(main())
    assert sorted(one.marked_id for one in world.closed) == sorted(map(marked, (1, 3)))
    assert world.export.left == 0


def test_only_private_chats_and_groups_of_a_takeout_are_asked_in_ranges() -> None:
    async def main() -> None:
        world = World("@chat1")
        world.resolver.kinds[1] = {"type": "private"}
        assert (await begun(world)).message_ranges == []

    virtually(main())


@pytest.mark.parametrize(
    ("outcomes", "ends"),
    [
        ("TT.TT.", False), ("TTT", True), (".TTT", True), ("..TT", False),
        ("xTTT", True), ("xTT.TT", False), ("TTxTT", False), ("xxTT", False),
    ],
)
def test_so_many_chats_in_a_row_at_which_the_server_fails_end_the_run(outcomes: str, ends: bool) -> None:
    """T: it keeps failing, x: it refuses, .: the chat is complete."""

    def world() -> World:
        made = World(*[f"@chat{n}" for n in range(1, len(outcomes) + 1)], in_flight=1)
        for number, one in enumerate(outcomes, 1):
            if one != ".":
                made.errors[marked(number)] = TROUBLE if one == "T" else NEVER_SEEN
        return made

    if ends:
        with pytest.raises(BaseExceptionGroup):
            run(world)
    else:
        assert len(run(world).failed) == len(outcomes) - outcomes.count(".")


@pytest.mark.parametrize(
    ("moved", "answered", "others_answer", "ends"),
    [
        (0, 11.0, True, True), (1, 11.0, False, True),
        (1, 11.0, True, False), (-1, 11.0, True, False), (0, 10.0, True, False), (0, 9.0, True, False),
    ],
)
def test_the_next_account_that_is_answered_no_more(moved: int, answered: float, others_answer: bool, ends: bool) -> None:
    """The run ends where it had taken over since the first was left out and nothing moved, or where no other is answered."""

    async def answer(*_: Any) -> None:
        return None

    async def main() -> None:
        world = World("@chat1", accounts=3)
        world.moves = 5
        for one in world.readers:
            one.caller.call = answer
        await asyncio.sleep(10)
        await world.export.lost(world.readers[0], OUT)
        assert [one.failure for one in world.readers] == [OUT, None, None]
        await world.export.lost(world.readers[0], OUT)
        world.moves += moved
        world.readers[1].caller.answered_at = answered
        if not others_answer:
            world.readers[2].caller.call = failing(OUT)
        if ends:
            for reader in (world.readers[1], *world.readers):
                with pytest.raises(UnreachableError):
                    await world.export.lost(reader, OUT)
        else:
            await world.export.lost(world.readers[1], OUT)
        assert [one.failure for one in world.readers] == [OUT, OUT, OUT if ends else None]
        assert len(world.notices) == 2 - ends

    virtually(main())


def test_an_account_that_is_answered_no_more_from_the_first_on_is_left_out_alone() -> None:
    """Its time of answer is above that of a loss that never was."""

    async def main() -> None:
        world = World("@chat1", accounts=2)
        world.readers[0].caller.answered_at = 7.0
        world.readers[1].caller.answered_at = 1000.0
        await world.export.lost(world.readers[0], OUT)
        assert [one.failure for one in world.readers] == [OUT, None]

    virtually(main())


def test_a_chat_of_a_lost_account_alone_is_closed_and_under_way_no_more() -> None:
    async def main() -> None:
        world = World("@chat1", accounts=2)
        world.resolver.kinds[1] = {"type": "private"}
        walk = await begun(world)
        await world.export.lost(world.readers[0], LOST)
        assert (len(world.export._plan), walk.failure, world.export.left) == (0, LOST, 0)
        assert [one.state for one in world.closed] == ["failed"]
        assert world.readers[1].resolver.asked == []

    virtually(main())
