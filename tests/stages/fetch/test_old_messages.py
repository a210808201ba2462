"""A server that answers with messages from below the id that was asked for."""
from __future__ import annotations

import asyncio
from typing import Any

import pytest

from support import telegram_page as made
from support.scene import Scene
from tgbulk.stages.archive.id_range import UNBOUNDED
from tgbulk.stages.process.page import transform
from tgbulk.stages.process.seen_peers import SeenPeers
from tgbulk.stages.protocol.receipt import Receipt


class Walked:
    """One range, from id 6,000 on, walked by a real lane and the real process against a server that has these messages."""

    def __init__(self, answers: list[list[int]], growing: bool = False) -> None:
        """growing: the newest message is that of the next answer, and not of the last one."""
        #: ids of each answer; the last one is given for ever
        self._answers = answers
        self._growing = growing
        self.asked = 0
        self.kept = b""
        asyncio.run(self._main())

    async def _main(self) -> None:
        scene = Scene(AssertionError(), lambda: None)
        self.walk = scene.add(0)
        del self.walk.missing.ranges[0]
        self.walk.missing.ranges[0].hi = 6050  # not worth two
        self.walk.splitting = not self._growing  # else an answer goes to the question for the newest
        reader: Any = scene.readers[0]
        reader.caller.exchange = self._exchange(scene)
        reader.caller.call = self._newest
        reader.resolver.learn = lambda _: None
        reader.resolver.proved = lambda _: True
        scene.pipeline.page, scene.pipeline.probe = self._page, self._probe
        await scene.run(lanes=1)

    def _exchange(self, scene: Scene) -> Any:
        async def exchange(*_: Any) -> bytes:
            await asyncio.sleep(0)
            scene.bucket.cancel()
            ids = self._answers[min(self.asked, len(self._answers) - 1)]
            self.asked += 1
            return made.page([made.message(one) for one in ids])

        return exchange

    async def _newest(self, *_: Any) -> bytes:
        told = self._answers[min(self.asked, len(self._answers) - 1)] if self._growing else self._answers[-1]
        return made.page([made.message(max([0, *told]) or 5999)])

    async def _page(self, answer: bytes, first: int, bound: int, last: bool = False, **_: Any) -> Receipt:
        receipt, body = transform(answer, 0, first, bound, SeenPeers(), proved=last)
        self.kept += body.lines
        return receipt

    async def _probe(self, answer: bytes, *_: Any) -> Receipt:
        return transform(answer, 0, 1, UNBOUNDED, SeenPeers())[0]


@pytest.mark.parametrize("ids", [[1], [4_998, 4_999], [5_999]])
def test_the_walk_ends_and_keeps_none_of_them(ids: list[int]) -> None:
    found = Walked([ids])
    assert found.walk.ended
    assert found.kept == b""
    assert 1 <= found.asked <= 10


def test_the_newest_messages_among_them_are_kept_once() -> None:
    found = Walked([[10, 11, 6000, 6001], [10, 11]])
    assert (found.walk.failure, found.walk.ended) == (None, True)
    assert found.asked <= 10
    assert found.kept.count(b"\n") == 2


def test_a_page_that_begins_at_the_id_or_is_empty_is_none_of_them() -> None:
    found = Walked([[6000], []])
    assert (found.walk.failure, found.walk.ended) == (None, True)
    assert 2 <= found.asked <= 3
    assert found.kept.count(b"\n") == 1


def test_a_message_that_comes_while_the_end_is_asked_for_is_no_doubt_of_the_next_one() -> None:
    """In a busy chat one comes each time."""
    found = Walked([one for number in range(6000, 6012) for one in ([], [number])], growing=True)
    assert (found.walk.failure, found.walk.ended) == (None, True)
    assert found.kept.count(b"\n") == 12


def test_an_end_that_is_none_is_asked_for_some_times() -> None:
    found = Walked([[6000], *[[]] * 9, [6001]])
    assert "gives no message from id 6001 on" in str(found.walk.failure)
