"""Text with entities as Markdown: whatever somebody wrote stays text (docs/spec/render.md 2).

A CommonMark parser reads the same text back. Nothing in it becomes a heading, list, link, embed, tag, comment, query or
script: neither of CommonMark nor of Obsidian and its plug-ins Templater (`<%`) and Dataview (`=` in code, `::`, code blocks
of its languages).
"""
from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tgbulk.stages.render.html.text import address

Entity = dict[str, Any]
#: (start, end, entity), in UTF-16 units
_Span = tuple[int, int, Entity]

#: Escaped wherever they stand.
_SPECIAL = re.compile(r"[\\`*_{}\[\]>#~|$=^%&!@]")
_STARTS = re.compile(r"([-+]|\d{1,9}(?=[.)]))")
_LINKS = re.compile(r":(?=//|:)|(?<=www)\.", re.IGNORECASE)
#: What no entity of HTML stands for, and a parser takes for a blank.
_LOST = re.compile("[\x00\x0b\x1c-\x1f\x85]")
#: Languages of code that no plug-in runs.
_LANGUAGES = frozenset((  # noqa: SIM905
    "bash c cpp cs css diff go haskell html ini java javascript js json kotlin latex lua makefile php perl py python r ruby "
    "rust scala sh shell sql swift toml ts typescript xml yaml"
).split())
#: Templater and Dataview look for these in code, too; and the end of tgbulk's part of a note (vault.py) must not be there.
_RUNS = re.compile(r"<%|<!-- tgbulk|^\s*\$?=")
_MARKS = {
    "messageEntityBold": ("**", "**"), "messageEntityItalic": ("_", "_"), "messageEntityUnderline": ("<u>", "</u>"),
    "messageEntityStrike": ("<s>", "</s>"), "messageEntityDiffDelete": ("<s>", "</s>"),
    "messageEntityDiffInsert": ("<u>", "</u>"), "messageEntityDiffReplace": ("<u>", "</u>"),
    "messageEntitySpoiler": ('<span class="spoiler">', "</span>"),
}
_TAGS = {"**": ("<strong>", "</strong>"), "_": ("<em>", "</em>")}
#: From an attribute of HTML to an address between < and >.
_IN_ADDRESS = (("&amp;", "&"), ("&quot;", "%22"), ("&lt;", "%3C"), ("&gt;", "%3E"), ("\\", "%5C"), ("&", "\\&"))
#: How many entities of one text are looked at: Telegram allows 100.
_MOST = 1000


def whole_characters(data: bytes, start: int, stop: int) -> tuple[int, int]:
    """The same units of UTF-16, and the other halves of characters that they cut in two."""
    if 0xDC <= data[2 * start + 1] < 0xE0:
        start = max(0, start - 1)
    if 2 * stop < len(data) and 0xDC <= data[2 * stop + 1] < 0xE0:
        stop += 1
    return start, stop


def escaped(line: str) -> str:
    """One line that stays text wherever it stands."""
    line = _LOST.sub("\ufffd", line)
    line = _SPECIAL.sub(r"\\\g<0>", line).replace("<", "&lt;").replace("\r", "&#13;")
    return _LINKS.sub(r"\\\g<0>", line) if ":" in line or "www" in line.lower() else line


def edged(line: str) -> str:
    """A line of Markdown whose blanks at both ends stay, and that begins no block."""
    found = _STARTS.match(line)
    if found:
        digits = found[0] if found[0].isdigit() else ""
        line = f"{digits}\\{line[len(digits):]}"
    first = len(line) - len(line.lstrip())
    if first == len(line):
        return "".join(f"&#{ord(one)};" for one in line)
    last = len(line.rstrip())
    ends = [re.sub(r"\s", lambda one: f"&#{ord(one[0])};", part) for part in (line[:first], line[last:])]
    return f"{ends[0]}{line[first:last]}{ends[1]}"


def markdown(text: str, entities: list[Entity] | None) -> str:
    """Blocks with empty lines between them; "" for an empty text."""
    if not text:
        return ""
    if not entities and "\n" not in text:
        return edged(escaped(text))
    return "\n\n".join(_Blocks(text, entities or []).blocks())


