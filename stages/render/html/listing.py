"""Lists that lead to messages: media, links, days, topics, chats."""
from __future__ import annotations

from calendar import Calendar
from datetime import date
from typing import Any

from tgbulk.stages.render.html.row import HtmlNames, Rows, picture
from tgbulk.stages.render.html.text import address, escaped, link
from tgbulk.stages.render.html.topic import topic_page
from tgbulk.stages.render.service import counted

Tl = dict[str, Any]

_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
           "December")
_KINDS = {"private": "private chat", "saved": "saved messages"}


class Listing:
    """Media and links of one part, in the order of its messages."""

    def __init__(self, names: HtmlNames) -> None:
        self._names = names
        self._pictures: list[str] = []
        self._files: list[str] = []
        self._links: list[str] = []

    def add(self, message: Tl, rows: Rows, when: str, href: str) -> None:
        """Take in the message of the last row; href: the way to it."""
        media = message.get("media")
        urls = rows.links
        if media is not None:
            kind = media["_"]
            if kind == "messageMediaWebPage":
                if not urls and "url" in media["webpage"] and address(media["webpage"]["url"]):
                    urls = [media["webpage"]["url"]]
            elif kind in ("messageMediaPhoto", "messageMediaDocument"):
                preview, words = rows.media.preview(media)
                if preview:
                    image = f'<img src="{preview}" alt="{words}" loading="lazy" decoding="async">'
                    self._pictures.append(f'<a href="{href}">{image}</a>\n')
                elif kind == "messageMediaDocument":
                    self._files.append(f'<li><bdi class="bold">{words}</bdi>{self._said(when, rows, href)}</li>\n')
        if urls:
            said = self._said(when, rows, href)
            for url in urls if len(urls) == 1 else dict.fromkeys(urls):
                self._links.append(f"<li>{link(url, escaped(url))}{said}</li>\n")

    def page(self, kind: str) -> str:
        """The body of the page of media or links."""
        if kind == "links":
            return _list(self._links, "links") or "<p>There are no links in these messages.</p>\n"
        body = f'<div class="grid">\n{"".join(self._pictures)}</div>\n' if self._pictures else ""
        if self._files:
            body += f"<h2>Files</h2>\n{_list(self._files, 'links')}"
        return body or "<p>There are no media in these messages.</p>\n"

    def _said(self, when: str, rows: Rows, href: str) -> str:
        return f' <span class="details"><a href="{href}">{when}</a>, {self._names.html(rows.who)}</span>'


def calendar(days: dict[str, list[Any]]) -> str:
    """Years, months, days -> the first message of each day. days: 2020-01-31 -> [messages, page, id]."""
    years: dict[int, set[int]] = {}
    for day in days:
        years.setdefault(int(day[:4]), set()).add(int(day[5:7]))
    body = []
    for year in sorted(years, reverse=True):
        body.append(f'<h2 id="y{year}">{year}</h2>\n<div class="months">\n')
        body += [_month(year, month, days) for month in sorted(years[year], reverse=True)]
        body.append("</div>\n")
    return "".join(body) or "<p>There are no messages.</p>\n"


def _month(year: int, month: int, days: dict[str, list[Any]]) -> str:
    weeks = []
    for week in Calendar().monthdatescalendar(year, month) if year > 1 else []:
        weeks.append("<tr>" + "".join(_day(day, month, days) for day in week) + "</tr>\n")
    return f'<table class="month"><caption>{_MONTHS[month - 1]} {year}</caption>\n<tbody>{"".join(weeks)}</tbody></table>\n'


def _day(day: date, month: int, days: dict[str, list[Any]]) -> str:
    if day.month != month:
        return "<td></td>"
    known = days.get(day.isoformat())
    if known is None:
        return f"<td>{day.day}</td>"
    count, page, number = known
    return f'<td><a href="{page}#go_to_message{number}" title="{counted(count, "message")}">{day.day}</a></td>'


def topic_title(topic: int, title: str) -> str:
    return title or ("General" if topic == 1 else f"Topic {topic}")


def topics(known: dict[int, list[Any]]) -> str:
    """Topics of a forum. known: id -> [title, messages, page and id of the first, page and id of the last, own pages]."""
    items = []
    for topic, (title, count, page, first, _, last, pages) in sorted(known.items(), key=lambda item: -item[1][1]):
        name = topic_title(topic, title)
        items.append(
            f'<li id="topic{topic}"><a class="entry" href="{topic_page(topic, 1)}">{picture(name, topic)}'
            f'<span><bdi class="name">{escaped(name)}</bdi><span class="details">{counted(count, "message")}</span></span>'
            f'</a><span class="details"><a href="{topic_page(topic, pages)}#go_to_message{last}">newest message</a> · '
            f'<a href="{page}#go_to_message{first}">in the chat</a></span></li>\n'
        )
    return _list(items, "") or "<p>There are no topics.</p>\n"


def chats(entries: list[str]) -> str:
    return _list(entries, "") or "<p>There are no chats.</p>\n"


def chat_entry(marked: int, title: str, kind: str | None, href: str, count: int, when: str, more: list[str]) -> str:
    """A line of the index. more: sentences about what is not there."""
    said = "".join(f'<div class="hole details">{escaped(one)}</div>' for one in more)
    kind = _KINDS.get(kind or "", kind or "chat")
    return (
        f'<li><a class="entry" href="{href}">{picture(title, marked)}<span><bdi class="name">{escaped(title)}</bdi>'
        f'<span class="details">{kind}{when}</span></span><span class="count details">{counted(count, "message")}</span></a>'
        f"{said}</li>\n"
    )


def _list(items: list[str], kind: str) -> str:
    return f'<ul class="list {kind}">\n{"".join(items)}</ul>\n' if items else ""
