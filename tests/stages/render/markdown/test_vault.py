from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from support.rendered import render, tree
from support.written_archive import Tl, WrittenArchive, entity, file, photo, reply, text, user
from tgbulk.stages.render.markdown.vault import MARKER, Markdown

CHAT = -1000000000005
START = 1_700_000_000
PEERS = [user(1, "Anna"), user(2, "[[Иван]] #x", "<% y %>"), {"_": "channel", "id": 5, "title": "Chat", "date": 0,
                                                           "photo": {"_": "chatPhotoEmpty"}}]


def talk(count: int, first: int = 1) -> list[Tl]:
    return [
        text(number, f"word{number} #tag\n\n- item", number % 2 + 1, START + 3600 * number,
             **({"reply_to": reply(max(1, number - 1 - number % 500))} if number % 3 == 0 else {}))
        for number in range(first, first + count)
    ]


@pytest.fixture
def archive(tmp_path: Path) -> WrittenArchive:
    return WrittenArchive(tmp_path / "archive")


def test_replies_link_to_blocks_that_are_there(archive: WrittenArchive, tmp_path: Path) -> None:
    archive.chat(CHAT, talk(700), PEERS)
    render(archive.root, Markdown("UTC"), tmp_path / "out")
    notes = {str(one.relative_to(tmp_path / "out")): one.read_text() for one in (tmp_path / "out").rglob("*.md")}
    count = 0
    for name, note in notes.items():
        for target, block in re.findall(r"\[\[([^\]|#]*)#\^(m\d+)\|", note):
            assert f" ^{block}\n" in notes[f"{target}.md" if target else name]
            count += 1
    assert count == 233
    assert sum(note.count(" ^m") for note in notes.values()) == 700


@pytest.mark.parametrize(("notes", "names"), [
    ("day", ["2023/2023-11-14.md", "2023/2023-11-15.md"]), ("month", ["2023/2023-11.md"]),
    ("message", [f"2023/2023-11-{14 if number == 1 else 15}-{number}.md" for number in range(1, 4)]),
    ("topic", ["topic-1.md"]),
])
def test_what_a_note_holds(archive: WrittenArchive, tmp_path: Path, notes: str, names: list[str]) -> None:
    archive.chat(CHAT, talk(3), PEERS)
    render(archive.root, Markdown("UTC", notes), tmp_path / "out")
    folder = tmp_path / "out" / str(CHAT)
    found = sorted(str(one.relative_to(folder)) for one in folder.rglob("*.md"))
    assert found == sorted([*names, "index.md"])


def test_what_a_person_added_stays(archive: WrittenArchive, tmp_path: Path) -> None:
    archive.chat(CHAT, talk(30), PEERS)
    render(archive.root, Markdown("UTC"), tmp_path / "out")
    note = tmp_path / "out" / str(CHAT) / "2023" / "2023-11-15.md"
    mine = b"\n## My thoughts\n\nnaive <% x %>\n"
    note.write_bytes(note.read_bytes() + mine)
    render(archive.root, Markdown("UTC"), tmp_path / "out")
    assert note.read_bytes().endswith(MARKER + mine)
    archive.chat(CHAT, talk(300), [user(1, "Renamed"), *PEERS[1:]])
    render(archive.root, Markdown("UTC"), tmp_path / "out")
    data = note.read_bytes()
    assert data.endswith(MARKER + mine)
    assert data.count(MARKER) == 1
    assert b"Renamed" in data
    render(archive.root, Markdown("UTC", "month"), tmp_path / "out")
    assert note.read_bytes().endswith(mine)
    assert not (note.parent / "2023-11-16.md").exists()


def test_a_note_whose_marker_is_gone_is_kept_below_the_new_one(archive: WrittenArchive, tmp_path: Path) -> None:
    archive.chat(CHAT, talk(3), PEERS)
    render(archive.root, Markdown("UTC", "month"), tmp_path / "out")
    note = tmp_path / "out" / str(CHAT) / "2023" / "2023-11.md"
    note.write_text("only mine")
    render(archive.root, Markdown("UTC", "month"), tmp_path / "out")
    assert note.read_bytes().endswith(MARKER + b"only mine")


def test_the_same_bytes_for_processes_and_rounds(archive: WrittenArchive, tmp_path: Path) -> None:
    rounds = [talk(500), talk(20_000), talk(20_400), [*talk(10), *talk(20_500, 40)]]
    for number, messages in enumerate(rounds):
        archive.chat(CHAT, messages, PEERS)
        render(archive.root, Markdown("UTC"), tmp_path / "out")
        render(archive.root, Markdown("UTC"), tmp_path / f"new{number}", workers=1 + number % 2)
        assert tree(tmp_path / "out") == tree(tmp_path / f"new{number}"), number


