"""What people call a chat: me, an id, @username, a t.me link, an invite link; and the part of it that a link means."""
from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tgbulk.engine.error import UsageError
from tgbulk.stages.fetch.link import NoChatLinkError, link_to, parse_ids, parse_link
from tgbulk.stages.fetch.part import ChatPart, LinkTarget, Way
from tgbulk.stages.telegram.chat import CHANNEL_MARK

__all__ = ["ChatName", "NotAChatError", "Way", "marked_forms", "merge_parts", "parse_line", "parse_name", "part_of"]

#: A comment fills the line, or stands behind a blank: links have a # of their own.
_COMMENT = re.compile(r"(?:^|\s)#.*")
_USERNAME = re.compile(r"@?(?P<name>[A-Za-z]\w{2,31})", re.ASCII)


class NotAChatError(UsageError):
    """{0!r} is no chat"""

    advice = "Give a marked id, @username, a t.me link, the invite link of a joined chat, or me."


class NotAChatLinkError(NotAChatError):
    """{0!r} is {1}, no chat"""


@dataclass(frozen=True, slots=True)
class ChatName:
    """A parsed name: value is the marked id in digits, the username without @, or the invite's hash."""

    text: str
    way: Way
    value: str = ""
    #: what is wanted of it, None for everything
    part: ChatPart | None = None


def parse_name(text: str) -> ChatName:
    """NotAChatError for what cannot be a chat's name."""
    text = text.strip()
    if text.lower() in ("me", "self"):
        return ChatName(text, Way.SELF)
    if own := re.fullmatch(r"(?:me|self)/([\d,-]+)", text, re.ASCII):
        if not (ids := parse_ids(own[1])):
            raise NotAChatError(text)
        return ChatName(text, Way.SELF, part=ChatPart(ids))
    if re.fullmatch(r"-?[1-9]\d{0,18}", text, re.ASCII):
        return ChatName(text, Way.ID, text)
    try:
        place = parse_link(text)
    except NoChatLinkError as error:
        raise NotAChatLinkError(text, error.what) from None
    if place is None:
        plain = _USERNAME.fullmatch(text)
        if plain is None:
            raise NotAChatError(text)
        place = LinkTarget(Way.USERNAME, plain["name"])
    return ChatName(text, place.way, place.value, place.part)


def parse_line(line: str) -> ChatName | None:
    """The name on a line of a list, None where it is empty or a comment; NotAChatError."""
    text = _COMMENT.sub("", line).strip()
    return parse_name(text) if text else None


def part_of(name: ChatName, part: ChatPart) -> ChatName:
    """The same chat, of which a part is wanted."""
    return ChatName(link_to(name.way, name.value, part), name.way, name.value, part)


def marked_forms(number: int) -> list[int]:
    """What an id may mean that is no marked id of the account: a group's or channel's id without its mark."""
    bare = abs(number)
    forms = [bare, -bare, -(CHANNEL_MARK + bare)] if bare < CHANNEL_MARK else []
    return [form for form in forms if form != number]


def merge_parts(names: Sequence[ChatName]) -> list[ChatName]:
    """One name for all messages of one chat that are named alone; whole chats first."""
    groups: dict[tuple[Way, str], list[ChatName]] = {}
    whole, parts = [], []
    for name in names:
        if name.part is None:
            whole.append(name)
        elif name.part.ids:
            groups.setdefault((name.way, name.value.casefold()), []).append(name)
        else:
            parts.append(name)
    for group in groups.values():
        ids = [one for name in group if name.part for one in name.part.ids]
        parts.append(group[0] if len(group) == 1 else part_of(group[0], ChatPart.united(ids)))
    return whole + parts
