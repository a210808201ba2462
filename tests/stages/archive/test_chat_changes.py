"""What a chat's files make of messages that are told, looked at again, deleted and cleared."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import orjson
import pytest

from support.open_files import open_files
from support.walks import CHAT, chat_json, lines, record
from tgbulk.stages.archive.about import read_about
from tgbulk.stages.archive.account import Unlooked
from tgbulk.stages.archive.changes import CLEARED, UPDATE, WALK, ChangeCounts, Sighting
from tgbulk.stages.archive.chat import SOURCES_SECONDS, ChatFile
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.id_range import IdRange
from tgbulk.stages.archive.quarantine import Undecoded
from tgbulk.stages.archive.row import ChatRow
from tgbulk.stages.telegram.difference import Told
from tgbulk.stages.telegram.peer import PeerLine, peer_line

SEEN = Sighting(200, UPDATE, 77, 9, 100)


@pytest.fixture(autouse=True)
def _leaks_nothing() -> Iterator[None]:
    before = open_files()
    yield
    assert open_files().items() <= before.items()


def form(number: int, text: str = "", edited: int = 0) -> bytes:
    fields = {"edit_date": edited} if edited else {}
    return orjson.dumps({"_": "message", "id": number, "message": text or f"text {number}", **fields}) + b"\n"


def told(number: int, text: str = "", edited: int = 0, pts: int = 0) -> Told:
    return Told(CHAT, form(number, text, edited), pts=pts)


def of(chat: ChatFile, *covered: tuple[int, int]) -> None:
    """The odd ids of each of these ranges are messages, and all is committed."""
    for lo, hi in covered:
        ids = [number for number in range(lo, hi) if number % 2]
        chat.add(lo, IdRange(lo, hi), b"".join(map(form, ids)), [], len(ids), 0, [])
    chat.prepare()
    chat.committed()


@pytest.fixture
def chat(tmp_path: Path) -> Iterator[ChatFile]:
    made = ChatFile(Archive(tmp_path), ChatRow(CHAT, 77), lambda: None)
    yield made
    made.close()


def changes(root: Path) -> list[tuple[str, int, str, int]]:
    """(kind, id, how, pts) of every line."""
    if not (root / "chats" / str(CHAT) / "changes.jsonl").exists():
        return []
    return [(one["kind"], one["id"], one["how"], one["pts"]) for one in lines(root, "changes")]


@pytest.mark.parametrize(("number", "grows", "found", "behind", "kinds"), [
    (3, True, ChangeCounts(), 0, []), (3, False, ChangeCounts(), 0, []),
    (4, True, ChangeCounts(restored=1), 0, ["restored"]), (15, True, ChangeCounts(), 0, []),
    (15, False, ChangeCounts(), 0, []), (30, False, ChangeCounts(), 30, []), (30, True, ChangeCounts(new=1), 0, []),
    (31, False, ChangeCounts(), 31, []), (31, True, ChangeCounts(new=1), 0, []),
])
def test_a_message_in_what_is_covered_between_and_above(
    tmp_path: Path, chat: ChatFile, number: int, grows: bool, found: ChangeCounts, behind: int, kinds: list[str]
) -> None:
    """Between, it is left to a walk; above, it is the next one or noted."""
    of(chat, (1, 11), (20, 30))
    assert chat.see([told(number)], SEEN, grows) == found
    assert (chat.row.behind, chat.dirty) == (behind, bool(found) or behind > 0)
    assert [one[0] for one in changes(tmp_path)] == kinds
    assert chat.covered[-1].hi == (number + 1 if found.new else 30)


def test_the_highest_message_above_is_noted_until_it_is_covered(chat: ChatFile) -> None:
    assert chat.see([told(5)], SEEN, True) == ChangeCounts()
    assert (chat.row.behind, chat.dirty, chat.covered) == (5, True, [])
    chat.see([told(14), told(12)], SEEN, True)
    assert chat.row.behind == 14
    for hi, behind in ((14, 14), (15, 0)):
        of(chat, (chat.covered[-1].hi if chat.covered else 1, hi))
        assert chat.row.behind == behind


def test_news_are_appended_in_order_once_and_with_their_counts(tmp_path: Path, chat: ChatFile) -> None:
    of(chat, (1, 11))
    service = Told(CHAT, b'{"_":"messageService","id":14}\n')
    some = [told(15), told(12), told(12, "again", 5, pts=8), service, told(3, "edited", 6)]
    assert chat.see(some, SEEN, True) == ChangeCounts(new=3, edited=2)
    assert (chat.row.messages, chat.row.services, chat.new, chat.covered) == (8, 1, 8, [IdRange(1, 16)])
    assert [one["id"] for one in lines(tmp_path)] == [1, 3, 5, 7, 9, 12, 14, 15]
    assert changes(tmp_path) == [("version", 12, "update", 8), ("version", 3, "update", 9)]


def test_what_was_deleted_is_counted_where_it_was_there(tmp_path: Path, chat: ChatFile) -> None:
    of(chat, (1, 11))
    assert chat.delete([2, 4, 30], SEEN) == ChangeCounts()
    assert not chat.dirty
    chat.see([told(4)], SEEN, False)
    chat.prepare()
    chat.committed()
    assert chat.delete([3, 4, 6, 3], SEEN) == ChangeCounts(deleted=2)
    assert (chat.dirty, chat.row.deleted, chat.row.late) == (True, 2, 1)
    assert changes(tmp_path)[1:] == [("deleted", 3, "update", 9), ("deleted", 4, "update", 9)]
    assert chat.having([1, 2, 3, 4, 11, 13]) == {1, 3, 4}


def test_a_cleared_history_is_counted_once_a_message(tmp_path: Path, chat: ChatFile) -> None:
    """Edited ones, late ones and those that are deleted already among them."""
    of(chat, (1, 11))
    chat.see([told(3, "edited", 5), told(4), told(6), told(8), told(9, "edited", 5)], SEEN, False)
    chat.delete([1, 4], SEEN)
    chat.prepare()
    chat.committed()
    assert chat.row.deleted == 2
    assert chat.clear(6, Sighting(200, CLEARED, 77)) == ChangeCounts(deleted=3)  # 3, 5 and 6
    assert (chat.dirty, chat.row.deleted) == (True, 5)
    assert chat.clear(7, Sighting(201, CLEARED, 77)) == ChangeCounts(deleted=1)
    assert chat.clear(7, Sighting(201, CLEARED, 77)) == ChangeCounts()
    assert chat.clear(300, Sighting(202, CLEARED, 77)) == ChangeCounts(deleted=2)  # 8 and 9
    assert chat.row.alive == 0


def test_what_is_looked_at_again_is_all_that_is_there(tmp_path: Path, chat: ChatFile) -> None:
    """Of what is covered and was looked at: an id without a message is deleted, above and below nothing is said."""
    of(chat, (1, 11), (20, 30))
    chat.see([told(4), told(6), told(8)], SEEN, False)
    chat.prepare()
    chat.committed()
    walk = Sighting(300, WALK, 77, 9, 100)
    messages = [form(2, "late"), form(5, "edited", 7), form(6), form(10, "beyond"), form(15, "between")]
    assert chat.look_again(IdRange(2, 10), messages, walk) == ChangeCounts(restored=1, edited=1, deleted=5)
    assert changes(tmp_path)[3:] == [
        ("restored", 2, "walk", 9), ("deleted", 3, "walk", 9), ("deleted", 4, "walk", 9), ("version", 5, "walk", 9),
        ("deleted", 7, "walk", 9), ("deleted", 8, "walk", 9), ("deleted", 9, "walk", 9),
    ]
    chat.prepare()
    chat.committed()
    assert chat.look_again(IdRange(11, 20), [form(15)], walk) == ChangeCounts()
    assert chat.dirty


def test_an_id_that_is_not_covered_any_more_is_not_called_deleted(tmp_path: Path, chat: ChatFile) -> None:
    of(chat, (1, 5), (8, 11))
    chat._changes.see(form(6), None, SEEN)
    assert chat.look_again(IdRange(1, 11), [form(n) for n in (1, 3, 6, 9)], SEEN) == ChangeCounts()
    assert chat.look_again(IdRange(1, 11), [form(n) for n in (1, 3, 9)], SEEN) == ChangeCounts()
    assert len(changes(tmp_path)) == 1


@pytest.mark.parametrize(("ids", "since", "left"), [
    (IdRange(1, 2), 100, [(50, 2, 4), (40, 6, 9)]), (IdRange(4, 6), 100, [(50, 2, 4), (40, 6, 9)]),
    (IdRange(1, 3), 50, [(50, 3, 4), (40, 6, 9)]), (IdRange(3, 6), 50, [(50, 2, 3), (40, 6, 9)]),
    (IdRange(3, 7), 40, [(50, 2, 3), (40, 7, 9)]), (IdRange(9, 11), 100, [(50, 2, 4), (40, 6, 9)]),
    (IdRange(1, 11), 40, []),
])
def test_a_change_may_have_been_since_the_first_loss_of_what_is_looked_at(
    tmp_path: Path, chat: ChatFile, ids: IdRange, since: int, left: list[tuple[int, int, int]]
) -> None:
    of(chat, (1, 11))
    chat.row.unlooked = [Unlooked(50, 90, 2, 4), Unlooked(40, 90, 6, 9)]
    some = [form(number, f"edited {number}", 9) for number in range(ids.lo, ids.hi)]
    chat.look_again(ids, some, Sighting(300, WALK, 77, 9, 100))
    assert {one["since"] for one in lines(tmp_path, "changes")} == {since}
    assert chat.row.unlooked == [Unlooked(one, 90, lo, hi) for one, lo, hi in left]


def test_a_page_counts_its_lines_and_peers_and_what_is_empty(tmp_path: Path, chat: ChatFile) -> None:
    ann = peer_line({"_": "user", "id": 5, "first_name": "Ann"})
    size = len(form(1)) + len(ann.line)
    for expected in (size, 0):
        assert chat.add(1, IdRange(1, 9), form(1), [ann], 1, 1, [2, 3, 8]) == expected
        assert (chat.row.messages, chat.row.services, chat.row.empty_count) == (1, 1, 3)
    assert chat.row.empty == [IdRange(2, 4), IdRange(8, 9)]
    assert chat.add(1, IdRange(9, 10), b"", [], 0, 0, []) == 0
    assert chat.covered == [IdRange(1, 10)]


def test_an_account_that_brings_what_another_has_begun_is_said(chat: ChatFile) -> None:
    chat.add(1, IdRange(1, 3), form(1), [], 1, 0, [])
    chat.add(1, IdRange(3, 4), form(3), [], 1, 0, [], 77)
    assert chat.sources.document() is None
    chat.add(1, IdRange(4, 6), form(5), [], 1, 0, [], 12)
    chat.add(1, IdRange(4, 6), form(5), [], 1, 0, [], 13)
    chat.prepare()
    chat.committed()
    assert chat.sources.document() == [{"account": 12, "ids": [[4, 5]]}, {"account": 77, "ids": [[1, 3]]}]


def test_what_is_parted_is_to_be_committed_at_once(tmp_path: Path) -> None:
    """Its lines are cut out of messages.jsonl then."""
    rows: list[Any] = []

    def commit() -> None:
        rows.append((file.dirty, file.prepare()[7:9]))

    file = ChatFile(Archive(tmp_path), ChatRow(CHAT, 77), commit)
    of(file, (1, 4), (9, 12))
    file.join()
    file.end(record())
    file.join()
    file.prepare()
    file.committed()
    assert (file.is_joining, file.dirty) == (False, False)
    file.add(4, IdRange(4, 6), form(5), [], 1, 0, [])
    assert [(dirty, joined, len(ranges)) for dirty, (joined, ranges) in rows] == [(True, 1, 2)]
    file.close()


def test_who_brought_what_is_said_at_once_and_then_now_and_then(
    tmp_path: Path, chat: ChatFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("tgbulk.stages.archive.chat.time.monotonic", lambda: now[0])
    chat.describe(record())
    said = []
    for number, seconds in enumerate((1.0, 1.0, SOURCES_SECONDS - 0.5, 0.5, 1.0), 1):
        now[0] += seconds
        chat.add(1, IdRange(number, number + 1), form(number), [], 1, 0, [], 77 if number == 1 else 12)
        chat.prepare()
        chat.committed()
        said.append([one["ids"][-1][1] for one in chat_json(tmp_path).get("sources", ())])
    assert said == [[], [2, 1], [2, 1], [4, 1], [4, 1]]
    now[0] += SOURCES_SECONDS + 3
    path = tmp_path / "chats" / str(CHAT) / "chat.json"
    chat.prepare()
    chat.committed()
    before = path.read_bytes()
    assert [one["ids"][-1][1] for one in orjson.loads(before)["sources"]] == [5, 1]
    path.write_bytes(b"as it is")
    now[0] += SOURCES_SECONDS
    chat.prepare()
    chat.committed()
    assert path.read_bytes() == b"as it is"


def user(name: str, **fields: Any) -> PeerLine:
    return peer_line({"_": "user", "id": 5, "first_name": name, **fields})


def test_a_peer_is_written_when_it_is_news_and_its_reduced_form_only_before_the_whole_one(tmp_path: Path) -> None:
    small, whole, row = user("A", min=True), user("A"), ChatRow(CHAT, 77)
    news = [
        (small, True), (small, False), (user("B", min=True), True), (whole, True), (whole, False), (small, False),
        (user("C"), True),
    ]
    for peer, fresh in news:
        again = ChatFile(Archive(tmp_path), row, lambda: None)
        assert (again.add_peers([peer]) > 0) == fresh
        again.prepare()
        again.committed()
        again.close()
    assert row.peer_crc == crc32((tmp_path / "chats" / str(CHAT) / "peers.jsonl").read_bytes())
    again = ChatFile(Archive(tmp_path), row, lambda: None)
    assert (again.dirty, again.unsynced()) == (False, [])
    assert again.add_peers([small, whole, whole, user("C")]) == len(whole.line) + len(user("C").line)
    again.close()


def test_many_answers_of_one_gap_are_set_aside_before_it_is_one(tmp_path: Path, chat: ChatFile) -> None:
    of(chat)
    about = Undecoded(CHAT, 3, 8, "why", [], [4, 4], "1", 1)
    chat.set_aside(about, b"some", 0, False)
    assert (chat.row.quarantined, chat.dirty) == ([], False)
    chat.set_aside(about, b"more", 4, True)
    chat.set_aside(Undecoded(CHAT, 1, 2, "why", [], [4], "1", 1), b"less")
    assert (chat.row.quarantined, chat.dirty) == ([IdRange(1, 3), IdRange(3, 9)], True)
    assert (tmp_path / "quarantine" / f"{CHAT}-3-8.tl").read_bytes() == b"somemore"
    chat.set_aside(Undecoded(CHAT, 1, 1, "why", [], [4], "1", 1), b"less")
    chat.prepare()
    chat.committed()
    assert {path.stem for path in (tmp_path / "quarantine").iterdir()} == {f"{CHAT}-1-1", f"{CHAT}-3-8"}


def test_what_a_crash_left_in_quarantine_goes(tmp_path: Path, chat: ChatFile) -> None:
    for about in (Undecoded(CHAT, 1, 2, "why", [], [4], "1", 1), Undecoded(CHAT, 5, 6, "why", [], [4], "1", 1)):
        chat.set_aside(about, b"asis")
    row = ChatRow(CHAT, 77, quarantined=[IdRange(5, 7)])
    ChatFile(Archive(tmp_path), row, lambda: None).close()
    assert {path.stem for path in (tmp_path / "quarantine").iterdir()} == {f"{CHAT}-5-6"}


@pytest.mark.parametrize(("state", "whole"), [("open", None), ("failed", False), ("gaps", True), ("complete", True)])
def test_what_is_said_of_a_chat_follows_what_was_told(
    tmp_path: Path, chat: ChatFile, state: str, whole: bool | None
) -> None:
    of(chat, (1, 11))
    one = record()
    one.state, one.total = state, 5
    chat.describe(one)
    about = read_about(Archive(tmp_path), CHAT)
    chat.see([told(4), told(6)], SEEN, False)
    chat.delete([1], SEEN)
    chat.restate(about)
    found, statement = chat_json(tmp_path), read_about(Archive(tmp_path), CHAT).statement
    assert (found["total"], found["late"], found["deleted"], found.get("versions")) == (6, 2, 1, None)
    if whole is None:
        assert statement is None
    else:
        assert statement is not None
        assert (statement.count, statement.changed, statement.missing) == (6, 1, [] if whole else [IdRange(11)])
        one.total = 6
        assert chat.state(one) == statement
    one.total = None
    chat.describe(one)
    chat.restate(read_about(Archive(tmp_path), CHAT))
    assert "total" not in chat_json(tmp_path)
