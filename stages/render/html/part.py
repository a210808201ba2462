"""One part of a chat as pages, lists of its media and links, and texts for the search; what a worker makes of it."""
from __future__ import annotations

import errno
import os
import re
import shutil
import stat
from bisect import bisect_right
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from tgbulk.stages.archive.media_reader import MediaFile
from tgbulk.stages.archive.reader import ChatSnapshot
from tgbulk.stages.render.clock import Clock
from tgbulk.stages.render.comments import comments_by_post, discussion
from tgbulk.stages.render.half import MIGRATED, newer_half, older_half
from tgbulk.stages.render.hole import holes
from tgbulk.stages.render.html import page
from tgbulk.stages.render.html.about import has_annexes
from tgbulk.stages.render.html.listing import Listing
from tgbulk.stages.render.html.media import MediaView
from tgbulk.stages.render.html.row import NAMELESS, HtmlNames, LinkedMessage, Rows
from tgbulk.stages.render.html.topic import TopicRows
from tgbulk.stages.render.part import Part, cut_parts
from tgbulk.stages.render.part_media import file_keys
from tgbulk.stages.render.service import counted
from tgbulk.stages.render.view import Filter, View
from tgbulk.stages.telegram.peer import topic_of

Tl = dict[str, Any]

#: Messages a page.
PAGE = 1000
#: Messages a page where pages are months; a busier month has several.
MONTH_PAGE = 5000
#: Messages before the page that are looked up without reading: those of this many pages.
_PAGES_HELD = 2
#: Messages that were read again to be quoted, kept.
_KEPT = 512
#: What reading a message raises that is not as its constructor says.
_MALFORMED = (KeyError, TypeError, AttributeError, ValueError, IndexError, OverflowError)
#: Above every id.
_NO_HOLE = 1 << 63
#: What is not a letter or digit of any script, or harmless in addresses and in HTML.
_SPECIAL = re.compile(r"[^\w.@+()-]")
#: Endings of files that a browser shows without running anything in them, or hands to another program. Others get another
#: ending: an HTML or SVG file that somebody sent would run with the rights of a page of this site.
_SAFE = frozenset((  # noqa: SIM905
    "jpg jpeg png webp gif bmp avif heic tif tiff mp4 webm mov mkv avi mpeg mpg m4v 3gp mp3 ogg oga opus m4a aac flac wav "
    "amr mid pdf txt csv json log md zip rar 7z gz tar xz bz2 zst iso doc docx xls xlsx ppt pptx odt ods odp rtf epub mobi "
    "fb2 djvu tgs apk dmg ttf otf psd srt vtt torrent"
).split())


def page_names(keys: list[str]) -> list[str]:
    """Names of pages from their keys: "" for numbered ones, else their month; always the same for the pages before."""
    names: list[str] = []
    seen: dict[str, int] = {}
    for number, key in enumerate(keys, 1):
        seen[key] = seen.get(key, 0) + 1
        more = f"_{seen[key]}" if seen[key] > 1 else ""
        names.append(f"messages_{key}{more}.html" if key else f"messages{number if number > 1 else ''}.html")
    return names


def page_starts(part: Part, wanted: Filter, forum: bool, clock: Clock, by_month: bool) -> list[list[Any]]:
    """[key, first id] of each page of a part."""
    if not by_month and wanted == Filter() and not part.late:
        return [["", orjson.loads(line)["id"]] for line in _every(part, PAGE)]
    starts = []
    for key, messages in cut_pages(part, wanted, forum, clock, by_month):
        starts.append([key, messages[0]["id"]])
    return starts


def _every(part: Part, step: int) -> Iterator[bytes]:
    """Every `step`th line, from the first on."""
    place = 0
    for block in part.blocks():
        lines = block.splitlines()
        yield from lines[-place % step :: step]
        place += len(lines)


