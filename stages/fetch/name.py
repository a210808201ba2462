"""What people call a chat: me, a marked id, @username, a t.me link, an invite link."""
from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from engine.error import UsageError
from stages.telegram.chat import CHANNEL_MARK

_HOST = r"(?:https?://)?(?:www\.)?(?:t\.me|telegram\.me|telegram\.dog)"
_LINK = re.compile(_HOST + r"/(?P<path>[^?#]+)(?:[?#].*)?", re.IGNORECASE)
_DEEP = re.compile(r"tg://(?:resolve\?(?:.*&)?domain=(?P<name>\w+)|join\?(?:.*&)?invite=(?P<hash>[\w-]+))(?:&.*)?")
_USERNAME = re.compile(r"@?(?P<name>[A-Za-z]\w{2,31})", re.ASCII)
_INVITE = re.compile(r"(?:\+|joinchat/)(?P<hash>[\w-]+)/?", re.ASCII)
_PRIVATE_LINK = re.compile(r"c/(?P<id>\d+)(?:/.*)?", re.ASCII)


class NotAChatError(UsageError):
    """{0!r} is no chat"""

    advice = "Give a marked id, @username, a t.me link, the invite link of a joined chat, or me."


class Way(Enum):
    """How a name leads to a chat."""

    SELF = "self"
    ID = "id"
    USERNAME = "username"
    INVITE = "invite"


@dataclass(frozen=True, slots=True)
class ChatName:
    """A parsed name: value is the marked id in digits, the username without @, or the invite's hash."""

    text: str
    way: Way
    value: str = ""


def parse_name(text: str) -> ChatName:
    """NotAChatError for what cannot be a chat's name."""
    text = text.strip()
    if text.lower() in ("me", "self"):
        return ChatName(text, Way.SELF)
    if re.fullmatch(r"-?[1-9]\d{0,18}", text, re.ASCII):
        return ChatName(text, Way.ID, text)
    if deep := _DEEP.fullmatch(text):
        return (
            ChatName(text, Way.USERNAME, deep["name"]) if deep["name"] else ChatName(text, Way.INVITE, deep["hash"])
        )
    if link := _LINK.fullmatch(text):
        return _parse_path(text, link["path"])
    if plain := _USERNAME.fullmatch(text):
        return ChatName(text, Way.USERNAME, plain["name"])
    raise NotAChatError(text)


def _parse_path(text: str, path: str) -> ChatName:
    if invite := _INVITE.fullmatch(path):
        return ChatName(text, Way.INVITE, invite["hash"])
    if private := _PRIVATE_LINK.fullmatch(path):
        return ChatName(text, Way.ID, str(-(CHANNEL_MARK + int(private["id"]))))
    first = path.removeprefix("s/").split("/")[0]
    if plain := _USERNAME.fullmatch(first):
        return ChatName(text, Way.USERNAME, plain["name"])
    raise NotAChatError(text)
