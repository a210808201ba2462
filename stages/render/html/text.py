"""Text with entities as HTML: nothing in it is anything but text, and a link leads only where the scheme is known.

Entities count UTF-16 units, may nest, overlap, cut a character in two and lie outside of the text (docs/spec/render.md 3).
White space stays as it is: the style sheet shows it (`white-space: pre-wrap`).
"""
from __future__ import annotations

import re
from codecs import utf_16_le_decode, utf_16_le_encode
from collections.abc import Callable
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from tgbulk.stages.render.moment import stamper

Entity = dict[str, Any]

#: What browsers may be led to; everything else is shown as text.
_SCHEME = re.compile(r"(?:https?://|tg:|tonsite://|mailto:|tel:)", re.IGNORECASE)
#: An address without a scheme: a host with a dot in it.
_HOST = re.compile(r"[^\s/?#:@\\.]+(?:\.[^\s/?#:@\\.]+)+(?::\d+)?(?:[/?#]|$)")
#: Digits and what people put between them.
_NOT_PHONE = re.compile(r"[^+0-9]")
#: Characters of an address that would end it or hide in it: controls, blanks, direction marks.
_BREAKS = re.compile("[\x00-\x20\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")

_TAGS = {
    "messageEntityBold": ("<strong>", "</strong>"),
    "messageEntityItalic": ("<em>", "</em>"),
    "messageEntityUnderline": ("<u>", "</u>"),
    "messageEntityStrike": ("<s>", "</s>"),
    "messageEntityCode": ("<code>", "</code>"),
    "messageEntityPre": ("<pre>", "</pre>"),
    "messageEntityBlockquote": ("<blockquote>", "</blockquote>"),
    "messageEntityDiffDelete": ("<del>", "</del>"),
    "messageEntityDiffInsert": ("<ins>", "</ins>"),
    "messageEntityBotCommand": ('<span class="bot_command">', "</span>"),
    "messageEntitySpoiler": ('<span class="spoiler" tabindex="0">', "</span>"),
}
_LINK_END = "</a>"
_MOMENT = stamper("UTC")
#: How many entities of one text are looked at: Telegram allows 100.
_MOST = 1000
#: Addresses and beginnings of links kept: a page and its list of links show the same ones.
_KEPT = 512
#: The upper six bits of the second unit of a character that has two.
_LOW = 0xDC


def escaped(text: str) -> str:
    """Text between tags."""
    if "&" in text:
        text = text.replace("&", "&amp;")
    if "<" in text:
        text = text.replace("<", "&lt;")
    if ">" in text:
        text = text.replace(">", "&gt;")
    if "\r" in text or "\0" in text:
        # A parser would make a line feed of the first and drop the second.
        text = text.replace("\r", "&#13;").replace("\0", "\ufffd")
    return text


def quoted(text: str) -> str:
    """Text within an attribute between double quotes."""
    text = escaped(text)
    return text.replace('"', "&quot;") if '"' in text else text


@lru_cache(_KEPT)
def address(url: str) -> str:
    """A URL for an attribute, "" where its scheme is none that a reader may be led to."""
    if not _SCHEME.match(url):
        if not _HOST.match(url):
            return ""
        url = f"http://{url}"
    return quoted(_BREAKS.sub(lambda found: quote(found[0]), url))


def link(url: str, inner: str, kind: str = "") -> str:
    """A link to somebody else's URL around HTML, or that HTML alone."""
    href = address(url)
    return f"{_opening(href, kind)}{inner}</a>" if href else inner


def html(text: str, entities: list[Entity] | None, links: list[str] | None = None) -> str:
    """The HTML of a text. links: gets the addresses that it leads to, as they were written."""
    return _with_entities(text, entities, links) if entities else escaped(text)


def _opening(href: str, kind: str = "") -> str:
    css = f' class="{kind}"' if kind else ""
    return f'<a{css} href="{href}" rel="noreferrer noopener nofollow">'


def _with_entities(text: str, entities: list[Entity], links: list[str] | None) -> str:
    """Entities that stand one behind the other, as nearly all do, in one go."""
    end, wide = len(text), False
    if not text.isascii():
        data = utf_16_le_encode(text, "surrogatepass")[0]
        wide = len(data) > 2 * end
        if wide:
            end = len(data) // 2
    clean = escaped(text) is text
    out: list[str] = []
    add = out.append
    at = 0
    for entity in entities if len(entities) <= _MOST else entities[:_MOST]:
        start = entity["offset"]
        stop = start + entity["length"]
        if start < 0:
            start = 0
        if stop > end:
            stop = end
        if start >= stop:
            continue
        if start < at:
            if links is not None:
                links.clear()
            return _nested(text, entities[:_MOST], links)
        if wide:
            # Within a character it begins before that one, and ends behind it.
            if data[2 * start + 1] & 0xFC == _LOW:
                start = max(at, start - 1)
            if stop < end and data[2 * stop + 1] & 0xFC == _LOW:
                stop += 1
            inner = utf_16_le_decode(data[2 * start : 2 * stop], "replace")[0]
        else:
            inner = text[start:stop]
        kind = entity["_"]
        if kind in _TAGS:
            before, behind = _TAGS[kind]
        elif kind in _TOLD:
            before, behind = _TOLD[kind](entity)
        elif kind in _OPENINGS and (before := _OPENINGS[kind](inner, entity)):
            behind = _LINK_END
            if links is not None and kind in _LISTED:
                links.append(entity.get("url", inner))
        else:
            continue
        if at < start:
            plain = utf_16_le_decode(data[2 * at : 2 * start], "replace")[0] if wide else text[at:start]
            add(plain if clean else escaped(plain))
        add(f"{before}{inner if clean else escaped(inner)}{behind}")
        at = stop
    if at < end:
        plain = utf_16_le_decode(data[2 * at :], "replace")[0] if wide else text[at:]
        add(plain if clean else escaped(plain))
    return "".join(out)


