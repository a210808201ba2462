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

from tgbulk.perf.simdc.box import Boxes
from tgbulk.perf.simdc.bulk import BulkHistory
from tgbulk.perf.simdc.history import History
from tgbulk.perf.simdc.stored import StoredHistory
from tgbulk.perf.simdc.world import CHANNEL_MARK, Account, World

#: Tries to find a message that can be edited.
ATTEMPTS = 50
#: What is an event of the chat's box as a whole -> its kind.
BOXED = {"insert": "new", "edit": "edit", "delete": "delete", "restore": "new"}
#: Among so many newest messages new ones find their sender.
LATELY = 50


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the log: what happened (insert, edit, ...), when (Unix time), to which message."""

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
            "insert": self._insert, "edit": self._edit, "delete": self._delete, "restore": self._restore,
            "react": self._react, "pin": self._pin, "clear": self._clear, "step": self._step,
        }
        #: what the next messages say, and how many seconds they live (0: for good), from the request
        self._text, self._ttl = "", 0
        #: (Unix time of its end, chat, id)
        self._dying: list[tuple[float, Target, int]] = []
        #: whose media edited messages get, from the request
        self._media_of: list[int] = []
        #: (id space, id) -> a message that was deleted
        self._gone: dict[tuple[int, int], bytes] = {}
        self._boxes = Boxes.of(world)

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
        self._text, self._ttl, self._media_of = request.get("text", ""), request.get("ttl", 0), request.get("media_of", [])
        try:
            return {do: self._doing[do](target, request[do]) for do in self._doing if do in request}
        finally:
            self._text, self._ttl, self._media_of = "", 0, []

    def tick(self, elapsed: float) -> None:
        """Do what the rates ask for after so many seconds."""
        for (target, do), rate in self._rates.items():
            due = self._due.get((target, do), 0.0) + rate * elapsed
            self._due[target, do] = due - int(due)
            if due >= 1:
                self._doing[do](target, int(due))
        dead = [one for one in self._dying if one[0] <= time.time()]
        self._dying = [one for one in self._dying if one not in dead]
        for _, target, message_id in dead:
            if message_id in self._history(target):
                self._delete(target, [message_id])

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
            if self._ttl:
                self._dying.append((time.time() + self._ttl, target, message_id))
        return self._logged("insert", target, made)

    def _edit(self, target: Target, wanted: int | list[int]) -> list[int]:
        history, edited = self._history(target), []
        chosen = wanted if isinstance(wanted, list) else self._choose(history, wanted, editable=True)
        for message_id in chosen:
            self._remember(target, history, message_id)
            message = history.object(message_id)
            message.message = self._text or f"{message.message} edited {len(self.log)}"
            message.edit_date = datetime.now(UTC)
            if self._media_of:
                chat, other = self._media_of
                message.media = self._world.histories[chat].object(other).media
            history.edit(message_id, message)
            edited.append(message_id)
        return self._logged("edit", target, edited)

    def _delete(self, target: Target, wanted: int | list[int]) -> list[int]:
        history, gone = self._history(target), []
        for message_id in wanted if isinstance(wanted, list) else self._choose(history, wanted, editable=False):
            self._highest[self._space(target)] = max(self._highest.get(self._space(target), 0), message_id)
            self._remember(target, history, message_id)
            self._gone[self._space(target), message_id] = history.message(message_id)
            history.delete(message_id)
            gone.append(message_id)
        return self._logged("delete", target, gone)

    def _restore(self, target: Target, wanted: int | list[int]) -> list[int]:
        assert isinstance(wanted, list), "restore takes ids"
        for message_id in wanted:
            self._history(target).restore(message_id, self._gone.pop((self._space(target), message_id)))
        return self._logged("restore", target, wanted)

    def _react(self, target: Target, wanted: int | list[int]) -> list[int]:
        """The first reaction comes as an edit that is not shown, later ones as an update of their own."""
        history = self._history(target)
        chosen = wanted if isinstance(wanted, list) else self._choose(history, wanted, editable=True)
        for message_id in chosen:
            message = history.object(message_id)
            self._remember(target, history, message_id)
            first = message.reactions is None or not message.reactions.results
            if first:
                message.reactions = types.MessageReactions([types.ReactionCount(types.ReactionEmoji("🔥"), 1)])
                message.edit_hide = True
                message.edit_date = message.edit_date or datetime.now(UTC)
            else:
                message.reactions.results[0].count += 1
            history.edit(message_id, message)
            if first:
                self._happened("edit", target, [message_id])
            else:
                about = types.UpdateMessageReactions(get_peer(target.chat), message_id, message.reactions)
                self._boxes.tell(self._world.accounts[target.account], target.chat, about)
        return self._logged("react", target, chosen)

    def _pin(self, target: Target, wanted: int | list[int]) -> list[int]:
        assert isinstance(wanted, list), "pin takes ids"
        history = self._history(target)
        for message_id in wanted:
            message = history.object(message_id)
            message.pinned = True
            history.edit(message_id, message)
        self._happened("pin", target, wanted)
        return self._logged("pin", target, wanted)

    def _clear(self, target: Target, wanted: int | list[int]) -> list[int]:
        """For everyone in a private chat or group; in a channel only for this account, up to its newest message."""
        history, account = self._history(target), self._world.accounts[target.account]
        if target.chat >= -CHANNEL_MARK:
            return self._delete(target, list(history.ids(0, len(history))))
        account.cleared[target.chat] = history.top_id()
        about = types.UpdateChannelAvailableMessages(-CHANNEL_MARK - target.chat, history.top_id())
        self._boxes.tell(account, target.chat, about)
        return self._logged("clear", target, [history.top_id()])

    def _step(self, target: Target, wanted: int | list[int]) -> list[int]:
        """Steps of the box in which no message changes."""
        assert isinstance(wanted, int), "step takes a number"
        for _ in range(wanted):
            self._happened("step", target, [])
        return []

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
            self._text or f"Arrived as {message_id}", out=mine or None, post=True if sender is None else None,
            from_id=None if sender is None else types.PeerUser(sender), ttl_period=self._ttl or None,
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
        history = self._world.whole(self._world.accounts[target.account], target.chat)
        if not isinstance(history, StoredHistory | BulkHistory):
            raise ValueError(f"no history of {target.chat} can be changed")
        return history

    def _space(self, target: Target) -> int:
        return target.chat if target.chat < -CHANNEL_MARK else self._world.accounts[target.account].user_id

    def _remember(self, target: Target, history: History, message_id: int) -> None:
        """What a channel's message is before it changes for the first time."""
        if target.chat < -CHANNEL_MARK and (target.chat, message_id) not in self._boxes.firsts:
            new = any(one.chat == target.chat and one.id == message_id for one in self._boxes.versions)
            self._boxes.firsts[target.chat, message_id] = b"" if new else history.message(message_id)

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
        if do in BOXED and ids:
            self._happened(BOXED[do], target, ids)
        self.log += [Change(do, now, target.chat, message_id) for message_id in ids]
        return ids

    def _happened(self, kind: str, target: Target, ids: list[int]) -> None:
        account = self._world.accounts[target.account]
        self._boxes.happened(account, target.chat, kind, ids, self._history(target))


def _is_editable(history: History, message_id: int) -> bool:
    """Text and media messages that Telethon writes as it reads them."""
    message = history.object(message_id)
    return isinstance(message, types.Message) and bytes(message) == history.message(message_id)


def apply(world: World, request: dict[str, Any]) -> dict[str, list[int]]:
    """Change one chat: {"chat": marked id or username, "account": index, 0 by default, and any of
    "insert": number, "edit": number or ids, "delete": number or ids, "restore": ids, "react": number or ids, "pin": ids,
    "clear": true, "step": number, "text": of what is inserted or edited, "ttl": seconds after which what is inserted deletes
    itself, "media_of": [channel, id] of the message whose media the edited ones get, "rates": {"insert": changes a second,
    ...}}.

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
