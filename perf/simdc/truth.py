"""The ground truth: what an export of a chat must contain, straight from the stored bytes."""
from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from telethon.tl import types

from tgbulk.perf.simdc.corpus.line import converted, nested
from tgbulk.perf.simdc.world import Account, World

EMPTY = types.MessageEmpty.CONSTRUCTOR_ID.to_bytes(4, "little")
#: How many messages are looked at together.
BLOCK = 1_000


def truth_messages(world: World, account: Account, marked_id: int) -> Iterator[dict[str, Any]]:
    """The messages that an export of this chat by this account must have, ascending by id."""
    history, media_hash = world.history(account, marked_id), world.media_hash(account)
    if history is None or marked_id in account.private:
        return
    for start in range(0, len(history), BLOCK):
        for message_id in history.ids(start, start + BLOCK):
            if not history.withheld(message_id):
                message = converted(history.message(message_id), media_hash)
                if message["_"] != "messageEmpty":
                    yield message


def truth_lines(world: World, account: Account, marked_id: int) -> Iterator[str]:
    """The same as lines of JSON without a line feed, made one by one."""
    for message in truth_messages(world, account, marked_id):
        yield json.dumps(message, ensure_ascii=False, separators=(",", ":"))


def readable_chats(world: World, account: Account) -> list[int]:
    """Marked ids of every chat that this account can export: its own, its dialogs, and public ones."""
    listed = {d.marked_id for d in account.dialogs} | set(account.histories)
    public = {m for m in world.usernames.values() if m < 0}
    linked = {world.linked[m] for m in public if m in world.linked}
    return sorted(m for m in listed | public | linked
                  if m not in account.private and world.history(account, m) is not None)


def summary(world: World, account: Account, marked_id: int) -> dict[str, Any]:
    """What the server tells of the chat, with the ids that come as messageEmpty and those that do not come."""
    history = world.history(account, marked_id)
    if history is None:
        raise KeyError(marked_id)
    empty, withheld = [], []
    for start in range(0, len(history), BLOCK):
        for message_id in history.ids(start, start + BLOCK):
            if history.withheld(message_id):
                withheld.append(message_id)
            elif history.message(message_id).startswith(EMPTY):
                empty.append(message_id)
    peer = world.users[marked_id] if marked_id > 0 else world.chats[marked_id]
    title = peer.title if marked_id < 0 else " ".join(filter(None, (peer.first_name, peer.last_name)))
    return {"count": len(history), "top_id": history.top_id(), "empty": empty, "withheld": withheld, "title": title,
            "type": _type(peer)}


def peers(world: World, account: Account, marked_id: int) -> list[int]:
    """Marked ids of the users and chats that the pages of this chat must carry."""
    history = world.history(account, marked_id)
    if history is None:
        raise KeyError(marked_id)
    found: set[int] = set()
    for start in range(0, len(history), BLOCK):
        found |= history.peers(i for i in history.ids(start, start + BLOCK) if not history.withheld(i))
    return sorted(found)


def media(world: World, account: Account, marked_id: int) -> Iterator[dict[str, Any]]:
    """Every photo and document in the chat with each of its files: SHA-256 of the bytes that a download must give."""
    digests: dict[tuple[str, int, str], str] = {}
    for message in truth_messages(world, account, marked_id):
        for item in nested(message):
            for key in _files(item):
                file = world.files[key]
                if key not in digests:
                    digests[key] = file.sha256()
                kind, number, letter = key
                yield {"chat": marked_id, "message_id": message["id"], "kind": kind, "id": number, "letter": letter,
                       "size": file.size, "sha256": digests[key], "name": _name(item)}


def _files(item: dict[str, Any]) -> Iterator[tuple[str, int, str]]:
    """The keys in world.files of a photo or document; none for any other object."""
    if item["_"] == "document":
        yield "document", item["id"], ""
    if item["_"] in ("photo", "document"):
        for size in chain(*(item.get(name, []) for name in ("sizes", "thumbs", "video_sizes", "video_thumbs"))):
            if size["_"] in ("photoSize", "photoSizeProgressive", "videoSize"):
                yield item["_"], item["id"], size["type"]


def _name(item: dict[str, Any]) -> str | None:
    attributes = item.get("attributes", [])
    return next((a["file_name"] for a in attributes if a["_"] == "documentAttributeFilename"), None)


def write_truth(world: World, folder: Path, account: int | None = None, chats: list[int] | None = None) -> None:
    """Write `<folder>/<account index>/`: for each chat `<marked id>.jsonl`, `.json` and `.peers.json`; `media.json`.

    Of every account and chat, or of one account, or of these chats alone, which are those of an account that it can read.
    """
    for reader in world.accounts if account is None else [world.accounts[account]]:
        room = folder / str(reader.index)
        room.mkdir(parents=True, exist_ok=True)
        found: list[dict[str, Any]] = []
        for marked_id in readable_chats(world, reader) if chats is None else chats:
            with open(room / f"{marked_id}.jsonl", "w", encoding="utf-8", newline="\n") as lines:
                lines.writelines(f"{line}\n" for line in truth_lines(world, reader, marked_id))
            _write(room / f"{marked_id}.json", summary(world, reader, marked_id))
            _write(room / f"{marked_id}.peers.json", peers(world, reader, marked_id))
            found.extend(media(world, reader, marked_id))
        _write(room / "media.json", found)


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")


def _type(peer: Any) -> str:
    name = type(peer).__name__
    if name == "User":
        return "bot" if peer.bot else "user"
    if name == "Chat":
        return "group"
    return "channel" if peer.broadcast else "supergroup"
