"""A chat that lanes walk: its server is the test's, its pages are decoded and written as in a run."""
from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from telethon.tl import types

from support import telegram_page as made
from support.line import Line
from support.virtual import virtually
from support.walks import lines, record
from tgbulk.engine.frame import pack
from tgbulk.stages.archive.id_range import IdRange
from tgbulk.stages.fetch.backlog import Backlog
from tgbulk.stages.fetch.caller import Caller
from tgbulk.stages.fetch.history import METHOD
from tgbulk.stages.fetch.lane import Lane
from tgbulk.stages.fetch.missing import MissingRanges
from tgbulk.stages.fetch.plan import Plan
from tgbulk.stages.fetch.resolver import Target
from tgbulk.stages.fetch.walk import Walk
from tgbulk.stages.protocol.difference import BoxRequest
from tgbulk.stages.protocol.event import Notice
from tgbulk.stages.protocol.receipt import PayloadKind, Receipt

#: Stands for anybody: a fake server asks nobody's access.
PEER = types.InputPeerChannel(9, 0)
#: What a test puts in the place of an answer: bytes, an error, None for the truth.
Lie = Callable[[Any], Any]


def answer(messages: list[Any], count: int, pts: int = 1000, chats: tuple[Any, ...] = ()) -> bytes:
    users = [made.user(one.id % 7 + 1) for one in messages]
    return bytes(types.messages.ChannelMessages(pts, count, messages, [], list(chats), users))


class Server:
    """A channel's history, by offset as Telegram has it; what is asked is kept."""

    def __init__(self, ids: range) -> None:
        self.ids = list(ids)
        self.count = len(self.ids)
        self.pts = 1000
        self.chats: tuple[Any, ...] = (made.channel(9, "As it is called now", username="called_now"),)
        self.asked: list[Any] = []
        self.lie: Lie = lambda _: None

    @property
    def pages(self) -> list[tuple[int, int]]:
        """(first id, how many) of each question for a page."""
        return [(one.offset_id, one.limit) for one in self.asked if one.offset_id]

    async def send(self, request: Any) -> bytes:
        self.asked.append(request)
        await asyncio.sleep(0.02 if request.offset_id else 0.01)
        lie = self.lie(request)
        if isinstance(lie, Exception):
            raise lie
        return self.truth(request) if lie is None else lie

    def truth(self, request: Any, **changes: Any) -> bytes:
        newest_first = self.ids[::-1]
        place = sum(one >= request.offset_id for one in newest_first) if request.offset_id else 0
        start = place + request.add_offset
        found = newest_first[max(0, start) : max(0, start + request.limit)]
        fields: dict[str, Any] = {"count": self.count, "pts": self.pts, "chats": self.chats} | changes
        return answer([made.message(one) for one in found], **fields)


class Process:
    """The pipeline's part, one payload at a time."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self.backlog = Backlog()
        self.boxes: list[BoxRequest] = []
        self.places: list[dict[str, int]] = []
        self.asides: list[Any] = []
        #: pages that come through; the others wait here
        self.room = asyncio.Semaphore(10**9)
        self.inside = 0
        self.alter: Callable[[Receipt], None] = lambda _: None

    async def page(self, payload: bytes, *, last: bool = False, **place: int) -> Receipt:
        self.places.append({**place, "last": last})
        self.inside += 1
        await self.room.acquire()
        self.inside -= 1
        self._pass(payload)
        receipt: Receipt = self._line.send(PayloadKind.END if last else PayloadKind.HISTORY, payload, **place)
        self.alter(receipt)
        return receipt

    async def probe(self, payload: bytes, stream: int) -> Receipt:
        self._pass(payload)
        receipt: Receipt = self._line.send(PayloadKind.PROBE, payload, stream=stream)
        return receipt

    def _pass(self, payload: bytes) -> None:
        """Through a slot."""
        self.backlog.wait(len(payload))
        self.backlog.go(len(payload))

    async def box(self, request: BoxRequest) -> None:
        self.boxes.append(request)

    async def quarantine(self, stream: int, request: Any) -> None:
        self.asides.append((stream, request))
        self._line.send(PayloadKind.QUARANTINE, pack(request), stream=stream)


class Events:
    """What lanes report, in order."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.on_stale: Callable[..., None] = lambda *_: None

    def of(self, name: str) -> list[Any]:
        return [rest for kind, *rest in self.told if kind == name]

    def first(self, walk: Walk, reader: Any) -> None:
        self.told.append(("first", walk, reader))

    def migrated(self, walk: Walk, reader: Any) -> None:
        self.told.append(("migrated", walk, reader, walk.target.record.migrated_to))

    def idle(self, reader: Any) -> None:
        self.told.append(("idle", reader))

    async def stale(self, *what: Any) -> None:
        self.told.append(("stale", *what))
        self.on_stale(*what)

    async def lost(self, reader: Any, failure: Any) -> None:
        self.told.append(("lost", reader, failure))
        reader.failure = failure

    async def end(self, walk: Walk) -> None:
        self.told.append(("end", walk))


