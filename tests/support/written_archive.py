"""An archive of messages that a test gives, written by the same parts that a run writes with."""
from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any
from zlib import crc32

import orjson

from tgbulk.engine import document
from tgbulk.engine.journal import Journal
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.media_index import MediaIndex
from tgbulk.stages.telegram.media import find
from tgbulk.stages.telegram.medium import CATEGORIES, Absent, FoundMedia, MediaSelection

Tl = dict[str, Any]
ACCOUNT = 1000


class WrittenArchive:
    """Chats, each committed in one range."""

    def __init__(self, root: Path) -> None:
        self.root = root
        Archive(root).open().release()

    def chat(
        self, marked_id: int, messages: list[Tl], peers: list[Tl], *, title: str = "Chat", type: str = "supergroup",
        quarantined: list[list[int]] | None = None, state: str = "complete", **about_more: Any,
    ) -> None:
        """Write a chat, or what it has become."""
        folder = self.root / "chats" / str(marked_id)
        folder.mkdir(parents=True, exist_ok=True)
        lines = b"".join(orjson.dumps(one) + b"\n" for one in messages)
        peer_lines = b"".join(orjson.dumps(one) + b"\n" for one in peers)
        (folder / "messages.jsonl").write_bytes(lines)
        (folder / "peers.jsonl").write_bytes(peer_lines)
        services = sum(one["_"] == "messageService" for one in messages)
        last = messages[-1]["id"] if messages else 1
        about = {"id": marked_id, "type": type, "title": title, "account": ACCOUNT, "total": len(messages), "asked": [1, 0],
                 "state": state}
        (folder / "chat.json").write_bytes(document.dump(about | about_more))
        ranges = [[1, last + 1, len(lines), crc32(lines)]] if messages else []
        # docs/archive.md, journal
        row = [marked_id, ACCOUNT, state, len(messages), services, len(peer_lines), crc32(peer_lines), len(ranges), ranges,
               [], quarantined or []]
        journal = Journal(self.root / "journal", lambda record: None)
        journal.append([row])
        journal.close()

    def files(self, chat: int, messages: list[Tl], contents: dict[int, bytes]) -> list[Path]:
        """Give photos and documents of these messages the bytes that `contents` has for their ids; where they lie."""
        index, places = MediaIndex(self.root / "media.sqlite", MediaSelection(frozenset(CATEGORIES))), []
        media = [one for message in messages for one in find(message, {}) if not isinstance(one, Absent)]
        index.add(chat, ACCOUNT, FoundMedia(media, []))
        rows = index.execute("select number, id, path from file where state = 'pending'").fetchall()
        for number, of, path in rows:
            if of in contents:
                place = self.root / "media" / path
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(contents[of])
                sha256 = hashlib.sha256(contents[of]).digest()
                index.execute("update file set state = 'done', size = ?, sha256 = ? where number = ?",
                              (len(contents[of]), sha256, number))
                places.append(place)
        index.commit()
        index.close()
        return places


def user(number: int, first_name: str = "", last_name: str = "", **more: Any) -> Tl:
    names = {field: name for field, name in (("first_name", first_name), ("last_name", last_name)) if name}
    return {"_": "user", "id": number, "access_hash": 1} | names | more


def text(number: int, said: str, sender: int = 1, date: int = 1_700_000_000, **more: Any) -> Tl:
    """A message in the supergroup 5."""
    head = {"_": "message", "id": number, "from_id": {"_": "peerUser", "user_id": sender},
            "peer_id": {"_": "peerChannel", "channel_id": 5}}
    reply = {"reply_to": more.pop("reply_to")} if "reply_to" in more else {}
    forward = {"fwd_from": more.pop("fwd_from")} if "fwd_from" in more else {}
    return head | forward | reply | {"date": date, "message": said} | more


def reply(number: int, **more: Any) -> Tl:
    return {"_": "messageReplyHeader", "reply_to_msg_id": number} | more


def entity(kind: str, offset: int, length: int, **more: Any) -> Tl:
    return {"_": f"messageEntity{kind}", "offset": offset, "length": length} | more


def photo(number: int, width: int = 2, height: int = 2) -> Tl:
    sizes = [{"_": "photoSize", "type": "x", "w": width, "h": height, "size": 100}]
    return {"_": "messageMediaPhoto", "photo": {"_": "photo", "id": number, "access_hash": 1, "date": 1, "sizes": sizes,
                                                "dc_id": 2}}


def file(number: int, name: str, mime_type: str = "application/octet-stream", *attributes: Tl) -> Tl:
    named = {"_": "documentAttributeFilename", "file_name": name}
    return {"_": "messageMediaDocument", "document": {
        "_": "document", "id": number, "access_hash": 1, "date": 1, "mime_type": mime_type, "size": 100, "dc_id": 2,
        "attributes": [*attributes, named]}}
