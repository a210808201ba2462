"""The page of what belongs to a chat: told, escaped, and brought up to date where nothing else of the chat changed."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from support.lines_archive import CHAT, LinesArchive, message, user
from support.rendered import render, tree
from tgbulk.stages.archive.annex import AnnexFiles, AnnexItem, AnnexName, LookState
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.render.html.site import Html

MEMBER = {"_": "channelParticipantAdmin", "user_id": 7, "date": 1_700_000_000, "rank": "<b>chief</b>"}
EVENT = {"_": "channelAdminLogEvent", "id": 5, "date": 1_700_000_000, "user_id": 7, "action": {
    "_": "channelAdminLogEventActionChangeTitle", "prev_value": "Old", "new_value": "New & better"}}
STORY = {"_": "storyItem", "id": 3, "date": 1_700_000_000, "caption": "Look!", "pinned": True}


def look(archive: LinesArchive, name: AnnexName, now: int, *items: tuple[int, dict[str, Any]], **end: str) -> None:
    files = AnnexFiles(Archive(archive.root).chat(CHAT))
    file = files.file(name)
    file.begin(1, now)
    file.add([AnnexItem(key, orjson.dumps(one)) for key, one in items], 0, -1)
    file.end(end.get("state", LookState.COMPLETE), end.get("reason", ""), now)
    files.commit()
    files.close()


def test_what_belongs_to_a_chat_has_a_page(tmp_path: Path) -> None:
    archive, out = LinesArchive(tmp_path / "archive"), tmp_path / "out"
    archive.put([message(1)], [user(7, "Anna"), user(8, "Bob")])
    render(archive.root, Html("UTC"), out)
    assert not (out / str(CHAT) / "about.html").exists()
    assert "about.html" not in (out / str(CHAT) / "messages.html").read_text()
    profile = {"_": "channelFull", "about": "All <about> it", "participants_count": 12}
    look(archive, AnnexName.INFO, 1_700_000_000, (CHAT, profile))
    look(archive, AnnexName.MEMBERS, 1_700_000_000, (7, MEMBER))
    look(archive, AnnexName.ADMIN_LOG, 1_700_000_000, (5, EVENT))
    look(archive, AnnexName.STORIES, 1_700_000_000, (3, STORY), state=LookState.INCOMPLETE, reason="it hides <some>")
    render(archive.root, Html("UTC"), out)
    assert '<a href="about.html">' in (out / str(CHAT) / "messages.html").read_text()
    said = (out / str(CHAT) / "about.html").read_text()
    for text in ("All &lt;about&gt; it", "12 members", "<bdi>Anna</bdi>", "administrator, &lt;b&gt;chief&lt;/b&gt;, since",
                 "change title: Old → New &amp; better", "Look!", ", pinned", "not whole: it hides &lt;some&gt;"):
        assert text in said, text
    # nothing else of the chat changes
    look(archive, AnnexName.MEMBERS, 1_700_009_000, (8, {"_": "channelParticipant", "user_id": 8}))
    render(archive.root, Html("UTC"), out)
    assert "<bdi>Bob</bdi>" in (out / str(CHAT) / "about.html").read_text()
    assert "<bdi>Anna</bdi> <span" not in (out / str(CHAT) / "about.html").read_text().partition("Admin log")[0]
    render(archive.root, Html("UTC"), tmp_path / "nothing")
    assert tree(out) == tree(tmp_path / "nothing")


def test_damaged_annexes_do_not_keep_a_chat_from_being_shown(tmp_path: Path) -> None:
    archive = LinesArchive(tmp_path / "archive")
    archive.put([message(1)], [user(7, "Anna")])
    look(archive, AnnexName.MEMBERS, 1_700_000_000, (7, MEMBER))
    (archive.root / "chats" / str(CHAT) / "members.jsonl").write_text("{")
    render(archive.root, Html("UTC"), tmp_path / "out")
    assert "cannot be read" in (tmp_path / "out" / str(CHAT) / "about.html").read_text()
    assert "message 1" in (tmp_path / "out" / str(CHAT) / "messages.html").read_text()
