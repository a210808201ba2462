"""How result.json is laid out, by the spec: whole structures as text. Shares nothing with stages/render.

An object is a dict; a value `Moved` stands so many levels deeper than its place says, `Raw` is text as it is.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

Tl = dict[str, Any]
Pairs = list[tuple[str, Any]]
CHANNEL = 10**12


@dataclass
class Moved:
    value: Any
    levels: int


@dataclass
class Raw:
    text: str


def as_json(text: str) -> str:
    short = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}
    out = []
    for letter in text:
        if letter in short:
            out.append(short[letter])
        elif letter < " " or letter in "\u2028\u2029":
            out.append(f"\\u{ord(letter):04x}")
        else:
            out.append(letter)
    return '"' + "".join(out) + '"'


def laid_out(value: Any, level: int) -> str:
    if isinstance(value, Moved):
        return laid_out(value.value, level + value.levels)
    if isinstance(value, Raw):
        return value.text
    if isinstance(value, str):
        return as_json(value)
    if value is None or isinstance(value, bool | int):
        return json.dumps(value)
    if isinstance(value, float):
        return f"{value:.6f}"
    inner, outer = "\n" + " " * (level + 1), "\n" + " " * level
    if isinstance(value, dict):
        members = [f"{inner}{as_json(k)}: {laid_out(v, level + 1)}" for k, v in value.items()]
        return "{" + ",".join(members) + outer + "}"
    return "[" + ",".join(inner + laid_out(one, level + 1) for one in value) + outer + "]"


def told(pairs: Pairs) -> Tl:
    """An object without what is empty."""
    return {key: value for key, value in pairs if value is not Ellipsis and value != ""}


def marked(peer: Tl) -> int:
    if "user_id" in peer:
        return int(peer["user_id"])
    return -int(peer["chat_id"]) if "chat_id" in peer else -CHANNEL - int(peer["channel_id"])


def identity(peer: int) -> str:
    return f"user{peer}" if peer > 0 else f"channel{-peer - CHANNEL}" if peer <= -CHANNEL else f"chat{-peer}"


def snake(name: str) -> str:
    """Runs of capitals are one word."""
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name.removeprefix("messageAction"))
    return re.sub(r"([A-Z])([A-Z][a-z])", r"\1 \2", words).lower().replace(" ", "_")


def phone(number: str) -> str:
    bare = re.sub(r"[ ()-]", "", number.removeprefix("+"))
    if not bare.isascii() or not bare.isdecimal() or bare.startswith("0"):
        return number
    if bare.startswith("1") and len(bare) == 11:
        return f"+1 {bare[1:4]} {bare[4:7]} {bare[7:]}"
    return f"+{bare}"


def price(a: Tl) -> str:
    signs = {"USD": "${:,.2f}", "XTR": "⭐"}
    form = signs.get(a["currency"])
    minus, amount = ("\u2212", -a["amount"]) if a["amount"] < 0 else ("", a["amount"])
    if a["currency"] == "XTR":
        return f"{minus}\u2b50{amount}"
    if a["currency"] == "EUR":
        return minus + f"{amount / 100:,.2f}".replace(",", " ").replace(".", ",") + " €"
    return minus + (form.format(amount / 100) if form else f"{a['currency']}{amount / 100:,.2f}")


def chat_text(head: Tl, messages: list[Tl], level: int = 0) -> str:
    """A chat as it stands at this level."""
    return laid_out({**head, "messages": messages}, level)
