"""The bench's archives are archives, and its naive programs read them as ours do."""
from __future__ import annotations

import json
import re
import subprocess
import sys
from html import unescape
from pathlib import Path
from typing import Any

import pytest

import tgbulk
from support.rendered import render
from tgbulk.perf.corpus.write import KINDS, MARKED_ID, write_archive
from tgbulk.stages.render.desktop.format import Desktop
from tgbulk.stages.render.html.site import Html

COUNT = 1500


def naive(name: str, archive: Path, out: Path) -> None:
    chat = archive / "chats" / str(MARKED_ID)
    words = [str(chat / "messages.jsonl"), str(chat / "peers.jsonl"), str(MARKED_ID), str(out)]
    subprocess.run([sys.executable, "-m", f"tgbulk.perf.bench.baseline.{name}", *words], check=True)


def said(message: dict[str, Any]) -> list[str]:
    texts = [part["text"] for part in message["text_entities"]]
    return [message["id"], message["date_unixtime"], *filter(None, texts)]


def shown(line: str) -> str:
    return unescape(re.sub("<[^>]*>", "", line))


@pytest.fixture(scope="module", params=KINDS)
def archive(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("corpus") / "archive"
    write_archive(root, request.param, COUNT)
    return root


def test_every_message_is_there_and_readable(archive: Path) -> None:
    chat = tgbulk.open(archive).chat(MARKED_ID)
    messages = list(chat.messages())
    assert [one.id for one in messages] == list(range(1, COUNT + 1))
    assert all(one.sender_name for one in messages)
    assert sum(bool(one.text) for one in messages) > COUNT * 0.9


def test_the_naive_result_json_has_the_same_texts(archive: Path, tmp_path: Path) -> None:
    naive("result_json", archive, tmp_path / "naive.json")
    render(archive, Desktop("UTC", media=("none",)), tmp_path / "out")
    ours = json.loads((tmp_path / "out" / str(MARKED_ID) / "result.json").read_text())["messages"]
    theirs = json.loads((tmp_path / "naive.json").read_text())["messages"]
    assert [said(one) for one in ours] == [said(one) for one in theirs]


def test_the_naive_pages_have_the_same_texts(archive: Path, tmp_path: Path) -> None:
    naive("html", archive, tmp_path / "naive")
    render(archive, Html("local"), tmp_path / "out")
    ours, theirs = (
        [shown(text) for name in ("messages.html", "messages2.html")
         for text in re.findall(r'<div class="text" dir="auto">(.*?)</div>\n', (folder / name).read_text())]
        for folder in (tmp_path / "out" / str(MARKED_ID), tmp_path / "naive")
    )
    assert ours == theirs
