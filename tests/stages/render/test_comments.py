"""Posts lead to their archived comments, in the pages of the group in which the channel is discussed."""
from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from support.lines_archive import LinesArchive, message, user
from support.listener import Silent
from support.rendered import render, tree
from tgbulk.stages.render.format import Format
from tgbulk.stages.render.html.site import Html
from tgbulk.stages.render.markdown.vault import Markdown
from tgbulk.stages.render.rendering import Rendering
from tgbulk.stages.render.sqlite import Sqlite
from tgbulk.stages.render.view import Filter

CHANNEL, GROUP = -1001000000001, -1001000000002
ROOT = Path(__file__).parents[3]
FORMATS = [
    Html("UTC"), Html("UTC", by_month=True), Markdown("UTC"), Markdown("UTC", flavor="commonmark", notes="month"),
    Markdown("UTC", flavor="plain", notes="message"),
]


def of(chat: int, **fields: Any) -> dict[str, Any]:
    return {"peer_id": {"_": "peerChannel", "channel_id": -chat - 10**12}} | fields


def forward(number: int, post: int) -> dict[str, Any]:
    """The automatic one of a post."""
    channel = of(CHANNEL)["peer_id"]
    return message(number, f"post {post}", **of(GROUP, fwd_from={
        "_": "messageFwdHeader", "date": 1_700_000_000, "saved_from_peer": channel, "saved_from_msg_id": post}))


def answer(number: int, to: int, top: int | None = None) -> dict[str, Any]:
    reply = {"_": "messageReplyHeader", "reply_to_msg_id": to} | ({"reply_to_top_id": top} if top else {})
    return message(number, f"comment {number}", **of(GROUP, reply_to=reply))


def written(root: Path, more: int = 0) -> LinesArchive:
    """A channel with 30 posts; of post 3 there are two comments, of post 20 as many more as asked for."""
    archive = LinesArchive(root)
    posts = [message(one, f"post {one}", **of(CHANNEL)) for one in range(1, 31)]
    archive.put(posts, [user(7, "Anna")], CHANNEL, type="channel", title="News", linked=GROUP)
    put_group(archive, more)
    return archive


def put_group(archive: LinesArchive, more: int) -> None:
    talk = [message(one, **of(GROUP)) for one in range(1, 1201)]
    talk += [forward(1201, 3), answer(1202, 1201), answer(1203, 1202, 1201), answer(1204, 9), forward(1205, 20)]
    talk += [answer(1206 + one, 1205) for one in range(more)]
    archive.put(talk, [user(7, "Anna")], GROUP, title="Talk", linked=CHANNEL)


def links(out: Path) -> list[tuple[str, str, str]]:
    """(page, id, words) of what channel pages lead to in the group."""
    pages = "".join(page.read_text() for page in sorted((out / str(CHANNEL)).glob("messages*.html")))
    return re.findall(rf'<a href="[.][.]/{GROUP}/([^"#]+)#go_to_message(\d+)">([^<]+)</a>', pages)


@pytest.mark.parametrize("by_month", [False, True], ids=["numbered", "months"])
def test_a_post_leads_to_its_comments(tmp_path: Path, by_month: bool) -> None:
    archive, out = written(tmp_path / "archive", 1), tmp_path / "out"
    # the group comes along
    Rendering(archive.root, Html("UTC", by_month), Filter(), out, 1, Silent()).execute([CHANNEL])
    found = links(out)
    assert [(number, words) for _, number, words in found] == [("1201", "2 comments"), ("1205", "1 comment")]
    for page, number, _ in found:
        assert f'id="go_to_message{number}"' in (out / str(GROUP) / page).read_text()


def test_what_is_left_out_is_not_led_to(tmp_path: Path) -> None:
    archive = written(tmp_path / "archive", 1)
    since = message(1202)["date"]
    render(archive.root, Html("UTC"), tmp_path / "out", wanted=Filter(since=since))
    assert not links(tmp_path / "out")  # the posts are older
    archive.put([message(one, **of(CHANNEL, date=since)) for one in (3, 20)], [], CHANNEL, type="channel", linked=GROUP)
    render(archive.root, Html("UTC"), tmp_path / "again", wanted=Filter(since=since, until=since))
    assert [(number, words) for _, number, words in links(tmp_path / "again")] == [("1202", "1 comment")]


@pytest.mark.parametrize(("flavor", "line"), [
    ("obsidian", f"[[{GROUP}/2023/2023-11-15#^m1201|2 comments]]"),
    ("commonmark", f"[2 comments](<../../{GROUP}/2023/2023-11-15.md>)"),
    ("plain", f": post 3 (2 comments: {GROUP}/2023/2023-11-15.txt [1201])"),
])
def test_a_note_leads_to_the_comments(tmp_path: Path, flavor: str, line: str) -> None:
    render(written(tmp_path / "archive").root, Markdown("UTC", flavor=flavor), tmp_path / "out")
    ending = "txt" if flavor == "plain" else "md"
    assert line in (tmp_path / "out" / str(CHANNEL) / f"2023/2023-11-14.{ending}").read_text()
    assert "post 3" in (tmp_path / "out" / str(GROUP) / f"2023/2023-11-15.{ending}").read_text()


@pytest.mark.parametrize("format", FORMATS, ids=lambda one: "-".join(map(str, one.options().values())))
def test_comments_that_come_later(tmp_path: Path, format: Format) -> None:
    archive, out = written(tmp_path / "archive"), tmp_path / "out"
    for more in (0, 5):
        put_group(archive, more)
        render(archive.root, format, out)
        render(archive.root, format, tmp_path / f"nothing{more}")
        assert tree(out) == tree(tmp_path / f"nothing{more}")
    assert not render(archive.root, format, out).changed


def test_tables_are_joined_as_the_docs_say(tmp_path: Path) -> None:
    render(written(tmp_path / "archive", 5).root, Sqlite(), tmp_path / "out")
    docs = (ROOT / "docs/render.md").read_text()
    statement = next(one for one in re.findall(r"```sql\n(.*?)```", docs, re.DOTALL) if "with recursive" in one)
    with closing(sqlite3.connect(tmp_path / "out" / "chat.db")) as database:
        found = database.execute(statement).fetchall()
    assert [one[:3] for one in found] == [(CHANNEL, 3, number) for number in (1202, 1203)] + [
        (CHANNEL, 20, number) for number in range(1206, 1211)]