def cut_pages(part: Part, wanted: Filter, forum: bool, clock: Clock, by_month: bool) -> Iterator[tuple[str, list[Tl]]]:
    """(key, messages) of each page of a part: a page ends where it is full, where the part ends, and with its month."""
    held: list[Tl] = []
    key, most = "", MONTH_PAGE if by_month else PAGE
    everything = wanted == Filter()
    for message in part.messages_of():
        if not everything and not wanted.takes(message, forum):
            continue
        month = clock.at(message["date"]).day.iso[:7] if by_month else ""
        if held and (len(held) == most or month > key):
            yield key, held
            held = []
        if not held:
            key = month
        held.append(message)
    if held:
        yield key, held


def file_address(path: Path) -> str:
    """Where a file of the archive lies in a chat's folder: its kind and its name, which begins with its id.

    It needs no escaping: readers of Telegram Desktop's pages take addresses for paths.
    """
    ending = path.suffix[1:].lower()
    name = _SPECIAL.sub("_", path.name)
    return f"media/{path.parts[1]}/{name if ending in _SAFE else name + '.download'}"


def pages_before(view: View, clock: Clock, by_month: bool, part_messages: int) -> tuple[list[str], int]:
    """Keys of the pages, and the number of parts, of the older half of a group."""
    if "before" not in view.kept:
        starts, parts = _starts(older_half(view.snapshot), view, clock, by_month, part_messages)
        view.kept["before"] = [key for key, _ in starts], parts
    found: tuple[list[str], int] = view.kept["before"]
    return found


def _starts(
    snapshot: ChatSnapshot | None, view: View, clock: Clock, by_month: bool, part_messages: int
) -> tuple[list[list[Any]], int]:
    """[key, first id] of each page of another chat than the one at hand, and the number of its parts."""
    starts, parts = list[list[Any]](), 0
    for part in cut_parts(snapshot.pieces, part_messages, PAGE, snapshot.changes()) if snapshot is not None else ():
        starts += page_starts(part, view.filter, False, clock, by_month)
        parts += 1
    return starts, parts


def comment_links(view: View, clock: Clock, by_month: bool, part_messages: int) -> dict[int, str]:
    """Post -> a link to its comments, in the pages of the group in which the channel is discussed."""
    if "comments" not in view.kept:
        group, links = discussion(view.snapshot), dict[int, str]()
        if group is not None:
            before, _ = _starts(older_half(group), view, clock, by_month, part_messages)
            starts, _ = _starts(group, view, clock, by_month, part_messages)
            pages, firsts = page_names([key for key, _ in before + starts]), [first for _, first in starts]
            for post, one in comments_by_post(view.snapshot, view.filter).items():
                name = pages[len(before) + bisect_right(firsts, one.first_id) - 1]
                href = f"../{group.marked_id}/{name}#go_to_message{one.first_id}"
                links[post] = f'<a href="{href}">{counted(one.count, "comment")}</a>'
        view.kept["comments"] = links
    found: dict[int, str] = view.kept["comments"]
    return found


