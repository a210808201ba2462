"""What changed since the archive was told last, for one account: one question for all its chats, one more for each channel
that changed (docs/spec/updates.md 10 a).

The state of the account comes before the walks of a run, so that what happens during them is told by the next one.
"""
from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence

from telethon import errors
from telethon.tl import types

from tgbulk.stages.archive.account import AccountState
from tgbulk.stages.fetch.bound import UnusableAnswer
from tgbulk.stages.fetch.difference import METHOD_CHANNEL, GetPeerDialogs, GetState, after, made_of, of_channel
from tgbulk.stages.fetch.error import FloodParkedError, TroubledError
from tgbulk.stages.fetch.name import ChatName, Way
from tgbulk.stages.fetch.peer_cache import Peer
from tgbulk.stages.fetch.pipeline import Pipeline
from tgbulk.stages.fetch.reader import Reader
from tgbulk.stages.fetch.recheck import DAY
from tgbulk.stages.fetch.resolver import input_peer, peer_summary
from tgbulk.stages.protocol.difference import Box, BoxRequest, DifferenceReceipt, StateRequest
from tgbulk.stages.protocol.event import Notice
from tgbulk.stages.telegram.chat import CHANNEL_MARK

#: Peers in one question for dialogs: more are cut off silently.
MOST_PEERS = 100
#: Channels that are asked at a time.
AT_ONCE = 10
#: Answers in a row that bring the state no further.
MOST_STILL = 3
TOO_LONG = "TooLong"
#: The server cannot tell what came after this state.
LOST = (
    errors.PersistentTimestampInvalidError,
    errors.PersistentTimestampEmptyError,
    errors.DateEmptyError,
    UnusableAnswer,
)


