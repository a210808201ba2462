"""What was pulled is brought up to date by the next export, whatever the archive knew of the account."""
from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.exporter import Exporter

CHANGING = -1003000000002


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"file://{tmp_path}/store"


def ids(archive: Path) -> set[int]:
    with open(archive / "chats" / str(CHANGING) / "messages.jsonl") as lines:
        return {json.loads(line)["id"] for line in lines}


@pytest.mark.parametrize("other_chats", [False, True])
def test_what_came_after_the_publication_is_fetched(
    exporter: Exporter, tmp_path: Path, url: str, other_chats: bool
) -> None:
    """other_chats: the account was told of all changes before the chat came, for other chats of the archive."""
    tgbulk, dc = exporter.tgbulk, exporter.dc
    first, second = tmp_path / "first", tmp_path / "second"
    assert tgbulk("export", "@sim_changing", "-o", str(first), "--quiet").returncode == 0
    assert tgbulk("push", str(first), "--store", url).returncode == 0
    new = set(dc.control("mutate", chat=CHANGING, insert=3)["insert"])
    if other_chats:
        assert tgbulk("export", "me", "-o", str(second), "--quiet").returncode == 0
    assert tgbulk("pull", "-o", str(second), "--store", url).returncode == 0
    done = tgbulk("export", "@sim_changing", "-o", str(second), "--quiet")
    assert done.returncode == 0, done.stderr
    assert ids(second) == ids(first) | new
