"""`import tgbulk`: who sent a message, and the lines that its users are shown first."""
from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tgbulk
from support.lines_archive import CHAT, LinesArchive, message, user

ROOT = Path(__file__).parents[1]
DATE = 1_710_000_000
PERSON = 5


def post(number: int, text: str) -> dict[str, Any]:
    """Of a channel: nobody is named."""
    found = message(number, text, date=DATE)
    del found["from_id"]
    return found


@pytest.fixture
def archive(tmp_path: Path) -> LinesArchive:
    """A channel that Telegram did not send along, a group with somebody unknown, and a person who never wrote a name."""
    made = LinesArchive(tmp_path / "archive")
    made.put([post(1, "a post")], [], CHAT, type="channel", title="News", usernames=["news"])
    made.put([message(1, "hello", date=DATE), message(2, "who?", sender=8, date=DATE)], [user(7, "Anna")], -77, type="group",
             title="Some")
    made.put([post(1, "in private")], [], PERSON, type="private", title="Bert")
    return made


def test_several_archives_are_read_as_one(archive: LinesArchive, tmp_path: Path) -> None:
    other = LinesArchive(tmp_path / "other")
    other.put([message(1, "elsewhere", date=DATE)], [user(7, "Anna")], -78, type="group", title="Other")
    opened = tgbulk.open(archive.root, other.root)
    assert opened.ids == [CHAT, -78, -77, PERSON]
    assert [chat.title for chat in opened.chats] == ["News", "Other", "Some", "Bert"]
    assert [one.text for one in opened.chat(-78).messages()] == ["elsewhere"]
    assert opened.chat("@news").id == CHAT
    with pytest.raises(tgbulk.UsageError, match="no archive has"):
        opened.chat(-79)
    with pytest.raises(tgbulk.UsageError, match="open one of them"):
        tgbulk.open(archive.root, archive.root).chat(-77)


def test_a_post_is_by_its_chat(archive: LinesArchive) -> None:
    opened = tgbulk.open(archive.root)
    (got,) = opened.chat(CHAT).messages()
    assert got.sender is not None
    assert (got.sender_id, got.sender.id, got.sender.name, got.sender_name) == (CHAT, CHAT, "News", "News")
    assert (got.sender.username, got.sender.type) == ("news", "channel")
    (private,) = opened.chat(PERSON).messages()
    assert private.sender is not None
    assert (private.sender.id, private.sender_name, private.sender.type) == (PERSON, "Bert", "private")


def test_what_telegram_sent_of_the_chat_comes_first(archive: LinesArchive) -> None:
    archive.put([post(1, "a post")], [{"_": "channel", "id": 1234567890, "title": "Newer", "broadcast": True}], CHAT,
                type="channel", title="News")
    (got,) = tgbulk.open(archive.root).chat(CHAT).messages()
    assert (got.sender_name, got.chat.title) == ("Newer", "News")


def test_somebody_unknown_has_no_name(archive: LinesArchive) -> None:
    known, unknown = tgbulk.open(archive.root).chat(-77).messages()
    assert (known.sender_name, unknown.sender, unknown.sender_id, unknown.sender_name) == ("Anna", None, 8, "")


def shown(source: str) -> str:
    """The first example in Python."""
    if source == "tgbulk":
        lines = (tgbulk.__doc__ or "").splitlines()
        return "\n".join(line[4:] for line in lines if line.startswith("    ") or not line).strip()
    found = re.search(r"```python\n(.*?)```", (ROOT / source).read_text(), re.DOTALL)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("source", ["README.md", "docs/python.md", "tgbulk"])
def test_the_first_example_reads_every_kind_of_chat(archive: LinesArchive, source: str) -> None:
    code = shown(source)
    assert "messages(" in code
    done = subprocess.run([sys.executable, "-c", code], cwd=archive.root.parent, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    date = "2024-03-09 16:00:00+00:00"
    assert done.stdout.splitlines() == [
        f"News {date} News a post", f"Some {date} Anna hello", f"Some {date}  who?", f"Bert {date} Bert in private"]
