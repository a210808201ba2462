"""Messages that arrive, change and go while the server runs; each is logged."""
from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any

from telethon.tl import types
from telethon.utils import get_peer

from perf.simdc.bulk import BulkHistory
from perf.simdc.history import History
from perf.simdc.stored import StoredHistory
from perf.simdc.world import CHANNEL_MARK, Account, World

#: Tries to find a message that can be edited.
ATTEMPTS = 50
#: Among so many newest messages new ones find their sender.
LATELY = 50


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the log: what happened (insert, edit, delete), when (Unix time), to which message."""

    do: str
    time: float
    chat: int
    id: int


@dataclass(frozen=True, slots=True)
class Target:
    """A chat as the account with this index sees it; channels look the same to all."""

    chat: int
    account: int


class Mutator:
    """Changes chats on demand and, after `rates`, all the time."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._random = Random(world.seed)
        self.log: list[Change] = []
        #: changes a second
        self._rates: dict[tuple[Target, str], float] = {}
        #: what the rates have earned since the last whole change
        self._due: dict[tuple[Target, str], float] = {}
        #: the newest id ever seen in an id space: a channel's marked id, or an account's user id
        self._highest: dict[int, int] = {}
        self._doing: dict[str, Callable[[Target, int | list[int]], list[int]]] = {
            "insert": self._insert, "edit": self._edit, "delete": self._delete,
        }

    @classmethod
    def of(cls, world: World) -> Mutator:
        """The world's mutator, made at first use."""
        if world.mutator is None:
            world.mutator = cls(world)
        mutator: Mutator = world.mutator
        return mutator

    def apply(self, request: dict[str, Any]) -> dict[str, list[int]]:
        """See the function `apply`."""
        chat, account = request["chat"], self._world.accounts[request.get("account", 0)]
        target = Target(self._world.usernames[chat.lower()] if isinstance(chat, str) else chat, account.index)
        self._history(target)
        for do, rate in request.get("rates", {}).items():
            self._rates[target, self._known(do)] = rate
        return {do: self._doing[do](target, request[do]) for do in self._doing if do in request}

    def tick(self, elapsed: float) -> None:
        """Do what the rates ask for after so many seconds."""
        for (target, do), rate in self._rates.items():
            due = self._due.get((target, do), 0.0) + rate * elapsed
            self._due[target, do] = due - int(due)
            if due >= 1:
                self._doing[do](target, int(due))

    def _known(self, do: str) -> str:
        if do not in self._doing:
            raise ValueError(f"no change {do}, there are {', '.join(self._doing)}")
        return do

    def _insert(self, target: Target, count: int | list[int]) -> list[int]:
        assert isinstance(count, int), "insert takes a number"
        history, made = self._history(target), []
        senders = self._senders(target, history)
        for _ in range(count):
            message_id = self._next_id(target)
            history.append(self._message(target, senders, message_id))
            made.append(message_id)
        return self._logged("insert", target, made)

    def _edit(self, target: Target, wanted: int | list[int]) -> list[int]:
        history, edited = self._history(target), []
        chosen = wanted if isinstance(wanted, list) else self._choose(history, wanted, editable=True)
        for message_id in chosen:
            message = history.object(message_id)
            message.message = f"{message.message} edited {len(self.log)}"
            message.edit_date = datetime.now(UTC)
            history.edit(message_id, message)
            edited.append(message_id)
        return self._logged("edit", target, edited)

    def _delete(self, target: Target, wanted: int | list[int]) -> list[int]:
        history, gone = self._history(target), []
        for message_id in wanted if isinstance(wanted, list) else self._choose(history, wanted, editable=False):
            self._highest[self._space(target)] = max(self._highest.get(self._space(target), 0), message_id)
            history.delete(message_id)
            gone.append(message_id)
        return self._logged("delete", target, gone)

    def _choose(self, history: History, count: int, *, editable: bool) -> list[int]:
        """So many different messages at random, fewer in a chat that has not enough; repeatable for a seed."""
        chosen: dict[int, None] = {}
        for _ in range(ATTEMPTS + 2 * count):
            if len(chosen) == count or not len(history):
                break
            rank = self._random.randrange(len(history))
            message_id = history.ids(rank, rank + 1)[0]
            if not editable or _is_editable(history, message_id):
                chosen[message_id] = None
        return list(chosen)

    def _message(self, target: Target, senders: list[int], message_id: int) -> types.Message:
        sender = self._random.choice(senders) if senders else None
        mine = target.chat > 0 and sender != target.chat
        return types.Message(
            message_id, get_peer(target.chat), datetime.fromtimestamp(int(time.time()), UTC),
            f"Arrived as {message_id}", out=mine or None, post=True if sender is None else None,
            from_id=None if sender is None else types.PeerUser(sender),
        )

    def _senders(self, target: Target, history: History) -> list[int]:
        """Who may write: everybody who was named lately; nobody in a broadcast channel."""
        if getattr(self._world.chats.get(target.chat), "broadcast", None):
            return []
        account = self._world.accounts[target.account]
        if target.chat > 0:
            return [target.chat, account.user_id]
        lately = history.peers(history.ids(len(history) - LATELY, len(history)))
        return sorted({peer for peer in lately if peer > 0} | {account.user_id})

    def _history(self, target: Target) -> StoredHistory | BulkHistory:
        history = self._world.history(self._world.accounts[target.account], target.chat)
        if not isinstance(history, StoredHistory | BulkHistory):
            raise ValueError(f"no history of {target.chat} can be changed")
        return history

    def _space(self, target: Target) -> int:
        return target.chat if target.chat < -CHANNEL_MARK else self._world.accounts[target.account].user_id

    def _next_id(self, target: Target) -> int:
        """The next id of the channel, or of the account's common id space."""
        account: Account = self._world.accounts[target.account]
        shared: Iterable[History] = account.histories.values()
        histories = [self._history(target)] if target.chat < -CHANNEL_MARK else shared
        space = self._space(target)
        self._highest[space] = max(self._highest.get(space, 0), *(history.top_id() for history in histories)) + 1
        return self._highest[space]

    def _logged(self, do: str, target: Target, ids: list[int]) -> list[int]:
        now = time.time()
        self.log += [Change(do, now, target.chat, message_id) for message_id in ids]
        return ids


def _is_editable(history: History, message_id: int) -> bool:
    """Text and media messages that Telethon writes as it reads them."""
    message = history.object(message_id)
    return isinstance(message, types.Message) and bytes(message) == history.message(message_id)


def apply(world: World, request: dict[str, Any]) -> dict[str, list[int]]:
    """Change one chat: {"chat": marked id or username, "account": index, 0 by default, and any of
    "insert": number, "edit": number or ids, "delete": number or ids, "rates": {"insert": changes a second, ...}}.

    Answers {"insert": ids, ...}, what was done. Rates stay until they are set to 0. KeyError, ValueError for
    messages, chats and changes that there are not.
    """
    return Mutator.of(world).apply(request)


def tick(world: World, elapsed: float) -> None:
    """The server's hook: let the rates do their part of so many seconds."""
    if world.mutator is not None:
        Mutator.of(world).tick(elapsed)


def log(world: World, chat: int | None = None, since: float = 0.0) -> list[dict[str, Any]]:
    """Every change from a Unix time on, oldest first, of one chat or of all: {"do", "time", "chat", "id"}."""
    return [asdict(change) for change in Mutator.of(world).log if change.time >= since and chat in (None, change.chat)]
