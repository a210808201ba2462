"""The site in a real Chromium, from files: nothing runs, nothing is asked for elsewhere, and it can be read and searched."""
from __future__ import annotations

import random
import struct
from pathlib import Path
from zlib import compress, crc32

import pytest

from support.browser import Browser
from support.rendered import render
from support.written_archive import Tl, WrittenArchive, entity, file, photo, reply, text, user
from tgbulk.stages.render.html.site import Html

CHAT = -1000000000005
CHANNEL = {"_": "channel", "id": 5, "title": "Chat", "date": 0, "photo": {"_": "chatPhotoEmpty"}}
START = 1_700_000_000
SAID = {"Latin": "naïve façade", "Cyrillic": "спасибо большое", "Arabic": "مرحبا بالعالم", "Chinese": "你好世界今天",
        "Greek": "Ελλάδα"}
#: What people put into a search field for these.
ASKED = {"Latin": "Facade", "Cyrillic": "БОЛЬШОЕ", "Arabic": "مرحبا", "Chinese": "世界", "Greek": "ελλαδα"}
_RUN = "window.hacked=1"
ATTACKS = (
    "<script>{run}</script>", "</script><script>{run}</script>", "<img src=x onerror={run}>",
    '"><img src=x onerror="{run}">', "' onmouseover='{run}' x='", '" autofocus onfocus="{run}" x="',
    "<svg/onload={run}>", "<svg><script>{run}</script></svg>", "<iframe srcdoc='<script>{run}</script>'>",
    "<iframe src=https://evil.example/>", "<link rel=stylesheet href=https://evil.example/x.css>",
    "<style>@import 'https://evil.example/x.css'</style>",
    "<meta http-equiv=refresh content='0;url=https://evil.example/'>", "<base href=https://evil.example/>",
    "<form action=https://evil.example/><input autofocus onfocus={run}>", "--><script>{run}</script>",
    "]]><script>{run}</script>", "<!--", "<!-- end of page -->\n", "</div></div></div></body></html>", "<plaintext>",
    "<textarea>", "<title>", "<noscript><p title='</noscript><img src=x onerror={run}>'>", "javascript:{run}",
    "data:text/html,<script>{run}</script>", "<object data=https://evil.example/x>",
    "<embed src=https://evil.example/x>", "<video src=https://evil.example/x autoplay>",
    "<a href=javascript:{run}>x</a>", "\u202e<script>{run}</script>", "&lt;script&gt;{run}&lt;/script&gt;",
    "\0<scr\0ipt>{run}</script>", "{{{{constructor.constructor('{run}')()}}}}", "${{{run}}}",
    "\\u003cscript\\u003e{run}", "<math><mtext><style><img src onerror={run}>", "\u2028{run}\u2029",
    "<template><script>{run}</script></template>", "<x style='background:url(https://evil.example/x)'>",
    "%3Cscript%3E",
)


def png() -> bytes:
    """A picture of two by two pixels."""
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc32(name + data))
    rows = b"\0\xff\0\0\0\xff\0" * 2
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", compress(rows)) + chunk(b"IEND", b"")


def check_quiet(browser: Browser, folder: Path) -> None:
    """No error, nothing blocked, and nothing asked for but files of the site."""
    assert browser.problems == []
    root = folder.resolve().as_uri()
    assert [one for one in browser.requests if not one.startswith((root, "about:"))] == []


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    archive = WrittenArchive(folder / "archive")
    messages = [text(number, f"message {number}", number % 3 + 1, START + 600 * number) for number in range(1, 2501)]
    for number, said in enumerate(SAID.values(), 100):
        messages[number]["message"] = f"before {said} behind"
    messages[2000] = text(2001, "an answer", 1, START + 600 * 2001, reply_to=reply(7))
    messages[2003] = text(2004, "", 1, START + 600 * 2004, media=photo(77, 640, 480))
    for number in (2010, 2011, 2012):
        messages[number] = text(number + 1, "", 1, START + 600 * 2010, media=photo(78 + number, 640, 480), grouped_id=5)
    archive.chat(CHAT, messages, [user(1, "Anna"), user(2, "محمد"), user(3, "大輔"), CHANNEL])
    archive.files(CHAT, messages, {one: png() for one in (77, 2088, 2089, 2090)})
    render(archive.root, Html("UTC"), folder / "out")
    return folder / "out"


