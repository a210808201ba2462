"""`tgbulk render html`: the format. A worker makes the pages of a part (part.py); here the parts of a chat become a site."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar
from zlib import crc32
from zoneinfo import ZoneInfo

import orjson

from tgbulk.stages.archive.catalogue import Catalogue
from tgbulk.stages.archive.reader import ChatSnapshot
from tgbulk.stages.render.clock import Clock
from tgbulk.stages.render.comments import discussion, lines_of
from tgbulk.stages.render.format import ChatDone, Format, PartDone
from tgbulk.stages.render.half import halves_together, newer_half, older_half
from tgbulk.stages.render.hole import holes, shortfalls
from tgbulk.stages.render.html import listing, page
from tgbulk.stages.render.html.about import about_page, has_annexes
from tgbulk.stages.render.html.part import PAGE, PartPages, page_starts
from tgbulk.stages.render.html.row import NAMELESS
from tgbulk.stages.render.html.topic import write_topics
from tgbulk.stages.render.output import Output
from tgbulk.stages.render.part import Part
from tgbulk.stages.render.view import View, name_of

_ASSETS = ("style.css", "search.js")


@dataclass(frozen=True, slots=True)
class Html(Format):
    """A site of static pages."""

    name: ClassVar[str] = "html"
    version: ClassVar[int] = 2
    part_messages: ClassVar[int] = 20 * PAGE
    page_messages: ClassVar[int] = PAGE
    surveys: ClassVar[bool] = True
    joins_halves: ClassVar[bool] = True
    joins_comments: ClassVar[bool] = True

    #: name of a time zone, "local" for the machine's
    timezone: str = "local"
    #: a page a month, else one a PAGE messages
    by_month: bool = False

    @property
    def clock(self) -> Clock:
        return Clock(None if self.timezone == "local" else ZoneInfo(self.timezone))

    def shown(self, peer: Any) -> Any:
        return name_of(peer).name

    def context(self, snapshot: ChatSnapshot) -> Any:
        about, older, newer, group = snapshot.about, older_half(snapshot), newer_half(snapshot), discussion(snapshot)
        return [about.type, about.title, about.account, holes(snapshot), newer.marked_id if newer else None,
                has_annexes(newer or snapshot),
                lines_of(older), lines_of(group), lines_of(older_half(group)) if group else None]

    def survey(self, part: Part, view: View) -> Any:
        return page_starts(part, view.filter, view.forum, self.clock, self.by_month)

    def fold(self, before: Any, survey: Any) -> Any:
        return [*(before or []), *survey]

    def render(self, part: Part, view: View) -> dict[str, Any]:
        return PartPages(part, view, self.clock, self.by_month, self.part_messages).write()

    def end_chat(self, chat: ChatDone, output: Output) -> None:
        """Put its pages; what leads to them is made when all chats are there, for a group may have two halves."""
        newer = newer_half(chat.snapshot)
        folder = str(newer.marked_id if newer else chat.marked_id)
        pages = _pages([chat])
        self._end_pages(chat, folder, pages, output)
        for kind in (0, 1):
            self._end_pages(chat, folder, _lists([chat], kind), output)
        for _, part, name in pages:
            script = f"{name.removesuffix('html')}js"
            self._put(chat, f"{folder}/index/{script}", part, f"index_{script}", output)
        topics = _topics(chat)
        titles = {topic: listing.topic_title(topic, known[0]) for topic, known in topics.items()}
        write_topics(chat, folder, titles, self._ways(chat.snapshot), output)
        for part in chat.parts:
            for number, name in enumerate(part.result["media"]):
                self._put(chat, f"{folder}/{name}", part, f"file{number}", output)

    def end(self, archive: Catalogue, chats: list[ChatDone], output: Output) -> dict[str, int]:
        sites = [self._site(halves, output) for halves in halves_together(chats)]
        sites.sort(key=lambda site: (-site.last, site.folder))
        ways = '<nav><a href="index.html">All chats</a><a href="search.html">Search</a></nav>\n'
        lists = [f"{site.folder}/index/site.js" for site in sites]
        whole = {
            "index.html": page.whole("Chats", listing.chats([site.entry for site in sites]), ways=ways),
            "search.html": page.search_page("all chats", lists, root="", ways=ways),
        } | {name: page.asset(name) for name in _ASSETS}
        return {name: output.write(name, data) for name, data in whole.items()}

    def beside(self, snapshot: ChatSnapshot) -> Any:
        return crc32(snapshot.folder.annexes.read_bytes()) if has_annexes(snapshot) else None

    def _ways(self, snapshot: ChatSnapshot) -> str:
        return page.chat_ways(snapshot.about.type == "forum", self.by_month, has_annexes(snapshot))

    def _site(self, halves: list[ChatDone], output: Output) -> _Site:
        """The folder of a chat, or of two halves of one, the older one first: what leads to its pages."""
        chat, clock = halves[-1], self.clock
        folder, about = str(chat.marked_id), chat.snapshot.about
        title = about.title or NAMELESS
        pages, ways = _pages(halves), self._ways(chat.snapshot)
        # Where the last render was killed after its pages had their names, these are not among a half's files.
        if any(half.changed or f"{folder}/calendar.html" not in half.files for half in halves):
            if len(halves) > 1:
                for following in (pages, _lists(halves, 0), _lists(halves, 1)):
                    self._lead_on(halves[0], folder, following, output)
            whole = {
                "calendar.html": page.whole(f"Calendar: {title}", listing.calendar(_days(halves)), root="../", ways=ways),
                "search.html": page.search_page(title, ["index/list.js"], root="../", ways=ways),
            }
            if about.type == "forum":
                whole["topics.html"] = page.whole(f"Topics: {title}", listing.topics(_topics(chat)), root="../", ways=ways)
            if not pages:
                nothing = "<p>There are no messages.</p>\n"
                whole |= {name: page.whole(title, nothing, root="../", ways=ways)
                          for name in ("messages.html", "media.html", "links.html")}
            names = [name for _, _, name in pages]
            for place in ("", f"{folder}/"):
                script = "list.js" if not place else "site.js"
                whole[f"index/{script}"] = b"telegramChat(%b, %b, %b);\n" % tuple(map(orjson.dumps, (place, title, names)))
            for name, data in whole.items():
                size = output.write(f"{folder}/{name}", data)
                for half in halves:
                    half.files[f"{folder}/{name}"] = size
        if has_annexes(chat.snapshot):
            body = about_page(chat.snapshot, clock)
            chat.files[f"{folder}/about.html"] = output.write(
                f"{folder}/about.html", page.whole(f"About: {title}", body, root="../", ways=ways))
        parts = [part for half in halves for part in half.parts]
        dates = [date for part in parts for date in part.result["dates"] or ()]
        days = dict.fromkeys(clock.at(date).day.words for date in (min(dates), max(dates))) if dates else {}
        when = f", {' to '.join(days)}" if days else ""
        more = [one for half in halves for one in shortfalls(half.snapshot)]
        unshown = sum(part.result["unshown"] for part in parts)
        if unshown:
            more.append(f"{unshown:,} of its messages could not be shown; each has a line where it stands")
        count = sum(part.result["messages"] for part in parts)
        href = f"{folder}/{pages[0][2] if pages else 'messages.html'}"
        entry = listing.chat_entry(chat.marked_id, title, about.type, href, count, when, more)
        return _Site(folder, max(dates, default=0), entry)

    def _lead_on(
        self, older: ChatDone, folder: str, following: list[tuple[ChatDone, PartDone, str]], output: Output
    ) -> None:
        """From the older half's last page to the first one of the newer half."""
        own = sum(chat is older for chat, _, _ in following)
        if not own or own == len(following):
            return
        after, target = following[own][2], f"{folder}/{following[own - 1][2]}"
        if not page.followed_by(output.path(target), after):
            path = output.new_file()
            page.finish_again(output.path(target), path, after)
            older.files[target] = output.put(target, path)

    def _end_pages(
        self, chat: ChatDone, folder: str, pages: list[tuple[ChatDone, PartDone, str]], output: Output
    ) -> None:
        """Write the ends of pages that follow each other, and put them."""
        for number, (_, part, name) in enumerate(pages):
            after = pages[number + 1][2] if number + 1 < len(pages) else ""
            target = f"{folder}/{name}"
            if part.fresh:
                path = chat.temporary(part, name, output)
                page.finish(path, after)
            elif page.followed_by(output.path(target), after):
                chat.files[target] = output.path(target).stat().st_size
                continue
            else:
                path = output.new_file()
                page.finish_again(output.path(target), path, after)
            chat.files[target] = output.put(target, path)

    def _put(self, chat: ChatDone, target: str, part: PartDone, name: str, output: Output) -> None:
        """Put a file of a part, or keep that of the last render."""
        if part.fresh:
            chat.files[target] = output.put(target, chat.temporary(part, name, output))
        else:
            chat.files.setdefault(target, output.path(target).stat().st_size)


