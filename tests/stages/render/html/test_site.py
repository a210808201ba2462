from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from support.rendered import render, tree
from support.written_archive import Tl, WrittenArchive, entity, file, photo, reply, text, user
from tgbulk.stages.render.html.page import END
from tgbulk.stages.render.html.site import Html
from tgbulk.stages.render.view import Filter

CHAT = -1000000000005
DAY = 86_400
START = 1_700_000_000
PEERS = [user(1, "Anna"), user(2, "Иван", "Пушкин"), {"_": "channel", "id": 5, "title": "Chat", "date": 0,
                                                     "photo": {"_": "chatPhotoEmpty"}}]


def talk(count: int, first: int = 1) -> list[Tl]:
    """Messages of two people, each third an answer to one before it."""
    return [
        text(number, f"word{number} and more", number % 2 + 1, START + 3600 * number,
             **({"reply_to": reply(max(1, number - 1 - number % 2500))} if number % 3 == 0 else {}))
        for number in range(first, first + count)
    ]


class Page(HTMLParser):
    """Ids and links of a page."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.ids.append(value)
            if name in ("href", "src") and value:
                self.links.append(value)


def check_links(folder: Path) -> int:
    """Every way within the site leads to something; how many lead to a message."""
    pages = {one: Page(one.read_text()) for one in folder.rglob("*.html")}
    count = 0
    for path, page in pages.items():
        assert len(set(page.ids)) == len(page.ids), path
        for link in page.links:
            if re.match(r"[a-z]+:", link):
                continue
            name, _, mark = link.partition("#")
            target = (path.parent / name).resolve() if name else path.resolve()
            assert target.is_file(), (path, link)
            if mark and "message" in mark:
                assert mark in pages[target].ids, (path, link)
                count += 1
    return count


@pytest.fixture
def archive(tmp_path: Path) -> WrittenArchive:
    return WrittenArchive(tmp_path / "archive")


def test_every_way_in_the_site_leads_somewhere(archive: WrittenArchive, tmp_path: Path) -> None:
    archive.chat(CHAT, talk(3500), PEERS)
    render(archive.root, Html("UTC"), tmp_path / "out")
    assert sorted(one.name for one in (tmp_path / "out" / str(CHAT)).glob("messages*.html")) == [
        "messages.html", "messages2.html", "messages3.html", "messages4.html"]
    assert check_links(tmp_path / "out") > 4000


def test_pages_by_month(archive: WrittenArchive, tmp_path: Path) -> None:
    archive.chat(CHAT, talk(1500), PEERS)
    render(archive.root, Html("UTC", True), tmp_path / "out")
    names = sorted(one.name for one in (tmp_path / "out" / str(CHAT)).glob("messages*.html"))
    assert names == ["messages_2023-11.html", "messages_2023-12.html", "messages_2024-01.html"]
    assert check_links(tmp_path / "out") > 1000


def test_only_what_is_wanted(archive: WrittenArchive, tmp_path: Path) -> None:
    archive.chat(CHAT, talk(3000), PEERS)
    render(archive.root, Html("UTC"), tmp_path / "out", wanted=Filter(since=START + 3600 * 2500))
    page = (tmp_path / "out" / str(CHAT) / "messages.html").read_text()
    assert 'id="message2500"' in page
    assert 'id="message2499"' not in page
    check_links(tmp_path / "out")


def test_the_same_bytes_for_any_number_of_processes(archive: WrittenArchive, tmp_path: Path) -> None:
    archive.chat(CHAT, talk(41_000), PEERS)
    for workers in (1, 3):
        render(archive.root, Html("UTC"), tmp_path / str(workers), workers=workers)
    assert tree(tmp_path / "1") == tree(tmp_path / "3")


def test_what_comes_later_is_added_as_if_all_were_rendered_anew(archive: WrittenArchive, tmp_path: Path) -> None:
    full = 20_000
    rounds = [(talk(900), PEERS), (talk(full), PEERS), (talk(full + 1), PEERS),
              (talk(full + 1200), [*PEERS, user(3, "Zoë")]),
              ([*talk(30), *talk(full + 1200, 60)], PEERS), (talk(2 * full), [user(1, "Renamed"), *PEERS[1:]])]
    for number, (messages, peers) in enumerate(rounds):
        archive.chat(CHAT, messages, peers, title=f"Chat {number // 3}")
        render(archive.root, Html("UTC"), tmp_path / "out")
        render(archive.root, Html("UTC"), tmp_path / f"new{number}")
        assert tree(tmp_path / "out") == tree(tmp_path / f"new{number}"), number


def test_pages_that_stay_as_they_are_are_not_written(archive: WrittenArchive, tmp_path: Path) -> None:
    archive.chat(CHAT, talk(2000), PEERS)
    render(archive.root, Html("UTC"), tmp_path / "out")
    page = tmp_path / "out" / str(CHAT) / "messages.html"
    before = page.stat()
    archive.chat(CHAT, talk(2500), PEERS)
    render(archive.root, Html("UTC"), tmp_path / "out")
    assert (page.stat().st_ino, page.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert page.read_text().count(END) == 1


def test_holes_are_told_where_they_are(archive: WrittenArchive, tmp_path: Path) -> None:
    archive.chat(CHAT, [*talk(10), *talk(10, 21)], PEERS, quarantined=[[11, 20]], state="gaps")
    render(archive.root, Html("UTC"), tmp_path / "out")
    page = (tmp_path / "out" / str(CHAT) / "messages.html").read_text()
    place = page.index("could not be decoded")
    assert page.index('id="message10"') < place < page.index('id="message21"')
    assert "could not be decoded" in (tmp_path / "out" / "index.html").read_text()


def test_a_message_that_cannot_be_shown_is_named_and_alone(archive: WrittenArchive, tmp_path: Path) -> None:
    broken = text(2, "x", media={"_": "messageMediaPoll"})
    archive.chat(CHAT, [text(1, "before"), broken, text(3, "behind")], PEERS)
    render(archive.root, Html("UTC"), tmp_path / "out")
    page = (tmp_path / "out" / str(CHAT) / "messages.html").read_text()
    assert all(one in page for one in ("Message 2 cannot be shown", "before", "behind"))
    assert "1 of its messages could not be shown" in (tmp_path / "out" / "index.html").read_text()


def test_files_are_linked_and_what_a_browser_would_run_is_not_shown(archive: WrittenArchive, tmp_path: Path) -> None:
    messages = [text(1, "", media=photo(77)), text(2, "", media=file(78, "evil.html", "text/html")),
                text(3, "", media=file(79, "drawing.SVG", "image/svg+xml")), text(4, "", media=file(80, "notes.pdf"))]
    archive.chat(CHAT, messages, PEERS)
    places = archive.files(CHAT, messages, {number: b"%d" % number for number in (77, 78, 79, 80)})
    render(archive.root, Html("UTC"), tmp_path / "out")
    folder = tmp_path / "out" / str(CHAT)
    names = sorted(str(one.relative_to(folder)) for one in (folder / "media").rglob("*") if one.is_file())
    assert names == ["media/document/78_evil.html.download", "media/document/79_drawing.SVG.download",
                     "media/document/80_notes.pdf", "media/photo/77_x.jpg"]
    assert {one.stat().st_ino for one in places} == {(folder / name).stat().st_ino for name in names}
    check_links(tmp_path / "out")


def test_the_pages_of_telegram_desktop_are_recognised(archive: WrittenArchive, tmp_path: Path) -> None:
    forward = {"_": "messageFwdHeader", "from_id": {"_": "peerUser", "user_id": 2}, "date": START}
    messages = [text(1, "one", date=START), text(2, "two", date=START + 60),
                text(3, "three", 2, START + 70, reply_to=reply(1)),
                text(4, "four", 2, START + 80, fwd_from=forward), text(5, "five", 99, START + DAY)]
    archive.chat(CHAT, messages, PEERS)
    render(archive.root, Html("Asia/Kolkata"), tmp_path / "out")
    page = (tmp_path / "out" / str(CHAT) / "messages.html").read_text()
    assert '<div class="message default clearfix" id="message1">' in page
    assert '<div class="message default clearfix joined" id="message2">' in page
    assert 'title="15.11.2023 03:43:20 UTC+05:30"' in page
    assert '<div class="message service" id="message-1">\n<div class="body details">15 November 2023</div>' in page
    assert '<a href="#go_to_message1">' in page
    assert '<div class="forwarded body">\n<div class="from_name"><bdi>Иван Пушкин</bdi><span class="date details"' in page
    assert '<div class="from_name" data-colour="4"><bdi>Deleted Account</bdi></div>' in page


def test_a_reply_quotes_what_it_answers(archive: WrittenArchive, tmp_path: Path) -> None:
    quoted = reply(1, quote_text="only this")
    elsewhere = reply(7, reply_to_peer_id={"_": "peerUser", "user_id": 2})
    messages = [text(1, "the whole of it\nand more"), text(2, "a", reply_to=reply(1)), text(3, "b", reply_to=quoted),
                text(4, "c", reply_to=reply(900)), text(5, "d", reply_to=elsewhere)]
    archive.chat(CHAT, messages, PEERS)
    render(archive.root, Html("UTC"), tmp_path / "out")
    page = (tmp_path / "out" / str(CHAT) / "messages.html").read_text()
    assert '<span class="quote" dir="auto">the whole of it and more</span>' in page
    assert '<span class="quote" dir="auto">only this</span>' in page
    assert "a message that is not in the archive" in page
    assert "In reply to a message in <bdi>Иван Пушкин</bdi>" in page


def test_links_and_hashtags_are_listed_and_lead_on(archive: WrittenArchive, tmp_path: Path) -> None:
    messages = [text(1, "see https://e.example/a or here", entities=[
        entity("Url", 4, 19), entity("TextUrl", 27, 4, url="https://e.example/b")]),
        text(2, "#tag", entities=[entity("Hashtag", 0, 4)])]
    archive.chat(CHAT, messages, PEERS)
    render(archive.root, Html("UTC"), tmp_path / "out")
    links = (tmp_path / "out" / str(CHAT) / "links.html").read_text()
    assert links.index("https://e.example/a") < links.index("https://e.example/b")
    assert '<a href="search.html#%23tag">#tag</a>' in (tmp_path / "out" / str(CHAT) / "messages.html").read_text()


def test_a_forum_has_its_topics(archive: WrittenArchive, tmp_path: Path) -> None:
    created: Tl = {"_": "messageService", "id": 2, "from_id": {"_": "peerUser", "user_id": 1},
                   "peer_id": {"_": "peerChannel", "channel_id": 5}, "date": START,
                   "action": {"_": "messageActionTopicCreate", "title": "<Plans>", "icon_color": 1}}
    messages = [text(1, "general"), created, text(3, "in it", reply_to=reply(2, forum_topic=True))]
    archive.chat(CHAT, messages, PEERS, type="forum")
    render(archive.root, Html("UTC"), tmp_path / "out")
    topics = (tmp_path / "out" / str(CHAT) / "topics.html").read_text()
    assert all(one in topics for one in ("&lt;Plans&gt;", "2 messages", "General"))
    page = (tmp_path / "out" / str(CHAT) / "messages.html").read_text()
    assert '<a href="topics.html#topic2">topic</a>' in page
    assert "In reply to" not in page
    check_links(tmp_path / "out")


def test_a_topic_reads_as_a_whole(archive: WrittenArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Html, "part_messages", 1000)
    monkeypatch.setattr("tgbulk.stages.render.html.topic._PAGE", 300)
    created: Tl = {"_": "messageService", "id": 2, "from_id": {"_": "peerUser", "user_id": 1},
                   "peer_id": {"_": "peerChannel", "channel_id": 5}, "date": START,
                   "action": {"_": "messageActionTopicCreate", "title": "Plans", "icon_color": 1}}
    renamed = created | {"id": 1500, "date": START + 1500, "reply_to": reply(2, forum_topic=True),
                         "action": {"_": "messageActionTopicEdit", "title": "Better plans"}}
    said = [text(number, f"word{number}", 1, START + number, **(
        {"reply_to": reply(number - 2, forum_topic=True, reply_to_top_id=2)} if number % 2 and number > 4 else {}))
        for number in range(3, 1500)]
    for number, messages in enumerate(([created, *said[:1200]], [created, *said, renamed])):
        archive.chat(CHAT, messages, PEERS, type="forum")
        render(archive.root, Html("UTC"), tmp_path / "out")
        render(archive.root, Html("UTC"), tmp_path / f"new{number}")
        assert tree(tmp_path / "out") == tree(tmp_path / f"new{number}")
    check_links(tmp_path / "out")
    folder, seen = tmp_path / "out" / str(CHAT), []
    for name in ("topic_2.html", "topic_2_2.html", "topic_2_3.html"):
        page = (folder / name).read_text()
        assert '<div class="text bold" dir="auto">Better plans</div>' in page
        assert page.index('id="message-1"') < page.index('class="from_name"')
        seen += [int(one) for one in re.findall(r'id="message(\d+)"', page)]
    assert seen == [2, *range(5, 1500, 2), 1500]
    assert page.count('<a href="messages2.html#go_to_message1497">') == 1


def older(count: int) -> list[Tl]:
    """Messages of the basic group 77."""
    return [one | {"peer_id": {"_": "peerChat", "chat_id": 77}, "date": START - 90 * DAY + 600 * one["id"],
                   "entities": [entity("TextUrl", 0, 4, url=f"https://old.example/{one['id']}")]} for one in talk(count)]


@pytest.mark.parametrize("by_month", [False, True])
def test_both_halves_of_a_group_are_one_chat(archive: WrittenArchive, tmp_path: Path, by_month: bool) -> None:
    rounds = [(1010, 0), (1010, 1010), (1100, 1020)]
    for number, (old, new) in enumerate(rounds):
        archive.chat(-77, older(old), PEERS, type="group", title="Old name", migrated_to=CHAT)
        archive.chat(CHAT, talk(new), PEERS, migrated_from=-77)
        render(archive.root, Html("UTC", by_month), tmp_path / "out")
        render(archive.root, Html("UTC", by_month), tmp_path / f"new{number}")
        assert tree(tmp_path / "out") == tree(tmp_path / f"new{number}"), number
        check_links(tmp_path / "out")
    assert [one.name for one in (tmp_path / "out").iterdir() if one.is_dir()] == [str(CHAT)]
    index = (tmp_path / "out" / "index.html").read_text()
    assert (index.count('class="entry"'), "2,120 messages" in index) == (1, True)
    folder, page, seen = tmp_path / "out" / str(CHAT), "", []
    following = re.search(r'href="\d*-?\d*/?([^"]+)" *>', index.partition('class="entry" ')[2])
    assert following is not None
    name: str | None = following[1]
    while name:
        page = (folder / name).read_text()
        seen += [int(one) for one in re.findall(r'id="message(-?\d+)"', page) if not -100_000 < int(one) < 0]
        found = re.search(r'<a class="pagination block_link" href="([^"]+)">Next page', page)
        name = found[1] if found else None
    assert seen == [one - 1_000_000_000 for one in range(1, 1101)] + list(range(1, 1021))
    assert "https://old.example/1" in (folder / "links.html").read_text()


def test_halves_that_do_not_name_each_other_stay_two_chats(archive: WrittenArchive, tmp_path: Path) -> None:
    archive.chat(-77, older(10), PEERS, type="group")
    archive.chat(CHAT, talk(10), PEERS, migrated_from=-77)
    render(archive.root, Html("UTC"), tmp_path / "out")
    assert sorted(one.name for one in (tmp_path / "out").iterdir() if one.is_dir()) == [str(CHAT), "-77"]
    check_links(tmp_path / "out")
