"""An export whose accounts, server and write are the test's."""
from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from support.virtual import virtually
from tgbulk.stages.archive.id_range import UNBOUNDED
from tgbulk.stages.fetch.backlog import Backlog
from tgbulk.stages.fetch.bucket import Bucket, Halted
from tgbulk.stages.fetch.config import FetchConfig
from tgbulk.stages.fetch.error import AuthNeededError, ChatError, FloodParkedError, TroubledError, UnreachableError
from tgbulk.stages.fetch.export import Export
from tgbulk.stages.fetch.name import ChatName, Way, parse_name
from tgbulk.stages.fetch.names import ChatNames
from tgbulk.stages.fetch.resolver import Target
from tgbulk.stages.protocol.event import ChatFailed, Notice
from tgbulk.stages.protocol.receipt import Receipt
from tgbulk.stages.protocol.request import OpenReply
from tgbulk.stages.telegram.chat import ChatRecord

TROUBLE = TroubledError("Telegram", "500", "contacts.resolveUsername")
PARKED = FloodParkedError(4000, "contacts.resolveUsername")
LOST = AuthNeededError("one", "this login has ended")
OUT = UnreachableError("Telegram", "it does not answer")
ACCOUNTS = ("one", "two", "three")


def marked(number: int) -> int:
    return -1000000000000 - number


class Resolver:
    """Knows @chat1 to @chat9 and what a test adds."""

    def __init__(self, number: int) -> None:
        self._number = number
        self.chats: dict[str, Any] = {f"@chat{n}": n for n in range(1, 10)}
        self.kinds: dict[int, dict[str, Any]] = {}
        self.asked: list[tuple[str, bool]] = []
        self.forgotten: list[int] = []
        self.older: dict[int, Any] = {}
        self.discussions: dict[int, Any] = {}
        self.moved: set[str] = set()
        self.full: dict[int, Any] = {}
        self.settled: set[int] = set()

    async def resolve(self, name: ChatName, fresh: bool = False) -> Target:
        await asyncio.sleep(0.01)
        self.asked.append((name.text, fresh))
        key = name.value if name.way is Way.ID else name.text
        found = self.chats.get(key, ChatError(name.text, "nobody has this username", "Check it.", "not_found"))
        if isinstance(found, Exception):
            raise found
        return self.target(name.text, found)

    def target(self, name: str, number: int) -> Target:
        fields: dict[str, Any] = {"type": "channel", "title": f"Chat {number}", "account": 70 + self._number}
        fields |= self.kinds.get(number, {})
        return Target(name, ChatRecord(marked(number), **fields), (marked(number), self._number), cached=name in self.moved)

    async def older_half(self, target: Target) -> Target | None:
        return self._given(self.older, target)

    async def discussion(self, target: Target) -> Target | None:
        return self._given(self.discussions, target)

    def _given(self, among: dict[int, Any], target: Target) -> Target | None:
        found = among.get(target.record.marked_id)
        if isinstance(found, Exception):
            raise found
        return None if found is None else self.target(f"{target.name}, {found}", found)

    def proved(self, target: Target) -> bool:
        return target.by_username is None

    def forget(self, target: Target) -> None:
        self.forgotten.append(target.record.marked_id)

    def learn(self, peers: list[Any]) -> None:
        assert peers == []


