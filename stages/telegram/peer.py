"""Users and chats as they come along with a page: their marked ids, and when one counts as changed."""
from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson

from tgbulk.stages.telegram.chat import CHANNEL_MARK

#: What differs at every look, and from account to account, without the peer having changed.
_PASSING = {"status", "access_hash"}
_DIGEST_SIZE = 8
#: Constructors of users and chats.
_FORMS = frozenset({"user", "userEmpty", "chat", "chatForbidden", "chatEmpty", "channel", "channelForbidden"})
#: Characters of a title, and usernames, that are passed on: Telegram takes 128 of a title, 32 of a username.
TITLE = 256
USERNAMES = 20


@dataclass(slots=True)
class PeerSummary:
    """What it takes to ask a peer, and to name it."""

    marked_id: int
    #: 0 for a basic group
    access_hash: int
    #: as in a chat's record: saved, private, bot, group, supergroup, forum, channel
    type: str
    title: str
    #: active ones, the main one first
    usernames: list[str]
    #: marked id of the supergroup that continues this basic group
    migrated_to: int | None
    #: a channel or group that the account is not in
    left: bool = False


@dataclass(slots=True)
class PeerLine:
    """A peer as a line of peers.jsonl, and what tells whether it has to be written."""

    marked_id: int
    is_min: bool
    digest: bytes
    line: bytes


def is_peer(found: Any) -> bool:
    """Whether it is the sparse form of a user or chat."""
    return isinstance(found, dict) and found["_"] in _FORMS


def marked_id(peer: dict[str, Any]) -> int:
    """The marked id of a user's or chat's sparse form."""
    bare: int = peer["id"]
    name: str = peer["_"]
    if name.startswith("user"):
        return bare
    return -bare if name in ("chat", "chatForbidden", "chatEmpty") else -(CHANNEL_MARK + bare)


def is_min(peer: dict[str, Any]) -> bool:
    """True for a reduced form, which never replaces a full one; docs/spec/history-fetching.md 8."""
    return bool(peer.get("min")) or peer["_"] in ("userEmpty", "chatEmpty")


def peer_line(peer: dict[str, Any]) -> PeerLine:
    """Of its sparse form."""
    return PeerLine(marked_id(peer), is_min(peer), digest(peer), orjson.dumps(peer, option=orjson.OPT_APPEND_NEWLINE))


def peer_summary(peer: dict[str, Any]) -> PeerSummary | None:
    """None for a min one, whose hash is not its own, and for one that cannot be read. A basic group that the account was
    removed from still gives the messages until then."""
    if is_min(peer) or peer["_"] not in ("user", "chat", "chatForbidden", "channel"):
        return None
    successor = peer.get("migrated_to", {}).get("channel_id")
    title = peer.get("title") or " ".join(filter(None, (peer.get("first_name"), peer.get("last_name"))))
    title = title[:TITLE]
    return PeerSummary(
        marked_id(peer),
        peer.get("access_hash", 0),
        chat_type(peer),
        title,
        usernames(peer),
        -(CHANNEL_MARK + successor) if successor else None,
        bool(peer.get("left")),
    )


def usernames(peer: dict[str, Any]) -> list[str]:
    """Every active username, the main one first."""
    names = [peer["username"]] if "username" in peer else []
    names += [one["username"] for one in peer.get("usernames", []) if one.get("active")]
    return [one[:TITLE] for one in dict.fromkeys(names)][:USERNAMES]


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


_PEERS = {"peerUser": ("user_id", 1, 0), "peerChat": ("chat_id", -1, 0), "peerChannel": ("channel_id", -1, -CHANNEL_MARK)}


def marked(peer: Mapping[str, Any]) -> int:
    """The marked id of a Peer."""
    field, sign, mark = _PEERS[peer["_"]]
    return int(sign * peer[field] + mark)


def topic_of(message: Mapping[str, Any]) -> int:
    """The topic of a message of a forum: the id of its root message, 1 for the general one."""
    reply = message.get("reply_to") or {}
    top = reply.get("reply_to_top_id") or (reply.get("reply_to_msg_id") if reply.get("forum_topic") else None)
    if top:
        return int(top)
    return int(message["id"]) if message.get("action", {}).get("_") == "messageActionTopicCreate" else 1


_USERS = (
    b"user_id", b"via_bot_id", b"via_business_bot_id", b"bot_id", b"inviter_id", b"new_creator_id", b"users", b"winners",
    b"recent_viewers",
)
_CHANNELS = (b"channel_id", b"channels")
_CHATS = (b"chat_id", b"chats")
#: Within a string of JSON quotes are escaped, so only a field's name can match.
_NAMED = re.compile(rb'"(' + b"|".join(_USERS + _CHANNELS + _CHATS) + rb')":\[?([\d,]+)')


def named_peers(line: bytes) -> Iterator[int]:
    """Marked ids of every user and chat that the line of a message names, doubles included."""
    for field, numbers in _NAMED.findall(line):
        for digits in numbers.split(b","):
            number = int(digits or b"0")
            if number:
                yield number if field in _USERS else -number if field in _CHATS else -(CHANNEL_MARK + number)
