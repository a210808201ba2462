"""A run in which nothing moves and nothing says why."""
from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from support.virtual import virtually
from tgbulk.stages.fetch.error import StandstillError
from tgbulk.stages.fetch.standstill import ENDED_SECONDS, NOTICED_SECONDS, StandstillWatch
from tgbulk.stages.protocol.event import Standstill


class Scene:
    """An account and a ring, as far as the watch looks at them."""

    pipeline: Any

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.sender = SimpleNamespace(waiting=[], reconnecting=False)
        self.caller = SimpleNamespace(moves=0, pausing=False, describe=lambda: ["messages.getHistory: a line"])
        reader: Any = SimpleNamespace(
            client=SimpleNamespace(_sender=self.sender), caller=self.caller, failure=None,
            access=SimpleNamespace(account="main"),
        )
        self.pipeline = SimpleNamespace(moves=0, describe=lambda: "all slots")
        self.excused = False
        self.watch = StandstillWatch([reader], self.pipeline, self.told.append, lambda: self.excused)


def test_it_is_noticed_shown_and_ended() -> None:
    scene = Scene()

    async def waits_for_ever() -> None:
        await asyncio.get_running_loop().create_future()

    async def main() -> float:
        waiting = [asyncio.create_task(waits_for_ever()) for _ in range(3)]
        began = asyncio.get_running_loop().time()
        with pytest.raises(StandstillError, match="nothing has moved for 300 s"):
            await scene.watch.run()
        for task in waiting:
            task.cancel()
        return asyncio.get_running_loop().time() - began

    assert virtually(main()) == pytest.approx(ENDED_SECONDS, abs=5)
    (frame,) = scene.told
    assert isinstance(frame, Standstill)
    assert frame.seconds == pytest.approx(NOTICED_SECONDS, abs=5)
    for words in ("all slots", "main: at work", "messages.getHistory: a line", "3 at", "waits_for_ever"):
        assert words in frame.state


@pytest.mark.parametrize("why", ["moves", "slots", "answer", "reconnecting", "pausing", "excused"])
def test_what_moves_or_says_why_is_left_alone(why: str) -> None:
    scene = Scene()

    async def main() -> None:
        task = asyncio.create_task(scene.watch.run())
        for _ in range(20):
            await asyncio.sleep(NOTICED_SECONDS / 2)
            scene.caller.moves += why == "moves"
            scene.pipeline.moves += why == "slots"
            scene.sender.waiting = ["messages.getHistory"] if why == "answer" else []
            scene.sender.reconnecting = why == "reconnecting"
            scene.caller.pausing = why == "pausing"
            scene.excused = why == "excused"
        assert not task.done()
        task.cancel()

    virtually(main())
    assert scene.told == []


def test_it_is_told_again_when_it_comes_again() -> None:
    scene = Scene()

    async def main() -> None:
        task = asyncio.create_task(scene.watch.run())
        for _ in range(3):
            await asyncio.sleep(NOTICED_SECONDS + 10)
            scene.caller.moves += 1
        task.cancel()

    virtually(main())
    assert len(scene.told) == 3
