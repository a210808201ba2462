"""Pages of a chat as anybody would write them: json.loads of each line, a template filled with html.escape, lists of rows.

Imports nothing of tgbulk. It shows what most messages have: days, senders, replies with what they answer, forwards,
entities, media as boxes, buttons, reactions, views; a page each 1,000 messages; lists of days, media and links, and texts
to search.
Run as `python -m tgbulk.perf.bench.baseline.html MESSAGES PEERS CHAT OUT`.
"""
from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

Object = dict[str, Any]
PAGE = 1000
HEAD = """<!DOCTYPE html>
<html><head><meta charset="utf-8"><title>{title}</title></head><body><h1>{title}</h1>
"""
ROW = """<div class="message default clearfix{joined}" id="message{id}">
{face}<div class="body" id="go_to_message{id}">
<div class="pull_right date details" title="{full}"><a href="#message{id}">{minute}</a></div>
{name}{reply}{forward}{media}<div class="text" dir="auto">{text}</div>
{buttons}{reactions}{known}</div>
</div>
"""
NAME = '<div class="from_name"><bdi>{name}</bdi></div>\n'
FACE = '<div class="userpic{colour}"><div class="initials">{letters}</div></div>\n'
SERVICE = """<div class="message service" id="message{id}">
<div class="body details" id="go_to_message{id}">{text}</div>
</div>
"""
MEDIA = """<div class="media_wrap"><div class="media {kind}"><div class="title bold">{title}</div>
<div class="status details">{status}</div></div></div>
"""
TAGS = {"Bold": "strong", "Italic": "em", "Underline": "u", "Strike": "s", "Code": "code", "Pre": "pre",
        "Blockquote": "blockquote"}


def marked(peer: Object) -> int:
    if "user_id" in peer:
        return int(peer["user_id"])
    return -int(peer["chat_id"]) if "chat_id" in peer else -(10**12) - int(peer["channel_id"])


def known_peers(lines: Iterable[bytes]) -> dict[int, str]:
    found = {}
    for line in lines:
        peer = json.loads(line)
        name = peer.get("title") or " ".join(filter(None, (peer.get("first_name"), peer.get("last_name"))))
        kind = peer["_"]
        number = peer["id"] if kind[0] == "u" else -peer["id"] if kind[:4] == "chat" else -(10**12) - peer["id"]
        found[number] = name or "Deleted Account"
    return found


def href(url: str) -> str:
    if "://" not in url:
        url = f"http://{url}"
    return escape(url) if urlsplit(url).scheme in ("http", "https", "tg") else ""


def formatted(text: str, entities: list[Object], links: list[str]) -> str:
    """Entities that follow each other; those that overlap stay text."""
    if not entities:
        return escape(text)
    units, out, at = text.encode("utf-16-le"), [], 0
    for entity in entities:
        start, end = entity["offset"], entity["offset"] + entity["length"]
        if start < at:
            continue
        out.append(escape(units[2 * at : 2 * start].decode("utf-16-le", "replace")))
        inner = units[2 * start : 2 * end].decode("utf-16-le", "replace")
        kind = entity["_"].removeprefix("messageEntity")
        shown = escape(inner)
        if kind in TAGS:
            out.append(f"<{TAGS[kind]}>{shown}</{TAGS[kind]}>")
        elif kind in ("Url", "TextUrl"):
            url = entity.get("url", inner)
            links.append(url)
            out.append(f'<a href="{href(url)}">{shown}</a>')
        elif kind == "Mention":
            out.append(f'<a href="https://t.me/{escape(inner[1:])}">{shown}</a>')
        elif kind == "MentionName":
            out.append(f'<a href="tg://user?id={entity["user_id"]}">{shown}</a>')
        elif kind == "Hashtag":
            out.append(f'<a href="search.html#{escape(inner)}">{shown}</a>')
        else:
            out.append(shown)
        at = end
    out.append(escape(units[2 * at :].decode("utf-16-le", "replace")))
    return "".join(out)


