from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from telethon.tl import types

from support import telegram_page as made
from support.durability import watched
from support.line import Line
from support.walks import CHAT, Disk, History, chat_json, finish, lines, record, step
from tgbulk.engine.folder import Place
from tgbulk.engine.frame import pack
from tgbulk.engine.journal import Journal
from tgbulk.engine.ring import BLOCK_SIZE, FRAME_SIZE
from tgbulk.stages.archive import chat as chat_module
from tgbulk.stages.archive.id_range import UNBOUNDED, IdRange
from tgbulk.stages.archive.quarantine import Quarantine, RawRequest, Undecoded
from tgbulk.stages.archive.reader import ArchiveReader
from tgbulk.stages.archive.row import GAPS, OPEN
from tgbulk.stages.fetch.missing import MissingRanges
from tgbulk.stages.process.page import transform
from tgbulk.stages.process.seen_peers import SeenPeers
from tgbulk.stages.protocol.event import ChatEnded, ChatProgress, ChatStated, Quarantined
from tgbulk.stages.protocol.receipt import PayloadKind
from tgbulk.stages.protocol.request import MediaRequest, OpenReply, QuarantineRequest, Refusal
from tgbulk.stages.telegram.medium import CATEGORIES, MediaOutcome, MediaProgress, MediaSelection
from tgbulk.stages.write import writer as writer_module


@pytest.fixture(autouse=True)
def _leaks_nothing() -> Iterator[None]:
    before = len(os.listdir("/proc/self/fd"))
    yield
    assert len(os.listdir("/proc/self/fd")) == before


def test_blocks_of_several_chats(tmp_path: Path) -> None:
    line = Line(tmp_path)
    for stream, chat in enumerate((-5, 6, CHAT)):
        assert line.begin(record(chat, "group"), stream) == OpenReply()
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
    stated = ChatStated(0, CHAT, about["statement"], record().title)
    assert line.said() == [ChatProgress(0, 1), stated, ChatEnded(0, CHAT, 1, 1, 1, 12)]
    line.close()
    assert (about["id"], about["state"], about["messages"], about["empty_ids"]) == (CHAT, "complete", 1, [[2, 2]])


def test_a_chat_of_many_ranges_is_joined_in_several_commits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends with the last of them: until then others get their turn, and a crash leaves a chat that goes on."""
    monkeypatch.setattr(writer_module, "JOIN_BYTES", 1)
    line = Line(tmp_path / "0")
    line.begin(record())
    for number in (1, 11, 21, 31):
        line.page(made.page([made.message(number)]), number, bound=number + 5, range_start=number)
    line.writer.commit()
    line.end(record(), state=GAPS)
    for left in (2, 1):
        line.writer.commit()
        assert (line.writer.joining, line.writer.due is None) == (True, False)
        assert not any(isinstance(one, ChatStated) for one in line.said())
        assert len(list((line.root / "chats" / str(CHAT) / "segments").iterdir())) == left
    line = line.crash(tmp_path / "1")
    row = ArchiveReader(line.root).row(CHAT)
    assert row is not None
    assert (row.state, row.joined, len(row.ranges)) == (OPEN, 3, 4)
    assert len(line.begin(record()).covered) == 4
    line.end(record(), state=GAPS)
    line.writer.commit()
    assert (line.writer.joining, line.writer.due) == (False, None)
    assert any(isinstance(one, ChatStated) for one in line.said())
    line.close()
    assert [one["id"] for one in lines(line.root)] == [1, 11, 21, 31]
    assert not (line.root / "chats" / str(CHAT) / "segments").exists()


def test_who_brought_what_is_said_from_the_second_account_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once: until then one account brought all. Then now and then, for it may be long, and at the end."""
    monkeypatch.setattr(chat_module, "SOURCES_SECONDS", float("inf"))
    line = Line(tmp_path)
    line.begin(record())
    brought: list[Any] = []
    for number, account in ((1, 77), (2, 12), (3, 12)):
        where = {"range_start": 1, "first": number, "bound": number + 1, "origin": account}
        line.send(PayloadKind.HISTORY, made.page([made.message(number)]), **where)
        line.writer.commit()
        brought.append({one["account"]: one["ids"] for one in chat_json(tmp_path).get("sources", ())})
    line.end(record())
    line.close()
    brought.append({one["account"]: one["ids"] for one in chat_json(tmp_path)["sources"]})
    assert brought == [{}, {77: [[1, 1]], 12: [[2, 2]]}, {77: [[1, 1]], 12: [[2, 2]]}, {77: [[1, 1]], 12: [[2, 3]]}]


def test_a_chat_that_is_opened_again_before_its_end_was_committed(tmp_path: Path) -> None:
    """As by a follower that begins anew."""
    line = Line(tmp_path)
    for number in (1, 2):
        line.begin(record(), number)
        line.page(made.page([made.message(number)]), number, stream=number)
        line.end(record(), number)
    line.close()
    assert [one["id"] for one in lines(tmp_path)] == [1, 2]


