"""An account that is lost, or a run that is stopped, while something of it waits."""
from __future__ import annotations

import asyncio

import pytest
from scene import NAME, Scene
from telethon import errors
from telethon.tl import types

from stages.event import ChatFailed, Notice
from stages.fetch.bucket import Halted
from stages.fetch.error import AuthNeededError
from stages.fetch.quarantine import UndecodableError, set_aside
from stages.fetch.resolver import Target
from stages.telegram.chat import ChatRecord

LOST = AuthNeededError("one", "this login has ended")
INVALID = errors.ChannelInvalidError(None)


def test_a_lane_that_waits_for_a_slot_while_its_account_is_lost_gives_its_job_back() -> None:
    async def main() -> None:
        scene = Scene(LOST, lambda: None)
        walk = scene.add(0, 1)
        await scene.run(lanes=2)
        assert (walk.flying, walk.failure, list(walk.peers)) == (0, None, [1])
        assert [job for _, job in filter(None, (scene.plan.next(1), scene.plan.next(1)))] == walk.coverage.missing
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
    async def main() -> None:
        scene = Scene(LOST, lambda: None)
        target = Target(NAME, ChatRecord(-1000000000001, "channel", "Chat", 1), types.InputPeerSelf())
        opening = asyncio.create_task(scene.export._begin(scene.readers[0], target))
        await scene.export.lost(scene.readers[0], LOST)
        await opening
        assert (target.record.state, len(scene.plan)) == ("failed", 0)

    asyncio.run(main())


def test_an_account_that_was_lost_sets_nothing_aside() -> None:
    async def main() -> None:
        scene = Scene(LOST, lambda: None)
        walk = scene.add(1)
        scene.readers[0].failure = LOST
        with pytest.raises(AuthNeededError):
            await set_aside(UndecodableError("why", b""), walk, walk.coverage.missing[0], scene.readers[0], scene.pipeline)

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
        await scenes[0].export._share(walk)

    asyncio.run(main())
