"""An account that is lost, or a run that is stopped, while something of it waits."""
from __future__ import annotations

import asyncio
from copy import copy
from dataclasses import replace
from typing import Any

import pytest
from telethon import errors
from telethon.tl import types

from support.scene import NAME, Scene
from tgbulk.stages.archive.annex import AnnexName
from tgbulk.stages.fetch.annexes import Annexes
from tgbulk.stages.fetch.bucket import Halted
from tgbulk.stages.fetch.config import Selection
from tgbulk.stages.fetch.error import AuthNeededError, ChatError
from tgbulk.stages.fetch.quarantine import UndecodableError, set_aside
from tgbulk.stages.fetch.resolver import Target
from tgbulk.stages.protocol.event import ChatFailed, Notice
from tgbulk.stages.telegram.chat import ChatRecord

LOST = AuthNeededError("one", "this login has ended")
INVALID = errors.ChannelInvalidError(None)


def test_a_lane_that_waits_for_a_slot_while_its_account_is_lost_gives_its_job_back() -> None:
    async def main() -> None:
        scene = Scene(LOST, lambda: None)
        walk = scene.add(0, 1)
        await scene.run(lanes=2)
        assert (walk.flying, walk.failure, list(walk.peers)) == (0, None, [1])
        left = [scene.plan.next(1) for _ in walk.missing.ranges]
        assert [job for _, job in filter(None, left)] == walk.missing.ranges
        assert [type(frame) for frame in scene.told] == [Notice]

    asyncio.run(main())


def test_chats_of_a_lost_account_that_nobody_else_reads_fail() -> None:
    async def main() -> None:
        scene = Scene(LOST, lambda: None)
        scene.add(1)
        mine = [scene.add(0), scene.add(0)]
        await scene.run(lanes=1)
        assert [walk.failure for walk in mine] == [LOST, LOST]
        assert len(scene.plan) == 1
        assert [type(frame) for frame in scene.told] == [Notice, ChatFailed, ChatFailed]

    asyncio.run(main())


def test_a_chat_that_is_opened_while_its_account_is_lost_fails_at_once() -> None:
    """Where its message ids are that account's own."""

    async def main() -> None:
        scene = Scene(LOST, lambda: None)
        target = Target(NAME, ChatRecord(1, "private", "Chat", 1), types.InputPeerSelf())
        opening = asyncio.create_task(scene.export._begin(scene.readers[0], target))
        await scene.export.lost(scene.readers[0], LOST)
        await opening
        assert (target.record.state, len(scene.plan)) == ("failed", 0)

    asyncio.run(main())


@pytest.mark.parametrize("opened", [False, True])
@pytest.mark.parametrize("readable", [False, True])
def test_a_channel_of_a_lost_account_goes_to_another_one_that_reads_it(opened: bool, readable: bool) -> None:
    """Opened before the account is lost, or meanwhile; it fails where nobody else reads it."""
    target = Target(NAME, ChatRecord(-1000000000001, "channel", "Chat", 1), types.InputPeerSelf())

    def found() -> Target:
        if readable:
            return target
        raise ChatError(NAME, "this account may not read it", "")

    async def main() -> None:
        scene = Scene(LOST, found)
        async with asyncio.TaskGroup() as scene.export._group:
            opening = asyncio.create_task(scene.export._begin(scene.readers[0], target))
            if opened:
                await opening
            await scene.export.lost(scene.readers[0], LOST)
            await opening
        if readable:
            (walk,) = scene.plan
            assert (walk.failure, list(walk.peers), walk.joining) == (None, [1], set())
        else:
            assert (target.record.state, len(scene.plan)) == ("failed", 0)

    asyncio.run(main())


