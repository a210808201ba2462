"""The accounts of a run, and which of them reads a chat."""
from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from telethon import errors, functions

from tgbulk.engine.error import TgbulkError
from tgbulk.stages.fetch.bucket import Halted
from tgbulk.stages.fetch.error import ACCOUNT_LOST, ChatError, FloodParkedError, TroubledError
from tgbulk.stages.fetch.name import ChatName, Way, parse_name
from tgbulk.stages.fetch.reader import Reader
from tgbulk.stages.fetch.resolver import Target
from tgbulk.stages.fetch.sender import CONNECT_SECONDS, UNNOTICED
from tgbulk.stages.protocol.event import Notice
from tgbulk.stages.telegram.chat import ACCOUNT_SPACE

T = TypeVar("T")


def without(account: str, failure: TgbulkError) -> Notice:
    """That this one is out of the run, and why."""
    named = f"account {account}"
    said = str(failure) if named in str(failure) else f"{named}: {failure}"
    return Notice(f"{said}; the other accounts continue")


async def _is_answered(reader: Reader) -> bool:
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await reader.caller.call(functions.help.GetConfigRequest())
    except (TgbulkError, TimeoutError):
        return False
    except (errors.RPCError, Halted):  # an answer, or the run is to stop
        return True
    return True


class Accounts:
    """The readers in the order in which they were named; one with a failure is asked for nothing more."""

    def __init__(
        self,
        readers: list[Reader],
        notify: Callable[[Notice], None],
        lost: Callable[[Reader, TgbulkError], Awaitable[None]],
    ) -> None:
        """lost: called with a reader that cannot go on."""
        self.readers = readers
        self._notify = notify
        self.lost = lost

    @property
    def alive(self) -> list[Reader]:
        return [reader for reader in self.readers if not reader.failure]

    async def outlive(self, lost: Reader) -> bool:
        """Whether Telegram answers another one, now that it no longer answers this one: within CONNECT_SECONDS."""
        others = [one for one in self.alive if one is not lost]
        if any(one.caller.answered_at > lost.caller.answered_at + UNNOTICED for one in others):
            return True
        return any(await asyncio.gather(*map(_is_answered, others)))

    async def resolve(self, name: ChatName, place: int, fresh: bool) -> tuple[Reader, Target]:
        """Who reads the chat first: the first account that can; where any will do, they take turns.

        Raises what kept the first account from it where nobody can.
        """
        turn = self.readers[place % len(self.readers)]
        if name.way is Way.USERNAME and turn is not self.readers[0] and not turn.failure:
            # Mostly the name of a public chat: then the others need not look it up.
            target = await self.look_up(turn, name, fresh)
            if target is not None and target.record.type not in ACCOUNT_SPACE:
                return turn, target
            return await self._first(name, fresh)
        reader, target = await self._first(name, fresh)
        if turn is not reader and not turn.failure and target.record.type not in ACCOUNT_SPACE:
            other = await self.look_up(turn, name)
            if other is not None and other.record.marked_id == target.record.marked_id:
                return turn, other
        return reader, target

    async def _first(self, name: ChatName, fresh: bool) -> tuple[Reader, Target]:
        first: TgbulkError | None = next((r.failure for r in self.readers if r.failure), None)
        for reader in self.alive:
            try:
                return reader, await reader.resolver.resolve(name, fresh)
            except (ChatError, FloodParkedError, TroubledError) as error:
                first = first or error
            except ACCOUNT_LOST as error:
                await self.lost(reader, error)
                first = first or error
        assert first is not None
        raise first

    async def look_up(self, reader: Reader, name: ChatName, fresh: bool = False) -> Target | None:
        """The chat as another account sees it, None where it does not: the first one goes on alone."""
        try:
            return await reader.resolver.resolve(name, fresh)
        except (ChatError, FloodParkedError, TroubledError):
            return None
        except ACCOUNT_LOST as error:
            await self.lost(reader, error)
            return None

    async def ask(
        self,
        reader: Reader,
        target: Target,
        question: Callable[[Reader], Awaitable[T]],
        losing: tuple[type[TgbulkError], ...] = ACCOUNT_LOST,
    ) -> tuple[Reader, T]:
        """The answer of this account; one that is lost over the question, by an error of `losing`, leaves it to another
        that reads the chat. Whose answer it is. What the last one was lost by is raised."""
        while True:
            try:
                return reader, await question(reader)
            except losing as error:
                await self.lost(reader, error)
                reader = await self.another(target, error)

    async def another(self, target: Target, failure: TgbulkError) -> Reader:
        """The first account that reads the chat, which is asked as it sees it from now on; `failure` where none does."""
        if target.record.type not in ACCOUNT_SPACE:
            for reader in self.alive:
                found = await self.look_up(reader, parse_name(target.name))
                if found is not None and found.record.marked_id == target.record.marked_id and not reader.failure:
                    target.peer, target.cached, target.record.account = found.peer, found.cached, found.record.account
                    return reader
        raise failure

    async def older_half(self, name: ChatName, reader: Reader, target: Target) -> tuple[Reader, Target] | None:
        """The basic group that a supergroup continues, and the first account that can read it: perhaps not the one that
        reads the supergroup, for who joined later cannot. That nobody can is told.

        Raises what kept the first account from it where that may pass: FloodParkedError, TroubledError.
        """
        if target.record.type not in ("supergroup", "forum") or target.record.migrated_from is None:
            return None
        first: TgbulkError | None = None
        for other in self.alive:
            own = target if other is reader else await self.look_up(other, name)
            if own is None or own.record.marked_id != target.record.marked_id:
                continue
            try:
                older = await other.resolver.older_half(own)
            except (ChatError, FloodParkedError, TroubledError) as error:
                first = first or error
            except ACCOUNT_LOST as error:
                await self.lost(other, error)
            else:
                if older is not None:
                    return other, older
        if isinstance(first, ChatError):
            self._notify(Notice(f"{first}; it is left out"))
        elif first is not None:
            raise first
        return None
