"""changes.jsonl: its lines, the last word on each id, and what makes another line."""
from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import orjson
import pytest

from support.durability import watched
from support.open_files import open_files
from tgbulk.engine.folder import Place
from tgbulk.stages.archive.changes import (
    CLEARED,
    UPDATE,
    WALK,
    Change,
    ChangeCounts,
    ChangeFile,
    ChangeIndex,
    ChangeKind,
    Sighting,
    index_changes,
    read_changes,
)
from tgbulk.stages.archive.row import ChatRow

VERSION, DELETED, CLEARING, RESTORED = ChangeKind.VERSION, ChangeKind.DELETED, ChangeKind.CLEARED, ChangeKind.RESTORED
SEEN = Sighting(200, UPDATE, 77, 9, 100)
FIELDS = {"id": 4, "seen_at": 200, "how": "update", "account": 77, "pts": 9, "since": 100}


@pytest.fixture(autouse=True)
def _leaks_nothing() -> Iterator[None]:
    before = open_files()
    yield
    assert open_files().items() <= before.items()


def message(number: int, text: str = "", **fields: Any) -> bytes:
    return orjson.dumps({"_": "message", "id": number, "message": text or f"text {number}", **fields}) + b"\n"


def of(line: bytes) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(line)
    return found


@pytest.mark.parametrize("kind", ChangeKind)
@pytest.mark.parametrize("how", [UPDATE, WALK, CLEARED])
def test_a_line_has_what_was_seen_and_is_read_again(kind: ChangeKind, how: str) -> None:
    form = of(message(4)) if kind in (VERSION, RESTORED) else None
    one = Change(kind, 4, Sighting(200, how, 77, 9, 100), form)
    expected = {"kind": kind.value, **FIELDS, "how": how, **({"message": form} if form else {})}
    assert (orjson.loads(one.line()), one.line()[-1:]) == (expected, b"\n")
    assert Change.parse(one.line()) == one
    with pytest.raises(AttributeError):
        one.id = 5  # type: ignore[misc]
    with pytest.raises(AttributeError):
        one.sighting.pts = 5  # type: ignore[misc]


def test_what_is_not_known_of_a_sighting_is_0() -> None:
    assert Sighting(200, WALK, 77) == Sighting(200, WALK, 77, 0, 0)
    assert Change.parse(Change(DELETED, 4, Sighting(200, WALK, 77)).line()).message is None


@pytest.mark.parametrize("wrong", [
    *({name: value} for name in FIELDS if name != "how" for value in ("7", 7.0, True, None)), {"kind": "moved"},
    {"how": "rumour"},
    {"message": None}, {"message": of(message(5))}, {"message": {"_": "messageEmpty", "id": 4}}, {"message": {"id": 4}},
])
def test_a_line_that_is_none(wrong: dict[str, Any]) -> None:
    whole = {"kind": "version", **FIELDS, "message": of(message(4))}
    assert Change.parse(orjson.dumps(whole)).id == 4
    assert Change.parse(orjson.dumps({**whole, "message": {"_": "messageService", "id": 4}})).message
    with pytest.raises((ValueError, KeyError, TypeError)):
        Change.parse(orjson.dumps(whole | wrong))
    for name in whole:
        with pytest.raises((ValueError, KeyError, TypeError)):
            Change.parse(orjson.dumps({one: value for one, value in whole.items() if one != name}))


def test_counts_are_of_each_kind() -> None:
    counts = ChangeCounts()
    for kind in (None, CLEARING):
        counts.add(kind)
        assert not counts
    for kind, times in ((VERSION, 2), (DELETED, 3), (RESTORED, 4)):
        for _ in range(times):
            counts.add(kind)
    assert (counts, bool(counts)) == (ChangeCounts(0, 2, 3, 4), True)
    counts.extend(ChangeCounts(10, 20, 30, 40))
    assert counts == ChangeCounts(10, 22, 33, 44)
    assert all([ChangeCounts(1), ChangeCounts(edited=1), ChangeCounts(deleted=1), ChangeCounts(restored=1)])


@pytest.mark.parametrize("seed", range(20))
def test_the_last_word_on_each_id(seed: int) -> None:
    dice = random.Random(seed)
    index, ids, cleared = ChangeIndex(), range(1, 13), 0
    offsets: dict[int, int | None] = dict.fromkeys(ids)
    deleted, spoken = dict.fromkeys(ids, False), set[int]()
    for offset in range(0, 300, 10):
        number = dice.choice(ids)
        kind = dice.choice((VERSION, DELETED, RESTORED, DELETED, VERSION, DELETED, VERSION, DELETED, CLEARING))
        index.take(kind, number, offset)
        if kind is CLEARING:
            cleared = max(cleared, number)
            deleted |= dict.fromkeys(range(1, number + 1), True)
        else:
            spoken.add(number)
            deleted[number] = kind is DELETED
            if kind is not DELETED:
                offsets[number] = offset
        assert {one: index.is_deleted(one) for one in ids} == deleted
        assert {one: index.version(one) for one in ids} == offsets
        assert (set(index.ids()), index.cleared) == (spoken, cleared)
        assert index.versions() == [one for one in ids if offsets[one] is not None]


class File:
    """One chat's changes, of which a test knows the first lines."""

    def __init__(self, root: Path, row: ChatRow | None = None) -> None:
        self.place = Place(root) / "changes.jsonl"
        self.row = row or ChatRow(1, 77)
        self.file = ChangeFile(self.place, self.row)

    def lines(self) -> list[tuple[str, int, str | None]]:
        """(kind, id, text)."""
        found = map(orjson.loads, self.place.read_bytes().splitlines()) if self.place.exists() else ()
        return [(one["kind"], one["id"], one.get("message", {}).get("message")) for one in found]

    def counts(self) -> tuple[int, int, int]:
        return self.row.versions, self.row.deleted, self.row.late


