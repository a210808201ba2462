"""Programs of others that read Telegram Desktop's pages find in ours what the archive has: `make readers-test`."""
from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from support.readers import PAGES_PY, READERS, needed
from support.rendered import render
from tgbulk.stages.render.html.site import Html

pytestmark = needed
Tl = dict[str, Any]


@pytest.fixture(scope="module")
def out(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("out")
    render(demo, Html("UTC"), folder)
    return folder


def chats(archive: Path) -> dict[str, list[Tl]]:
    """Folder -> messages of each chat that has some."""
    found = {path.parent.name: [json.loads(line) for line in path.read_bytes().splitlines()]
             for path in sorted(archive.glob("chats/*/messages.jsonl"))}
    for chat in list(found):
        newer = json.loads((archive / "chats" / chat / "chat.json").read_bytes()).get("migrated_to")
        if str(newer) in found:  # one chat, the older messages first
            older = [one | {"id": one["id"] - 1_000_000_000} for one in found.pop(chat)]
            found[str(newer)] = older + found[str(newer)]
    return {chat: messages for chat, messages in found.items() if messages}


def read(reader: str, out: Path, chats: Iterable[str]) -> dict[str, list[Any]]:
    """Folder -> what the program found there."""
    program = READERS / "bin" / "python"
    words = [str(one) for one in (program, "-W", "ignore", PAGES_PY, reader, *(out / chat for chat in chats))]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(zip(chats, map(json.loads, done.stdout.splitlines()), strict=True))


def test_langchain(demo: Path, out: Path) -> None:
    """It gives no service messages, and takes the white space off the ends of a text."""
    wanted = {
        chat: [
            [f"{datetime.fromtimestamp(one['date'], UTC):%d.%m.%Y %H:%M:%S} UTC+00:00",
             one["message"].replace("\0", "\ufffd").strip()]
            for one in messages if one["_"] == "message"
        ]
        for chat, messages in chats(demo).items()
    }
    found = read("langchain", out, wanted)
    assert {chat: [line[1:] for line in lines] for chat, lines in found.items()} == wanted


def test_tgnize(demo: Path, out: Path) -> None:
    """It takes service messages of an older half, whose shifted ids are negative, for the lines of days."""
    wanted = {
        chat: [one["id"] for one in messages if one["id"] > 0 or one["_"] == "message"]
        for chat, messages in chats(demo).items()
    }
    assert read("tgnize", out, wanted) == wanted


def test_telegram_export_explorer(demo: Path, out: Path) -> None:
    wanted = {chat: [sum(one["_"] == "message" for one in messages)] for chat, messages in chats(demo).items()}
    assert read("explorer", out, wanted) == wanted
