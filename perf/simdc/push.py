"""Pushes: what is sent to clients that have not asked (docs/spec/updates.md 6), and what may become of it on the way."""
from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from struct import pack
from typing import Any

from telethon.tl import types

from tgbulk.perf.simdc.auth_key import AuthKey
from tgbulk.perf.simdc.box import Boxes, Event
from tgbulk.perf.simdc.call import Call
from tgbulk.perf.simdc.difference import pushed
from tgbulk.perf.simdc.ledger import Ledger
from tgbulk.perf.simdc.page import vector
from tgbulk.perf.simdc.session import Session
from tgbulk.perf.simdc.view import View
from tgbulk.perf.simdc.world import CHANNEL_MARK, Account, World

#: Seconds for which a push that is to be overtaken is held back.
HELD = 0.5


class Pusher:
    """Sends each change to the connection with which a login asked last for anything but in invokeWithoutUpdates."""

    def __init__(self, world: World, ledger: Ledger, dc_id: int) -> None:
        """dc_id: the data centre whose connections get pushes."""
        self._world = world
        self._ledger = ledger
        self._dc_id = dc_id
        self._boxes = Boxes.of(world)
        self._boxes.listeners.append(self)
        #: pushes sent, lost ones too
        self.count = 0

    def __call__(self, account: Account, chat: int, what: Any) -> None:
        """Tell an event, or a TL update that has no pts, to who sees the chat."""
        for reader in self._world.accounts if chat < -CHANNEL_MARK else [account]:
            if chat < -CHANNEL_MARK and not isinstance(what, types.UpdateChannel) and not self._sees(reader, chat):
                continue
            for key in self._ledger.keys_of(reader):
                session = self._subscriber(key)
                if session is not None:
                    self._push(key, session, chat, what)

    def send(self, account: Account, body: bytes) -> int:
        """Push these bytes, whatever they are; to how many connections."""
        sessions = [one for key in self._ledger.keys_of(account) if (one := self._subscriber(key)) is not None]
        for session in sessions:
            session.send(body)
        return len(sessions)

    def _sees(self, account: Account, chat: int) -> bool:
        return chat in View.of(self._world, account).joined and chat not in account.private

    def _subscriber(self, key: AuthKey) -> Session | None:
        if key.dc_id != self._dc_id:
            return None
        open_ones = [one for one in self._ledger.sessions.get(key.login.key_id, []) if one.subscribed]
        return max(open_ones, key=lambda one: one.subscribed, default=None)

    def _push(self, key: AuthKey, session: Session, chat: int, what: Any) -> None:
        fault, random = self._boxes.fault, self._boxes.random
        call = Call(self._world, self._dc_id, key.login, ledger=self._ledger)
        made = pushed(call, what) if isinstance(what, Event) else (bytes(what), {chat})
        if made is None:
            return
        body = self._short(call, what) if fault.short and isinstance(what, Event) else None
        if random.random() < fault.too_long:
            body = bytes(types.UpdatesTooLong())
        if body is None:
            if fault.seq:
                key.login.seq += 1
            body = _container(call, made[0], made[1], key.login.seq if fault.seq else 0)
        self.count += 1
        if random.random() < fault.lose:
            return
        for _ in range(2 if random.random() < fault.double else 1):
            delay = random.uniform(0, fault.delay) if fault.delay else 0.0
            delay += HELD * random.random() if random.random() < fault.reorder else 0.0
            if delay:
                asyncio.get_running_loop().call_later(delay, session.send, body)
            else:
                session.send(body)

    def _short(self, call: Call, event: Event) -> bytes | None:
        """A new text in its short form; None for what has none."""
        if event.kind != "new" or event.chat < -CHANNEL_MARK:
            return None
        history = call.world.history(call.account, event.chat)
        message = None if history is None else history.object(event.ids[0])
        if not isinstance(message, types.Message) or message.media is not None or message.reply_to is not None:
            return None
        rest = event.pts, event.count, message.date
        if event.chat > 0:
            return bytes(types.UpdateShortMessage(message.id, event.chat, message.message, *rest, out=message.out))
        sender = message.from_id.user_id
        return bytes(types.UpdateShortChatMessage(message.id, sender, -event.chat, message.message, *rest))


def _container(call: Call, update: bytes, named: set[int], seq: int) -> bytes:
    """updates with one update and its peers."""
    view = View.of(call.world, call.account)
    users = vector(list(_looks(view, named, users=True)))
    chats = vector(list(_looks(view, named, users=False)))
    return pack("<I", types.Updates.CONSTRUCTOR_ID) + vector([update]) + users + chats + pack("<ii", int(time.time()), seq)


def _looks(view: View, named: set[int], *, users: bool) -> Iterator[bytes]:
    return (view.short(one) for one in named if (one > 0) == users)
