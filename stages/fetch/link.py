"""Links of Telegram: t.me and its like, web.telegram.org, tg://. None of them is looked up here.

What each form means: https://core.telegram.org/api/links.
"""
from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from tgbulk.stages.archive.id_range import IdRange
from tgbulk.stages.fetch.part import MOST_RANGES, ChatPart, LinkTarget, Way
from tgbulk.stages.telegram.chat import CHANNEL_MARK

#: Ids are signed 32-bit integers at Telegram.
LARGEST = 2**31 - 1
_HOST = r"(?:www\.)?(?:t\.me|telegram\.me|telegram\.dog)"
_LINK = re.compile(rf"(?:https?://)?{_HOST}(?P<rest>/.*)?", re.IGNORECASE)
_SUBDOMAIN = re.compile(r"(?:https?://)?(?P<name>[A-Za-z]\w{2,31})\.t\.me(?P<rest>/[^/].*|/)?", re.IGNORECASE | re.ASCII)
_WEB = re.compile(r"(?:https?://)?web\.telegram\.org/(?:[akz]/)?#(?P<rest>.+)", re.IGNORECASE)
_WEB_CHAT = re.compile(r"(?:@(?P<name>[A-Za-z]\w{2,31})|(?P<id>-?[1-9]\d{0,18}))(?P<ids>(?:_[\d,-]+){0,2})/?", re.ASCII)
_USERNAME = re.compile(r"[A-Za-z]\w{2,31}", re.ASCII)
_HASH = re.compile(r"[\w-]+", re.ASCII)
_IDS = re.compile(r"(\d{1,10})(?:-(\d{1,10}))?", re.ASCII)

#: First word of a path that leads to no chat -> what it is.
_OTHERS = {
    "share": "a link that shares something", "addlist": "the link of a folder of chats", "folder": "the link of a folder",
    "boost": "a link that boosts a channel", "proxy": "the settings of a proxy", "socks": "the settings of a proxy",
    "addstickers": "a set of stickers", "addemoji": "a set of emoji", "addtheme": "a theme", "bg": "a wallpaper",
    "setlanguage": "a language", "login": "a login code", "confirmphone": "a link that confirms a phone number",
    "invoice": "an invoice", "giftcode": "a gift code", "contact": "the link of a contact, which expires",
    "m": "a business link", "nft": "a collectible gift", "auction": "an auction", "iv": "a page for instant view",
    "call": "the link of a group call", "addcontact": "a contact", "privacy": "a setting", "settings": "a setting",
    "stargift_auction": "an auction", "passport": "a request for a passport", "msg": "a link that writes a message",
    "msg_url": "a link that shares something", "premium_offer": "an offer", "stars_topup": "an offer",
}


class NoChatLinkError(ValueError):
    """A link of Telegram that leads to no chat."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


def parse_link(text: str) -> LinkTarget | None:
    """None for what is no link of Telegram, or none that makes sense; NoChatLinkError for one that is no chat's."""
    if any(character.isspace() or not character.isprintable() for character in text):
        return None
    if text.lower().startswith("tg:"):
        return _deep(text)
    if web := _WEB.fullmatch(text):
        return _web(web["rest"])
    if link := _LINK.fullmatch(text):
        rest = urlsplit(link["rest"] or "")
        return _path(rest.path.strip("/").split("/"), dict(parse_qsl(rest.query, keep_blank_values=True)))
    if own := _SUBDOMAIN.fullmatch(text):
        if own["name"].lower() == "www":
            return None
        rest = urlsplit(own["rest"] or "")
        return _path([own["name"], *filter(None, rest.path.split("/"))], dict(parse_qsl(rest.query, keep_blank_values=True)))
    return None


def link_to(way: Way, value: str, part: ChatPart) -> str:
    """A name that `parse_name` reads as this part of this chat."""
    ids = part.words or str(part.post)
    query = f"?topic={part.topic}" if part.topic else f"?comment={part.comment}" if part.post else ""
    if way is Way.SELF:
        return f"me/{ids}"
    if way is Way.ID and int(value) > -CHANNEL_MARK:
        return f"web.telegram.org/a/#{value}_{ids}"
    chat = value if way is Way.USERNAME else f"c/{-int(value) - CHANNEL_MARK}"
    return f"https://t.me/{chat}{query}" if part.topic else f"https://t.me/{chat}/{ids}{query}"