def test_pages_are_quiet_and_pictures_show(browser: Browser, site: Path) -> None:
    browser.look(1280, 900)
    for name in ("index.html", "search.html", *(f"{CHAT}/{one}" for one in (
        "messages.html", "messages3.html", "calendar.html", "media.html", "links.html", "search.html"))):
        browser.open((site / name).as_uri())
        check_quiet(browser, site)
    browser.open((site / str(CHAT) / "messages3.html").as_uri())
    shown = browser.ask("""Promise.all([...document.images].map(async (one) => {
        one.loading = "eager"; await one.decode(); return one.naturalWidth; }))""")
    assert shown == [2, 2, 2, 2]
    check_quiet(browser, site)
    assert browser.ask("document.querySelector('.message').getBoundingClientRect().width") > 300
    browser.look(390, 800)
    assert browser.ask("document.documentElement.scrollWidth") <= 390
    browser.open((site / "index.html").as_uri())
    browser.look(320, 800)
    cut = "[...document.querySelectorAll('.entry .count')].map((one) => one.scrollWidth - one.clientWidth)"
    assert browser.ask(cut) == [0]
    browser.look(1280, 900)


def test_a_reply_leads_to_its_message(browser: Browser, site: Path) -> None:
    browser.open((site / str(CHAT) / "messages3.html").as_uri())
    browser.ask("document.querySelector('#message2001 .reply_to a').click()")
    browser.wait("document.querySelector('#message7:has(:target)') !== null")
    assert browser.ask("document.querySelector(':target').closest('.message').id") == "message7"
    assert browser.ask("document.querySelector(':target').getBoundingClientRect().top < innerHeight")


@pytest.mark.parametrize("script", SAID)
@pytest.mark.parametrize("place", ["search.html", f"{CHAT}/search.html"])
def test_search_finds_words_of_any_script(browser: Browser, site: Path, script: str, place: str) -> None:
    browser.open((site / place).as_uri())
    browser.wait("document.querySelector('#search input') !== null")
    browser.ask(f"""(() => {{ document.querySelector('#search input').value = {ASKED[script]!r};
        document.querySelector('#search form').requestSubmit(); }})()""")
    browser.wait("/^[0-9]+ found$/.test(document.querySelector('#search [role=status]').textContent)")
    hits = browser.ask("[...document.querySelectorAll('.hit')].map((one) => [one.getAttribute('href'), one.textContent])")
    assert len(hits) == 1
    number = 101 + list(SAID).index(script)
    assert hits[0][0].endswith(f"messages.html#go_to_message{number}")
    assert SAID[script] in hits[0][1]
    check_quiet(browser, site)
    browser.ask("document.querySelector('.hit').click()")
    browser.wait("document.querySelector(':target') !== null")
    assert browser.ask("document.querySelector(':target').closest('.message').id") == f"message{number}"


def test_without_javascript_everything_but_the_search_works(browser: Browser, site: Path) -> None:
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open((site / str(CHAT) / "search.html").as_uri())
        assert browser.problems == []
        root = browser.call("DOM.getDocument", depth=-1)["root"]
        assert "needs JavaScript" in str(root)
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)


