"""Takeout: Telegram's export mode, about ten times faster, with a life of its own.

      state      next state, on
      NONE       REQUESTED  request()
      REQUESTED  GRANTED    Telegram agrees, or an id of an earlier run still counts     WAITING  TAKEOUT_INIT_DELAY
      WAITING    (the run ends, or goes on without: the next request may be granted)
      GRANTED    EXPIRED    TAKEOUT_INVALID              FINISHED  finish(), when the run is complete
      EXPIRED    REQUESTED  the next call

The id is kept in the session, so a run that was killed goes on in the same takeout (docs/spec/history-fetching.md 4).
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

from tgbulk.engine.error import TgbulkError
from tgbulk.stages.fetch.access import Access
from tgbulk.stages.fetch.client import LOGIN_ENDED, answering, plain
from tgbulk.stages.fetch.error import FloodParkedError, TakeoutDelayedError
from tgbulk.stages.fetch.history import RawHistory
from tgbulk.stages.fetch.sender import NoAnswer
from tgbulk.stages.fetch.trouble import persist
from tgbulk.stages.protocol.event import Notice, TakeoutState

#: Bytes of a file that a takeout is asked for: more than any has.
LARGEST_FILE = 1 << 40


#: None is to be had now; a run that does not need one goes on without.
REFUSED = (TakeoutDelayedError, FloodParkedError, NoAnswer, errors.RPCError)


def refused(error: Exception) -> str:
    """Why none is to be had, in words. Raises the error where it is the login that has ended."""
    if isinstance(error, LOGIN_ENDED):
        raise error
    if isinstance(error, TgbulkError):
        return str(error)
    reason = plain(error) if isinstance(error, errors.RPCError) else str(error)
    return f"no takeout is to be had: {reason}"


class TakeoutPhase(Enum):
    REQUESTED = "requested"
    WAITING = "waiting"
    GRANTED = "granted"
    EXPIRED = "expired"
    FINISHED = "finished"


class Takeout:
    """The takeout of one account."""

    def __init__(
        self,
        client: TelegramClient,
        access: Access,
        notify: Callable[[Notice | TakeoutState], None],
        required: bool,
        with_files: bool = False,
    ) -> None:
        """required: where there is none to be had in mid-run, the run does not go on without."""
        self._client = client
        self._access = access
        self._notify = notify
        self._required = required
        self._with_files = with_files
        self._turn = asyncio.Lock()
        #: None: everything goes without
        self.id: int | None = None
        #: ranges of the account's common id space in which private chats and basic groups are asked; the same list always
        self.ranges: list[types.MessageRange] = []

    async def request(self) -> None:
        """Get one, or take up that of an earlier run. TakeoutDelayedError, FloodParkedError: none is to be had now."""
        self._enter(TakeoutPhase.REQUESTED)
        kept = self._client.session.takeout_id
        if isinstance(kept, int) and kept and kept != self.id:
            with suppress(errors.TakeoutInvalidError):
                await self._grant(kept)
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
            self._enter(TakeoutPhase.WAITING, int(time.time()) + error.seconds)
            raise TakeoutDelayedError(self._access.account, error.seconds) from error
        except (errors.FloodWaitError, errors.FloodPremiumWaitError) as error:
            raise FloodParkedError(error.seconds, "account.initTakeoutSession") from error
        self._keep(answer.id)
        await self._grant(answer.id)

    async def renew(self, used: int | None) -> None:
        """After TAKEOUT_INVALID: get another one, unless a call beside this one has already done so. Where none is to be
        had, go on without, or raise what request() does if one is required."""
        async with self._turn:
            if self.id != used:
                return
            self._enter(TakeoutPhase.EXPIRED)
            try:
                await self.request()
            except REFUSED as error:
                if self._required:
                    raise
                self._notify(Notice(f"{refused(error)}; continuing without it"))
                self._keep(None)
                self.ranges.clear()  # chats under way have this list, and count by it

    async def finish(self) -> None:
        """End it at Telegram, if there is one: the export is complete. That this fails is no more than worth telling."""
        if self.id is None:
            return
        try:
            with answering(self._access):
                with suppress(errors.TakeoutInvalidError):  # ended by an earlier try, whose answer was lost
                    await self._send(self.wrap(functions.account.FinishTakeoutSessionRequest(success=True)))
                self._keep(None)
        except TgbulkError as error:
            account = self._access.account
            self._notify(Notice(f"{error}; the takeout of account {account} stays open, and the next run takes it up"))
        else:
            self._enter(TakeoutPhase.FINISHED)

    def wrap(self, request: TLRequest) -> TLRequest:
        """The request inside the takeout, if there is one; its result is read as without."""
        return request if self.id is None else _wrapped(self.id, request)

    async def _grant(self, takeout_id: int) -> None:
        """Use this id; TakeoutInvalidError when Telegram does not know it any more."""
        self.ranges[:] = without_gaps(await self._send(_wrapped(takeout_id, functions.messages.GetSplitRangesRequest())))
        self.id = takeout_id
        self._enter(TakeoutPhase.GRANTED)

    async def _send(self, request: TLRequest) -> Any:
        return await persist(lambda: self._client._sender.send(request))

    def _keep(self, takeout_id: int | None) -> None:
        self.id = takeout_id
        self._client.session.takeout_id = takeout_id
        self._client.session.save()

    def _enter(self, phase: TakeoutPhase, until: int = 0) -> None:
        self._notify(TakeoutState(self._access.account, phase.value, until))


def _wrapped(takeout_id: int, request: TLRequest) -> TLRequest:
    inner = request
    if isinstance(request, RawHistory) and request.message_range is not None:
        inner = functions.InvokeWithMessagesRangeRequest(request.message_range, request)
    wrapped = functions.InvokeWithTakeoutRequest(takeout_id, inner)
    # Telethon asks the outermost request to read the result (docs/spec/telethon-hooks.md 1).
    wrapped.read_result = request.read_result
    return wrapped


def without_gaps(ranges: list[types.MessageRange]) -> list[types.MessageRange]:
    """Ascending, from the lowest id on, with ranges of our own where Telegram leaves ids out: they are asked for as well."""
    made: list[types.MessageRange] = []
    place = 0
    for one in sorted(ranges, key=lambda one: (one.min_id, one.max_id)):
        if one.max_id < max(place, one.min_id):
            continue  # none, or within the one before
        if one.min_id > place + bool(not made):
            made.append(types.MessageRange(place, one.min_id - 1))
        made.append(types.MessageRange(max(place, one.min_id), one.max_id))
        place = one.max_id + 1
    return made


def message_range(ranges: list[types.MessageRange], first_id: int) -> Any:
    """The range that an id lies in, the last one for an id above them all; None where there are no ranges."""
    return next((one for one in ranges if first_id <= one.max_id), ranges[-1] if ranges else None)