def test_a_chat_that_failed_is_kept_and_not_told_as_ended(tmp_path: Path) -> None:
    line = Line(tmp_path)
    line.begin(record())
    line.page(made.page([made.message(1)]), 1)
    line.end(record(), state="failed")
    line.writer.commit()
    assert line.said() == [ChatProgress(0, 1), ChatStated(0, CHAT, chat_json(tmp_path)["statement"], record().title)]
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


def test_pages_that_are_looked_at_again_count_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line(tmp_path)
    line.begin(record())
    line.page(made.page([made.message(1)]), 1)
    line.end(record())
    line.writer.commit()
    monkeypatch.setattr(writer_module, "COMMIT_BYTES", 1000)
    for text, is_due in (("x", True), ("x" * 1000, False)):
        line.send(PayloadKind.AGAIN, made.page([made.message(1, text)]), first=1, bound=2, subject=CHAT, origin=77)
        assert (line.writer.due is not None) is is_due
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


def test_a_commit_takes_the_states_of_media_along(tmp_path: Path) -> None:
    line = Line(tmp_path / "a", MediaSelection(frozenset(CATEGORIES)))
    line.begin(record())
    message = made.message(1)
    message.media = types.MessageMediaDocument(
        document=types.Document(5, 1, b"r", made.DAY, "text/plain", 3, 2, [types.DocumentAttributeFilename("a.txt")])
    )
    line.page(made.page([message]), 1)
    (item,) = line.send(PayloadKind.MEDIA, pack(MediaRequest([], 0, True))).items
    line.send(PayloadKind.MEDIA, pack(MediaRequest([MediaOutcome(item.number, "done", "", 3, bytes(32))], 0, False)))
    assert line.said() == []
    line.writer.commit()
    assert MediaProgress(1, 3) in line.said()
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    line.close()
    with closing(ArchiveReader(tmp_path / "b").media) as media:
        found = media.get("document", 5)
    assert found is not None
    assert found.state == "done"


def test_payloads_larger_than_their_slots(tmp_path: Path) -> None:
    """A page over a slot of frames whose block is over a slot of blocks, and each alone."""
    line = Line(tmp_path)
    line.begin(record())
    texts = ["\x01" * 4000] * 100, ["x" * 3000] * 100, ["\x01" * 1000] * 100
    mark = 1
    for page_texts in texts:
        messages = [made.message(mark + place, text) for place, text in enumerate(page_texts)]
        payload = made.page(messages)
        size = len(pack(transform(payload, 0, 1, UNBOUNDED, SeenPeers())[1]))
        assert (len(payload) > FRAME_SIZE, size > BLOCK_SIZE) == {
            "\x01" * 4000: (True, True), "x" * 3000: (True, False), "\x01" * 1000: (False, True),
        }[page_texts[0]]
        line.page(payload, mark)
        mark += 100
    line.end(record())
    line.close()
    assert [one["message"] for one in lines(tmp_path)] == [text for some in texts for text in some]


def test_replies_larger_than_their_slots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chat of which the archive has a hundred ranges."""
    line = Line(tmp_path)
    line.begin(record())
    for number in range(1, 300, 3):
        line.page(made.page([made.message(number)]), number, bound=number + 1, range_start=number)
    line.end(record(), state="failed")
    line.close()
    monkeypatch.setattr("support.line.BLOCK_SIZE", 256)
    line = Line(tmp_path)
    assert line.begin(record()).covered == [IdRange(number, number + 1) for number in range(1, 300, 3)]
    line.end(record(), state="failed")
    line.close()


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
    receipt = line.send(PayloadKind.PROBE, made.page([made.message(900)]))
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
    assert line.begin(record()) == OpenReply(messages=2, covered=[IdRange(1, 3)], explained=10, counted=12)
    line.page(made.page([made.message(7)]), 3)
    line.end(record())
    line.writer.commit()
    assert line.said()[-1] == ChatEnded(0, CHAT, 3, 1, 0, 12)
    line.close()
    assert [one["id"] for one in lines(tmp_path)] == [1, 2, 7]


@pytest.mark.parametrize(
    ("kind", "refusal"), [("private", Refusal.OTHER_ACCOUNT), ("group", Refusal.OTHER_ACCOUNT), ("channel", Refusal.NONE)]
)
def test_message_ids_of_another_account(tmp_path: Path, kind: str, refusal: Refusal) -> None:
    line = Line(tmp_path)
    line.begin(record(kind=kind))
    line.page(made.page([made.message(1)]), 1)
    line.end(record(kind=kind))
    line.close()
    line = Line(tmp_path)
    assert line.begin(record(kind=kind, account=78)).refusal == refusal
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
    for counted in (0, record().total or 0):
        line = Line(root)
        assert line.begin(record()).refusal == Refusal.DAMAGED
        assert line.begin(record(5), stream=1) == OpenReply(counted=counted)
        line.close()
    shutil.move(folder, tmp_path / "away")
    line = Line(root)
    assert line.begin(record()) == OpenReply()
    line = line.crash(tmp_path / "copy")
    assert line.begin(record()) == OpenReply(counted=record().total or 0)
    line.page(made.page([made.message(1)], [made.user(3)]), 1)
    line.end(record())
    line.close()
    assert [one["id"] for one in lines(line.root)] == [1]


@pytest.mark.parametrize("seed", range(12))
def test_crashes_at_any_page_leave_the_same_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Ranges in any order, commits at any time, several crashes: byte for byte the undisturbed messages.jsonl."""
    monkeypatch.setattr(writer_module, "JOIN_BYTES", (1, writer_module.JOIN_BYTES)[seed % 2])
    source = random.Random(seed)
    history = History(source)
    line = Line(tmp_path / "0")
    for number in range(1, 5):
        covered = line.begin(record()).covered
        missing = MissingRanges.of(covered)
        for _ in range(source.randrange(12)):
            if not missing.done:
                step(line, history, missing, source)
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