class World:
    """Everything around an export. Chats have the messages 1 to 3, where nothing else is said."""

    def __init__(self, *names: str, accounts: int = 1, fed: bool = False, **config: Any) -> None:
        self.told: list[Any] = []
        self.backlog = Backlog()
        self.opened: list[ChatRecord] = []
        self.streams: dict[int, list[int]] = {}
        self.closed: list[ChatRecord] = []
        #: (chat, first id, bound) of each page
        self.walked: list[tuple[int, int, int]] = []
        self.replies: dict[int, OpenReply] = {}
        self.ids: dict[int, range] = {}
        self.errors: dict[int, Exception] = {}
        self.told_all: set[int] = set()
        self.rechecked: list[Any] = []
        self.saves = 0
        self.met = 0
        self.moves = 0
        self.stopping = asyncio.Event()
        self.readers: list[Any] = [self._reader(number) for number in range(accounts)]
        parsed = [parse_name(name) for name in names]
        self.names = ChatNames(enumerate(parsed), self.told.append) if fed else ChatNames(enumerate(parsed))
        configuration = FetchConfig([], parsed, **{"in_flight": 2} | config)
        downloads: Any = SimpleNamespace(met=lambda: None, know=self._know)
        self.known: dict[int, Any] = {}
        self.export = Export(
            self.readers, self, self.told.append, configuration, self.stopping, downloads, names=self.names  # type: ignore[arg-type]
        )
        changes: Any = SimpleNamespace(
            learn=self._learn, ask=self._ask, recheck=self._recheck,
            updates={reader.number: SimpleNamespace(told=True) for reader in self.readers},
        )
        self.export._changes = changes

    def _reader(self, number: int) -> Any:
        bucket = Bucket(4)

        async def exchange(request: Any, _: Any = None) -> bytes:
            await asyncio.sleep(0.01)
            chat = request.peer[0]
            if chat in self.errors:
                bucket.cancel()
                raise self.errors[chat]
            bucket.succeeded()
            return str(chat).encode()

        def save() -> None:
            self.saves += 1
            raise OSError(28, "No space left on device")

        caller = SimpleNamespace(
            bucket=lambda _: bucket, exchange=exchange, takeout=None, withdraw=lambda: None,
            halt=lambda: bucket.shut(Halted()), answered_at=0.0, call=failing(OUT),
        )
        return SimpleNamespace(
            number=number, me=70 + number, caller=caller, resolver=Resolver(number), cache=SimpleNamespace(save=save),
            failure=None, access=SimpleNamespace(account=ACCOUNTS[number]),
        )

    @property
    def resolver(self) -> Resolver:
        found: Resolver = self.readers[0].resolver
        return found

    def _know(self, chat: int, peers: dict[int, Any]) -> None:
        self.known[chat] = peers

    async def _learn(self) -> None:
        return None

    async def _ask(self, reader: Any, target: Target, place: int, exported: bool) -> bool:
        assert exported == (target.record.marked_id in self.export.done)
        return target.record.marked_id in self.told_all

    async def _recheck(self, chat: Any, unlooked: list[Any]) -> None:
        self.rechecked.append((chat.target.record.marked_id, chat.pts, unlooked))

    async def open_chat(self, stream: int, record: ChatRecord) -> OpenReply:
        self.opened.append(replace(record))
        self.streams.setdefault(record.marked_id, []).append(stream)
        return replace(self.replies.get(record.marked_id, OpenReply()))

    async def close_chat(self, stream: int, record: ChatRecord) -> None:
        assert stream == self.streams[record.marked_id][-1]
        self.closed.append(replace(record))

    async def page(self, answer: bytes, *, first: int, bound: int, last: bool = False, **_: Any) -> Receipt:
        if last:
            return Receipt(next=bound)
        chat = int(answer)
        self.walked.append((chat, first, bound))
        found = [one for one in self.ids.get(chat, range(1, 4)) if first <= one < bound]
        high = max(found, default=0)
        after = bound if bound != UNBOUNDED else high + 1
        return Receipt(form="messages.messages", low=min(found, default=0), high=high, messages=len(found), next=after)

    async def box(self, _: Any) -> None:
        return None

    async def run(self) -> None:
        await self.export.run()

    def of(self, kind: type[Any]) -> list[Any]:
        return [one for one in self.told if type(one) is kind]

    @property
    def failed(self) -> list[tuple[str, int, str]]:
        return [(one.name, one.marked_id, one.reason) for one in self.of(ChatFailed)]

    @property
    def notices(self) -> list[str]:
        return [one.text for one in self.of(Notice)]


def run(world: Callable[[], World], code: type[Exception] | None = None) -> World:
    made: list[World] = []

    async def main() -> None:
        made.append(world())
        await made[0].run()

    if code is None:
        virtually(main())
    else:
        with pytest.raises(code):
            virtually(main())
    return made[0]


def failing(error: Exception) -> Callable[..., Any]:
    async def exchange(*_: Any) -> None:
        await asyncio.sleep(0.01)
        raise error

    return exchange


def move_username(world: World) -> None:
    """Of @chat1, which is another chat's when it is looked up anew."""
    resolve = world.resolver.resolve

    async def remembered(name: ChatName, fresh: bool = False) -> Target:
        if fresh:
            world.resolver.chats["@chat1"] = 2
        found = await resolve(name, fresh)
        found.by_username = None if fresh else "chat1"
        return found

    world.resolver.resolve = remembered  # type: ignore[method-assign]
