from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import msgpack
import orjson
import pytest
import telegram_page as made
from line import Line

from engine.journal import Journal
from engine.ring import BLOCK_SIZE, FRAME_SIZE
from stages.event import ChatEnded, ChatProgress, ChatStated
from stages.fetch.coverage import OPEN, Coverage, Range
from stages.process.acquaintance import Acquaintance
from stages.process.page import transform
from stages.receipt import Answer, Kind
from stages.telegram.chat import ChatRecord
from stages.write import writer as writer_module

CHAT = -1000000000009
#: Messages of one page of the walks here.
LIMIT = 5


@pytest.fixture(autouse=True)
def _leaks_nothing() -> Iterator[None]:
    before = len(os.listdir("/proc/self/fd"))
    yield
    assert len(os.listdir("/proc/self/fd")) == before


def record(marked_id: int = CHAT, kind: str = "channel", account: int = 77) -> ChatRecord:
    return ChatRecord(marked_id, kind, f"Chat {marked_id}", account, total=12)


def lines(root: Path, name: str = "messages", marked_id: int = CHAT) -> list[dict[str, Any]]:
    return [orjson.loads(one) for one in (root / "chats" / str(marked_id) / f"{name}.jsonl").read_bytes().splitlines()]


def chat_json(root: Path, marked_id: int = CHAT) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads((root / "chats" / str(marked_id) / "chat.json").read_bytes())
    return found


def test_blocks_of_several_chats(tmp_path: Path) -> None:
    line = Line(tmp_path)
    for stream, chat in enumerate((-5, 6, CHAT)):
        assert line.begin(record(chat, "group"), stream) == ([], Answer.OPENED)
    for mark in (1, 6, 11):
        for stream in (2, 0, 1):
            messages = [made.message(n, f"{stream}/{n}") for n in range(mark, mark + 5)]
            line.page(made.page(messages), mark, stream=stream)
    for stream, chat in enumerate((-5, 6, CHAT)):
        line.end(record(chat, "group"), stream)
    line.close()
    for stream, chat in enumerate((-5, 6, CHAT)):
        assert [one["message"] for one in lines(tmp_path, marked_id=chat)] == [f"{stream}/{n}" for n in range(1, 16)]
        assert chat_json(tmp_path, chat)["messages"] == 15


def test_a_commit_is_a_row_and_is_told_after_it_is_durable(tmp_path: Path) -> None:
    line = Line(tmp_path)
    line.begin(record())
    assert line.writer.due is None
    line.page(made.page([made.message(1), made.service(2), made.empty(3)]), 1)
    assert line.writer.due is not None
    assert line.said() == []
    line.writer.commit()
    assert line.writer.due is None
    assert line.said() == [ChatProgress(0, 2)]
    line.writer.commit()
    assert line.said() == []
    line.end(record())
    line.close()
    assert line.root == tmp_path
    records: list[Any] = []
    Journal(tmp_path / "journal", records.append).close()
    states = [row[2] for rows in records for row in rows if row[0] == CHAT]
    assert states == ["open", "complete"]
    data = (tmp_path / "chats" / str(CHAT) / "messages.jsonl").read_bytes()
    assert records[-1] == [
        [CHAT, 77, "complete", 2, 1, 0, 0, 1, [[1, 4, len(data), crc32(data)]], [[3, 3]], []]
    ]


def test_the_end_of_a_chat_is_told_once_it_is_committed(tmp_path: Path) -> None:
    line = Line(tmp_path)
    line.begin(record())
    line.page(made.page([made.message(1), made.empty(2)]), 1)
    line.end(record())
    assert line.said() == []
    line.writer.commit()
    about = chat_json(tmp_path)
    stated = ChatStated(0, CHAT, about["statement"])
    assert line.said() == [ChatProgress(0, 1), stated, ChatEnded(0, CHAT, 1, 1, 1, 12)]
    line.close()
    assert (about["id"], about["state"], about["messages"], about["empty_ids"]) == (CHAT, "complete", 1, [[2, 2]])


