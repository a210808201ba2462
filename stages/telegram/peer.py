"""Users and chats as they come along with a page: their marked ids, and when one counts as changed."""
from __future__ import annotations

from hashlib import blake2b
from typing import Any

import orjson

from stages.telegram.chat import CHANNEL_MARK

#: What differs at every look, and from account to account, without the peer having changed.
_PASSING = {"status", "access_hash"}
_DIGEST_SIZE = 8


def marked_id(peer: dict[str, Any]) -> int:
    """The marked id of a user's or chat's sparse form."""
    bare: int = peer["id"]
    name: str = peer["_"]
    if name.startswith("user"):
        return bare
    return -bare if name in ("chat", "chatForbidden", "chatEmpty") else -(CHANNEL_MARK + bare)


def is_min(peer: dict[str, Any]) -> bool:
    """True for a reduced form, which never replaces a full one; spec/history-fetching.md 8."""
    return bool(peer.get("min")) or peer["_"] in ("userEmpty", "chatEmpty")


def card(peer: dict[str, Any]) -> list[Any] | None:
    """What it takes to ask this peer: [marked id, access hash, type, title, usernames, migrated to].

    None for a min one, whose hash is not its own, and for one that cannot be read.
    """
    if is_min(peer) or peer["_"] not in ("user", "chat", "channel"):
        return None
    successor = peer.get("migrated_to", {}).get("channel_id")
    title = peer.get("title") or " ".join(filter(None, (peer.get("first_name"), peer.get("last_name"))))
    return [
        marked_id(peer),
        peer.get("access_hash", 0),
        chat_type(peer),
        title,
        usernames(peer),
        -(CHANNEL_MARK + successor) if successor else None,
    ]


def usernames(peer: dict[str, Any]) -> list[str]:
    """Every active username, the main one first."""
    names = [peer["username"]] if "username" in peer else []
    names += [one["username"] for one in peer.get("usernames", []) if one.get("active")]
    return list(dict.fromkeys(names))


def chat_type(peer: dict[str, Any]) -> str:
    """The record's word for a user or chat (stages/telegram/chat.py)."""
    name = peer["_"]
    if name.startswith("user"):
        return "saved" if peer.get("self") else "bot" if peer.get("bot") else "private"
    if name.startswith("channel"):
        return "forum" if peer.get("forum") else "channel" if peer.get("broadcast") else "supergroup"
    return "group"


def digest(peer: dict[str, Any]) -> bytes:
    """Equal for two forms of a peer that do not differ in anything lasting."""
    lasting = {name: value for name, value in peer.items() if name not in _PASSING}
    return blake2b(orjson.dumps(lasting), digest_size=_DIGEST_SIZE).digest()
