"""One message of result.json out of its TL object; docs/spec/telegram-desktop-json.md 3 and 9.

Written as text from pieces that are ready, not as a structure that is dumped: several times as fast.
"""
from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from tgbulk.stages.render.clock import Clock
from tgbulk.stages.render.desktop.action import Service, action_members, is_known
from tgbulk.stages.render.desktop.extra import extra
from tgbulk.stages.render.desktop.keyboard import buttons, reactions
from tgbulk.stages.render.desktop.layout import ACCOUNT, MESSAGE, number, quote
from tgbulk.stages.render.desktop.media import MEDIA, SILENT, DesktopMedium, media_members
from tgbulk.stages.render.desktop.names import Names, marked, peer_string
from tgbulk.stages.render.desktop.rich import rich_message
from tgbulk.stages.render.desktop.text import Texts
from tgbulk.stages.telegram.peer import topic_of

#: Added to the ids of a basic group that became a supergroup.
MIGRATED = -1_000_000_000
#: Text of a message that is nothing.
_NO_TEXT = b',\n   "text": "",\n   "text_entities": []'
_SERVICE = "messageService"


@dataclass(frozen=True, slots=True)
class Look:
    """How messages are written."""

    #: the form of a whole account
    account: bool = False
    #: the member `x`, which Telegram Desktop does not have
    extra: bool = False
    #: ids of custom emoji instead of the sentence
    emoji_ids: bool = False


class Messages:
    """Writes the messages of one chat, or of the older half of one."""

    def __init__(
        self, chat: int, names: Names, clock: Clock, look: Look, forum: bool = False, migrated: bool = False
    ) -> None:
        """chat: marked id; migrated: it is the older half, whose ids are shifted."""
        self._chat = chat
        self._names = names
        self._clock = clock
        self._extra = look.extra
        self._forum = forum
        self._texts = Texts(look.emoji_ids)
        self._level = MESSAGE + (ACCOUNT if look.account else 0)
        self._shift = MIGRATED if migrated else 0
        #: constructors that no rule is known for -> messages that have them
        self.unknown: Counter[str] = Counter()

    def write(self, message: dict[str, Any]) -> bytes:
        """An object without indentation before it, escapes not `finish`ed yet.

        KeyError, TypeError, ValueError and others for an object that is not what the schema says; see `unsupported`.
        """
        peer = message.get("from_id")
        sender = self._chat if peer is None else marked(peer)
        if message["_"] != "message":
            if message["_"] != _SERVICE:
                raise ValueError(f"{message['_']} is no message")
            return self._service(message, sender)
        date = message["date"]
        media = message.get("media")
        written = b""
        rich = message.get("rich_message")
        if media is not None:
            kind = media["_"]
            if kind in MEDIA:
                if kind not in SILENT:
                    written = media_members(
                        DesktopMedium(media, message, sender, self.stamp, self._date, self._names, self._texts, self._level)
                    )
            else:
                if kind != "messageMediaUnsupported":
                    self.unknown[kind] += 1
                if rich is None:
                    return self.unsupported(message)
        if rich is not None:
            text = b',\n   "rich_message": ' + rich_message(rich, self._date)
        else:
            both = self._texts.both(message["message"], message.get("entities"))
            text = b',\n   "text": %b,\n   "text_entities": %b' % both
        more = b""
        if "reply_markup" in message and message["reply_markup"]["_"] == "replyInlineMarkup":
            more = buttons(message["reply_markup"])
        if "reactions" in message:
            more += reactions(message["reactions"], self._date, self._names, self._texts)
        if self._extra:
            more += extra(message, topic_of(message) if self._forum else None)
        return b'{\n   "id": %d,\n   "type": "message",\n   "date": "%b",\n   "date_unixtime": "%d"%b%b%b%b%b%b\n  }' % (
            message["id"] + self._shift, self._clock.iso(date), date, self._edited(message), self._names.sender(sender),
            self._origin(message), written, text, more,
        )

    def _service(self, message: dict[str, Any], sender: int) -> bytes:
        date = message["date"]
        action = message["action"]
        if not is_known(action["_"]):
            self.unknown[action["_"]] += 1
        service = Service(
            action, self._reply(message, True), date, self.stamp, self._names, self._texts, self._level
        )
        text = _NO_TEXT
        if action["_"] == "messageActionWebViewDataSent":
            text = b',\n   "text": %b,\n   "text_entities": []' % quote(action["text"])
        more = reactions(message["reactions"], self._date, self._names, self._texts) if "reactions" in message else b""
        if self._extra:
            more += extra(message, topic_of(message) if self._forum else None)
        return b'{\n   "id": %d,\n   "type": "service",\n   "date": "%b",\n   "date_unixtime": "%d"%b%b%b\n  }' % (
            message["id"] + self._shift, self._clock.iso(date), date, action_members(service, sender), text, more,
        )

    def unsupported(self, message: dict[str, Any]) -> bytes:
        """What stands for a message that cannot be shown. KeyError, TypeError without an id."""
        return b'{\n   "id": %d,\n   "type": "unsupported"\n  }' % (message["id"] + self._shift)

    def stamp(self, date: int) -> str:
        """A local time in the names of files: `@13-04-2020_10-10-10`."""
        if not date:
            return ""
        iso = self._clock.iso(date).decode()
        return f"@{iso[8:10]}-{iso[5:7]}-{iso[:4]}_{iso[11:].replace(':', '-')}"

    def _date(self, moment: int) -> bytes:
        return b'"%b"' % self._clock.iso(moment)

    def _edited(self, message: dict[str, Any]) -> bytes:
        edited = message.get("edit_date")
        return b',\n   "edited": "%b",\n   "edited_unixtime": "%d"' % (self._clock.iso(edited), edited) if edited else b""

    def _origin(self, message: dict[str, Any]) -> bytes:
        """The members from `author` to `via_bot`."""
        written = b""
        if message.get("post_author"):
            written = b',\n   "author": ' + quote(message["post_author"])
        if "fwd_from" in message:
            written += self._forward(message["fwd_from"])
        if "reply_to" in message:
            reply = self._reply(message, False)
            if reply is not None:
                written += b',\n   "reply_to_message_id": ' + number(reply[0])
                if reply[1]:
                    written += b',\n   "reply_to_peer_id": ' + reply[1]
        if "via_bot_id" in message:
            bot = self._names.at_name(message["via_bot_id"])
            if bot:
                written += b',\n   "via_bot": ' + bot
        return written

    def _forward(self, origin: dict[str, Any]) -> bytes:
        written = b""
        if "from_id" in origin:
            peer = marked(origin["from_id"])
            name = self._names.name(peer)
            written = b',\n   "forwarded_from": %b,\n   "forwarded_from_id": %b' % (name, peer_string(peer))
        elif origin.get("from_name"):
            written = b',\n   "forwarded_from": ' + quote(origin["from_name"])
        if "saved_from_peer" in origin:
            written += b',\n   "saved_from": ' + self._names.name(marked(origin["saved_from_peer"]))
        return written

    def _reply(self, message: dict[str, Any], service: bool) -> tuple[int, bytes] | None:
        """(id, peer string or nothing) of what it answers; the own chat is named only by an ordinary message."""
        reply = message.get("reply_to")
        if reply is None or "reply_to_msg_id" not in reply:
            return None
        number = reply["reply_to_msg_id"]
        if not number:
            return None
        if "reply_to_peer_id" in reply:
            peer = marked(reply["reply_to_peer_id"])
            if not service or peer != self._chat:
                return number, peer_string(peer)
        return number + self._shift, b""