def media_box(media: Object) -> str:
    kind = media["_"].removeprefix("messageMedia")
    if kind == "Photo":
        sizes = [size for size in media["photo"]["sizes"] if "w" in size]
        best = max(sizes, key=lambda size: size["w"] * size["h"])
        return MEDIA.format(kind="media_photo", title="Photo", status=f"{best['w']}x{best['h']}, not in the archive")
    if kind == "Document":
        document = media["document"]
        name, seconds = "File", 0.0
        for attribute in document["attributes"]:
            name = attribute.get("file_name", name)
            seconds = attribute.get("duration", seconds)
        status = f"{int(seconds) // 60:02}:{int(seconds) % 60:02}, {document['size'] / 1024:.1f} KB, not in the archive"
        return MEDIA.format(kind="media_file", title=escape(name), status=status)
    if kind == "WebPage":
        page = media["webpage"]
        return (
            f'<div class="webpage"><div class="site">{escape(page["site_name"])}</div><div class="title">'
            f'<a href="{href(page["url"])}">{escape(page["title"])}</a></div><div>{escape(page["description"])}</div></div>'
        )
    return MEDIA.format(kind="media_file", title=kind, status="")


class Pages:
    def __init__(self, chat: int, names: dict[int, str], out: Path) -> None:
        self.chat, self.names, self.out = chat, names, out
        self.rows: list[str] = []
        self.texts: list[tuple[int, str, str, str]] = []
        #: id -> page, sender, beginning of the text
        self.places: dict[int, tuple[str, str, str]] = {}
        self.days: dict[str, tuple[int, str, int]] = {}
        self.media: list[str] = []
        self.links: list[str] = []
        self.number = 1
        self.before: tuple[Any, ...] = ()
        self.day = ""

    @property
    def page(self) -> str:
        return f"messages{self.number if self.number > 1 else ''}.html"

    def add(self, message: Object) -> None:
        number, when = message["id"], datetime.fromtimestamp(message["date"])
        day = when.strftime("%Y-%m-%d")
        if day != self.day:
            self.day, self.before = day, ()
            words = f"{when.day} {when.strftime('%B %Y')}"
            self.rows.append(SERVICE.format(id=f"-{len(self.days) + 1}", text=words))
        count = self.days.get(day, (0, self.page, number))
        self.days[day] = (count[0] + 1, *count[1:])
        sender = marked(message["from_id"]) if "from_id" in message else self.chat
        name = self.names.get(sender, "Deleted Account")
        text = message.get("message", "")
        self.places[number] = self.page, name, text[:160]
        if message["_"] == "messageService":
            self.before = ()
            action = message["action"]
            said = f"{escape(name)} {action['_']} {escape(str(action.get('title', '')))}"
            self.rows.append(SERVICE.format(id=number, text=said))
        else:
            self.rows.append(self.row(message, when, sender, name))
            self.texts.append((number, when.strftime("%Y-%m-%d %H:%M"), name, text))
        if len(self.texts) >= PAGE:
            self.end_page()

    def row(self, message: Object, when: datetime, sender: int, name: str) -> str:
        forward = message.get("fwd_from", {})
        origin = forward.get("from_id")
        joined = self.before and self.before[:2] == (sender, origin) and message["date"] - self.before[2] <= 900
        self.before = sender, origin, message["date"]
        links: list[str] = []
        place = f"{self.page}#go_to_message{message['id']}"
        text = formatted(message["message"], message.get("entities", []), links)
        for url in links:
            self.links.append(f'<li><a href="{href(url)}">{escape(url)}</a> <a href="{place}">{escape(name)}</a></li>\n')
        media = media_box(message["media"]) if "media" in message else ""
        if media:
            self.media.append(f'<li>{media} <a href="{place}">{when.strftime("%d %B %Y, %H:%M")}</a></li>\n')
        letters = "".join(word[0] for word in name.split()[:2]).upper()
        return ROW.format(
            id=message["id"], joined=" joined" if joined else "", full=when.astimezone().strftime("%d.%m.%Y %H:%M:%S UTC%z"),
            minute=when.strftime("%H:%M"), text=text, media=media,
            face="" if joined else FACE.format(colour=sender % 8 + 1, letters=escape(letters)),
            name="" if joined else NAME.format(name=escape(name)), reply=self.reply(message), forward=self.forward(forward),
            buttons=self.buttons(message), reactions=self.reactions(message), known=self.known(message),
        )

    def reply(self, message: Object) -> str:
        number = message.get("reply_to", {}).get("reply_to_msg_id")
        if number is None:
            return ""
        if number not in self.places:
            return '<div class="reply_to details">In reply to a message that is not there</div>\n'
        page, name, text = self.places[number]
        where = "" if page == self.page else page
        said = f'<bdi>{escape(name)}</bdi><span class="quote">{escape(text)}</span>'
        return f'<div class="reply_to details">In reply to <a href="{where}#go_to_message{number}">{said}</a></div>\n'

    def forward(self, forward: Object) -> str:
        if not forward:
            return ""
        name = self.names.get(marked(forward["from_id"]), "?") if "from_id" in forward else forward.get("from_name", "?")
        when = datetime.fromtimestamp(forward["date"]).strftime("%d.%m.%Y %H:%M:%S")
        return f'<div class="forwarded"><div class="from_name"><bdi>{escape(name)}</bdi> <span>{when}</span></div></div>\n'

    def buttons(self, message: Object) -> str:
        if message.get("reply_markup", {}).get("_") != "replyInlineMarkup":
            return ""
        rows = []
        for row in message["reply_markup"]["rows"]:
            urls = [(href(one["type"].get("url", "")), escape(one["text"])) for one in row["buttons"]]
            cells = [f'<td><a href="{url}">{text}</a></td>' for url, text in urls]
            rows.append(f"<tr>{''.join(cells)}</tr>")
        return f'<table class="bot_buttons_table">{"".join(rows)}</table>\n'

    def reactions(self, message: Object) -> str:
        if "reactions" not in message:
            return ""
        found = [
            f'<span class="reaction"><span class="emoji">{escape(one["reaction"].get("emoticon", "?"))}</span>'
            f'<span class="count">{one["count"]}</span></span>'
            for one in message["reactions"]["results"]
        ]
        return f'<span class="reactions">{"".join(found)}</span>\n'

    def known(self, message: Object) -> str:
        said = [escape(message["post_author"])] if "post_author" in message else []
        if "edit_date" in message:
            said.append(f'<span title="{datetime.fromtimestamp(message["edit_date"])}">edited</span>')
        if "views" in message:
            said.append(f"{message['views']:,} views")
        if message.get("forwards"):
            said.append(f"{message['forwards']:,} forwards")
        if message.get("replies", {}).get("replies"):
            said.append(f"{message['replies']['replies']:,} comments")
        return f'<div class="known details">{" · ".join(said)}</div>\n' if said else ""

    def end_page(self) -> None:
        title = escape(self.names.get(self.chat, ""))
        (self.out / self.page).write_text(HEAD.format(title=title) + "".join(self.rows) + "</body></html>\n")
        with open(self.out / f"search{self.number}.js", "w") as file:
            file.write("telegramTexts(")
            json.dump(self.texts, file, ensure_ascii=False)
            file.write(");\n")
        self.rows, self.texts, self.before = [], [], ()
        self.number += 1

    def end(self) -> None:
        if self.rows:
            self.end_page()
        days = [f'<a href="{page}#go_to_message{first}">{day}: {count}</a>\n'
                for day, (count, page, first) in self.days.items()]
        for name, items in (("media", self.media), ("links", self.links), ("calendar", days)):
            (self.out / f"{name}.html").write_text(HEAD.format(title=name) + "".join(items) + "</body></html>\n")


def main() -> None:
    messages, peers, chat, out = sys.argv[1:]
    with open(peers, "rb") as file:
        names = known_peers(file)
    Path(out).mkdir(exist_ok=True)
    pages = Pages(int(chat), names, Path(out))
    with open(messages, "rb") as lines:
        for line in lines:
            pages.add(json.loads(line))
    pages.end()


if __name__ == "__main__":
    main()
