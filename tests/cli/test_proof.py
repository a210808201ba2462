"""The comparison with the ground truth finds whatever is wrong with an archive."""
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tgbulk.perf.proof import SHOWN, differences, truth_chats
from tgbulk.stages.archive.folder import Archive

CHAT = -1000000000009
Lines = list[dict[str, Any]]


def message(number: int, **fields: Any) -> dict[str, Any]:
    return {"_": "message", "id": number, "date": 1, "message": f"text {number}", **fields}


BOLD = {"_": "messageEntityBold", "offset": 0}
MESSAGES = [message(1), message(2, out=True, views=1), message(5, entities=[BOLD]), message(9)]
PEERS = [{"_": "user", "id": 7}, {"_": "chat", "id": 8}, {"_": "channel", "id": 9}]


def found(folder: Path, messages: Lines, peers: Lines = PEERS) -> list[str]:
    archive, truth = folder / "archive", folder / "truth"
    chat = archive / "chats" / str(CHAT)
    chat.mkdir(parents=True)
    truth.mkdir()
    write(truth / f"{CHAT}.jsonl", MESSAGES)
    (truth / f"{CHAT}.peers.json").write_text(json.dumps([7, -8, CHAT]))
    assert truth_chats(truth) == [CHAT]
    write(chat / "messages.jsonl", messages)
    write(chat / "peers.jsonl", peers)
    return list(differences(Archive(archive), truth, CHAT))


def write(path: Path, lines: Lines) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_a_perfect_archive(tmp_path: Path) -> None:
    shuffled = [dict(reversed(line.items())) for line in MESSAGES]
    assert found(tmp_path, shuffled, [*PEERS, {"_": "user", "id": 7, "first_name": "Ann"}, {"_": "user", "id": 70}]) == []


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda lines: lines[1:], "message 2 differs from message 1"),
        (lambda lines: lines[:-1], "message 9 is missing"),
        (lambda lines: [], "message 1 is missing"),
        (lambda lines: [*lines[:2], *lines[1:]], "message 2 comes after 2"),
        (lambda lines: [*lines, lines[-1]], "message 9 should not be there"),
        (lambda lines: [*lines, message(10)], "message 10 should not be there"),
        (lambda lines: [lines[0], lines[2], lines[1], lines[3]], "message 2 comes after 5"),
        (lambda lines: [*lines[:3], message(9, message="other")], "differs from message 9 in ['message']"),
        (lambda lines: [*lines[:3], message(9, pinned=True)], "differs from message 9 in ['pinned']"),
        (lambda lines: [lines[0], message(2, out=1, views=1), *lines[2:]], "differs from message 2 in ['out']"),
        (lambda lines: [lines[0], message(2, out=True, views=True), *lines[2:]], "differs from message 2 in ['views']"),
        (lambda lines: [lines[0], message(2, views=1), *lines[2:]], "differs from message 2 in ['out']"),
        (lambda lines: [*lines[:2], message(5, entities=[]), lines[3]], "differs from message 5 in ['entities']"),
    ],
)
def test_what_is_wrong_is_found(tmp_path: Path, spoil: Callable[[Lines], Lines], text: str) -> None:
    told = found(tmp_path, spoil(MESSAGES))
    assert any(text in line for line in told), told


@pytest.mark.parametrize(("missing", "marked"), [(0, 7), (1, -8), (2, CHAT)])
def test_a_peer_that_is_missing(tmp_path: Path, missing: int, marked: int) -> None:
    told = found(tmp_path, MESSAGES, [peer for place, peer in enumerate(PEERS) if place != missing])
    assert told == [f"1 peers are missing, [{marked}] among them"]


def test_a_chat_that_is_missing(tmp_path: Path) -> None:
    (tmp_path / "truth").mkdir()
    assert list(differences(Archive(tmp_path / "archive"), tmp_path / "truth", CHAT)) == ["the chat is missing"]


def test_a_long_list_is_cut(tmp_path: Path) -> None:
    assert len(found(tmp_path, [message(n) for n in range(100, 200)], [])) == SHOWN + 1
