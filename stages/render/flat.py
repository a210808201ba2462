"""The flat record: one row a message, in groups of columns (column.py)."""
from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from tgbulk.stages.archive.media_reader import Key, MediaFile
from tgbulk.stages.archive.versions import ChangedMessage
from tgbulk.stages.render.flat_entity import flat_entities
from tgbulk.stages.render.flat_media import NO_MEDIA, flat_media, media_key
from tgbulk.stages.render.view import Name, View
from tgbulk.stages.telegram.chat import CHANNEL_MARK
from tgbulk.stages.telegram.peer import marked, topic_of

#: A row: groups of columns, in the order of column.GROUPS. A group that has nothing is the one object below.
Row = tuple[tuple[Any, ...], ...]

NO_ENTITIES: tuple[Any, ...] = ([], [], [], [])
NO_REPLY: tuple[Any, ...] = (None, None, None, None)
NO_FORWARD: tuple[Any, ...] = (None, None, None, None, None, False, None, None)
NO_COUNTS: tuple[Any, ...] = (None, None, None, None, None, None, [])
NO_FLAGS: tuple[Any, ...] = (False, False, False, False, [], None)
NO_CHANGE: tuple[Any, ...] = (1, None, None)
#: By group; the first one, and that of buttons, are never empty.
EMPTY: tuple[tuple[Any, ...] | None, ...] = (
    None, NO_ENTITIES, NO_REPLY, NO_FORWARD, NO_COUNTS, NO_FLAGS, NO_MEDIA, None, NO_CHANGE,
)

_NO_NAME = Name(None, None, None)
_MANY = ("views", "forwards", "replies", "reactions", "grouped_id", "via_bot_id")
_FLAGS = ("pinned", "silent", "noforwards", "mentioned", "restriction_reason", "ttl_period")
_WORD = re.compile("(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_INVITED = {
    "messageActionChatAddUser", "messageActionChatCreate", "messageActionInviteToGroupCall", "messageActionChatDeleteUser",
}


@cache
def action_name(constructor: str) -> str:
    """messageActionSetMessagesTTL: set_messages_ttl"""
    return _WORD.sub("_", constructor.removeprefix("messageAction")).lower()


class Flattener:
    """Makes rows of one chat's messages."""

    def __init__(self, view: View) -> None:
        about = view.snapshot.about
        self.chat_id = view.snapshot.marked_id
        self._forum = view.forum
        self._names = view.names
        self._media = view.media
        self.link = None
        if self.chat_id < -CHANNEL_MARK:
            place = about.usernames[0] if about.usernames else f"c/{-self.chat_id - CHANNEL_MARK}"
            self.link = f"https://t.me/{place}/"

    def rows(self, messages: Iterable[dict[str, Any]]) -> Iterator[Row]:
        """Of some thousand messages at most, whose files are looked up together."""
        files: Mapping[Key, MediaFile] = {}
        if not self._media.empty:
            messages = list(messages)
            keys = [media_key(one["media"]) for one in messages if "media" in one]
            files = self._media.find([key for key in keys if key is not None])
        for message in messages:
            yield self.row(message, files)

    def row(self, message: dict[str, Any], files: Mapping[Key, MediaFile]) -> Row:
        """files: those that are known of the message's media."""
        get = message.get
        number = message["id"]
        sender = get("from_id")
        sender_id = self.chat_id if sender is None else marked(sender)
        name = self._names[sender_id] or _NO_NAME
        action = get("action")
        core = (
            self.chat_id, number, message["date"], get("edit_date"), "edit_hide" in message,
            "message" if action is None else "service", None if action is None else action_name(action["_"]),
            sender_id, name[0], name[1], name[2], "out" in message, get("post_author"), get("message", ""),
        )
        return (
            core,
            flat_entities(message) if get("entities") else NO_ENTITIES,
            self._reply(message) if self._forum or "reply_to" in message else NO_REPLY,
            self._forward(message["fwd_from"]) if "fwd_from" in message else NO_FORWARD,
            NO_COUNTS if message.keys().isdisjoint(_MANY) else _counts(message),
            NO_FLAGS if message.keys().isdisjoint(_FLAGS) else _flags(message),
            flat_media(message["media"], files) if "media" in message else NO_MEDIA,
            (
                _buttons(message["reply_markup"]) if "reply_markup" in message else [],
                None if action is None else _members(action),
                None if self.link is None else f"{self.link}{number}",
            ),
            (message.version, message.deleted_at, message.first_seen) if isinstance(message, ChangedMessage) else NO_CHANGE,
        )

    def _reply(self, message: dict[str, Any]) -> tuple[Any, ...]:
        topic = topic_of(message) if self._forum else None
        reply = message.get("reply_to")
        if reply is None or reply["_"] != "messageReplyHeader":
            return None, None, None, topic
        number = reply.get("reply_to_msg_id")
        if reply.get("forum_topic") and "reply_to_top_id" not in reply:
            number = None  # the root of its topic
        chat = marked(reply["reply_to_peer_id"]) if "reply_to_peer_id" in reply else None
        return number, None if chat == self.chat_id else chat, reply.get("quote_text"), topic

    def _forward(self, header: dict[str, Any]) -> tuple[Any, ...]:
        peer = marked(header["from_id"]) if "from_id" in header else None
        known = self._names[peer] if peer is not None else None
        saved = header.get("saved_from_peer")
        return (
            peer, known.name if known else header.get("from_name"), header["date"], header.get("channel_post"),
            header.get("post_author"), "imported" in header, None if saved is None else marked(saved),
            header.get("saved_from_msg_id"),
        )


def _counts(message: dict[str, Any]) -> tuple[Any, ...]:
    get, replies, reactions = message.get, message.get("replies"), message.get("reactions")
    total, listed = None, []
    if reactions is not None:
        results = reactions["results"]
        total = sum(one["count"] for one in results)
        listed = [{"reaction": _reaction(one["reaction"]), "count": one["count"], "chosen": "chosen_order" in one}
                  for one in results]
    return (get("via_bot_id"), get("grouped_id"), get("views"), get("forwards"),
            None if replies is None else replies["replies"], total, listed)


def _reaction(reaction: dict[str, Any]) -> str:
    kind = reaction["_"]
    if kind == "reactionEmoji":
        return str(reaction["emoticon"])
    if kind == "reactionCustomEmoji":
        return f"custom:{reaction['document_id']}"
    return "paid" if kind == "reactionPaid" else "empty"


def _flags(message: dict[str, Any]) -> tuple[Any, ...]:
    restriction = message.get("restriction_reason", ())
    return ("pinned" in message, "silent" in message, "noforwards" in message, "mentioned" in message,
            [f"{one['platform']}:{one['reason']}" for one in restriction], message.get("ttl_period"))


def _buttons(markup: dict[str, Any]) -> list[dict[str, Any]]:
    if markup["_"] != "replyInlineMarkup":
        return []
    return [
        {"row": number, "text": one["text"], "url": one.get("url") or one.get("type", {}).get("url")}
        for number, row in enumerate(markup["rows"]) for one in row["buttons"]
    ]


def _members(action: dict[str, Any]) -> list[int] | None:
    kind = action["_"]
    if kind not in _INVITED:
        return None
    return [action["user_id"]] if kind == "messageActionChatDeleteUser" else list(action["users"])
