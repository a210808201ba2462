"""Who is who: names and ids of users and chats as members of result.json."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tgbulk.stages.render.desktop.layout import NULL, quote, text_or_null
from tgbulk.stages.telegram.chat import CHANNEL_MARK

#: Tags of chats and channels within Telegram Desktop's own peer ids.
_CHAT_TAG, _CHANNEL_TAG = 1 << 48, 2 << 48
#: Peers whose members are kept ready.
_KEPT = 50_000


def marked(peer: dict[str, Any]) -> int:
    """The marked id of peerUser, peerChat or peerChannel."""
    name = peer["_"]
    if name == "peerUser":
        return int(peer["user_id"])
    if name == "peerChannel":
        return -CHANNEL_MARK - int(peer["channel_id"])
    if name == "peerChat":
        return -int(peer["chat_id"])
    raise ValueError(f"{name} is no peer")


def bare(peer: int) -> int:
    """The positive id without a mark."""
    return peer if peer > 0 else -peer - CHANNEL_MARK if peer <= -CHANNEL_MARK else -peer


def internal(peer: int) -> int:
    """Telegram Desktop's own number of a peer."""
    if peer > 0:
        return peer
    return bare(peer) | (_CHANNEL_TAG if peer <= -CHANNEL_MARK else _CHAT_TAG)


def peer_string(peer: int) -> bytes:
    """`"user1"`, `"chat1"` or `"channel1"`."""
    kind = b"user" if peer > 0 else b"channel" if peer <= -CHANNEL_MARK else b"chat"
    return b'"%b%d"' % (kind, bare(peer))


class Shown(NamedTuple):
    """What result.json tells of a peer."""

    name: str
    #: the main one, "" for none
    username: str
    bot: bool


def shown(peer: Mapping[str, Any]) -> Shown:
    """Of a user's or chat's TL object."""
    name = peer.get("title") or " ".join(filter(None, (peer.get("first_name"), peer.get("last_name"))))
    return Shown(name, peer.get("username", ""), "bot_info_version" in peer)


class Names:
    """Looks peers up once each, by marked id."""

    def __init__(self, find: Callable[[int], Shown | None]) -> None:
        """find: what is shown of a marked id, None where it is not known."""
        self._find = find
        self._names: dict[int, bytes] = {}
        self._from: dict[int, bytes] = {}
        self._actor: dict[int, bytes] = {}

    def name(self, peer: int) -> bytes:
        """The name as JSON; null where there is none."""
        known = self._names.get(peer)
        if known is None:
            found = self._find(peer)
            known = text_or_null(found.name) if found is not None else NULL
            _keep(self._names, peer, known)
        return known

    def user(self, number: int) -> bytes:
        """The name of a user by id, as JSON."""
        return self.name(number) if number > 0 else NULL

    def sender(self, peer: int) -> bytes:
        """The members `from` and `from_id`."""
        known = self._from.get(peer)
        if known is None:
            known = b',\n   "from": %b,\n   "from_id": %b' % (self.name(peer), peer_string(peer))
            _keep(self._from, peer, known)
        return known

    def actor(self, peer: int) -> bytes:
        """The members `actor` and `actor_id`."""
        known = self._actor.get(peer)
        if known is None:
            known = b',\n   "actor": %b,\n   "actor_id": %b' % (self.name(peer), peer_string(peer))
            _keep(self._actor, peer, known)
        return known

    def username(self, user: int) -> str:
        """The main username of a user, "" where there is none."""
        found = self._find(user) if user > 0 else None
        return found.username if found is not None else ""

    def is_bot(self, user: int) -> bool:
        found = self._find(user)
        return found is not None and found.bot

    def at_name(self, user: int) -> bytes:
        """`"@username"` as JSON; nothing where there is none."""
        username = self.username(user)
        return quote("@" + username) if username else b""


def _keep(cache: dict[int, bytes], peer: int, value: bytes) -> None:
    if len(cache) >= _KEPT:
        cache.clear()
    cache[peer] = value