def hostile(count: int) -> tuple[list[Tl], list[Tl]]:
    """Messages whose every text, name, file name and URL is an attack."""
    source = random.Random(1)
    messages, peers = [], [CHANNEL | {"title": ATTACKS[0].format(run=_RUN)}]
    for number in range(1, count + 1):
        attacks = [source.choice(ATTACKS).format(run=_RUN) for _ in range(8)]
        said = f"{number}: {' '.join(attacks[:2])}"
        units = len(said.encode("utf-16-le")) // 2
        kinds = ("Bold", "Url", "Hashtag", "Mention", "Email", "Phone", "Cashtag", "Pre", "Spoiler", "Blockquote")
        more: Tl = {"entities": [
            entity(source.choice(kinds), source.randrange(units), source.randrange(1, units)),
            entity("TextUrl", source.randrange(units), source.randrange(1, units), url=attacks[2]),
            entity("Pre", 0, 3, language=attacks[3]),
        ]}
        kind = number % 8
        if kind == 0:
            more["media"] = file(number, f"{attacks[4]}.html", "text/html")
        elif kind == 1:
            more["media"] = {"_": "messageMediaWebPage", "webpage": {
                "_": "webPage", "id": 1, "url": attacks[4], "display_url": attacks[5], "hash": 0, "title": attacks[6],
                "site_name": attacks[7], "description": attacks[5]}}
        elif kind == 2:
            more["media"] = {"_": "messageMediaContact", "phone_number": attacks[4], "first_name": attacks[5],
                             "last_name": attacks[6], "vcard": attacks[7], "user_id": 0}
        elif kind == 3:
            more["media"] = {"_": "messageMediaPoll", "results": {"_": "pollResults"}, "poll": {
                "_": "poll", "id": 1, "question": {"_": "textWithEntities", "text": attacks[4], "entities": []},
                "answers": [{"_": "pollAnswer", "option": "AA==", "text": {
                    "_": "textWithEntities", "text": attacks[5], "entities": []}}]}}
        elif kind == 4:
            more["reply_markup"] = {"_": "replyInlineMarkup", "rows": [{"_": "keyboardInlineButtonRow", "buttons": [
                {"_": "keyboardInlineButton", "text": attacks[4],
                 "type": {"_": "inlineButtonTypeUrl", "url": attacks[5]}}]}]}
        elif kind == 5:
            more["fwd_from"] = {"_": "messageFwdHeader", "from_name": attacks[4], "post_author": attacks[5], "date": START}
            more["post_author"] = attacks[6]
        elif kind == 6 and number > 1:
            more["reply_to"] = reply(number - 1, quote_text=attacks[4])
        else:
            more["reactions"] = {"_": "messageReactions", "results": [
                {"_": "reactionCount", "reaction": {"_": "reactionEmoji", "emoticon": attacks[4]}, "count": 1}]}
        messages.append(text(number, said, number, START + number * 600, **more))
        peers.append(user(number, attacks[6], attacks[7]))
    return messages, peers


def test_a_thousand_hostile_texts_run_nothing_and_break_no_page(browser: Browser, tmp_path: Path) -> None:
    messages, peers = hostile(1000)
    archive = WrittenArchive(tmp_path / "archive")
    archive.chat(CHAT, messages, peers, title=ATTACKS[1].format(run=_RUN))
    archive.files(CHAT, messages, {number: b"<script>window.hacked=1</script>" for number in range(8, 1001, 8)})
    out = tmp_path / "out"
    render(archive.root, Html("UTC"), out)
    folder = out / str(CHAT)
    pages = [f"{CHAT}/{one}.html" for one in ("messages", "media", "links", "calendar")]
    for name in ("index.html", *pages):
        browser.open((out / name).as_uri())
        check_quiet(browser, out)
        assert browser.ask("typeof window.hacked") == "undefined"
        for none in ("script, iframe, object, embed, form, style, base, template",
                     "svg, math, meta[http-equiv=refresh], link:not([href$=css])"):
            assert browser.ask(f"document.querySelectorAll('{none}').length") == 0
        assert browser.ask("""[...document.querySelectorAll('*')].flatMap((one) => [...one.attributes])
            .filter((one) => /^(on.*|style|srcdoc)$/.test(one.name)).length""") == 0
        assert browser.ask("""[...document.querySelectorAll('[href], [src]')].map((one) => one.href || one.src)
            .filter((one) => !/^(file|https?|mailto|tel|tg):/.test(one))""") == []
        assert browser.ask("document.body.lastElementChild.className") == "page_wrap"
    browser.open((folder / "messages.html").as_uri())
    shown = browser.ask("""[...document.querySelectorAll('.history > .message.default')].map((one) =>
        [one.id, one.querySelector('.text').textContent])""")
    assert [one for one, _ in shown] == [f"message{one['id']}" for one in messages]
    for (_, said), message in zip(shown, messages, strict=True):
        assert said == message["message"].replace("\0", "\ufffd")
    assert not [one for one in folder.rglob("*.html") if "media" in one.parent.parts]
    browser.open((folder / "search.html").as_uri() + "#script")
    browser.wait("document.querySelectorAll('.hit').length > 50")
    assert browser.ask("typeof window.hacked") == "undefined"
    check_quiet(browser, out)