class PartPages:
    """Writes the pages of one part."""

    def __init__(self, part: Part, view: View, clock: Clock, by_month: bool, part_messages: int) -> None:
        """part_messages: of a part. ChangedChatError, OSError."""
        self._part, self._view, self._clock, self._by_month = part, view, clock, by_month
        keys, parts = pages_before(view, clock, by_month, part_messages)
        before = part.before or []
        self._starts = [0] * len(keys) + [start for _, start in before]
        self._keys = keys + [key for key, _ in before]
        #: of the pages of lists
        self._number = parts + part.number
        self._comments = comment_links(view, clock, by_month, part_messages)
        self._shift = MIGRATED if newer_half(view.snapshot) is not None else 0
        about = view.snapshot.about
        self._title = about.title or NAMELESS
        self._ways = page.chat_ways(view.forum, by_month, has_annexes(newer_half(view.snapshot) or view.snapshot))
        self._names = HtmlNames(lambda peer: view.names[peer] or (self._title if peer == view.snapshot.marked_id else ""))
        self._held: list[dict[int, tuple[Tl, str]]] = []
        self._files: dict[tuple[str, int, str], MediaFile] = {}
        #: name below the chat's folder -> temporary file
        self._media: dict[str, int] = {}
        self._again = lru_cache(_KEPT)(view.message)
        self._now = ""
        self._holes = [one for one in holes(view.snapshot) if int(one[0]) <= part.last_id]
        previous = part.previous()
        if previous is not None:
            self._holes = [one for one in self._holes if int(one[0]) > previous["id"]]
        self._listing = Listing(self._names)
        self._counts = {"messages": 0, "unshown": 0}
        self._days: dict[str, list[Any]] = {}
        self._topics: dict[str, list[Any]] = {}
        self._titles: dict[str, str] = {}
        self._topic_rows = TopicRows()

    def write(self) -> dict[str, Any]:
        """The part's result: what the lists of the chat need of it. OSError, StorageError."""
        pages = []
        dates: list[int] = []
        for key, messages in cut_pages(self._part, self._view.filter, self._view.forum, self._clock, self._by_month):
            self._keys.append(key)
            self._starts.append(messages[0]["id"])
            name = page_names(self._keys)[-1]
            self._write_page(name, messages)
            pages.append([name, len(messages)])
            dates += [messages[0]["date"], messages[-1]["date"]]
        suffix = self._number + 1 if self._number else ""
        for kind in ("media", "links"):
            earlier = f"{kind}{self._number if self._number > 1 else ''}.html" if self._number else ""
            opening = page.head(f"{kind.title()}: {self._title}", root="../", ways=self._ways) + page.begin("page", earlier)
            with self._view.new_file(f"{kind}{suffix}.html") as file:
                file.write((opening + self._listing.page(kind)).encode("utf-8", "replace"))
        return self._counts | {
            "pages": pages, "days": self._days, "topics": self._topics, "titles": self._titles, "media": list(self._media),
            "pieces": self._topic_rows.write(self._view) if self._view.forum else {},
            "dates": [min(dates), max(dates)] if dates else None, "lists": [f"media{suffix}.html", f"links{suffix}.html"],
        }

    def _write_page(self, name: str, messages: list[Tl]) -> None:
        self._now = name
        self._held = [*self._held[1 - _PAGES_HELD :], {}]
        self._find_files(messages)
        snapshot = self._view.snapshot
        media = MediaView(self._place, self._names.html, lambda unix: self._clock.at(unix).words, not self._view.media.empty)
        rows = Rows(
            snapshot.marked_id, snapshot.about.account or 0, self._names, self._clock, media, self._find, self._shift,
            self._comments)
        names = page_names(self._keys)
        before = names[-2] if len(names) > 1 else ""
        opening = page.head(self._title, root="../", ways=self._ways) + page.begin("chat_page", before)
        out = [f'{opening}<div class="history">\n']
        self._held[-1].update((message["id"], (message, name)) for message in messages)
        texts = self._write_rows(rows, messages, name, out)
        out.append("</div>\n")
        with self._view.new_file(name) as file:
            file.write("".join(out).encode("utf-8", "replace"))
        with self._view.new_file(f"index_{name.removesuffix('html')}js") as file:
            file.write(b"telegramTexts(%b);\n" % orjson.dumps(texts))

    def _write_rows(self, rows: Rows, messages: list[Tl], name: str, out: list[str]) -> list[tuple[int, str, str, str]]:
        """Append the rows of a page; (id, time, sender, text) of what can be searched."""
        texts = []
        shown, row, plain, days, forum = self._clock.shown, rows.row, self._names.plain, self._days, self._view.forum
        shift = self._shift
        topic, today = 0, -1
        tally = [0]
        hole = int(self._holes[0][0]) if self._holes else _NO_HOLE
        for message in messages:
            number = message["id"]
            while hole < number:
                out.append(rows.hole(str(self._holes.pop(0)[1])))
                hole = int(self._holes[0][0]) if self._holes else _NO_HOLE
            day, minute, full = shown(message["date"])
            if day.number != today:
                today = day.number
                out.append(rows.new_day(day))
                tally = days.setdefault(day.iso, [0, name, number + shift])
            tally[0] += 1
            if forum:
                topic = self._count_topic(message, name)
            try:
                written = row(message, minute, full, topic)
                out.append(written)
                if forum:
                    self._topic_rows.add(topic, written, day, rows.joined)
                text = message.get("message", "")
                if "media" in message or rows.links:
                    self._listing.add(message, rows, f"{day.words}, {minute}", f"{name}#go_to_message{number + shift}")
                    if "media" in message:
                        text = searched(message)
            except _MALFORMED as error:
                # It is named, and does not keep others from being shown.
                self._counts["unshown"] += 1
                written = rows.hole(f"Message {number} cannot be shown: {type(error).__name__} {error}")
                out.append(written)
                if forum:
                    self._topic_rows.add(topic, written, day, False)
                continue
            if text:
                texts.append((number + shift, f"{day.iso} {minute}", plain(rows.who), text))
        self._counts["messages"] += len(messages)
        return texts

    def _count_topic(self, message: Tl, name: str) -> int:
        """What the list of topics says of a message; its topic."""
        topic = topic_of(message)
        known = self._topics.setdefault(str(topic), [0, name, message["id"], "", 0])
        known[0] += 1
        known[3:] = name, message["id"]
        action = message.get("action", {})
        if action.get("_") in ("messageActionTopicCreate", "messageActionTopicEdit") and "title" in action:
            self._titles[str(topic)] = action["title"]
        return topic

    def _find(self, number: int, now: int) -> LinkedMessage | None:
        """A message that the one with the id `now` leads to: it must come before it."""
        if number >= now:
            return None
        for known in reversed(self._held):
            if number in known:
                message, name = known[number]
                return LinkedMessage(message, self._way(name))
        place = bisect_right(self._starts, number) - 1
        if place < 0:
            return None
        found = self._again(number)
        if found is None or not self._view.wanted(found):
            return None
        name = page_names(self._keys[: place + 1])[-1]
        return LinkedMessage(found, self._way(name))

    def _way(self, name: str) -> str:
        """To a page, from the one at hand and, in a forum, also from that of the topic."""
        return "" if name == self._now and not self._view.forum else name

    def _find_files(self, messages: list[Tl]) -> None:
        self._files = {}
        if self._view.media.empty:
            return
        keys = []
        for message in messages:
            if "media" in message or "action" in message:
                keys += [*file_keys(message.get("media")), *file_keys(message.get("action"))]
        self._files = self._view.media.find(keys)

    def _place(self, kind: str, number: int, letter: str) -> str:
        """The address of a file, which a link to it or a copy gets; "" where the archive has none."""
        file = self._files.get((kind, number, letter))
        if file is None or not file.done:
            return ""
        name = file_address(file.path)
        if name not in self._media:
            target = self._view.temporary(f"file{len(self._media)}")
            if not link_or_copy(self._view.snapshot.root / file.path, target):
                return ""
            self._media[name] = len(self._media)
        return name