class Chat:
    """One chat, two accounts that may read it, a plan and what is told."""

    def __init__(self, line: Line, ids: range, kind: str = "channel", in_flight: int = 4) -> None:
        self.line = line
        self.server, self.process, self.events = Server(ids), Process(line), Events()
        self.told: list[Any] = []
        self.learnt: list[Any] = []
        self.met = 0
        self.stopping = False
        self.plan = Plan(4)
        self.readers: list[Any] = [self._reader(number, in_flight) for number in (0, 1)]
        self.record = record(kind=kind)
        self.line.begin(self.record)
        self.record.total = None

    def _reader(self, number: int, in_flight: int) -> Any:
        client: Any = SimpleNamespace(_sender=SimpleNamespace(send=self.server.send))
        access: Any = SimpleNamespace(server_name="Telegram", account=f"account{number}")
        caller = Caller(client, access, lambda *_: None)
        caller.limit(METHOD, in_flight)
        resolver = SimpleNamespace(learn=self.learnt.extend)
        return SimpleNamespace(number=number, caller=caller, resolver=resolver, failure=None, me=77 + number)

    def walk(self, *wanted: IdRange, readers: tuple[int, ...] = (0,), **fields: Any) -> Walk:
        values: dict[str, Any] = {"message_ranges": [], "before": 0, "splitting": False, "shared": True} | fields
        target = Target("@some_name", self.record, None)
        walk = Walk(target, 0, MissingRanges.of([], *wanted), peers=dict.fromkeys(readers, PEER), **values)
        self.plan.add(walk)
        return walk

    def lane(self, number: int = 0, downloads: bool = False) -> Lane:
        def met() -> None:
            self.met += 1

        found: Any = SimpleNamespace(met=met) if downloads else None
        pipeline: Any = self.process
        return Lane(
            self.plan, self.readers[number], pipeline, lambda: self.stopping, self.told.append, self.events, found
        )

    async def run(self, downloads: bool = False) -> None:
        """Lanes of all accounts that are left, until nothing is to be done; buckets are given back."""
        tasks = [asyncio.create_task(self.lane(number, downloads).run()) for number in range(len(self.readers))]
        stop = asyncio.create_task(self._stop())
        await asyncio.gather(*tasks)
        stop.cancel()
        assert [one.caller.bucket(METHOD).flying for one in self.readers] == [0, 0]

    async def _stop(self) -> None:
        await self.plan.over.wait()
        for reader in self.readers:
            reader.caller.halt()


def walked(line: Line, main: Callable[[], Any]) -> list[int]:
    """The ids that are on disk after it."""
    virtually(main())
    line.end(record())
    line.writer.commit()
    return [one["id"] for one in lines(line.root)]


def notices(chat: Chat) -> list[str]:
    return [one.text for one in chat.told if isinstance(one, Notice)]
