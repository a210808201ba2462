from __future__ import annotations

import random
from html import unescape
from html.parser import HTMLParser

import pytest

from support.written_archive import entity
from tgbulk.perf.simdc.corpus.text import HOSTILE
from tgbulk.stages.render.html.text import address, html

KINDS = ("Bold", "Italic", "Underline", "Strike", "Code", "Pre", "Blockquote", "Spoiler", "Mention", "Hashtag", "Url",
         "Email", "Phone", "Cashtag", "BotCommand", "BankCard", "Unknown", "CustomEmoji", "FormattedDate", "DiffInsert",
         "DiffDelete", "DiffReplace")


class Reader(HTMLParser):
    """Checks that elements nest, and collects text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.text = ""
        self.links = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag != "a" or "a" not in self.open
        self.open.append(tag)
        self.links += tag == "a"

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(source: str) -> Reader:
    reader = Reader()
    reader.feed(source)
    reader.close()
    assert reader.open == []
    return reader


def test_text_alone_is_escaped() -> None:
    assert html("a < b & c > d", None) == "a &lt; b &amp; c &gt; d"
    assert unescape(html("line\r\n\tnext  two", None)) == "line\r\n\tnext  two"


def test_entities_count_utf_16_units() -> None:
    assert html("😀 bold", [entity("Bold", 3, 4)]) == "😀 <strong>bold</strong>"
    assert html("naïve 你好", [entity("Italic", 6, 2)]) == "naïve <em>你好</em>"


def test_entities_that_cross_are_cut_in_two() -> None:
    both = html("abcdef", [entity("Bold", 0, 4), entity("Italic", 2, 4)])
    assert both == "<strong>ab<em>cd</em></strong><em>ef</em>"


def test_edits_and_dates_are_told() -> None:
    edits = [entity("DiffDelete", 0, 1), entity("DiffInsert", 1, 1), entity("DiffReplace", 2, 1, old_text='"<')]
    assert html("abc", edits) == '<del>a</del><ins>b</ins><ins title="&quot;&lt;">c</ins>'
    date = entity("FormattedDate", 0, 5, date=1_700_000_000, relative=True)
    shown = '<time datetime="2023-11-14T22:13:20Z" title="2023-11-14T22:13:20Z">today</time>'
    assert html("today", [date]) == shown
    assert html("today", [entity("FormattedDate", 0, 5)]) == "<time>today</time>"


def test_a_link_within_a_link_is_text() -> None:
    inner = [entity("TextUrl", 0, 9, url="https://a.example/"), entity("Url", 0, 9)]
    assert html("b.example", inner).count("<a ") == 1


@pytest.mark.parametrize("url", [
    "javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\nscript:alert(1)", "\x01javascript:alert(1)", " javascript:x",
    "data:text/html,x", "vbscript:x", "file:///etc/passwd", "blob:x", "//evil.example", "about:blank", "ht\ttp://x", "",
    "localhost", "\\\\server\\share",
])
def test_a_scheme_that_may_not_be_followed_is_no_link(url: str) -> None:
    assert address(url) == ""
    assert html("look", [entity("TextUrl", 0, 4, url=url)]) == "look"


@pytest.mark.parametrize(("url", "href"), [
    ("https://e.example/?a=1&b=\"2\"", "https://e.example/?a=1&amp;b=&quot;2&quot;"), ("e.example/x", "http://e.example/x"),
    ("tg://resolve?domain=x", "tg://resolve?domain=x"), ("mailto:a@b.example", "mailto:a@b.example"),
    ("https://e.example/\u202ex y", "https://e.example/%E2%80%AEx%20y"), ("e.example:80/x", "http://e.example:80/x"),
])
def test_a_good_address_is_escaped(url: str, href: str) -> None:
    assert address(url) == href


@pytest.mark.parametrize("seed", range(300))
def test_whatever_entities_do_the_text_stays_and_elements_nest(seed: int) -> None:
    source = random.Random(seed)
    said = "".join(source.choices(["a", "😀", "<b>", "&amp;", "\n", " ", "é", "\u202e", "]]>", "-->", '"', *HOSTILE], k=12))
    units = len(said.encode("utf-16-le")) // 2
    entities = [entity(source.choice(KINDS), source.randint(-3, units + 3), source.randint(-2, units + 5), old_text='a"b')
                for _ in range(source.randint(1, 12))]
    shown = read(html(said, entities)).text
    assert shown == said.replace("\0", "\ufffd")
