"""Inline keyboards and reactions: the members behind `text_entities`; docs/spec/telegram-desktop-json.md 5.4, 5.5."""
from __future__ import annotations

from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any

from tgbulk.stages.render.desktop.layout import MESSAGE, array_of, number, object_of, quote, some
from tgbulk.stages.render.desktop.names import Names, marked, peer_string
from tgbulk.stages.render.desktop.text import Texts

#: Constructor of a button's type without the prefix that the families have -> (value of `type`, the field with its data).
_BUTTONS = {
    "Default": ("default", ""),
    "Disabled": ("default", ""),
    "Url": ("url", "url"),
    "RequestPhone": ("request_phone", ""),
    "RequestGeoLocation": ("request_location", ""),
    "RequestPoll": ("request_poll", ""),
    "RequestPeer": ("request_peer", ""),
    "Game": ("game", ""),
    "Buy": ("buy", ""),
    "UrlAuth": ("auth", "url"),
    "UserProfile": ("user_profile", "user_id"),
    "WebView": ("web_view", "url"),
    "SimpleWebView": ("simple_web_view", "url"),
    "Copy": ("copy_text", "copy_text"),
}
#: Buttons that only clients send.
_CLIENTS = "input"


def buttons(markup: dict[str, Any]) -> bytes:
    """The member of a replyInlineMarkup; nothing where it has no buttons."""
    rows = []
    for row in markup["rows"]:
        written = [_button(one) for one in row["buttons"] if not one["type"]["_"].startswith(_CLIENTS)]
        if written:
            rows.append(array_of(written, MESSAGE + 1))
    return b',\n   "inline_bot_buttons": ' + array_of(rows, MESSAGE) if rows else b""


def _button(button: dict[str, Any]) -> bytes:
    kind = button["type"]
    name = kind["_"].partition("ButtonType")[2]
    told: tuple[tuple[bytes, bytes], ...]
    if name == "Callback":
        word, data = "callback_with_password" if "requires_password" in kind else "callback", b""
        if kind["data"]:
            data = quote(urlsafe_b64encode(b64decode(kind["data"])).rstrip(b"=").decode())
        told = ((b"dataBase64", data), (b"data", b'""' if data else b""))
    elif name == "SwitchInline":
        word = "switch_inline_same" if "same_peer" in kind else "switch_inline"
        told = ((b"data", some(kind["query"])),)
    else:
        word, field = _BUTTONS.get(name, ("default", ""))
        text = str(kind[field]) if field else "unsupported" if name == "RequestPeer" else ""
        told = ((b"data", some(text)),)
    return object_of((
        (b"type", quote(word)),
        (b"text", some(button["text"])),
        *told,
        (b"forward_text", some(kind.get("fwd_text", ""))),
        (b"button_id", number(kind["button_id"]) if kind.get("button_id") else b""),
    ), MESSAGE + 2)


def reactions(found: dict[str, Any], date: Callable[[int], bytes], names: Names, texts: Texts) -> bytes:
    """The member of messageReactions, one level deeper than it is; nothing where nobody reacted."""
    order: dict[tuple[str, Any], tuple[dict[str, Any], int, list[dict[str, Any]]]] = {}
    for one in found["results"]:
        order.setdefault(_key(one["reaction"]), (one["reaction"], one["count"], []))
    for one in found.get("recent_reactions", []):
        order.setdefault(_key(one["reaction"]), (one["reaction"], 0, []))[2].append(one)
    if not order:
        return b""
    written = []
    for reaction, count, recent in order.values():
        kind = reaction["_"]
        if kind == "reactionEmoji" and not recent:
            written.append(_EMOJI % (count, quote(reaction["emoticon"])))
            continue
        who = [object_of((
            (b"from", names.name(marked(one["peer_id"]))),
            (b"from_id", peer_string(marked(one["peer_id"]))),
            (b"date", date(one["date"])),
        ), MESSAGE + 4) for one in recent]
        written.append(object_of((
            (b"type", _KINDS.get(kind, b'"empty"')),
            (b"count", number(count)),
            (b"emoji", quote(reaction["emoticon"]) if kind == "reactionEmoji" else b""),
            (b"document_id", texts.emoji(reaction["document_id"]) if kind == "reactionCustomEmoji" else b""),
            (b"recent", array_of(who, MESSAGE + 3) if who else b""),
        ), MESSAGE + 2))
    return b',\n   "reactions": ' + array_of(written, MESSAGE + 1)


#: The most common one, ready.
_EMOJI = b'{\n      "type": "emoji",\n      "count": %d,\n      "emoji": %b\n     }'
_KINDS = {"reactionEmoji": b'"emoji"', "reactionCustomEmoji": b'"custom_emoji"', "reactionPaid": b'"paid"'}


def _key(reaction: dict[str, Any]) -> tuple[str, Any]:
    return reaction["_"], reaction.get("emoticon") or reaction.get("document_id")
