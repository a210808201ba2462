"""Takeout: Telegram's export mode, about ten times faster, with a life of its own.

      state      next state, on
      NONE       REQUESTED  request()
      REQUESTED  GRANTED    Telegram agrees, or an id of an earlier run still counts     WAITING  TAKEOUT_INIT_DELAY
      WAITING    (the run ends, or goes on without: the next request may be granted)
      GRANTED    EXPIRED    TAKEOUT_INVALID              FINISHED  finish(), when the run is complete
      EXPIRED    REQUESTED  the next call

The id is kept in the session, so a run that was killed goes on in the same takeout (spec/history-fetching.md 4).
"""
from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from typing import Any

from telethon import TelegramClient, errors
from telethon.tl import functions, types
from telethon.tl.tlobject import TLRequest

from stages.event import TakeoutState
from stages.fetch.access import Access
from stages.fetch.error import TakeoutDelayedError
from stages.fetch.history import RawHistory
from stages.fetch.trouble import persist

#: Bytes of a file that a takeout is asked for: more than any has.
LARGEST_FILE = 1 << 40


class Phase(Enum):
    NONE = "none"
    REQUESTED = "requested"
    WAITING = "waiting"
    GRANTED = "granted"
    EXPIRED = "expired"
    FINISHED = "finished"


class Takeout:
    """The takeout of one account."""

    def __init__(
        self, client: TelegramClient, access: Access, tell: Callable[[TakeoutState], None], with_files: bool = False
    ) -> None:
        self._client = client
        self._access = access
        self._tell = tell
        self._with_files = with_files
        self._turn = asyncio.Lock()
        self._id: int | None = None
        self.phase = Phase.NONE
        #: ranges of the account's common id space in which private chats and basic groups are asked
        self.ranges: list[types.MessageRange] = []

    async def request(self) -> None:
        """Get one, or take up that of an earlier run. TakeoutDelayedError with the seconds to wait."""
        self._enter(Phase.REQUESTED)
        kept = self._client.session.takeout_id
        if isinstance(kept, int) and kept and await self._grant(kept):
            return
        try:
            answer = await self._send(
                functions.account.InitTakeoutSessionRequest(
                    message_users=True,
                    message_chats=True,
                    message_megagroups=True,
                    message_channels=True,
                    files=self._with_files or None,
                    file_max_size=LARGEST_FILE if self._with_files else None,
                )
            )
        except errors.TakeoutInitDelayError as error:
            self._enter(Phase.WAITING, int(time.time()) + error.seconds)
            raise TakeoutDelayedError(self._access.account, error.seconds) from error
        self._keep(answer.id)
        await self._grant(answer.id)

    async def renew(self, used: int | None) -> None:
        """After TAKEOUT_INVALID: get another one, unless a call beside this one has already done so."""
        async with self._turn:
            if self._id == used:
                self._enter(Phase.EXPIRED)
                self._keep(None)
                await self.request()

    async def finish(self) -> None:
        """End it at Telegram: the export is complete."""
        with suppress(errors.TakeoutInvalidError):  # ended by an earlier try, whose answer was lost
            await self._send(self.wrap(functions.account.FinishTakeoutSessionRequest(success=True)))
        self._keep(None)
        self._enter(Phase.FINISHED)

    @property
    def id(self) -> int | None:
        return self._id

    def wrap(self, request: TLRequest) -> TLRequest:
        """The request inside the takeout; its result is read as without."""
        inner = request
        if isinstance(request, RawHistory) and request.message_range is not None:
            inner = functions.InvokeWithMessagesRangeRequest(request.message_range, request)
        wrapped = functions.InvokeWithTakeoutRequest(self._id, inner)
        # Telethon asks the outermost request to read the result (spec/telethon-hooks.md 1).
        wrapped.read_result = request.read_result
        return wrapped

    async def _grant(self, takeout_id: int) -> bool:
        """Use this id; False when Telegram does not know it any more."""
        self._id = takeout_id
        try:
            self.ranges = await self._send(self.wrap(functions.messages.GetSplitRangesRequest()))
        except errors.TakeoutInvalidError:
            self._keep(None)
            return False
        self._enter(Phase.GRANTED)
        return True

    async def _send(self, request: TLRequest) -> Any:
        return await persist(lambda: self._client._sender.send(request))

    def _keep(self, takeout_id: int | None) -> None:
        self._id = takeout_id
        self._client.session.takeout_id = takeout_id
        self._client.session.save()

    def _enter(self, phase: Phase, until: int = 0) -> None:
        self.phase = phase
        self._tell(TakeoutState(self._access.account, phase.value, until))


def message_range(ranges: list[types.MessageRange], first_id: int) -> Any:
    """The range that an id lies in, the last one for an id above them all; None where there are no ranges."""
    return next((one for one in ranges if first_id <= one.max_id), ranges[-1] if ranges else None)