def test_a_chat_that_failed_is_kept_and_not_told_as_ended(tmp_path: Path) -> None:
    line = Line(tmp_path)
    line.begin(record())
    line.page(made.page([made.message(1)]), 1)
    line.end(record(), state="failed")
    line.writer.commit()
    assert line.said() == [ChatProgress(0, 1), ChatStated(0, CHAT, chat_json(tmp_path)["statement"])]
    assert chat_json(tmp_path)["state"] == "failed"
    line.close()


def test_much_is_committed_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "COMMIT_BYTES", 1000)
    line = Line(tmp_path)
    line.begin(record())
    line.page(made.page([made.message(1)]), 1)
    assert line.said() == []
    line.page(made.page([made.message(2, "x" * 1000)]), 2)
    assert line.said() == [ChatProgress(0, 2)]
    line.close()


def test_a_page_that_comes_again_is_not_written_again(tmp_path: Path) -> None:
    line = Line(tmp_path)
    line.begin(record())
    first, second = made.page([made.message(1), made.empty(2)], [made.user(3)]), made.page([made.message(3)])
    for payload, mark in ((first, 1), (first, 1), (second, 3), (first, 1), (second, 3)):
        line.page(payload, mark)
    line.end(record())
    line.close()
    assert [one["id"] for one in lines(tmp_path)] == [1, 3]
    assert [one["id"] for one in lines(tmp_path, "peers")] == [3]
    assert (chat_json(tmp_path)["messages"], chat_json(tmp_path)["empty"]) == (2, 1)


def test_payloads_larger_than_their_slots(tmp_path: Path) -> None:
    """A page over a slot of frames whose block is over a slot of blocks, and each alone."""
    line = Line(tmp_path)
    line.begin(record())
    texts = ["\x01" * 4000] * 100, ["x" * 3000] * 100, ["\x01" * 1000] * 100
    mark = 1
    for page_texts in texts:
        messages = [made.message(mark + place, text) for place, text in enumerate(page_texts)]
        payload = made.page(messages)
        size = len(transform(payload, 0, 1, 0, Acquaintance())[1])
        assert (len(payload) > FRAME_SIZE, size > BLOCK_SIZE) == {
            "\x01" * 4000: (True, True), "x" * 3000: (True, False), "\x01" * 1000: (False, True),
        }[page_texts[0]]
        line.page(payload, mark)
        mark += 100
    line.end(record())
    line.close()
    assert [one["message"] for one in lines(tmp_path)] == [text for some in texts for text in some]


def test_a_page_that_cannot_be_decoded_changes_nothing(tmp_path: Path) -> None:
    line = Line(tmp_path)
    line.begin(record())
    assert line.page(b"not a page", 1).error
    assert line.page(made.page([made.message(4)]), 1).messages == 1
    line.end(record())
    line.close()
    assert [one["id"] for one in lines(tmp_path)] == [4]


def test_a_probe_is_only_answered(tmp_path: Path) -> None:
    line = Line(tmp_path)
    line.begin(record())
    receipt, _ = line.send(Kind.PROBE, made.page([made.message(900)]))
    assert receipt.high == 900
    line.end(record())
    line.close()
    assert lines(tmp_path) == []


def test_a_peer_is_written_once_and_again_when_changed(tmp_path: Path) -> None:
    line = Line(tmp_path)
    line.begin(record())
    versions = [
        made.user(3, min=True), made.user(3), made.user(3), made.user(3, min=True), made.user(3, "Anna"),
        made.user(3, "Anna", min=True), made.user(3, "Anna"),
    ]
    for number, version in enumerate(versions[:5], start=1):
        line.page(made.page([made.message(number)], [version], [made.channel(9)]), number)
    line.end(record())
    line.close()

    line = Line(tmp_path)
    line.begin(record())
    for number, version in enumerate(versions[5:], start=6):
        line.page(made.page([made.message(number)], [version], [made.channel(9)]), number)
    line.end(record())
    line.close()
    found = [(one["id"], one.get("first_name"), one.get("min", False)) for one in lines(tmp_path, "peers")]
    assert found == [(3, "Ann", True), (9, None, False), (3, "Ann", False), (3, "Anna", False)]


