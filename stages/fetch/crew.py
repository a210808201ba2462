"""The accounts of a run, and which of them reads a chat."""
from __future__ import annotations

from collections.abc import Awaitable, Callable

from engine.error import TgbulkError
from stages.event import Notice
from stages.fetch.error import AuthNeededError, ChatError, FloodParkedError, TroubledError
from stages.fetch.name import ChatName
from stages.fetch.reader import Reader
from stages.fetch.resolver import Target
from stages.telegram.chat import ACCOUNT_SPACE


class Crew:
    """The readers in the order in which they were named; one with a failure is asked for nothing more."""

    def __init__(
        self,
        readers: list[Reader],
        tell: Callable[[Notice], None],
        lost: Callable[[Reader, TgbulkError], Awaitable[None]],
    ) -> None:
        """lost: called with a reader that cannot go on."""
        self.readers = readers
        self._tell = tell
        self._lost = lost

    @property
    def alive(self) -> list[Reader]:
        return [reader for reader in self.readers if not reader.failure]

    async def resolve(self, name: ChatName, place: int, fresh: bool) -> tuple[Reader, Target]:
        """Who reads the chat first: the first account that can; where any will do, they take turns.

        Raises what kept the first account from it where nobody can.
        """
        reader, target = await self._first(name, fresh)
        turn = self.readers[place % len(self.readers)]
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
            except AuthNeededError as error:
                await self._lost(reader, error)
                first = first or error
        assert first is not None
        raise first

    async def look_up(self, reader: Reader, name: ChatName) -> Target | None:
        """The chat as another account sees it, None where it does not: the first one goes on alone."""
        try:
            return await reader.resolver.resolve(name)
        except (ChatError, FloodParkedError, TroubledError):
            return None
        except AuthNeededError as error:
            await self._lost(reader, error)
            return None

    async def older_half(self, name: ChatName, reader: Reader, target: Target) -> tuple[Reader, Target] | None:
        """The basic group that a supergroup continues, and the first account that can read it: perhaps not the one that
        reads the supergroup, for who joined later cannot. That nobody can is told.

        Raises what kept the first account from it where that may pass: FloodParkedError, TroubledError.
        """
        if target.record.type not in ("supergroup", "forum"):
            return None
        first: TgbulkError | None = None
        for other in self.alive:
            own = target if other is reader else await self.look_up(other, name)
            if own is None or own.record.marked_id != target.record.marked_id:
                continue
            if target.record.migrated_from is None:
                target.record.migrated_from = own.record.migrated_from
                target.record.migrated_from_max_id = own.record.migrated_from_max_id
            try:
                older = await other.resolver.older_half(own)
            except (ChatError, FloodParkedError, TroubledError) as error:
                first = first or error
            except AuthNeededError as error:
                await self._lost(other, error)
            else:
                if older is not None:
                    return other, older
        if isinstance(first, ChatError):
            self._tell(Notice(f"{first}; it is left out"))
        elif first is not None:
            raise first
        return None