def _path(words: list[str], query: Mapping[str, str]) -> LinkTarget | None:
    first, more = words[0], words[1:]
    if first.lower() == "s" and more:  # the preview of a public channel
        first, more = more[0], more[1:]
    if first.startswith("+"):
        if re.fullmatch(r"\+\d{5,15}", first, re.ASCII):
            raise NoChatLinkError("a phone number")
        return _invite(first[1:]) if not more else None
    if first.lower() == "joinchat":
        return _invite(more[0]) if len(more) == 1 else None
    if first.startswith("$"):
        raise NoChatLinkError(_OTHERS["invoice"])
    if first.lower() == "c":
        if not more or not re.fullmatch(r"[1-9]\d{0,12}", more[0], re.ASCII):
            return None
        return _of(Way.ID, str(-(CHANNEL_MARK + int(more[0]))), more[1:], query)
    if first.lower() in _OTHERS:
        raise NoChatLinkError(_OTHERS[first.lower()])
    if not _USERNAME.fullmatch(first):
        return None
    if more and more[0].lower() == "s":
        raise NoChatLinkError("a story")
    return _of(Way.USERNAME, first, more, query)


def _of(way: Way, value: str, words: list[str], query: Mapping[str, str]) -> LinkTarget:
    """A chat and the ids behind it: a message, or a topic and a message of it."""
    numbers = [parse_ids(word) for word in words]
    if not numbers or len(numbers) > 2 or () in numbers:
        return LinkTarget(way, value, _thread(query, 0))  # the short name of an app, and the like, lead to the chat
    ids = numbers[-1]
    if "comment" in query:
        return LinkTarget(way, value, _thread(query, ids[0].lo))
    if "thread" in query and len(numbers) == 1 and _number(query["thread"]) == ids[0].lo:
        return LinkTarget(way, value, ChatPart(topic=ids[0].lo))
    return LinkTarget(way, value, ChatPart(ids))


def _thread(query: Mapping[str, str], post: int) -> ChatPart | None:
    comment, thread = _number(query.get("comment", "")), _number(query.get("thread", query.get("topic", "")))
    if post and "comment" in query:
        return ChatPart(post=post, comment=comment)
    return ChatPart(topic=thread) if thread else None


def _invite(text: str) -> LinkTarget | None:
    return LinkTarget(Way.INVITE, text) if _HASH.fullmatch(text) else None


def _web(rest: str) -> LinkTarget | None:
    """web.telegram.org names a chat by its marked id, or by a bare one with a minus sign, or by its username."""
    words = dict(parse_qsl(rest.partition("?")[2]))
    if rest.startswith("?tgaddr="):
        return parse_link(words.get("tgaddr", ""))
    found = _WEB_CHAT.fullmatch(words.get("p", rest))
    if found is None:
        return None
    numbers = [word for word in found["ids"].split("_") if word]
    way, value = (Way.USERNAME, found["name"]) if found["name"] else (Way.ID, found["id"])
    return _of(way, value, numbers, {})


def _deep(text: str) -> LinkTarget | None:
    """tg://resolve, tg://privatepost, tg://join, tg://user, tg://openmessage."""
    parts = urlsplit(text)
    action, query = (parts.netloc or parts.path).lower(), dict(parse_qsl(parts.query, keep_blank_values=True))
    posts = [query["post"]] if "post" in query else []
    if action == "resolve":
        return _of(Way.USERNAME, query["domain"], posts, query) if _USERNAME.fullmatch(query.get("domain", "")) else None
    if action == "privatepost" and _number(query.get("channel", ""), 10**12):
        return _of(Way.ID, str(-(CHANNEL_MARK + int(query["channel"]))), posts, query)
    if action == "join":
        return _invite(query.get("invite", ""))
    if action in ("user", "openmessage"):
        user, chat = _number(query.get("id", query.get("user_id", "")), 10**18), _number(query.get("chat_id", ""), 10**18)
        ids = [query["message_id"]] if "message_id" in query else []
        return _of(Way.ID, str(user or -chat), ids, {}) if user or chat else None
    if action in _OTHERS:
        raise NoChatLinkError(_OTHERS[action])
    return None


def parse_ids(text: str) -> tuple[IdRange, ...]:
    """7, 7-12, or several of these with commas; none for what has another form, or too many of them."""
    made = set()
    for word in text.split(",", MOST_RANGES):
        found = _IDS.fullmatch(word)
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
        if not 0 < first <= last <= LARGEST:
            return ()
        made.add(IdRange(first, last + 1))
    return tuple(sorted(made))


def _number(text: str, largest: int = LARGEST) -> int:
    """0 for what is no id."""
    return int(text) if re.fullmatch(r"[1-9]\d{0,18}", text, re.ASCII) and int(text) <= largest else 0
