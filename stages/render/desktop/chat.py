"""What stands around a chat's messages: its name, its kind, its id; docs/spec/telegram-desktop-json.md 2."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tgbulk.stages.archive.about import ChatAbout
from tgbulk.stages.archive.reader import ChatSnapshot
from tgbulk.stages.render.desktop.layout import NULL, quote, text_or_null
from tgbulk.stages.render.desktop.names import bare
from tgbulk.stages.telegram.chat import CHANNEL_MARK

REPLIES, VERIFICATION_CODES = 1_271_266_957, 489_000
#: Chats that have no name.
_NAMELESS = frozenset({"saved_messages", "replies", "verification_codes"})


@dataclass(frozen=True, slots=True)
class Dialog:
    """A chat as its own peer shows it."""

    marked_id: int
    #: "" for one of which nothing is known
    type: str
    name: str
    left: bool

    def head(self, level: int) -> bytes:
        """From the brace to the bracket of `messages`, for a chat at this level."""
        inner = b"\n" + b" " * (level + 1)
        name = b"" if self.type in _NAMELESS else b'%b"name": %b,' % (inner, text_or_null(self.name))
        kind = quote(self.type) if self.type else NULL
        return b'{%b%b"type": %b,%b"id": %d,%b"messages": [' % (name, inner, kind, inner, bare(self.marked_id), inner)

    @staticmethod
    def tail(level: int) -> bytes:
        return b"\n" + b" " * (level + 1) + b"]\n" + b" " * level + b"}"


def dialog(snapshot: ChatSnapshot) -> Dialog:
    """Of a chat in the archive. ChangedChatError, OSError."""
    about, own = snapshot.about, snapshot.marked_id
    peers: dict[int, dict[str, Any]] = {}
    for number, one in snapshot.read_peers():
        if number == own or "linked_monoforum_id" in one:
            peers[number] = one
    peer = peers.get(own)
    if peer is None or peer["_"] in ("userEmpty", "chatEmpty"):
        return Dialog(own, _told_type(snapshot), about.title or "", False)
    if own > 0:
        kind = "saved_messages" if about.type == "saved" else user_type(peer)
        return Dialog(own, kind, peer.get("first_name", ""), False)
    linked = next((one for one in peers.values() if peer.get("monoforum") and _links(one, own)), None)
    return Dialog(own, chat_type(peer, linked), peer.get("title", ""), bool(peer.get("left")))


def user_type(peer: Mapping[str, Any]) -> str:
    """The value of `type` for the dialog with a user."""
    if peer.get("self"):
        return "saved_messages"
    if peer["id"] == REPLIES:
        return "replies"
    if peer["id"] == VERIFICATION_CODES:
        return "verification_codes"
    return "bot_chat" if "bot_info_version" in peer else "personal_chat"


def chat_type(peer: Mapping[str, Any], linked: Mapping[str, Any] | None = None) -> str:
    """The value of `type` for a group or channel; linked: the channel whose direct messages it is, where that is known."""
    public = "public" if peer.get("username") else "private"
    if peer.get("monoforum"):
        rights = (linked or {}).get("admin_rights", {})
        if linked is None or not (linked.get("creator") or rights.get("manage_direct_messages")):
            return "personal_chat"
        return "public_supergroup" if linked.get("username") else "private_supergroup"
    if peer.get("broadcast"):
        return public + "_channel"
    return public + ("_supergroup" if peer.get("megagroup") or public == "public" else "_group")


def _links(channel: Mapping[str, Any], own: int) -> bool:
    return bool(channel.get("linked_monoforum_id") == bare(own))


def _told_type(snapshot: ChatSnapshot) -> str:
    """By what chat.json says, for a chat without a peer of its own."""
    about, own = snapshot.about, snapshot.marked_id
    public = "public" if about.usernames else "private"
    told = {
        "saved": "saved_messages", "private": "personal_chat", "bot": "bot_chat", "group": "private_group",
        "supergroup": public + "_supergroup", "forum": public + "_supergroup", "channel": public + "_channel",
    }
    fixed = {REPLIES: "replies", VERIFICATION_CODES: "verification_codes"}
    return fixed.get(own) or told.get(about.type or "", "")


def topic_title(message: Mapping[str, Any]) -> str:
    """The title that this message gives its topic, "" where it gives none."""
    action = message.get("action", {})
    if action.get("_") not in ("messageActionTopicCreate", "messageActionTopicEdit"):
        return ""
    return str(action.get("title", ""))


def newer_half(about: ChatAbout) -> int | None:
    """The marked id of the supergroup that a basic group became."""
    newer = about.migrated_to
    return newer if newer is not None and newer < -CHANNEL_MARK < about.id < 0 else None
