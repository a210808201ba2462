"""A chat's history that is walked page by page into a writer, and a disk that is copied at every moment that counts."""
from __future__ import annotations

import os
import random
import shutil
import threading
from pathlib import Path
from typing import Any

import orjson
import pytest

from support import telegram_page as made
from support.line import Line
from tgbulk.stages.archive.id_range import UNBOUNDED
from tgbulk.stages.fetch.missing import MissingRanges, WalkRange
from tgbulk.stages.process.page import transform
from tgbulk.stages.process.seen_peers import SeenPeers
from tgbulk.stages.protocol.request import Refusal
from tgbulk.stages.telegram.chat import ChatRecord

CHAT = -1000000000009
#: Messages of one page of the walks here.
LIMIT = 5


def record(marked_id: int = CHAT, kind: str = "channel", account: int = 77) -> ChatRecord:
    return ChatRecord(marked_id, kind, f"Chat {marked_id}", account, total=12)


def lines(root: Path, name: str = "messages", marked_id: int = CHAT) -> list[dict[str, Any]]:
    return [orjson.loads(one) for one in (root / "chats" / str(marked_id) / f"{name}.jsonl").read_bytes().splitlines()]


def chat_json(root: Path, marked_id: int = CHAT) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads((root / "chats" / str(marked_id) / "chat.json").read_bytes())
    return found


class History:
    """A chat of the server: messages, services and ids without a message, with peers."""

    def __init__(self, source: random.Random) -> None:
        self.ids = sorted(source.sample(range(1, 300), 60))
        self._made = {n: source.choice([made.message, made.message, made.service, made.empty])(n) for n in self.ids}
        self.users = {n: made.user(n % 7 + 1) for n in self.ids}
        whole = made.page(list(self._made.values()), list(self.users.values()))
        self.receipt, body = transform(whole, 0, 1, UNBOUNDED, SeenPeers())
        self.peers, self.lines = body.peers, body.lines

    def answer(self, first: int) -> bytes:
        found = [n for n in self.ids if n >= first][:LIMIT]
        return made.page([self._made[n] for n in found], [self.users[n] for n in found])


def step(line: Line, history: History, missing: MissingRanges, source: random.Random) -> None:
    """One page of any missing range, which may be split first; sometimes the page comes twice."""
    one = source.choice(missing.ranges)
    if one.hi == UNBOUNDED and one.next < 290:
        missing.bound(300)
    if one.hi != UNBOUNDED and one.hi - one.next > 30 and source.random() < 0.3:
        middle = source.randrange(one.next + 1, one.hi)
        missing.ranges.insert(missing.ranges.index(one) + 1, WalkRange(middle, middle, one.hi))
        one.hi = middle
    for _ in range(source.choice((1, 1, 1, 2))):
        receipt = line.page(history.answer(one.next), one.next, one.hi, one.start, last=one.next > history.ids[-1])
    missing.advance(one, receipt.next, receipt.high == 0)


def finish(line: Line, history: History, source: random.Random) -> None:
    """From what is on disk to the end, and it equals an undisturbed run."""
    reply = line.begin(record())
    assert reply.refusal == Refusal.NONE
    missing = MissingRanges.of(reply.covered)
    while not missing.done:
        step(line, history, missing, source)
        if source.random() < 0.1:
            line.writer.commit()
    close_and_compare(line, history)


def close_and_compare(line: Line, history: History) -> None:
    line.end(record())
    line.close()
    folder = line.root / "chats" / str(CHAT)
    assert (folder / "messages.jsonl").read_bytes() == history.lines
    assert sorted(os.listdir(folder)) == ["chat.json", "messages.jsonl", "peers.jsonl"]
    assert {one["id"]: one for one in lines(line.root, "peers")} == {
        one.marked_id: orjson.loads(one.line) for one in history.peers
    }
    assert len(lines(line.root, "peers")) == len({one.marked_id for one in history.peers})
    about, receipt = chat_json(line.root), history.receipt
    assert (about["messages"], about["services"]) == (receipt.messages, receipt.services)
    assert about["empty"] == len(receipt.empty or [])
    assert [n for first, last in about["empty_ids"] for n in range(first, last + 1)] == receipt.empty


class Disk:
    """Copies the folder whenever something is about to be made durable, cut or removed.

    As a killed process leaves it, or as a power cut may: the journal whole, of all other files only what was synced.
    """

    def __init__(self, root: Path, copies: Path, power_cut: bool) -> None:
        self.root = root
        self.copies = copies
        self.count = 0
        self._power_cut = power_cut
        #: files are synced side by side
        self._one = threading.Lock()
        self._synced: dict[Path, bytes] = {}

    def copy(self) -> None:
        target = self.copies / str(self.count)
        shutil.copytree(self.root, target)
        self.count += 1
        if self._power_cut:
            for path in (target / "chats").rglob("*.jsonl"):
                path.write_bytes(self._synced.get(path.relative_to(target), b""))

    def watch(self, patch: pytest.MonkeyPatch) -> None:
        sync = os.fdatasync

        def synced(descriptor: int) -> None:
            with self._one:
                self.copy()
                sync(descriptor)
                path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
                self._synced[path.relative_to(self.root)] = path.read_bytes()

        patch.setattr(os, "fdatasync", synced)
        for name in ("ftruncate", "unlink", "rmdir", "rename"):
            patch.setattr(os, name, self._before(getattr(os, name)))

    def _before(self, call: Any) -> Any:
        def copy_first(*arguments: Any, **options: Any) -> Any:
            with self._one:
                self.copy()
            return call(*arguments, **options)

        return copy_first
