"""What changed since the last run: asked of every account, of a channel's own box, and of messages once more."""
from __future__ import annotations

import asyncio
from collections.abc import Callable

from telethon import errors

from tgbulk.engine.error import TgbulkError
from tgbulk.stages.archive.account import Unlooked
from tgbulk.stages.fetch.accounts import Accounts
from tgbulk.stages.fetch.bucket import Halted
from tgbulk.stages.fetch.config import FetchConfig
from tgbulk.stages.fetch.error import ACCOUNT_LOST, ChatError, FloodParkedError, TroubledError
from tgbulk.stages.fetch.lane import STALE
from tgbulk.stages.fetch.names import ChatNames
from tgbulk.stages.fetch.pipeline import Pipeline
from tgbulk.stages.fetch.reader import Reader
from tgbulk.stages.fetch.recheck import Recheckable, recheck
from tgbulk.stages.fetch.resolver import CHANNELS, Target, input_peer
from tgbulk.stages.fetch.updates import Updates
from tgbulk.stages.protocol.event import Notice


class Changes:
    """Of the chats of one run."""

    def __init__(
        self,
        accounts: Accounts,
        pipeline: Pipeline,
        notify: Callable[[object], None],
        config: FetchConfig,
        names: ChatNames,
        met: Callable[[], None],
    ) -> None:
        """met: called when there may be media that nobody has downloaded."""
        #: by the number of the account's reader
        self.updates = {reader.number: Updates(reader, pipeline, notify) for reader in accounts.readers}
        self._accounts = accounts
        self._notify = notify
        self._config = config
        self._names = names
        self._met = met

    async def learn(self) -> None:
        """From every account, before any chat is looked at."""
        async with asyncio.TaskGroup() as group:
            for reader in self._accounts.readers:
                group.create_task(self._learn(reader))

    async def _learn(self, reader: Reader) -> None:
        try:
            await self.updates[reader.number].begin(self._config.chats)
        except ACCOUNT_LOST as error:
            await self._accounts.lost(reader, error)
        except Halted:
            pass
        self._met()

    async def recheck(self, chat: Recheckable, unlooked: list[Unlooked]) -> None:
        """What cannot be looked at again stays unknown, and is named so."""
        try:
            await recheck(chat, unlooked, self._config.recheck)
        except ACCOUNT_LOST as error:
            await self._accounts.lost(chat.reader, error)
        except (ChatError, FloodParkedError, TroubledError, errors.RPCError) as error:
            self._notify(Notice(f"{chat.target.name}: changes of it stay unknown: {error}"))
        except Halted:
            pass

    async def ask(self, reader: Reader, target: Target, place: int, exported: bool) -> bool:
        """Learn what changed in the chat. Whether everything was told, so that there is nothing else to ask for.

        exported: by this run already, in a feed; its box is then newer than what the accounts know."""
        marked, owner = target.record.marked_id, self.updates[reader.number]
        if exported:
            for one in self._accounts.alive:
                await self.updates[one.number].load()
        if target.record.type not in CHANNELS:
            return owner.box(marked) is not None and await self._catch_up(owner, marked, place)
        peer = target.peer
        if owner.box(marked) is None:  # perhaps another account of the run has followed it
            other = next((r for r in self._accounts.alive if self.updates[r.number].box(marked)), None)
            known = None if other is None else other.cache.known(marked)
            if other is None or known is None:
                return False
            owner, peer = self.updates[other.number], input_peer(known)
            target.record.account = other.me
        if not await self._catch_up(owner, marked, place):
            return False
        try:
            told = await owner.ask(marked, peer, target.name)
        except STALE:
            return False  # the walk meets it too, and knows what to do
        except ACCOUNT_LOST as error:
            await self._lose(owner, error)
            return False
        self._met()
        return told

    async def _catch_up(self, owner: Updates, marked: int, place: int) -> bool:
        """Whether the account has been told all that happened before the chat was named."""
        if not self._names.fed:
            return owner.told
        try:
            return await owner.catch_up(marked, self._names.came(place))
        except ACCOUNT_LOST as error:
            await self._lose(owner, error)
            return False

    async def _lose(self, owner: Updates, error: TgbulkError) -> None:
        reader = next(one for one in self._accounts.readers if self.updates[one.number] is owner)
        await self._accounts.lost(reader, error)
