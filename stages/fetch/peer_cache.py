"""The input peers of one account, kept between runs: whom one can ask without resolving a name or walking the dialogs.

A peer's access hash has no age; a username may move, so its mapping counts for a day after the peer was last seen with it.
Only full objects come in, for the hash of a min one is not its own (docs/spec/history-fetching.md 8, 9). The file belongs to
one login of one account: another login starts over. It is written whole: a header with a checksum, then one msgpack value;
whatever does not add up is a cold cache, never a wrong peer.
"""
from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any
from zlib import crc32

import msgpack

from tgbulk.engine.durable import write_whole
from tgbulk.stages.telegram.peer import PeerSummary

_MAGIC = b"TGBPEER1"
_HEADER = struct.Struct("<8sII")
#: Peers kept; those not seen for longest go first.
MOST = 50_000
#: Seconds that a username's mapping counts, that a free username counts as free, and that a chat's links count.
USERNAME_SECONDS = 24 * 3600
FREE_SECONDS = 3600
LINKS_SECONDS = 7 * 24 * 3600


@dataclass(slots=True)
class Links:
    """What only the full chat tells: marked ids, None where there is none."""

    migrated_from: int | None
    migrated_from_max_id: int | None
    linked: int | None


@dataclass(slots=True)
class Peer:
    """A peer that can be asked."""

    marked_id: int
    #: 0 for a basic group
    access_hash: int
    #: as in a chat's record: private, bot, group, supergroup, forum, channel
    type: str
    title: str
    #: active ones, the main one first
    usernames: list[str]
    migrated_to: int | None
    #: Unix time of the last answer that had it
    seen: int = 0
    links: tuple[int | None, int | None, int | None] | None = None
    links_seen: int = 0
    #: it was in the dialog list, or named by a person: an id alone is enough to mean it
    listed: bool = False
    #: the account is not in it
    left: bool = False

    @classmethod
    def of(cls, summary: PeerSummary) -> Peer:
        peer = cls(*_known(summary))
        peer.left = summary.left
        return peer


_known: Callable[[PeerSummary], tuple[Any, ...]] = attrgetter(*PeerSummary.__slots__[:-1])


class PeerCache:
    """Read once, asked often, saved when it has changed."""

    def __init__(self, path: Path, login: bytes) -> None:
        """login: what tells one login from the next, such as the auth key's id. `cold` says why nothing was read, "" for a
        file that did not exist or was read."""
        self._path = path
        self._login = login
        self._peers: dict[int, Peer] = {}
        self._names: dict[str, int] = {}
        self._free: dict[str, int] = {}
        self._dirty = False
        self.hits = 0
        self.misses = 0
        self.negative_hits = 0
        self.evictions = 0
        self.cold = self._load()

    def __len__(self) -> int:
        return len(self._peers)

    def by_id(self, marked_id: int) -> Peer | None:
        return self._counted(self._peers.get(marked_id))

    def by_username(self, name: str) -> Peer | None:
        """The peer that had this username within the last day."""
        peer = self._peers.get(self._names.get(name.lower(), 0))
        return self._counted(peer if peer is not None and _now() - peer.seen < USERNAME_SECONDS else None)

    def known(self, marked_id: int) -> Peer | None:
        """The peer, without counting the question."""
        return self._peers.get(marked_id)

    def last_with(self, name: str) -> Peer | None:
        """The peer that had this username when it was seen last, however long ago; without counting the question."""
        return self._peers.get(self._names.get(name.lower(), 0))

    def is_free(self, name: str) -> bool:
        """True when Telegram said within the last hour that nobody has this username."""
        free = _now() - self._free.get(name.lower(), 0) < FREE_SECONDS
        self.negative_hits += free
        return free

    def has_username(self, marked_id: int, name: str) -> bool:
        """Whether the peer, as last seen, has this username."""
        peer = self._peers.get(marked_id)
        return peer is not None and name.lower() in (one.lower() for one in peer.usernames)

    def learn(self, summaries: Iterable[PeerSummary], listed: bool = False) -> None:
        """Take in peers of an answer."""
        for summary in summaries:
            known = self._peers.pop(summary.marked_id, None)
            peer = Peer.of(summary)
            peer.seen, peer.listed = _now(), listed
            if known is not None:
                peer.links, peer.links_seen = known.links, known.links_seen
                peer.listed = listed or known.listed
                self._drop_names(known)
            self._add(peer)
            self._dirty = True

    def links(self, peer: Peer, settled: bool = False) -> Links | None:
        """What the full chat told, unless that is too long ago; settled: it has not changed since."""
        fresh = peer.links is not None and (settled or _now() - peer.links_seen < LINKS_SECONDS)
        return Links(*peer.links) if fresh and peer.links else None

    def learn_links(self, marked_id: int, links: Links) -> None:
        peer = self._peers.get(marked_id)
        if peer is not None:
            peer.links, peer.links_seen = astuple(links), _now()
            self._dirty = True

    def learn_free(self, name: str) -> None:
        """Nobody has this username."""
        self._names.pop(name.lower(), None)
        self._free[name.lower()] = _now()
        self._dirty = True

    def forget(self, marked_id: int) -> None:
        """Telegram did not take the peer as it is kept here."""
        peer = self._peers.pop(marked_id, None)
        if peer is not None:
            self._drop_names(peer)
            self._dirty = True

    def save(self) -> None:
        """Write the file, if there is anything new. OSError."""
        if not self._dirty:
            return
        rows = [[getattr(peer, name) for name in Peer.__slots__] for peer in self._peers.values()]
        free = {name: when for name, when in self._free.items() if _now() - when < FREE_SECONDS}
        payload = msgpack.packb([self._login, rows, free])
        write_whole(self._path, _HEADER.pack(_MAGIC, len(payload), crc32(payload)) + payload, mode=0o600)
        self._dirty = False

    def _load(self) -> str:
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return ""
        except OSError as error:
            return os.strerror(error.errno or 0)
        if len(data) < _HEADER.size:
            return "it is cut short"
        magic, length, checksum = _HEADER.unpack_from(data)
        payload = data[_HEADER.size :]
        if magic != _MAGIC or length != len(payload) or crc32(payload) != checksum:
            return "it is cut short or damaged"
        login, rows, free = msgpack.unpackb(payload)
        if login == self._login:
            for row in rows:
                self._add(Peer(*row))
            self._free = free
        return ""

    def _counted(self, peer: Peer | None) -> Peer | None:
        if peer is None:
            self.misses += 1
        else:
            self.hits += 1
        return peer

    def _add(self, peer: Peer) -> None:
        self._peers[peer.marked_id] = peer
        for name in peer.usernames:
            self._names[name.lower()] = peer.marked_id
            self._free.pop(name.lower(), None)
        if len(self._peers) > MOST:
            oldest = self._peers.pop(next(iter(self._peers)))
            self._drop_names(oldest)
            self.evictions += 1

    def _drop_names(self, peer: Peer) -> None:
        for name in peer.usernames:
            if self._names.get(name.lower()) == peer.marked_id:
                del self._names[name.lower()]


def cached_chats(path: Path) -> list[tuple[str, str]]:
    """Username and title of every chat that people named or Telegram listed, whatever the login; nothing where the file is
    none. For completion alone: a name is all that comes of it."""
    try:
        _, rows, _ = msgpack.unpackb(path.read_bytes()[_HEADER.size :])
        peers = [Peer(*row) for row in rows]
    except (OSError, ValueError, TypeError):
        return []
    return [(username, peer.title) for peer in peers if peer.listed for username in peer.usernames]


def _now() -> int:
    return int(time.time())