def test_what_was_seen_makes_a_line_where_it_is_news(tmp_path: Path) -> None:
    chat = File(tmp_path)
    first = message(4, "a")
    steps: list[tuple[bytes, bytes | None, ChangeKind | None, tuple[int, int, int]]] = [
        (first, first, None, (0, 0, 0)),
        (first.rstrip(), first, None, (0, 0, 0)),
        (message(4, "a", views=3), first, None, (0, 0, 0)),
        (message(4, "b", edit_date=5), first, VERSION, (1, 0, 0)),
        (message(4, "b", edit_date=5), first, None, (1, 0, 0)),
        (message(4, "older", edit_date=4), first, None, (1, 0, 0)),
        (first, first, None, (1, 0, 0)),
        (message(4, "of the same second", edit_date=5), first, VERSION, (2, 0, 0)),
        (message(4, "b", edit_date=6), first, VERSION, (3, 0, 0)),
        (message(4, "a", edit_date=6), message(4, "a", edit_date=6), VERSION, (4, 0, 0)),
        (message(5, "late"), None, RESTORED, (4, 0, 1)),
        (message(5, "late"), None, None, (4, 0, 1)),
        (message(5, "late and edited", edit_date=7), None, VERSION, (5, 0, 1)),
    ]
    for line, before, kind, counts in steps:
        assert (chat.file.see(line, before, SEEN), chat.counts()) == (kind, counts)
    chat.file.close()
    assert chat.lines() == [
        ("version", 4, "b"), ("version", 4, "of the same second"), ("version", 4, "b"), ("version", 4, "a"),
        ("restored", 5, "late"), ("version", 5, "late and edited"),
    ]
    assert all(change.sighting == SEEN for _, change in read_changes(chat.place, chat.row.change_bytes))


def test_what_is_gone_and_comes_back(tmp_path: Path) -> None:
    chat = File(tmp_path)
    first = message(4)
    assert chat.file.delete(9, False, SEEN) is None
    assert not chat.place.exists()
    for _ in range(2):
        assert [chat.file.delete(4, True, SEEN) for _ in range(2)] == [DELETED, None]
        assert (chat.counts(), chat.file.is_alive(4, True)) == ((0, 1, 0), False)
        assert [chat.file.see(first, first, SEEN) for _ in range(2)] == [RESTORED, None]
        assert (chat.counts(), chat.file.is_alive(4, True)) == ((0, 0, 0), True)
    assert chat.file.see(message(5), None, SEEN) is RESTORED
    assert [chat.file.is_alive(5, False), chat.file.is_alive(6, False), chat.file.is_alive(6, True)] == [True, False, True]
    assert (chat.file.delete(5, False, SEEN), chat.counts()) == (DELETED, (0, 1, 1))
    assert (chat.file.see(message(5), None, SEEN), chat.counts()) == (RESTORED, (0, 0, 1))
    assert chat.file.clear(5, 2, SEEN) == 2
    assert [chat.file.clear(up_to, 9, SEEN) for up_to in (5, 4)] == [0, 0]
    assert (chat.counts(), chat.file.is_alive(4, True), chat.file.is_alive(5, False)) == ((0, 2, 1), False, False)
    assert (chat.file.clear(6, 1, SEEN), chat.row.deleted) == (1, 3)
    chat.file.close()
    assert [one[:2] for one in chat.lines()][-3:] == [("restored", 5), ("cleared", 5), ("cleared", 6)]


def test_a_change_is_durable_before_the_row_speaks_of_it(tmp_path: Path) -> None:
    with watched() as disk:
        chat = File(tmp_path)
        assert chat.file.unsynced() == []
        for number in (1, 2):
            chat.file.see(message(number, "b" * number), message(number, "a"), SEEN)
            assert disk.lost == ["changes.jsonl"]
            (sync,) = chat.file.unsynced()
            sync()
            assert (disk.lost, chat.file.unsynced()) == ([], [])
    data = chat.place.read_bytes()
    assert (chat.row.change_bytes, chat.row.change_crc) == (len(data), crc32(data))
    chat.file.close()
    before = open_files()
    chat.file.close()
    assert open_files() == before


def test_it_is_opened_at_what_is_committed(tmp_path: Path) -> None:
    chat = File(tmp_path)
    chat.file.see(message(1, "b"), message(1, "a"), SEEN)
    committed = chat.row.change_bytes
    chat.file.see(message(2, "b"), message(2, "a"), SEEN)
    chat.file.close()
    again = File(tmp_path, ChatRow(1, 77, versions=1, change_bytes=committed))
    assert chat.place.stat().st_size == committed
    assert (again.file.index.versions(), again.file.index.version(1)) == ([1], 0)
    assert again.file.see(message(1, "b"), message(1, "a"), SEEN) is None
    assert again.file.see(message(2, "c"), message(2, "a"), SEEN) is VERSION
    again.file.close()
    assert again.lines() == [("version", 1, "b"), ("version", 2, "c")]
    assert [offset for offset, _ in read_changes(chat.place, again.row.change_bytes)] == [0, committed]
    found = index_changes(chat.place, again.row.change_bytes)
    assert (found.version(1), found.version(2)) == (0, committed)
    assert index_changes(chat.place, committed).versions() == [1]
    File(tmp_path).file.close()
    assert chat.place.stat().st_size == 0
    assert list(read_changes(chat.place, 0)) == []
