from __future__ import annotations

import random

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from support.written_archive import entity
from tgbulk.perf.simdc.corpus.text import HOSTILE
from tgbulk.stages.render.markdown.text import markdown

PIECES = (
    "# heading", "- item", "+ item", "1. one", "2) two", "> quote", "---", "===", "***", "```", "~~~", "    code",
    "\tcode", "| a | b |", "|---|---|", "[[wiki]]", "![[embed]]", "[a](b)", "![a](b)", "[^1]: note",
    "#tag", "^id", "%%comment%%", "$x$",
    "<b>", "<% tp %>", "`= dv`", "key:: value", "==mark==", "~~gone~~", "&amp;", "&#35;", "\\", "https://e.example/a_b",
    "www.e.example", "a@e.example", "*x*", "__y__", "a\\", "  ", "\n", "\n\n", "\n\n\n", "word", "😀", "你好", "مرحبا",
    "<!-- c -->", "<script>x</script>", "- [ ] task", "!", "\u00a0", "\r", "x\r\ny", ":::", "{{x}}", "a|b", "1986. Great",
    *HOSTILE[:10],
)
KINDS = ("Bold", "Italic", "Underline", "Strike", "Spoiler", "Code", "Pre", "Blockquote", "Url", "TextUrl", "Mention",
         "Hashtag")
#: What a text may become.
PARAGRAPHS = {"paragraph_open", "paragraph_close", "inline"}
MARKS = {"blockquote_open", "blockquote_close", "fence"}


def inner_text(tokens: list[Token]) -> str:
    shown = (one for one in tokens if one.type != "html_inline")
    return "".join("\n" if one.type in ("softbreak", "hardbreak") else one.content for one in shown)


def read(source: str) -> tuple[str, set[str]]:
    """The text of blocks, and the kinds of tokens."""
    tokens = MarkdownIt("commonmark").enable("table").enable("strikethrough").parse(source)
    kinds = {one.type for one in tokens} | {child.type for one in tokens for child in one.children or []}
    blocks = [one.content.removesuffix("\n") if one.type == "fence" else inner_text(one.children or [])
              for one in tokens if one.type in ("inline", "fence")]
    return "\n\n".join(blocks), kinds


def wanted(said: str) -> str:
    return "".join("\ufffd" if one in "\0\x0b\x1c\x1d\x1e\x1f\x85" else one for one in said)


@pytest.mark.parametrize("seed", range(400))
def test_any_text_is_read_back_and_stays_text(seed: int) -> None:
    source = random.Random(seed)
    said = "".join(source.choice(PIECES) + source.choice(("", " ", "\n")) for _ in range(source.randint(1, 9)))
    shown, kinds = read(markdown(said, None))
    assert kinds <= PARAGRAPHS | {"text", "softbreak"}
    assert shown == wanted(said)


@pytest.mark.parametrize("seed", range(400))
def test_entities_change_no_text(seed: int) -> None:
    source = random.Random(seed)
    said = "".join(source.choice(PIECES) + source.choice(("", " ", "\n")) for _ in range(source.randint(1, 6)))
    units = len(said.encode("utf-16-le")) // 2
    entities = [entity(source.choice(KINDS), source.randint(0, units), source.randint(1, units + 1), url="https://e.example/")
                for _ in range(source.randint(1, 6))]
    note = markdown(said, entities)
    shown, kinds = read(note)
    assert kinds <= PARAGRAPHS | MARKS | {
        "text", "softbreak", "strong_open", "strong_close", "em_open", "em_close", "code_inline", "link_open", "link_close",
        "html_inline"}
    assert "<%" not in note
    # Where a quote or code begins or ends, one line feed of the text became the space between two blocks, and a carriage
    # return in a block of code a mark.
    if "\r" not in said:
        assert "".join(shown.split()) == "".join(wanted(said).split())


def test_marks_are_used_where_they_are_sure_to_be_read() -> None:
    assert markdown("a bold word", [entity("Bold", 2, 4)]) == "a **bold** word"
    assert markdown("abold word", [entity("Bold", 1, 4)]) == "a<strong>bold</strong> word"
    assert markdown("see here", [entity("TextUrl", 4, 4, url="https://e.example/")]) == "see [here](<https://e.example/>)"
    assert markdown("x = 1", [entity("Pre", 0, 5, language="python")]) == "```python\nx = 1\n```"
    assert markdown("x", [entity("Pre", 0, 1, language="dataviewjs")]) == "```\nx\n```"
    assert markdown("said", [entity("Blockquote", 0, 4)]) == "> said"


@pytest.mark.parametrize("said", ["= dv.pages()", "$= dv.pages()", "<% tp.file %>", "x <%* y %>"])
@pytest.mark.parametrize("kind", ["Code", "Pre"])
def test_code_that_a_plug_in_would_run_is_no_code(said: str, kind: str) -> None:
    note = markdown(said, [entity(kind, 0, len(said))])
    assert "`" not in note
    assert read(note)[0] == said


def test_links_that_may_not_be_followed_are_text() -> None:
    assert markdown("x", [entity("TextUrl", 0, 1, url="javascript:alert(1)")]) == "x"