class _Blocks:
    """A text cut into lines, and these into paragraphs, quotes and code."""

    def __init__(self, text: str, entities: list[Entity]) -> None:
        self._data = text.encode("utf-16-le", "surrogatepass")
        #: (start, end) of each line
        self._lines: list[tuple[int, int]] = []
        place = 0
        for line in text.split("\n"):
            size = len(line) + sum(one > "\uffff" for one in line)
            self._lines.append((place, place + size))
            place += size + 1
        self._inline: list[_Span] = []
        #: first line -> (last line, entity)
        self._whole: dict[int, tuple[int, Entity]] = {}
        starts = {start: number for number, (start, _) in enumerate(self._lines)}
        stops = {stop: number for number, (_, stop) in enumerate(self._lines)}
        for entity in entities[:_MOST]:
            start, stop = max(0, entity["offset"]), min(place - 1, entity["offset"] + entity["length"])
            if start >= stop:
                continue
            start, stop = whole_characters(self._data, start, stop)
            kind, first, last = entity["_"], starts.get(start), stops.get(stop)
            code = kind == "messageEntityPre" and not _RUNS.search(self._cut(start, stop))
            block = code or kind == "messageEntityBlockquote"
            if block and first is not None and last is not None and first not in self._whole:
                self._whole[first] = last, entity
            else:
                self._inline.append((start, stop, entity))
        self._inline.sort(key=lambda one: (one[0], -one[1]))

    def blocks(self) -> list[str]:
        found: list[str] = []
        number, count = 0, len(self._lines)
        while count and self._lines[count - 1][0] == self._lines[count - 1][1]:
            count -= 1
        behind = len(self._lines) - count
        while number < count:
            if number in self._whole:
                last, entity = self._whole[number]
                quote = entity["_"] == "messageEntityBlockquote"
                found.append(self._quote(number, last) if quote else self._code(number, last, entity))
                number = last + 1
                continue
            first, empty = number, 0
            while number < count and number not in self._whole and self._lines[number][0] == self._lines[number][1]:
                number += 1
                empty += 1
            lines = ["&#10;" * max(0, empty - (1 if first else 0))] if empty > (1 if first else 0) else []
            while number < count and number not in self._whole and self._lines[number][0] < self._lines[number][1]:
                lines.append(self._line(number))
                number += 1
            if lines and lines[0].startswith("&#10;") and len(lines) > 1:
                lines[:2] = [lines[0] + lines[1]]
            if lines:
                found.append("\n".join(lines))
        if not found or found[-1].endswith("```") or found[-1].startswith(">"):
            return [*found, "&#10;" * (behind - 1)] if behind > 1 else found
        found[-1] += "&#10;" * behind
        return found

    def _cut(self, start: int, stop: int) -> str:
        return self._data[2 * start : 2 * stop].decode("utf-16-le", "replace")

    def _code(self, first: int, last: int, entity: Entity) -> str:
        said = _LOST.sub("\ufffd", self._cut(self._lines[first][0], self._lines[last][1])).replace("\r", "\ufffd")
        fence = "`" * max(3, 1 + max(map(len, re.findall("`+", said)), default=0))
        language = entity.get("language", "").lower()
        return f"{fence}{language if language in _LANGUAGES else ''}\n{said}\n{fence}"

    def _quote(self, first: int, last: int) -> str:
        return "\n".join(f"> {self._line(number)}" if self._lines[number][0] < self._lines[number][1] else ">"
                         for number in range(first, last + 1))

    def _line(self, number: int) -> str:
        start, stop = self._lines[number]
        spans = [(max(start, lo), min(stop, hi), one) for lo, hi, one in self._inline if lo < stop and hi > start]
        return edged(self._marked(start, stop, spans, 0))

    def _marked(self, start: int, stop: int, spans: list[_Span], depth: int) -> str:
        """Text from start to stop of a line. Elements that cross the end of another one are cut in two there."""
        out, at = [], start
        while spans:
            lo, hi, entity = spans[0]
            out.append(escaped(self._cut(at, lo)))
            inside = [(max(lo, a), min(hi, b), one) for a, b, one in spans[1:] if a < hi]
            spans = sorted(((max(hi, a), b, one) for a, b, one in spans[1:] if b > hi), key=lambda one: (one[0], -one[1]))
            edges = self._cut(lo - 1, lo) if lo else " ", self._cut(hi, hi + 1) or " "
            said = self._element(lo, hi, entity, inside, edges, depth)
            # Two pieces of code that touch would be one.
            touching = said.startswith("`") and "".join(out).endswith("`")
            out.append(escaped(self._cut(lo, hi)) if touching else said)
            at = hi
        out.append(escaped(self._cut(at, stop)))
        return "".join(out)

    def _element(
        self, lo: int, hi: int, entity: Entity, inside: list[_Span], edges: tuple[str, str], depth: int
    ) -> str:
        said, kind = self._cut(lo, hi), entity["_"]
        inner: Callable[[], str] = lambda: self._marked(lo, hi, inside, depth + 1)  # noqa: E731
        code = kind in ("messageEntityCode", "messageEntityPre") and said.strip() and "\r" not in said
        if code and not _RUNS.search(said):
            return _code_span(_LOST.sub("\ufffd", said))
        if kind in ("messageEntityUrl", "messageEntityTextUrl"):
            href = address(entity.get("url", said))
            for found, written in _IN_ADDRESS:
                href = href.replace(found, written)
            plain = [one for one in inside if one[2]["_"] not in ("messageEntityUrl", "messageEntityTextUrl")]
            if href and said.strip():
                return f"[{edged(self._marked(lo, hi, plain, depth + 1))}](<{href}>)"
        if kind in _MARKS and said.strip() and depth < 8:
            opening, closing = _MARKS[kind]
            blank = all(one.isspace() for one in edges)
            if opening in _TAGS and not (blank and said == said.strip() and not inside and _plain(said)):
                opening, closing = _TAGS[opening]
            return f"{opening}{inner()}{closing}"
        return inner()


def _plain(said: str) -> bool:
    """Whether marks around it are sure to be read as marks: it begins and ends with a letter or digit."""
    return said[0].isalnum() and said[-1].isalnum()


def _code_span(said: str) -> str:
    fence = "`" * (1 + max(map(len, re.findall("`+", said)), default=0))
    pad = " " if said[0] == "`" or said[-1] == "`" or (said[0] == " " and said[-1] == " ") else ""
    return f"{fence}{pad}{said}{pad}{fence}"