@dataclass(frozen=True, slots=True)
class _Site:
    """What the index says of a chat."""

    folder: str
    #: date of the newest message
    last: int
    entry: str


def _pages(chats: list[ChatDone]) -> list[tuple[ChatDone, PartDone, str]]:
    return [(chat, part, name) for chat in chats for part in chat.parts for name, _ in part.result["pages"]]


def _lists(chats: list[ChatDone], kind: int) -> list[tuple[ChatDone, PartDone, str]]:
    """Pages of media, or of links."""
    return [(chat, part, part.result["lists"][kind]) for chat in chats for part in chat.parts]


def _days(chats: list[ChatDone]) -> dict[str, list[Any]]:
    days: dict[str, list[Any]] = {}
    for chat in chats:
        for part in chat.parts:
            for day, known in part.result["days"].items():
                days[day] = [days[day][0] + known[0], *days[day][1:]] if day in days else known
    return days


def _topics(chat: ChatDone) -> dict[int, list[Any]]:
    """id -> [title, messages, page and id of the first message, page and id of the last, pages of its own]"""
    known: dict[int, list[Any]] = {}
    for part in chat.parts:
        for topic, title in part.result["titles"].items():
            known.setdefault(int(topic), ["", 0, "", 0, "", 0, 0])[0] = title
        for topic, (count, page_first, first, page_last, last) in part.result["topics"].items():
            one = known.setdefault(int(topic), ["", 0, "", 0, "", 0, 0])
            one[1] += count
            if not one[2]:
                one[2:4] = page_first, first
            one[4:6] = page_last, last
            one[6] += len(part.result["pieces"].get(topic, ()))
    return known
