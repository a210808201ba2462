"""What the flat record of an archive must be, computed apart from stages/render."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tgbulk.perf.bench.baseline.flat import flat, known_peers


def expected(archive: Path, chat: int) -> list[dict[str, Any]]:
    """Rows of a chat, in order; without files of media."""
    folder = archive / "chats" / str(chat)
    about = json.loads((folder / "chat.json").read_text())
    with open(folder / "peers.jsonl", "rb") as file:
        peers = known_peers(file)
    username = next(iter(about.get("usernames", [])), None)
    with open(folder / "messages.jsonl", "rb") as file:
        rows = [flat(json.loads(line), chat, peers, username, about["type"] == "forum") for line in file]
    return [row | {"media_path": None, "media_sha256": None} for row in rows]


def chats_of(archive: Path) -> list[int]:
    return sorted(int(path.name) for path in (archive / "chats").iterdir())
