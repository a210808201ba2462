"""Programs of others read result.json to the messages, senders and times that the archive has: `make readers-test`."""
from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from support.desktop_archive import exported_demo, lines, peers_of, render
from support.desktop_layout import Tl, marked
from support.readers import READERS, RESULT_JS, RESULT_PY, needed

pytestmark = needed
#: A busy group, a private chat, a channel, a forum, both halves of a group.
BUSY, FRIEND, CHANNEL, FORUM, UPGRADED, OLD = (
    -1001500000001, 100002223, -1001500000004, -1001500000010, -1001500000002, -300000001,
)
Line = list[str | None]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported_demo(tmp_path_factory)


@pytest.fixture(scope="module")
def out(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Local time is UTC, since some readers take it for that."""
    folder = tmp_path_factory.mktemp("out")
    render(archive, folder, timezone="UTC", media=())
    return folder


def told(archive: Path, chat: int, services: bool = False) -> list[Line]:
    """[sender, time, text] of each message, from the archive; services: as ["", time, ""]."""
    found: list[Line] = []
    for half in (OLD, chat) if chat == UPGRADED else (chat,):
        peers = peers_of(archive, half)
        for message in lines(archive / "chats" / str(half) / "messages.jsonl"):
            date = f"{datetime.fromtimestamp(message['date'], UTC):%Y-%m-%dT%H:%M:%S}"
            if message["_"] == "message":
                sender = marked(message["from_id"]) if "from_id" in message else half
                found.append([name(peers.get(sender, {})), date, message["message"]])
            elif services:
                found.append(["", date, ""])
    return found


def name(peer: Tl) -> str | None:
    parts = [peer.get(field) for field in ("title", "first_name", "last_name")]
    return " ".join(part for part in parts if part) or None


def run(*words: object) -> list[Line]:
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def python(reader: str) -> Callable[[Path], list[Line]]:
    program = READERS / "bin" / "python"
    return lambda path: run(program, "-W", "ignore", RESULT_PY, reader, path)


CHATS = (BUSY, FRIEND, CHANNEL, FORUM, UPGRADED)


@pytest.mark.parametrize("chat", CHATS)
def test_tg_parser(archive: Path, out: Path, chat: int) -> None:
    assert python("tg_parser")(out / str(chat) / "result.json") == told(archive, chat)


@pytest.mark.parametrize("chat", CHATS)
def test_chat_miner(archive: Path, out: Path, chat: int) -> None:
    """It puts a blank between the parts of a text."""
    found = python("chatminer")(out / str(chat) / "result.json")
    assert [[a, b, "".join((c or "").split())] for a, b, c in found] == [
        [a, b, "".join((c or "").split())] for a, b, c in told(archive, chat)
    ]


@pytest.mark.parametrize("chat", CHATS[:-1])
def test_chatpack(archive: Path, out: Path, chat: int) -> None:
    """It leaves out what has no text, and knows no ids below zero, which the older half of a group has."""
    assert python("chatpack")(out / str(chat) / "result.json") == [one for one in told(archive, chat) if one[2]]


@pytest.mark.parametrize("chat", CHATS)
def test_langchain(archive: Path, out: Path, chat: int) -> None:
    """It takes service messages for empty ones."""
    assert python("langchain")(out / str(chat) / "result.json") == told(archive, chat, services=True)


@pytest.mark.parametrize("chat", CHATS)
def test_telegram_chat_parser(archive: Path, out: Path, chat: int) -> None:
    module = READERS / "node_modules" / "telegram-chat-parser"
    if not module.exists() or not shutil.which("node"):
        pytest.skip(f"no {READERS.name}/node_modules: `make readers` installs them where there is npm")
    assert run("node", RESULT_JS, module, out / str(chat) / "result.json") == told(archive, chat)
