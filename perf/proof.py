"""Holds an archive against the ground truth of a simulated data centre."""
from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

import orjson

from tgbulk.engine.folder import Place
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.telegram.peer import marked_id

#: Differences told for one chat.
SHOWN = 5


def truth_chats(truth: Path) -> list[int]:
    """Marked ids of the chats in one account's folder of ground truth."""
    return sorted(int(path.stem) for path in truth.glob("*.jsonl"))


def differences(archive: Archive, truth: Path, marked: int) -> Iterator[str]:
    """What is lost, doubled, out of order or different in one chat, SHOWN at most; nothing for a perfect one."""
    folder = archive.chat(marked)
    if not folder.messages.exists():
        yield "the chat is missing"
        return
    found = _messages(_lines(folder.messages), _lines(truth / f"{marked}.jsonl"))
    yield from islice(found, SHOWN)
    expected = set(orjson.loads((truth / f"{marked}.peers.json").read_bytes()))
    missing = expected - {marked_id(peer) for peer in _lines(folder.peers)}
    if missing:
        yield f"{len(missing)} peers are missing, {sorted(missing)[:SHOWN]} among them"


def _messages(ours: Iterator[dict[str, Any]], theirs: Iterator[dict[str, Any]]) -> Iterator[str]:
    last = 0
    for mine, true in zip_longest(ours, theirs):
        if mine is None:
            yield f"message {true['id']} is missing"
        elif true is None:
            yield f"message {mine['id']} should not be there"
        elif mine["id"] <= last:
            yield f"message {mine['id']} comes after {last}"
        elif _exact(mine) != _exact(true):
            yield f"message {mine['id']} differs from message {true['id']} in {sorted(_fields(mine, true))}"
        last = mine["id"] if mine else last


def _fields(mine: dict[str, Any], true: dict[str, Any]) -> set[str]:
    return {name for name in mine.keys() | true.keys() if _exact(mine.get(name)) != _exact(true.get(name))}


def _exact(value: Any) -> bytes:
    """Tells 1 from true, which Python does not."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _lines(path: Path | Place) -> Iterator[dict[str, Any]]:
    with open(path, "rb") as file:
        for line in file:
            yield orjson.loads(line)
