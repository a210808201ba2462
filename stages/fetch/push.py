"""Pushes as they came: the bytes of each update and of the peers beside it (docs/spec/updates.md 6).

Telethon decodes what arrives and keeps no bytes. `keep_bytes` makes it keep those of updates, which process decodes again;
what it writes itself need not be what it read.
"""
from __future__ import annotations

import asyncio
from dataclasses import dataclass
from struct import pack
from typing import Any

from telethon.tl import types

from tgbulk.stages.archive.account import AccountState
from tgbulk.stages.telegram.chat import CHANNEL_MARK

#: Containers that wait, at most: some hundred a second, for a minute. What comes then is dropped, and asked for afterwards.
MOST_WAITING = 20_000
#: The common box, where a channel has its marked id.
COMMON = 0
_VECTOR = 0x1CB5C415
#: Users and chats that are remembered, and bytes of one in which constructor, flags and id lie.
MOST_PEERS = 1_000
_PEER_HEAD = 20

#: Updates with a pts and a count of steps, of the common box and of channels.
_STEPS = (
    types.UpdateNewMessage, types.UpdateEditMessage, types.UpdateDeleteMessages, types.UpdatePinnedMessages,
    types.UpdateReadHistoryInbox, types.UpdateReadHistoryOutbox, types.UpdateReadMessagesContents, types.UpdateWebPage,
    types.UpdateFolderPeers,
)
_CHANNEL_STEPS = (
    types.UpdateNewChannelMessage, types.UpdateEditChannelMessage, types.UpdateDeleteChannelMessages,
    types.UpdatePinnedChannelMessages, types.UpdateChannelWebPage,
)


@dataclass(frozen=True, slots=True)
class Push:
    """One update."""

    update: Any
    data: bytes
    #: of the users and chats that came along
    users: tuple[bytes, ...]
    chats: tuple[bytes, ...]
    #: when it came, the loop's time
    came: float
    #: when it was sent, Unix seconds, 0 where that was not told
    date: int

    @property
    def box(self) -> int | None:
        """In which box it takes a step, None for one that takes none."""
        update = self.update
        if isinstance(update, _STEPS):
            return COMMON
        channel = channel_of(update) if isinstance(update, _CHANNEL_STEPS) else None
        return None if channel is None else -CHANNEL_MARK - channel

    @property
    def steps(self) -> int:
        """How many it takes: no more than it tells of, whatever it says. More of them leave a gap, which is asked for; taken
        at its word, a push could hide all that comes."""
        told = getattr(self.update, "messages", None)
        return min(int(self.update.pts_count), len(told) if told else 1)


class PushQueue(asyncio.Queue[Any]):
    """What Telethon puts updates into; bounded by dropping."""

    def __init__(self) -> None:
        super().__init__()
        #: something was dropped
        self.lost = False
        #: set with everything that comes
        self.woken: asyncio.Event | None = None

    def put_nowait(self, item: Any) -> None:
        if self.qsize() >= MOST_WAITING:
            self.lost = True
            return
        super().put_nowait((asyncio.get_running_loop().time(), item))
        if self.woken is not None:
            self.woken.set()


def channel_of(update: Any) -> int | None:
    """The bare id of the channel that an update is about; None where it names none, as with a message that is empty."""
    found: int | None = getattr(update, "channel_id", None)
    if found is None:
        found = getattr(getattr(getattr(update, "message", None), "peer_id", None), "channel_id", None)
    return found


def split(container: Any, came: float) -> list[Push]:
    """The updates of a container, in their order; none of one that has none, or only a short form."""
    date = int(container.date.timestamp()) if getattr(container, "date", None) else 0
    if isinstance(container, types.UpdateShort):
        return [Push(container.update, container.raw_updates[0], (), (), came, date)]
    if not isinstance(container, types.Updates | types.UpdatesCombined):
        return []
    users, chats = tuple(container.raw_users), tuple(container.raw_chats)
    pairs = zip(container.updates, container.raw_updates, strict=True)
    return [Push(update, data, users, chats, came, date) for update, data in pairs]