@pytest.mark.parametrize("readable", [False, True])
@pytest.mark.parametrize("kind", ["channel", "private"])
@pytest.mark.parametrize("selection", [Selection(since=9), Selection(last=9)])
def test_an_account_lost_over_the_bounds_of_a_selection(selection: Selection, kind: str, readable: bool) -> None:
    """The chat goes to another account that reads it, if its ids are not that account's own."""
    target = Target(NAME, ChatRecord(-1000000000001, kind, "Chat", 1), "peer of 0")
    other = Target(NAME, ChatRecord(-1000000000001, kind, "Chat", 2), "peer of 1")
    asked: list[Any] = []

    def found() -> Target:
        if readable:
            return other
        raise ChatError(NAME, "this account may not read it", "")

    async def main() -> None:
        scene = Scene(LOST, found)
        scene.export._config = replace(scene.export._config, selection=selection)

        async def ended(_: Any) -> bytes:
            raise LOST

        async def answered(request: Any) -> bytes:
            asked.append(request.peer)
            return b""

        scene.readers[0].caller = copy(scene.readers[0].caller)
        scene.readers[0].caller.call, scene.readers[1].caller.call = ended, answered
        scene.export._group = asyncio.TaskGroup()
        async with scene.export._group:
            await scene.export._attempt(NAME, scene.export._begin(scene.readers[0], target))
        assert scene.readers[0].failure is LOST
        if readable and kind == "channel":
            (walk,) = scene.plan
            assert (walk.failure, walk.peers, walk.target.record.account) == (None, {1: "peer of 1"}, 2)
            assert asked == ["peer of 1"]
            assert [type(frame) for frame in scene.told] == [Notice]
        else:
            assert len(scene.plan) == 0
            assert [type(frame) for frame in scene.told] == [Notice, ChatFailed]

    asyncio.run(main())


@pytest.mark.parametrize("lost_before", [False, True])
@pytest.mark.parametrize("readable", [False, True])
def test_an_account_lost_over_the_annexes_of_a_chat(lost_before: bool, readable: bool) -> None:
    """What it had not looked at is looked at by another one, each annex once; they fail where nobody else reads it."""
    looks: list[tuple[int, AnnexName, Any]] = []

    def found() -> Target:
        if readable:
            return Target(NAME, ChatRecord(-1000000000001, "channel", "Chat", 2), "peer of 1")
        raise ChatError(NAME, "this account may not read it", "")

    async def main() -> None:
        scene = Scene(LOST, found)
        wanted = (AnnexName.INFO, AnnexName.MEMBERS, AnnexName.STORIES)
        scene.export._config = replace(scene.export._config, annexes=wanted)
        scene.export._annexes = Annexes(scene.pipeline, scene.told.append, wanted)

        async def one(look: Any, reader: Any, stream: int, name: AnnexName) -> None:
            if reader.number == 0 and name is AnnexName.MEMBERS:
                raise LOST
            looks.append((reader.number, name, look.target.peer))

        scene.export._annexes._one = one  # type: ignore[method-assign]
        for reader in scene.readers:
            reader.caller.call, reader.resolver.full = None, {}
        walk = scene.add(0)
        walk.target.peer = "peer of nobody"
        walk.peers[0] = "peer of 0"
        walk.missing.ranges.clear()
        if lost_before:
            scene.readers[0].failure = LOST
        scene.plan.remove(walk)
        await scene.export.end(walk)
        first = [] if lost_before else [(0, AnnexName.INFO, "peer of 0")]
        if readable:
            others = [name for name in wanted if lost_before or name is not AnnexName.INFO]
            assert looks == [*first, *((1, name, "peer of 1") for name in others)]
            assert walk.failure is None
        else:
            assert looks == first
            failed, = (one for one in scene.told if isinstance(one, ChatFailed))
            names = "info, members, stories" if lost_before else "members, stories"
            assert failed.reason == f"its messages are whole, its {names} not: {LOST}"

    asyncio.run(main())


def test_an_account_that_was_lost_sets_nothing_aside() -> None:
    async def main() -> None:
        scene = Scene(LOST, lambda: None)
        walk = scene.add(1)
        scene.readers[0].failure = LOST
        with pytest.raises(AuthNeededError):
            await set_aside(UndecodableError("why", b""), walk, walk.missing.ranges[0], scene.readers[0], scene.pipeline)

    asyncio.run(main())


def test_an_account_lost_while_a_peer_is_resolved_anew_leaves_the_chat_to_the_other() -> None:
    def ended() -> None:
        raise LOST

    async def main() -> None:
        scene = Scene(INVALID, ended)
        walk = scene.add(0, 1)
        await scene.run(lanes=1)
        assert (walk.flying, walk.failure, list(walk.peers)) == (0, None, [1])
        assert scene.readers[0].failure is LOST

    asyncio.run(main())


def test_a_stop_while_a_name_is_resolved_ends_nothing_but_the_question() -> None:
    def halted() -> None:
        scenes[0].bucket.shut(Halted())
        raise Halted

    scenes: list[Scene] = []

    async def main() -> None:
        scenes.append(Scene(INVALID, halted))
        walk = scenes[0].add(0)
        await scenes[0].run(lanes=1)
        assert (walk.flying, walk.failure, walk.ended) == (0, None, False)
        await scenes[0].export._join(walk, scenes[0].readers[0])

    asyncio.run(main())
