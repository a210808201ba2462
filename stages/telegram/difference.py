"""What answers of updates.getDifference and updates.getChannelDifference tell of messages (docs/spec/updates.md 3 to 5)."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from tgbulk.stages.telegram.chat import CHANNEL_MARK
from tgbulk.stages.telegram.peer import marked

#: The two types of such answers.
DIFFERENCE_TYPES = ("updates.Difference", "updates.ChannelDifference")
#: Ids of messages are positive 32-bit numbers.
IDS = range(1, 1 << 31)
_MESSAGES = frozenset({"message", "messageService"})


class DifferenceError(ValueError):
    """A difference that holds something else than a difference can."""


@dataclass(slots=True)
class Told:
    """One thing that was told of messages."""

    #: marked id; 0: of the common box, and in which chat was not told
    chat: int
    #: a message as it is now, a line of JSON; b"" for another thing
    line: bytes = b""
    #: ids of messages that were deleted
    deleted: list[int] = field(default_factory=list)
    #: all ids up to this one were taken from this account, 0 for none
    cleared: int = 0
    #: of the box after it, 0 where that was not told
    pts: int = 0


@dataclass(slots=True)
class ToldDifference:
    """An answer, taken apart."""

    form: str
    final: bool = True
    timeout: int = 0
    #: of a channel's box, or of the common box that is too long ago; 0: the state has it
    pts: int = 0
    #: pts, qts, date and seq of the common box; None in each: as before
    state: tuple[int | None, int | None, int, int] | None = None
    told: list[Told] = field(default_factory=list)
    #: the messages in `told`, with the marked id of their chat
    messages: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    dirty: dict[int, int] = field(default_factory=dict)
    renumbered: bool = False
    #: users and chats
    peers: list[dict[str, Any]] = field(default_factory=list)


def take_apart(answer: dict[str, Any], channel: int) -> ToldDifference:
    """channel: marked id of the one that was asked for, 0 for the common box. DifferenceError."""
    form: str = answer["_"]
    if form.startswith("updates.channel") != bool(channel):
        raise DifferenceError(f"a {form} answers another request")
    found = ToldDifference(form)
    found.peers = [*answer.get("users", []), *answer.get("chats", [])]
    found.timeout = answer.get("timeout", 0)
    match form.removeprefix("updates."):
        case "differenceEmpty":
            found.state = None, None, answer["date"], answer["seq"]
        case "difference" | "differenceSlice":
            state = answer.get("state") or answer["intermediate_state"]
            found.state = state["pts"], state["qts"], state["date"], state["seq"]
            found.final = "state" in answer
        case "differenceTooLong":
            found.pts = answer["pts"]
            return found
        case "channelDifferenceEmpty" | "channelDifference":
            found.pts = answer["pts"]
            found.final = answer.get("final", False)
        case "channelDifferenceTooLong":
            found.pts = answer["dialog"].get("pts", 0)
            return found
        case _:
            raise DifferenceError(f"it is a {form}")
    reading = _Telling(found, channel)
    for message in answer.get("new_messages", []):
        reading.message(message, found.pts)
    reading.fresh = {message["id"] for _, message in found.messages}
    for update in answer.get("other_updates", []):
        reading.update(update)
    return found


class _Telling:
    """Goes through what a difference tells, in its order."""

    def __init__(self, found: ToldDifference, channel: int) -> None:
        self._found = found
        self._channel = channel
        #: ids of what an answer tells apart from the updates, before them
        self.fresh: set[int] = set()

    def message(self, message: dict[str, Any], pts: int) -> None:
        """One that is new, or is now like this."""
        if message["_"] == "messageEmpty":
            return
        if message["_"] not in _MESSAGES or message["id"] not in IDS:
            raise DifferenceError(f"it has something else among its messages: {message['_']} {message.get('id')}")
        chat = marked(message["peer_id"])
        if self._is_foreign(chat, pts):
            return
        self._found.messages.append((chat, message))
        self._found.told.append(Told(chat, orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE), pts=pts))

    def update(self, update: dict[str, Any]) -> None:
        act = _ACTS.get(update["_"])
        if act is not None:
            act(self, update)

    def _is_foreign(self, chat: int, pts: int) -> bool:
        """Whether it belongs to a channel's box that is not the one that was asked: that one will have to be."""
        if chat == self._channel or (chat > -CHANNEL_MARK and self._channel == 0):
            return False
        if self._channel:
            raise DifferenceError(f"it tells of another chat, {chat}")
        self._found.dirty[chat] = max(pts, self._found.dirty.get(chat, 0))
        return True

    def _seen(self, update: dict[str, Any]) -> None:
        self.message(update["message"], update["pts"])

    def _deleted(self, update: dict[str, Any]) -> None:
        chat = -CHANNEL_MARK - update["channel_id"] if "channel_id" in update else 0
        if chat == 0 and self._channel:
            raise DifferenceError("it tells of deletions in the common box")
        if not self._is_foreign(chat, update["pts"]):
            ids = [number for number in update["messages"] if number in IDS]
            # Messages are told as they are now: one that is there was deleted before it came back.
            if back := [number for number in ids if number in self.fresh]:
                self._found.told.insert(0, Told(chat, deleted=back, pts=update["pts"]))
                ids = [number for number in ids if number not in self.fresh]
            self._found.told.append(Told(chat, deleted=ids, pts=update["pts"]))

    def _cleared(self, update: dict[str, Any]) -> None:
        if update["available_min_id"] in IDS:
            chat = -CHANNEL_MARK - update["channel_id"]
            self._found.told.append(Told(chat, cleared=update["available_min_id"]))

    def _changed(self, update: dict[str, Any]) -> None:
        chat = -CHANNEL_MARK - update["channel_id"]
        if chat != self._channel:
            self._found.dirty[chat] = max(update.get("pts", 0), self._found.dirty.get(chat, 0))

    def _renumbered(self, _: dict[str, Any]) -> None:
        self._found.renumbered = True


#: What is done with an update. All others change no archived message: steps of the box, counters, settings, presence.
_ACTS: dict[str, Callable[[_Telling, dict[str, Any]], None]] = {
    "updateNewMessage": _Telling._seen,
    "updateNewChannelMessage": _Telling._seen,
    "updateEditMessage": _Telling._seen,
    "updateEditChannelMessage": _Telling._seen,
    "updateDeleteMessages": _Telling._deleted,
    "updateDeleteChannelMessages": _Telling._deleted,
    "updateChannelAvailableMessages": _Telling._cleared,
    "updateChannelTooLong": _Telling._changed,
    "updateChannel": _Telling._changed,
    "updatePtsChanged": _Telling._renumbered,
}
