"""Users and chats as they come along with a page: their marked ids, and when one counts as changed."""
from __future__ import annotations

from hashlib import blake2b
from typing import Any

import orjson

from stages.telegram.chat import CHANNEL_MARK

#: Differs at every look without the peer having changed.
_RESTLESS = "status"
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


def digest(peer: dict[str, Any]) -> bytes:
    """Equal for two forms of a peer that do not differ in anything lasting."""
    lasting = {name: value for name, value in peer.items() if name != _RESTLESS}
    return blake2b(orjson.dumps(lasting), digest_size=_DIGEST_SIZE).digest()