def test_front_matter_is_yaml_that_nothing_runs(archive: WrittenArchive, tmp_path: Path) -> None:
    archive.chat(CHAT, talk(3), PEERS, title='A "title": [[x]] <% tp %>\n---')
    render(archive.root, Markdown("UTC", "month"), tmp_path / "out")
    note = (tmp_path / "out" / str(CHAT) / "2023" / "2023-11.md").read_text()
    assert note.startswith('---\nchat: "A \\u0022title\\u0022: [[x]] \\u003c% tp %> ---"\nchat_id: -1000000000005\n')
    assert '\nmessages: 3\nparticipants:\n  - "' in note
    assert "<%" not in note


def test_files_are_embedded(archive: WrittenArchive, tmp_path: Path) -> None:
    messages = [text(1, "", media=photo(77)), text(2, "", media=file(78, "evil.html", "text/html"))]
    archive.chat(CHAT, messages, PEERS)
    archive.files(CHAT, messages, {77: b"1", 78: b"2"})
    render(archive.root, Markdown("UTC", "month"), tmp_path / "out")
    note = (tmp_path / "out" / str(CHAT) / "2023" / "2023-11.md").read_text()
    assert f"![[{CHAT}/attachments/77_x.jpg]]" in note
    assert f"\n[[{CHAT}/attachments/78_evil.html.download]]" in note
    assert (tmp_path / "out" / str(CHAT) / "attachments" / "77_x.jpg").read_bytes() == b"1"


def test_text_for_language_models(archive: WrittenArchive, tmp_path: Path) -> None:
    messages = [text(1, "# not *escaped*", date=START), text(2, "an answer", 2, START + 60, reply_to=reply(1))]
    archive.chat(CHAT, messages, [PEERS[0], user(2, "Bob"), PEERS[2]])
    render(archive.root, Markdown("Asia/Kolkata", "month", "plain"), tmp_path / "out")
    assert (tmp_path / "out" / str(CHAT) / "2023" / "2023-11.txt").read_text() == (
        "[1] 2023-11-15T03:43:20+05:30 Anna: # not *escaped*\n\n"
        "[2] 2023-11-15T03:44:20+05:30 Bob (reply to 1): an answer\n\n")


@pytest.mark.parametrize("flavor", ["obsidian", "commonmark"])
def test_a_note_is_read_back(archive: WrittenArchive, tmp_path: Path, flavor: str) -> None:
    source = random.Random(3)
    words = ("# h", "- i", "1. x", "> q", "```", "[[w]]", "<b>", "<% t %>", "#tag", "word", "😀", "你好", "|", "*", "_",
             "&lt;")
    messages = [text(number, " ".join(source.choices(words, k=5)) + "\n" + source.choice(words), 1 + number % 2,
                     entities=[entity("Bold", 1, 4), entity("Code", 3, 9)] if number % 3 == 0 else [])
                for number in range(1, 301)]
    archive.chat(CHAT, messages, PEERS)
    render(archive.root, Markdown("UTC", "month", flavor), tmp_path / "out")
    note = (tmp_path / "out" / str(CHAT) / "2023" / "2023-11.md").read_text()
    tokens = MarkdownIt("commonmark").parse(note.split("\n---\n", 1)[1])
    kinds = {one.type for one in tokens}
    assert kinds == {"paragraph_open", "paragraph_close", "inline", "html_block"}
    shown = []
    for one in tokens:
        if one.type == "inline":
            children = [child for child in one.children or [] if child.type != "html_inline"]
            shown.append("".join("\n" if child.type == "softbreak" else child.content for child in children))
    assert shown[1::2] == [one["message"] for one in messages]


def test_both_halves_of_a_group_are_one_chat(archive: WrittenArchive, tmp_path: Path) -> None:
    old = [one | {"peer_id": {"_": "peerChat", "chat_id": 77}, "date": START - 86_400 * 30} for one in talk(3)]
    for number, new in enumerate((2, 5)):
        archive.chat(-77, old, PEERS, type="group", title="Old name", migrated_to=CHAT)
        archive.chat(CHAT, talk(new), PEERS, migrated_from=-77)
        render(archive.root, Markdown("UTC"), tmp_path / "out")
        render(archive.root, Markdown("UTC"), tmp_path / f"new{number}")
        assert tree(tmp_path / "out") == tree(tmp_path / f"new{number}")
    index = (tmp_path / "out" / "index.md").read_text()
    assert (index.count("[["), ": 8" in index) == (1, True)
    notes = (tmp_path / "out" / str(CHAT) / "index.md").read_text()
    assert 0 < notes.index("[[-77/2023/2023-10-15|") < notes.index(f"[[{CHAT}/2023/2023-11-14|")