def test_a_chat_goes_on_where_it_ended(tmp_path: Path) -> None:
    line = Line(tmp_path)
    line.begin(record())
    line.page(made.page([made.message(1), made.message(2)]), 1)
    line.end(record())
    line.close()
    line = Line(tmp_path)
    assert line.begin(record()) == ([[1, 3]], Answer.OPENED)
    line.page(made.page([made.message(7)]), 3)
    line.end(record())
    line.writer.commit()
    assert line.said()[-1] == ChatEnded(0, CHAT, 3, 1, 0, 12)
    line.close()
    assert [one["id"] for one in lines(tmp_path)] == [1, 2, 7]


@pytest.mark.parametrize(
    ("kind", "answer"), [("private", Answer.OTHER_ACCOUNT), ("group", Answer.OTHER_ACCOUNT), ("channel", Answer.OPENED)]
)
def test_message_ids_of_another_account(tmp_path: Path, kind: str, answer: Answer) -> None:
    line = Line(tmp_path)
    line.begin(record(kind=kind))
    line.page(made.page([made.message(1)]), 1)
    line.end(record(kind=kind))
    line.close()
    line = Line(tmp_path)
    assert line.begin(record(kind=kind, account=78))[1] == answer
    line.begin(record(5, "private", account=78), stream=1)
    line.close()
    assert [one["id"] for one in lines(tmp_path)] == [1]


@pytest.mark.parametrize("name", ["messages.jsonl", "peers.jsonl"])
def test_a_damaged_chat_is_refused_until_its_folder_is_moved_away(tmp_path: Path, name: str) -> None:
    root = tmp_path / "archive"
    line = Line(root)
    line.begin(record())
    line.page(made.page([made.message(1)], [made.user(3)]), 1)
    line.end(record())
    line.close()
    folder = root / "chats" / str(CHAT)
    os.truncate(folder / name, (folder / name).stat().st_size - 1)
    for _ in range(2):
        line = Line(root)
        assert line.begin(record())[1] == Answer.DAMAGED
        assert line.begin(record(5), stream=1)[1] == Answer.OPENED
        line.close()
    shutil.move(folder, tmp_path / "away")
    line = Line(root)
    assert line.begin(record()) == ([], Answer.OPENED)
    line = line.crash(tmp_path / "copy")
    assert line.begin(record()) == ([], Answer.OPENED)
    line.page(made.page([made.message(1)], [made.user(3)]), 1)
    line.end(record())
    line.close()
    assert [one["id"] for one in lines(line.root)] == [1]


class History:
    """A chat of the server: messages, services and ids without a message, with peers."""

    def __init__(self, source: random.Random) -> None:
        self.ids = sorted(source.sample(range(1, 300), 60))
        self._made = {n: source.choice([made.message, made.message, made.service, made.empty])(n) for n in self.ids}
        self.users = {n: made.user(n % 7 + 1) for n in self.ids}
        whole = made.page(list(self._made.values()), list(self.users.values()))
        self.receipt, body = transform(whole, 0, 1, 0, Acquaintance())
        self.peers, self.lines = msgpack.unpackb(body)

    def answer(self, mark: int) -> bytes:
        found = [n for n in self.ids if n >= mark][:LIMIT]
        return made.page([self._made[n] for n in found], [self.users[n] for n in found])


def step(line: Line, history: History, coverage: Coverage, source: random.Random) -> None:
    """One page of any missing range, which may be split first; sometimes the page comes twice."""
    one = source.choice(coverage.missing)
    if one.hi == OPEN and one.next < 290:
        coverage.bound(300)
    if one.hi != OPEN and one.hi - one.next > 30 and source.random() < 0.3:
        middle = source.randrange(one.next + 1, one.hi)
        coverage.missing.insert(coverage.missing.index(one) + 1, Range(middle, middle, one.hi))
        one.hi = middle
    for _ in range(source.choice((1, 1, 1, 2))):
        receipt = line.page(history.answer(one.next), one.next, 0 if one.hi == OPEN else one.hi, one.lo)
    coverage.advance(one, receipt.next, receipt.high == 0)