def link_or_copy(source: Path, target: Path) -> bool:
    """Give a file another name, or copy it where that cannot be; False where it is no file. OSError."""
    try:
        if not stat.S_ISREG(source.lstat().st_mode):
            return False
        target.unlink(missing_ok=True)
        os.link(source, target, follow_symlinks=False)
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        shutil.copyfile(source, target, follow_symlinks=False)
    return True


def searched(message: Tl) -> str:
    """What the search looks at."""
    text: str = message.get("message", "")
    media = message.get("media")
    if media is None:
        return text
    more = []
    kind = media["_"]
    if kind == "messageMediaDocument":
        attributes = media.get("document", {}).get("attributes", [])
        more = [one[field] for one in attributes for field in ("file_name", "title", "performer") if field in one]
    elif kind == "messageMediaWebPage":
        more = [media["webpage"][field] for field in ("title", "description") if field in media["webpage"]]
    elif kind == "messageMediaPoll":
        said = [media["poll"]["question"], *(one["text"] for one in media["poll"]["answers"] if "text" in one)]
        more = [one["text"] for one in said]
    elif kind == "messageMediaContact":
        more = [media["first_name"], media["last_name"]]
    elif kind == "messageMediaVenue":
        more = [media["title"], media["address"]]
    return "\n".join(filter(None, (text, *more)))