class Updates:
    """The update state of one account, as the archive has it."""

    def __init__(self, reader: Reader, pipeline: Pipeline, notify: Callable[[object], None]) -> None:
        self._reader = reader
        self._caller = reader.caller
        self._pipeline = pipeline
        self._notify = notify
        #: of the common box; None where there is none yet
        self.state: AccountState | None = None
        #: archived chats that the account reads, by marked id
        self.boxes: dict[int, Box] = {}
        #: channels that the sweep found to have changed
        self._moved: set[int] = set()
        #: whether the archive was told all that happened up to the start of this run
        self.told = False
        #: called with the marked id of a supergroup, not of `boxes`, as which a group of them goes on
        self.on_migration: Callable[[int], None] | None = None
        #: the loop's time up to which it was told, and held while that changes
        self._learnt = 0.0
        #: whether all channels that changed since the last run are known
        self._listed = False
        self._learning = asyncio.Lock()

    async def begin(self, names: Iterable[ChatName]) -> None:
        """Take the state, or learn what changed since; names: chats of the run. AuthNeededError, Halted.

        What keeps the account from it is told; the run then goes on as if there was no state.
        """
        self._caller.limit(METHOD_CHANNEL, AT_ONCE)
        self._learnt = asyncio.get_running_loop().time()
        try:
            await self.load()
            if self.state is None:
                await self._renew()
            else:
                self._listed = await self.learn()
            self.told = True
            await self._sweep(self._due(names, self._listed))
        except (FloodParkedError, TroubledError, errors.RPCError) as error:
            self._notify(Notice(f"account {self._reader.access.account}: changes are not asked for in this run: {error}"))
        self._settle()

    async def catch_up(self, marked_id: int, moment: float) -> bool:
        """Be told what happened up to this moment of the loop's time, in a run that goes on for long; whether that is known
        of this chat. AuthNeededError, Halted."""
        if not self.told:
            return False
        now = asyncio.get_running_loop().time
        try:
            async with self._learning:
                if self._learnt < moment:
                    began = now()
                    self._listed = await self.learn() and self._listed
                    self._learnt = began
            await self._sweep(self._due([ChatName("", Way.ID, str(marked_id))], self._listed))
        except (FloodParkedError, TroubledError, errors.RPCError) as error:
            self._notify(Notice(f"account {self._reader.access.account}: changes are not asked for now: {error}"))
            return False
        self._settle()
        return True

    def box(self, marked_id: int) -> Box | None:
        """The box of an archived chat of this account, None of another one, and where changes cannot be learnt."""
        return self.boxes.get(marked_id) if self.told else None

    async def ask(self, marked_id: int, peer: types.InputPeerChannel, title: str, sure: bool = False) -> bool:
        """Learn what changed in a channel, unless nothing did; sure: something did. Whether everything was told of it.

        A refusal comes through as it is: the channel stays to be asked.
        """
        box = self.box(marked_id)
        if box is None or not box.pts:
            return False
        if not (sure or self._is_dirty(marked_id)):
            return True
        pts, still = box.pts, 0
        while True:
            try:
                answer = await self._caller.call(of_channel(peer, pts))
            except (*LOST, TroubledError):
                return await self._lose(marked_id, peer, title)
            receipt = await self._pipeline.difference(answer, self._reader.me, marked_id)
            self.take(receipt)
            if receipt.error or receipt.form.endswith(TOO_LONG):
                return await self._lose(marked_id, peer, title, receipt)
            still = still + 1 if receipt.pts <= pts else 0
            box.pts = pts = max(pts, receipt.pts)
            if receipt.final or still == MOST_STILL:
                self._moved.discard(marked_id)
                return receipt.final and marked_id not in receipt.behind

    def _is_dirty(self, marked_id: int) -> bool:
        assert self.state is not None
        peer = self._reader.cache.known(marked_id)
        return marked_id in self.state.dirty or marked_id in self._moved or peer is None or peer.left

    def _settle(self) -> None:
        """Chats that did not change need not be asked for anything."""
        if self.told:
            self._reader.resolver.settled = {one for one, box in self.boxes.items() if box.pts and not self._is_dirty(one)}

    async def load(self) -> None:
        """The account's state and boxes, as write has them now."""
        above: int | None = None
        boxes: dict[int, Box] = {}
        while True:
            reply = await self._pipeline.state(StateRequest(self._reader.me, above=above))
            self.state = reply.state
            boxes |= {box.marked_id: box for box in reply.boxes}
            if not reply.more:
                self.boxes = boxes
                return
            above = reply.boxes[-1].marked_id

    async def _renew(self, lost: bool = False) -> None:
        """Take the server's state of now; lost: what came before cannot be told any more."""
        state = made_of(self._reader.me, await self._caller.call(GetState()))
        await self._pipeline.state(StateRequest(self._reader.me, state, lost))
        await self.load()

    async def learn(self) -> bool:
        """Learn what changed in the common box, and which channels did. False where that cannot be told any more."""
        state, still = self.state, 0
        assert state is not None
        while True:
            try:
                answer = await self._caller.call(after(state))
            except LOST as error:
                return await self._forget(str(error))
            receipt = await self._pipeline.difference(answer, self._reader.me)
            self.take(receipt)
            if receipt.error:
                return await self._forget(receipt.error)
            if receipt.form.endswith(TOO_LONG) or receipt.renumbered or receipt.state is None:
                return await self._forget("it is too long ago")
            still = still + 1 if receipt.state.pts <= state.pts else 0
            self.state = state = receipt.state
            if receipt.final:
                break
            if still == MOST_STILL:
                return await self._forget("Telegram repeats itself")
        await self.load()
        return True

    async def _forget(self, reason: str) -> bool:
        what = f"account {self._reader.access.account}: Telegram cannot tell what changed in its private chats and groups"
        self._notify(Notice(f"{what}: {reason}"))
        await self._renew(lost=True)
        return False

    async def _lose(
        self, marked_id: int, peer: types.InputPeerChannel, title: str, receipt: DifferenceReceipt | None = None
    ) -> bool:
        """What a channel's difference cannot tell any more is noted, and the channel gets a new beginning."""
        pts = receipt.pts if receipt is not None and receipt.form.endswith(TOO_LONG) else 0
        reason = "it is too long ago" if pts else receipt.error if receipt is not None else "it answers with an error"
        if not pts:
            dialogs = await self._caller.call(GetPeerDialogs([types.InputDialogPeer(peer)]))
            pts = dialogs.dialogs[0].pts if dialogs.dialogs else 0
        if pts:
            await self._pipeline.box(BoxRequest(self._reader.me, marked_id, pts, lost=True))
            self._notify(Notice(f"{title}: Telegram cannot tell what changed in it: {reason}"))
        return False

    def take(self, receipt: DifferenceReceipt) -> None:
        peers = receipt.peers or []
        self._reader.resolver.learn(peers)
        for one in peers:
            newer = one.migrated_to
            if self.on_migration and newer is not None and newer not in self.boxes and one.marked_id in self.boxes:
                self.on_migration(newer)
        if receipt.slow:
            self._notify(Notice(f"a {receipt.form} was decoded by the slow decoder: {receipt.slow}"))

    def _due(self, names: Iterable[ChatName], told: bool) -> list[Peer]:
        """Channels of the run that nobody has looked at for a day, or whose names have to prove themselves: the list of
        changed channels need not be whole. All of them where there is no such list, since nothing was told."""
        assert self.state is not None
        found: dict[int, Peer] = {}
        for name in names:
            peer = self._reader.resolver.recall(name)
            box = None if peer is None else self.boxes.get(peer.marked_id)
            if peer is None or box is None or not box.pts or peer.left or peer.marked_id in self.state.dirty:
                continue
            if not told or time.time() - min(box.looked, peer.seen) >= DAY:
                found[peer.marked_id] = peer
        return list(found.values())

    async def _sweep(self, peers: Sequence[Peer]) -> None:
        for start in range(0, len(peers), MOST_PEERS):
            await self._compare(peers[start : start + MOST_PEERS])

    async def _compare(self, peers: Sequence[Peer]) -> None:
        """Hold the server's states of some channels against ours."""
        try:
            answer = await self._caller.call(GetPeerDialogs([types.InputDialogPeer(input_peer(one)) for one in peers]))
        except errors.RPCError:  # of one of them
            if len(peers) == 1:
                self._moved.add(peers[0].marked_id)
                return
            for some in (peers[: len(peers) // 2], peers[len(peers) // 2 :]):
                await self._compare(some)
            return
        self._reader.cache.learn(made for one in [*answer.users, *answer.chats] if (made := peer_summary(one)))
        told = {-CHANNEL_MARK - one.peer.channel_id: one.pts for one in answer.dialogs
                if isinstance(one, types.Dialog) and isinstance(one.peer, types.PeerChannel)}
        for peer in peers:
            pts = self.boxes[peer.marked_id].pts
            if told.get(peer.marked_id) == pts:
                await self._pipeline.box(BoxRequest(self._reader.me, peer.marked_id, pts))
            else:
                self._moved.add(peer.marked_id)