def finish(line: Line, history: History, source: random.Random) -> None:
    """From what is on disk to the end, and it equals an undisturbed run."""
    covered, answer = line.begin(record())
    assert answer == Answer.OPENED
    coverage = Coverage.of(covered or [])
    while not coverage.done:
        step(line, history, coverage, source)
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
        peer: orjson.loads(text) for peer, _, _, text in history.peers
    }
    assert len(lines(line.root, "peers")) == len({peer for peer, *_ in history.peers})
    about, receipt = chat_json(line.root), history.receipt
    assert (about["messages"], about["services"]) == (receipt.messages, receipt.services)
    assert about["empty"] == len(receipt.empty or [])
    assert [n for first, last in about["empty_ids"] for n in range(first, last + 1)] == receipt.empty


@pytest.mark.parametrize("seed", range(12))
def test_crashes_at_any_page_leave_the_same_archive(tmp_path: Path, seed: int) -> None:
    """Ranges in any order, commits at any time, several crashes: byte for byte the undisturbed messages.jsonl."""
    source = random.Random(seed)
    history = History(source)
    line = Line(tmp_path / "0")
    for number in range(1, 5):
        covered, _ = line.begin(record())
        coverage = Coverage.of(covered or [])
        for _ in range(source.randrange(12)):
            if not coverage.done:
                step(line, history, coverage, source)
            if source.random() < 0.3:
                line.writer.commit()
        if source.random() < 0.3:
            line.end(record(), state="failed")
        line = line.crash(tmp_path / str(number))
        for path in (line.root / "chats").glob("*/messages.jsonl"):
            with open(path, "ab") as file:
                file.write(b'{"torn": ')
    finish(line, history, source)
    assert (line.root / "chats" / str(CHAT) / "messages.jsonl").read_bytes() == history.lines


class Disk:
    """Copies the folder whenever something is about to be made durable, cut or removed.

    As a killed process leaves it, or as a power cut may: the journal whole, of all other files only what was synced.
    """

    def __init__(self, root: Path, copies: Path, power_cut: bool) -> None:
        self.root = root
        self.copies = copies
        self.count = 0
        self._power_cut = power_cut
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
            self.copy()
            sync(descriptor)
            path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
            self._synced[path.relative_to(self.root)] = path.read_bytes()

        patch.setattr(os, "fdatasync", synced)
        for name in ("ftruncate", "unlink", "rmdir", "replace"):
            patch.setattr(os, name, self._before(getattr(os, name)))

    def _before(self, call: Any) -> Any:
        def copy_first(*arguments: Any) -> Any:
            self.copy()
            return call(*arguments)

        return copy_first


@pytest.mark.parametrize("power_cut", [False, True], ids=["killed", "power cut"])
@pytest.mark.parametrize("seed", [1, 2])
def test_crashes_within_a_commit_leave_the_same_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, power_cut: bool
) -> None:
    """Every moment of a run that parts and joins segments."""
    source = random.Random(seed)
    history = History(source)
    line = Line(tmp_path / "live")
    disk = Disk(tmp_path / "live", tmp_path, power_cut)
    with monkeypatch.context() as patch:
        disk.watch(patch)
        coverage = Coverage.of(line.begin(record())[0] or [])
        while not coverage.done:
            step(line, history, coverage, source)
            if source.random() < 0.2:
                line.writer.commit()
        line.end(record())
        line.writer.commit()
        line.close()
    assert disk.count > 10
    for number in range(disk.count):
        finish(Line(tmp_path / str(number)), history, source)
    found = {path.read_bytes() for path in tmp_path.glob(f"*/chats/{CHAT}/messages.jsonl")}
    assert found == {history.lines}
