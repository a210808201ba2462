"""One account's export: names become chats, chats are walked side by side, each ends complete or with its reason."""
from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from telethon import TelegramClient, errors

from engine.channel import Channel
from engine.error import ExitCode, TgbulkError
from stages.event import ChatFailed, ChatStarted, Notice
from stages.fetch.caller import Caller
from stages.fetch.error import ChatError, FloodParkedError
from stages.fetch.name import ChatName
from stages.fetch.pipeline import Pipeline
from stages.fetch.resolver import Resolver, Target, refusal
from stages.fetch.walk import InterruptedWalk, walk
from stages.receipt import Answer, Kind, Receipt
from stages.telegram.chat import ChatRecord

_REFUSALS = {
    Answer.OTHER_ACCOUNT: (
        "the archive has it with the message ids of another account",
        "Message ids of private chats and basic groups differ for every account: use that account, or another archive.",
    ),
    Answer.DAMAGED: (
        "its files in the archive are shorter than what was committed",
        "Move the chat's folder away, or export it into another archive.",
    ),
}


@dataclass(slots=True)
class Export:
    """The chats of one run on one account."""

    client: TelegramClient
    caller: Caller
    pipeline: Pipeline
    control: Channel
    #: chats walked at a time, each with one request in flight
    in_flight: int
    stopping: asyncio.Event
    #: chats that reached their end, and chats that a stop cut short or never let begin
    complete: int = 0
    left: int = 0
    _seen: set[int] = field(default_factory=set)
    _next_stream: int = 0

    async def run(self, names: list[ChatName]) -> None:
        """Export every chat; one that fails does not stop the others. What ends the run is raised."""
        resolver = Resolver(self.caller, await self.client.get_me())
        targets: asyncio.Queue[Target | None] = asyncio.Queue(self.in_flight)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._find(resolver, names, targets))
            for _ in range(self.in_flight):
                group.create_task(self._work(targets))

    async def _find(self, resolver: Resolver, names: list[ChatName], targets: asyncio.Queue[Target | None]) -> None:
        for place, name in enumerate(names):
            if self.stopping.is_set():
                self.left += len(names) - place
                break
            try:
                target = await resolver.resolve(name)
                if not self._is_new(target):
                    continue
                await targets.put(target)
                older = await resolver.older_half(target)
                if older is not None and self._is_new(older):
                    await targets.put(older)
            except (ChatError, FloodParkedError) as error:
                self._fail(name.text, 0, error)
            except errors.RPCError as error:
                self._fail(name.text, 0, refusal(name.text, error))
        for _ in range(self.in_flight):
            await targets.put(None)

    async def _work(self, targets: asyncio.Queue[Target | None]) -> None:
        while (target := await targets.get()) is not None:
            stream = self._next_stream
            self._next_stream += 1
            try:
                await self._export(target, stream)
            except InterruptedWalk:
                self.left += 1

    async def _export(self, target: Target, stream: int) -> None:
        record = target.record
        try:
            first_id = await self._open(target, stream)
        except ChatError as error:
            self._fail(target.name, record.marked_id, error)
            return
        started = False

        def on_page(receipt: Receipt) -> None:
            nonlocal started
            if receipt.total >= 0 or not started:
                record.total = receipt.total if receipt.total >= 0 else receipt.messages
            if not started:
                started = True
                self.control.send(ChatStarted(stream, record.marked_id, record.title, _known(record)))
            if receipt.slow:
                self.control.send(Notice(f"{target.name}: a page was decoded the slow way: {receipt.slow}"))

        failure: TgbulkError | None = None
        try:
            await walk(target, stream, first_id, self.caller, self.pipeline, self.stopping.is_set, on_page)
        except (ChatError, FloodParkedError) as error:
            failure = error
        except errors.RPCError as error:
            failure = refusal(target.name, error)
        record.state = "failed" if failure else "complete"
        record.reason = str(failure) if failure else None
        await self._send(stream, Kind.CLOSE, record)
        if failure:
            self._fail(target.name, record.marked_id, failure)
        else:
            self.complete += 1

    async def _open(self, target: Target, stream: int) -> int:
        answer = await self._send(stream, Kind.OPEN, target.record)
        if answer < 0:
            raise ChatError(target.name, *_REFUSALS[Answer(answer)])
        return answer

    async def _send(self, stream: int, kind: Kind, record: ChatRecord) -> int:
        slot = await self.pipeline.reserve()
        _, answer = await self.pipeline.send(slot, stream, kind, 0, record.pack())
        return answer

    def _is_new(self, target: Target) -> bool:
        marked = target.record.marked_id
        if marked in self._seen:
            self.control.send(Notice(f"{target.name}: the same chat was named twice; it is exported once"))
            return False
        self._seen.add(marked)
        return True

    def _fail(self, name: str, marked_id: int, error: TgbulkError) -> None:
        reason = str(error).removeprefix(f"{name}: ")
        code = error.exit_code if isinstance(error, FloodParkedError) else ExitCode.NOTHING
        self.control.send(ChatFailed(name, marked_id, reason, error.hint, int(code)))


def _known(record: ChatRecord) -> int:
    return -1 if record.total is None else record.total
