"""An archive whose chats a test writes line by line, in the form that an export leaves it."""
from __future__ import annotations

from pathlib import Path
from typing import Any
from zlib import crc32

import orjson

from tgbulk.engine import document
from tgbulk.engine.journal import Journal
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.id_range import IdRange
from tgbulk.stages.archive.row import ChatRow, CoveredRange, read_journal

CHAT = -1001234567890
_PEER = {"_": "peerChannel", "channel_id": 1234567890}


class LinesArchive:
    """Put a chat again, and the journal speaks of the new content."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True)
        (root / "archive.json").write_bytes(document.dump({"format": 1, "tool": "test"}))

    def put(self, messages: list[dict[str, Any]], peers: list[dict[str, Any]], chat: int = CHAT, **about: Any) -> None:
        """The chat with these lines; `about` are fields of chat.json."""
        folder = self.root / "chats" / str(chat)
        folder.mkdir(parents=True, exist_ok=True)
        lines, peer_lines = (b"".join(orjson.dumps(one) + b"\n" for one in some) for some in (messages, peers))
        (folder / "messages.jsonl").write_bytes(lines)
        (folder / "peers.jsonl").write_bytes(peer_lines)
        last = messages[-1]["id"] + 1 if messages else 1
        row = ChatRow(chat, 1, "complete", len(messages), 0, len(peer_lines), crc32(peer_lines), 1,
                      [CoveredRange(1, last, len(lines), crc32(lines))])
        self.commit(row)
        values = {"id": chat, "type": "supergroup", "title": "A chat", "account": 1, "total": len(messages), "asked": [1, 0],
                  "state": "complete", "messages": len(messages), "services": 0, "empty": 0, "empty_ids": [],
                  "covered": [[1, last]], "quarantined": []}
        (folder / "chat.json").write_bytes(document.dump(values | about))

    def row(self, chat: int) -> ChatRow:
        """The journal's last one."""
        return read_journal(Archive(self.root)).chats[chat]

    def ids(self, first: int, last: int) -> IdRange:
        return IdRange.from_closed([first, last])

    def commit(self, row: ChatRow) -> None:
        journal = Journal(self.root / "journal", lambda _: None)
        journal.append([row.pack()])
        journal.close()


def message(number: int, text: str = "", sender: int = 7, **fields: Any) -> dict[str, Any]:
    """A message of a supergroup."""
    return {"_": "message", "id": number, "from_id": {"_": "peerUser", "user_id": sender}, "peer_id": _PEER,
            "date": 1_700_000_000 + 60 * number, "message": text or f"message {number}", **fields}


def user(number: int, name: str, **fields: Any) -> dict[str, Any]:
    return {"_": "user", "id": number, "first_name": name, **fields}