@pytest.mark.parametrize("power_cut", [False, True], ids=["killed", "power cut"])
@pytest.mark.parametrize("seed", [1, 2])
def test_crashes_within_a_commit_leave_the_same_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, power_cut: bool
) -> None:
    """Every moment of a run that parts and joins segments, at once or one a commit."""
    monkeypatch.setattr(writer_module, "JOIN_BYTES", (1, writer_module.JOIN_BYTES)[seed % 2])
    source = random.Random(seed)
    history = History(source)
    line = Line(tmp_path / "live")
    disk = Disk(tmp_path / "live", tmp_path, power_cut)
    with monkeypatch.context() as patch:
        disk.watch(patch)
        missing = MissingRanges.of(line.begin(record()).covered)
        while not missing.done:
            step(line, history, missing, source)
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


@pytest.mark.parametrize("seed", range(6))
def test_the_journal_speaks_of_nothing_that_a_power_cut_would_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Not even when ranges part and join: what a row names, names of files and folders included, was synced before it."""
    monkeypatch.setattr(writer_module, "JOIN_BYTES", (1, writer_module.JOIN_BYTES)[seed % 2])
    source = random.Random(seed)
    history = History(source)
    after: list[list[str]] = []
    with watched() as disk:
        line = Line(tmp_path / "far" / "archive")
        missing = MissingRanges.of(line.begin(record()).covered)
        made_lost = disk.lost
        while not missing.done:
            step(line, history, missing, source)
            if source.random() < 0.3:
                line.writer.commit()
                after.append(disk.lost)
        line.end(record())
        line.writer.commit()
        after.append(disk.lost)
        line.close()
    assert (made_lost, disk.early) == ([], [])
    assert disk.renamed == 3  # archive.json, and chat.json twice
    records: list[Any] = []
    Journal(tmp_path / "far" / "archive" / "journal", records.append).close()
    assert len(records) == len(disk.journaled) > 0
    for rows, lost in zip(records, disk.journaled, strict=True):
        assert unspoken(rows[0], lost) == lost
    assert all(unspoken([0] * 7 + [0, []], lost) == lost for lost in after)


def unspoken(row: list[Any], names: list[str]) -> list[str]:
    """Of these files, segments that the row says nothing of: they were copied, and will go."""
    spoken = {f"{lo}.jsonl" for lo, *_ in row[8][row[7] :]}
    return [name for name in names if name not in spoken and name.removesuffix(".jsonl").isdecimal()]


def test_answers_that_cannot_be_decoded_are_durable_before_the_journal_speaks_of_them(tmp_path: Path) -> None:
    about = Undecoded(CHAT, 1, 5, "unknown", [RawRequest("getHistory", 1, -1, 1)], [6], "1.45", 200)
    with watched() as disk:
        line = Line(tmp_path)
        line.begin(record())
        line.send(PayloadKind.QUARANTINE, pack(QuarantineRequest(about, b"answer")))
        assert (disk.lost, disk.early) == ([], [])
        line.writer.commit()
        assert line.said()[0] == Quarantined(CHAT, 1, 5, "unknown")
        line.end(record(), state="gaps")
        line.close()
    assert disk.journaled
    assert not any(disk.journaled)
    kept = tmp_path / "quarantine" / f"{CHAT}-1-5.tl"
    assert kept.read_bytes() == b"answer"
    assert Quarantine(Place(tmp_path) / "quarantine", CHAT).is_whole(IdRange(1, 6))
    kept.write_bytes(b"another")
    assert not Quarantine(Place(tmp_path) / "quarantine", CHAT).is_whole(IdRange(1, 6))


@pytest.mark.parametrize("state", [GAPS, "complete"])
def test_gaps_are_told_of_a_chat_that_has_some_by_this_run(tmp_path: Path, state: str) -> None:
    line = Line(tmp_path)
    line.begin(record())
    line.page(made.page([made.message(1)]), 1, bound=2)
    about = Undecoded(CHAT, 2, 5, "unknown", [RawRequest("getHistory", 2, -1, 1)], [6], "1.45", 200)
    line.send(PayloadKind.QUARANTINE, pack(QuarantineRequest(about, b"as-is!", 0, True)))
    line.page(made.page([made.message(6)]), 6, range_start=6, last=True)
    line.end(record(), state=state)
    line.writer.commit()
    assert [one.gaps for one in line.said() if isinstance(one, ChatEnded)] == [1 if state == GAPS else 0]
    line.close()