def _spans(text: str, entities: list[Entity], links: list[str] | None) -> list[tuple[int, int, tuple[str, str]]]:
    """(begin, end, tags) of the entities that show, begin and end in UTF-16 units and never within a character."""
    data, found = utf_16_le_encode(text, "surrogatepass")[0], []
    end = len(data) // 2
    for entity in entities:
        start, stop = max(0, entity["offset"]), min(end, entity["offset"] + entity["length"])
        if start >= stop:
            continue
        start -= data[2 * start + 1] & 0xFC == _LOW
        stop += stop < end and data[2 * stop + 1] & 0xFC == _LOW
        inner, kind = utf_16_le_decode(data[2 * start : 2 * stop], "replace")[0], entity["_"]
        if kind in _TAGS:
            found.append((start, stop, _TAGS[kind]))
        elif kind in _TOLD:
            found.append((start, stop, _TOLD[kind](entity)))
        elif kind in _OPENINGS and (before := _OPENINGS[kind](inner, entity)):
            found.append((start, stop, (before, _LINK_END)))
            if links is not None and kind in _LISTED:
                links.append(entity.get("url", inner))
    return sorted(found, key=lambda span: (span[0], -span[1]))


def _nested(text: str, entities: list[Entity], links: list[str] | None) -> str:
    """Tags around pieces of text; an element that crosses the end of another one is cut in two there."""
    data = utf_16_le_encode(text, "surrogatepass")[0]
    out: list[str] = []
    stack: list[tuple[int, tuple[str, str]]] = []
    at = 0

    def write(until: int) -> None:
        nonlocal at
        out.append(escaped(utf_16_le_decode(data[2 * at : 2 * until], "replace")[0]))
        at = until

    def close(until: int) -> None:
        """Write text up to a place and end the elements that end before or there."""
        while stack and (stop := min(stop for stop, _ in stack)) <= until:
            write(stop)
            crossed = []
            while any(one <= stop for one, _ in stack):
                last, tags = stack.pop()
                out.append(tags[1])
                if last > stop:
                    crossed.append((last, tags))
            for last, tags in reversed(crossed):
                out.append(tags[0])
                stack.append((last, tags))
        write(until)

    for start, stop, tags in _spans(text, entities, links):
        close(start)
        if tags[1] == _LINK_END and any(other[1] == _LINK_END for _, other in stack):
            continue
        out.append(tags[0])
        stack.append((stop, tags))
    close(len(data) // 2)
    return "".join(out)


@lru_cache(_KEPT)
def _mention(name: str) -> str:
    return _opening(f"https://t.me/{quote(name.lstrip('@'), safe='')}")


@lru_cache(_KEPT)
def _tag_search(tag: str) -> str:
    """The beginning of a link to the search for a hashtag."""
    return f'<a href="search.html#{quote(tag, safe="")}">'


@lru_cache(_KEPT)
def _to(url: str) -> str:
    """The beginning of a link to somebody's URL, "" where none may be."""
    href = address(url)
    return _opening(href) if href else ""


def _date(entity: Entity) -> tuple[str, str]:
    """A moment that clients show in the reader's own time."""
    date = entity.get("date")
    moment = _MOMENT(date) if isinstance(date, int) else ""
    return (f'<time datetime="{moment}" title="{moment}">', "</time>") if moment else ("<time>", "</time>")


#: What of an entity is told by its tags.
_TOLD: dict[str, Callable[[Entity], tuple[str, str]]] = {
    "messageEntityFormattedDate": _date,
    "messageEntityDiffReplace": lambda entity: (f'<ins title="{quoted(entity["old_text"])}">', "</ins>"),
}
#: What begins the link of an entity around its text: "" for one that leads nowhere.
_OPENINGS: dict[str, Callable[[str, Entity], str]] = {
    "messageEntityHashtag": lambda inner, entity: _tag_search(inner),
    "messageEntityCashtag": lambda inner, entity: _tag_search(inner),
    "messageEntityUrl": lambda inner, entity: _to(inner),
    "messageEntityTextUrl": lambda inner, entity: _to(entity["url"]),
    "messageEntityMention": lambda inner, entity: _mention(inner),
    "messageEntityEmail": lambda inner, entity: _opening(f"mailto:{quote(inner, safe='@+')}"),
    "messageEntityPhone": lambda inner, entity: _opening(f"tel:{_NOT_PHONE.sub('', inner)}"),
    "messageEntityMentionName": lambda inner, entity: _opening(f"tg://user?id={int(entity['user_id'])}"),
}
#: Those that lead to somebody's URL.
_LISTED = frozenset({"messageEntityUrl", "messageEntityTextUrl"})