def as_channel_difference(pushes: list[Push], pts: int) -> bytes:
    """An updates.channelDifference that tells what these pushes of one channel told. Not a final one: pushes come late, so
    that more may have happened by now."""
    head = pack("<IIi", types.updates.ChannelDifference.CONSTRUCTOR_ID, 0, pts)
    return head + _vector(()) + _vector(one.data for one in pushes) + _peers(pushes)


def as_difference(pushes: list[Push], state: AccountState) -> bytes:
    """An updates.differenceSlice that does the same for the common box, and ends at this state."""
    head = pack("<I", types.updates.DifferenceSlice.CONSTRUCTOR_ID)
    end = pack("<Iiiiii", types.updates.State.CONSTRUCTOR_ID, state.pts, state.qts, state.date, state.seq, 0)
    return head + _vector(()) + _vector(()) + _vector(one.data for one in pushes) + _peers(pushes) + end


def _peers(pushes: list[Push]) -> bytes:
    chats = dict.fromkeys(data for one in pushes for data in one.chats)
    users = dict.fromkeys(data for one in pushes for data in one.users)
    return _vector(chats) + _vector(users)


def _vector(items: Any) -> bytes:
    found = list(items)
    return pack("<Ii", _VECTOR, len(found)) + b"".join(found)


def _objects(reader: Any) -> tuple[list[Any], list[bytes]]:
    """The objects of a vector, and the bytes of each."""
    reader.read_int()
    made, raw = [], []
    for _ in range(reader.read_int()):
        start = reader.tell_position()
        made.append(reader.tgread_object())
        raw.append(bytes(reader.stream[start : reader.tell_position()]))
    return made, raw


class _Peers:
    """Users and chats as they came: the same ones come with almost every push, and are decoded once."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[bytes, Any]] = {}

    def read(self, reader: Any) -> tuple[list[Any], list[bytes]]:
        """As _objects. An object of the same bytes as before is the same object: nobody may change it."""
        reader.read_int()
        made, raw = [], []
        for _ in range(reader.read_int()):
            start = reader.tell_position()
            key = bytes(reader.stream[start : start + _PEER_HEAD])
            data, one = self._known.get(key, (b"", None))
            if one is not None and reader.stream[start : start + len(data)] == data:
                reader.set_position(start + len(data))
            else:
                one = reader.tgread_object()
                data = bytes(reader.stream[start : reader.tell_position()])
                if len(self._known) >= MOST_PEERS:
                    self._known.clear()
                self._known[key] = data, one
            made.append(one)
            raw.append(data)
        return made, raw


_read_peers = _Peers().read


def _kept(container: Any, updates: list[bytes], users: list[bytes], chats: list[bytes]) -> Any:
    container.raw_updates, container.raw_users, container.raw_chats = updates, users, chats
    return container


class _PushReading:
    """In place of Telethon's."""

    @staticmethod
    def updates(reader: Any) -> Any:
        updates, raw = _objects(reader)
        (users, raw_users), (chats, raw_chats) = _read_peers(reader), _read_peers(reader)
        made = types.Updates(updates, users, chats, reader.tgread_date(), reader.read_int())
        return _kept(made, raw, raw_users, raw_chats)

    @staticmethod
    def combined(reader: Any) -> Any:
        updates, raw = _objects(reader)
        (users, raw_users), (chats, raw_chats) = _read_peers(reader), _read_peers(reader)
        rest = reader.tgread_date(), reader.read_int(), reader.read_int()
        return _kept(types.UpdatesCombined(updates, users, chats, *rest), raw, raw_users, raw_chats)

    @staticmethod
    def short(reader: Any) -> Any:
        start = reader.tell_position()
        update = reader.tgread_object()
        raw = bytes(reader.stream[start : reader.tell_position()])
        return _kept(types.UpdateShort(update, reader.tgread_date()), [raw], [], [])


def keep_bytes() -> None:
    """Let Telethon keep those of updates from now on."""
    types.Updates.from_reader = _PushReading.updates
    types.UpdatesCombined.from_reader = _PushReading.combined
    types.UpdateShort.from_reader = _PushReading.short
