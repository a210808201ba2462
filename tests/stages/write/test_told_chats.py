"""What was told and what is walked side by side: which chats it belongs to, since when, and what goes to the disk."""
from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from telethon.tl import types

from support import telegram_page as made
from support.followed import ACCOUNT, FRIEND, GROUP, NOW, again, box, changes, common, followed, row, state, told, walk
from support.line import Line
from support.open_files import open_files
from support.told import channel_difference, common_deletion, deletion, difference, edit, said
from support.walks import CHAT, chat_json, lines, record
from tgbulk.engine.frame import pack
from tgbulk.engine.journal import Journal
from tgbulk.stages.archive.about import load_about
from tgbulk.stages.archive.account import AccountState, Unlooked
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.id_range import IdRange
from tgbulk.stages.archive.reader import ArchiveReader
from tgbulk.stages.archive.row import MAYBE_BEHIND, read_journal
from tgbulk.stages.protocol.difference import Box, BoxRequest, StateReply
from tgbulk.stages.protocol.event import ChatChanged
from tgbulk.stages.protocol.receipt import PayloadKind
from tgbulk.stages.telegram.chat import ChatRecord
from tgbulk.stages.telegram.medium import CATEGORIES, MediaSelection


@pytest.fixture(autouse=True)
def _leaks_nothing() -> Iterator[None]:
    before = open_files()
    yield
    assert open_files().items() <= before.items()


def at(line: Line, now: int) -> None:
    line.writer._boxes._now = lambda: now


def boxes(line: Line) -> dict[int, Box]:
    return {one.marked_id: one for one in state(line).boxes}


def with_channel(root: Path) -> Line:
    """A private chat, a group and a channel, the odd ids up to 9, the even ones up to 10, and all of these, at NOW."""
    line = Line(root)
    at(line, NOW)
    state(line, state=AccountState(ACCOUNT, 50, 0, NOW, 1))
    walk(line, range(1, 11, 2), FRIEND, "private", 0)
    walk(line, range(2, 12, 2), GROUP, "group", 1)
    line.begin(record(), 2)
    box(line, 100)
    line.page(made.page([said(n) for n in range(1, 11)]), 1, stream=2)
    line.page(made.page([]), 11, stream=2, last=True)
    line.end(record(), 2)
    line.writer.commit()
    line.said()
    return line


def sightings(root: Path, chat: int) -> list[tuple[Any, ...]]:
    """(id, since, seen at, account) of every line of changes.jsonl."""
    return [(one["id"], one["since"], one["seen_at"], one["account"]) for one in lines(root, "changes", chat)]


def test_what_was_told_meanwhile_is_kept_while_any_chat_of_the_account_is_walked(tmp_path: Path) -> None:
    line = common(tmp_path)
    line.begin(record(FRIEND, "private"), 0)
    line.begin(record(GROUP, "group"), 1)
    told(line, difference(60, [], [common_deletion([5, 12])]))
    line.end(record(FRIEND, "private"), 0)
    line.writer.commit()
    line.said()
    line.page(made.page([said(12, peer=GROUP)]), 11, stream=1)
    line.end(record(GROUP, "group"), 1)
    line.writer.commit()
    assert ChatChanged(GROUP, 0, 0, 1, 0) in line.said()
    told(line, difference(61, [said(5, peer=FRIEND)]))
    line.begin(record(FRIEND, "private"), 2)
    again(line, [said(5, peer=FRIEND)], 5, 6, chat=FRIEND)
    line.end(record(FRIEND, "private"), 2)
    line.close()
    assert changes(tmp_path, GROUP) == [("deleted", 12, "update", 60, None)]
    assert [one[:2] for one in changes(tmp_path, FRIEND)] == [("deleted", 5), ("restored", 5)]


@pytest.mark.parametrize("walked", [record(), record(8, "private", 76), record(8, "private", 78), record(GROUP, "group")])
def test_what_was_told_of_a_chat_that_is_not_walked_is_no_news_later(tmp_path: Path, walked: ChatRecord) -> None:
    """Whatever else is walked when a message is deleted and comes back."""
    line = with_channel(tmp_path)
    line.begin(walked, 0)
    told(line, difference(60, [], [common_deletion([5])]))
    told(line, difference(61, [said(5, peer=FRIEND)]))
    line.begin(record(FRIEND, "private"), 1)
    again(line, [said(5, peer=FRIEND)], 5, 6, chat=FRIEND)
    line.end(record(FRIEND, "private"), 1)
    line.end(walked, 0)
    line.close()
    assert [one[:2] for one in changes(tmp_path, FRIEND)] == [("deleted", 5), ("restored", 5)]


def test_ids_of_an_account_and_of_a_channel_are_not_the_same(tmp_path: Path) -> None:
    """Not even while both are walked."""
    line = with_channel(tmp_path)
    line.begin(record(FRIEND, "private"), 0)
    line.begin(record(), 1)
    told(line, difference(60, [], [common_deletion([13, 4000])]))
    told(line, channel_difference(101, [], [deletion([15])]), CHAT)
    line.page(made.page([said(13)]), 11, stream=1)
    line.page(made.page([said(15, peer=FRIEND)]), 10, stream=0)
    again(line, [said(13)], 13, 14)
    line.end(record(FRIEND, "private"), 0)
    line.end(record(), 1)
    line.close()
    assert (changes(tmp_path), changes(tmp_path, FRIEND)) == ([], [])


def test_since_when_a_change_may_have_been(tmp_path: Path) -> None:
    """The look before: of a common chat the account's or its own, the later one; of a channel its own alone."""
    line = with_channel(tmp_path)
    at(line, NOW + 10)
    told(line, difference(51, [], [edit(said(1, "better", FRIEND, edited=NOW))]))
    at(line, NOW + 20)
    told(line, difference(60, [], [common_deletion([3, 4])]))
    told(line, channel_difference(101, [], [deletion([1])]), CHAT)
    at(line, NOW + 30)
    told(line, difference(61))
    again(line, [], 5, 6, last=True, chat=FRIEND)
    again(line, [], 5, 6, last=True)
    found = boxes(line)
    line.close()
    assert [found[chat].looked for chat in (FRIEND, GROUP, CHAT)] == [NOW + 30, NOW + 30, NOW + 20]
    assert sightings(tmp_path, FRIEND) == [
        (1, NOW, NOW + 10, ACCOUNT), (3, NOW + 10, NOW + 20, ACCOUNT), (5, NOW + 30, NOW + 30, ACCOUNT),
    ]
    assert sightings(tmp_path, GROUP) == [(4, NOW + 10, NOW + 20, ACCOUNT)]
    assert sightings(tmp_path, CHAT) == [(1, NOW, NOW + 20, ACCOUNT), (5, NOW + 20, NOW + 30, ACCOUNT)]


def test_a_chat_whose_box_is_not_known_was_never_looked_at(tmp_path: Path) -> None:
    line = Line(tmp_path)
    walk(line, range(1, 4), FRIEND, "private")
    walk(line, range(1, 4))
    at(line, NOW)
    state(line, state=AccountState(78, 5, 0, NOW, 1))
    for chat in (FRIEND, CHAT):
        again(line, [], 1, 2, last=True, chat=chat)
    line.close()
    assert sightings(tmp_path, FRIEND) == sightings(tmp_path, CHAT) == [(1, 0, NOW, ACCOUNT)]


def test_the_pts_of_a_change_is_its_own_or_else_that_of_the_box(tmp_path: Path) -> None:
    line = with_channel(tmp_path)
    pushed = [common_deletion([9, 1], 58), common_deletion([3], 57), common_deletion([5])]
    told(line, difference(60, [said(11, peer=FRIEND)], [*pushed, edit(said(7, "better", FRIEND, edited=NOW))]))
    told(line, channel_difference(105, [], [deletion([1]), deletion([2], pts=104), edit(said(3, "x", edited=NOW))]), CHAT)
    again(line, [], 4, 5, last=True)
    told(line, channel_difference(0, [], [deletion([5])]), CHAT)
    line.close()
    assert [one[1::2] for one in changes(tmp_path, FRIEND)] == [(3, 57), (1, 58), (9, 58), (5, 60), (7, 60)]
    assert [one[1::2] for one in changes(tmp_path)] == [(1, 105), (2, 104), (3, 105), (4, 105), (5, 0)]


@pytest.mark.parametrize(("pts", "lost", "looked", "unlooked"), [
    (100, False, NOW + 9, []), (105, False, NOW, []), (105, True, NOW + 9, [Unlooked(NOW, NOW + 9, 1, 11)]),
    (100, True, NOW + 9, [Unlooked(NOW, NOW + 9, 1, 11)]),
])
def test_the_pts_of_a_box_is_set(tmp_path: Path, pts: int, lost: bool, looked: int, unlooked: list[Unlooked]) -> None:
    """Where it is the one that is known, nothing has happened until now."""
    line = with_channel(tmp_path)
    at(line, NOW + 9)
    found = box(line, pts, lost)
    assert found.state is not None
    assert found.state.pts == 50
    behind = MAYBE_BEHIND if lost else row(tmp_path).behind
    assert found.boxes == [Box(CHAT, "complete", pts, looked, behind, unlooked)]
    missing: StateReply = line.send(PayloadKind.BOX, pack(BoxRequest(ACCOUNT, CHAT - 1, 9)))
    assert missing == StateReply(found.state, [])
    line.close()
    assert (row(tmp_path).pts, row(tmp_path).looked, row(tmp_path).unlooked) == (pts, looked, unlooked)


def test_a_state_that_is_set_keeps_the_channels_that_changed(tmp_path: Path) -> None:
    line = with_channel(tmp_path)
    at(line, NOW + 9)
    told(line, difference(60, [], [types.UpdateChannelTooLong(9, 120)]))
    new = AccountState(ACCOUNT, 900, 3, NOW, 5, dirty={CHAT - 1: 7})
    found = state(line, state=new).state
    assert found == replace(new, looked=NOW + 9, dirty={CHAT: 120, CHAT - 1: 7})
    assert {one.behind for one in boxes(line).values()} == {0, row(tmp_path).behind}
    line.close()
    assert read_journal(Archive(tmp_path)).accounts[ACCOUNT] == found


@pytest.mark.parametrize(("pushed", "dirty", "looked"), [
    ([120, 110], 120, NOW), ([110, 120], 120, NOW), ([120, None], 120, NOW), ([None], 0, NOW), ([99], None, NOW),
    ([1], None, NOW), ([100], None, NOW + 9), ([101], 101, NOW),
])
def test_a_channel_that_changed_is_dirty_where_its_box_is_older(
    tmp_path: Path, pushed: list[int | None], dirty: int | None, looked: int
) -> None:
    line = with_channel(tmp_path)
    at(line, NOW + 9)
    for number, pts in enumerate(pushed):
        other = [types.UpdateChannelTooLong(channel, pts) for channel in (4444, 9)]
        receipt = told(line, difference(60 + number, [], other))
    found = receipt.state
    assert receipt.dirty == {}
    assert found is not None
    assert found.dirty.get(CHAT) == dirty
    assert boxes(line)[CHAT].looked == looked
    line.close()
    assert (row(tmp_path).looked, read_journal(Archive(tmp_path)).accounts[ACCOUNT].dirty.get(CHAT)) == (looked, dirty)


def test_a_channel_is_dirty_until_it_was_told_as_much(tmp_path: Path) -> None:
    line = with_channel(tmp_path)
    told(line, difference(60, [], [types.UpdateChannelTooLong(9, 120)]))
    for pts, final, dirty in ((119, True, {CHAT: 120}), (120, False, {CHAT: 120}), (120, True, {}), (110, True, {})):
        found = told(line, channel_difference(pts, final=final), CHAT).state
        assert found is not None
        assert found.dirty == dirty
    line.close()
    assert row(tmp_path).pts == 120


def test_only_a_state_that_is_set_goes_back(tmp_path: Path) -> None:
    line = with_channel(tmp_path)
    at(line, NOW + 9)
    for pts, date, seq, whole in ((60, NOW + 5, 4, False), (55, NOW + 3, 3, False), (61, NOW + 6, 5, True)):
        found = told(line, difference(pts, date=date, seq=seq, whole=whole)).state
        assert found == AccountState(ACCOUNT, max(pts, 60), 0, date, seq, NOW + 9 if whole else NOW)
    line.close()


def test_boxes_come_in_order_without_chats_that_were_moved_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tgbulk.stages.write.boxes.BOXES", 2)
    line = with_channel(tmp_path)
    first = state(line)
    assert ([one.marked_id for one in first.boxes], first.more) == ([CHAT, GROUP], True)
    rest = state(line, above=CHAT)
    assert ([one.marked_id for one in rest.boxes], rest.more) == ([GROUP, FRIEND], False)
    line.close()
    line = Line(tmp_path)
    os.rename(tmp_path / "chats" / str(GROUP), tmp_path / "away")
    assert list(boxes(line)) == [CHAT, FRIEND]
    assert told(line, difference(60, [said(12, peer=GROUP)], [common_deletion([2, 3])])).unknown == 1
    os.rename(tmp_path / "away", tmp_path / "chats" / str(GROUP))
    line.close()
    assert changes(tmp_path, GROUP) == []


def test_what_is_lost_is_not_looked_at_until_it_was(tmp_path: Path) -> None:
    """Of every id since the first loss after it was looked at."""
    dice = random.Random(5)
    line = with_channel(tmp_path)
    told(line, channel_difference(101, [said(11)]), CHAT)
    top, looked = 11, NOW
    expected: dict[int, tuple[int, int]] = {}
    for turn in range(1, 60):
        now = NOW + turn
        at(line, now)
        if dice.random() < 0.5:
            box(line, 100 + turn, lost=True)
            expected = {n: (expected.get(n, (looked,))[0], now) for n in range(1, top + 1)}
            looked = now
        else:
            first = dice.randint(1, top)
            bound = dice.randint(first, top) + 1
            again(line, [said(n) for n in range(first, bound)], first, bound, last=True)
            expected = {n: one for n, one in expected.items() if not first <= n < bound}
        found = boxes(line)[CHAT].unlooked
        assert {n: (one.since, one.until) for one in found for n in range(one.lo, one.hi)} == expected
        assert all(one.hi <= other.lo for one, other in pairwise(found))
        assert all(one.lo < one.hi for one in found)
    line.close()
    assert changes(tmp_path) == []


@pytest.mark.parametrize(("asked", "ranges", "number", "new", "behind"), [
    (None, None, 25, 1, 0), ([1, 20], None, 20, 0, 20), ([1, 20], None, 21, 0, 0), ([1, 0], None, 25, 1, 0),
    ([1, 60], [[1, 20], [40, 60]], 60, 0, 60), ([1, 60], [[1, 20], [40, 60]], 61, 0, 0),
    ([1, 0], [[1, 9], [30, 0]], 25, 1, 0),
])
@pytest.mark.parametrize("walked", [False, True])
def test_a_message_above_counts_where_the_last_run_asked_for_it(
    tmp_path: Path, asked: list[int] | None, ranges: list[list[int]] | None, number: int, new: int, behind: int, walked: bool
) -> None:
    """It is the next one where that run came to the end, and is noted where not; and while one is at it."""
    line = followed(tmp_path)
    one = replace(record(), asked=asked, asked_ranges=ranges)
    line.begin(one)
    line.end(one)
    line.writer.commit()
    if walked:
        line.begin(one)
        new, behind = 0, number if new else behind
    receipt = told(line, channel_difference(101, [said(number)]), CHAT)
    assert (receipt.new, receipt.behind) == (new, [CHAT] if behind else [])
    line.writer.commit()
    assert (row(tmp_path).behind, row(tmp_path).messages) == (behind, 10 + new)
    line.close()


@pytest.mark.parametrize(("last", "new"), [(15, 1), (0, 0)])
def test_a_chat_with_a_gap_at_its_end_does_not_grow(tmp_path: Path, last: int, new: int) -> None:
    line = followed(tmp_path)
    known = line.writer._committed[CHAT]
    known.state, known.quarantined = "gaps", [IdRange.from_closed([3, 4]), IdRange.from_closed([12, last])]
    receipt = told(line, channel_difference(101, [said(20)]), CHAT)
    assert (receipt.new, receipt.behind) == (new, [] if new else [CHAT])
    line.close()


@pytest.mark.parametrize("how", ["cut", "linked", "lost", "moved"])
def test_a_chat_that_cannot_be_opened_is_left_and_the_others_are_told(tmp_path: Path, how: str) -> None:
    root = tmp_path / "archive"
    line = with_channel(root)
    line.close()
    folder = root / "chats" / str(FRIEND)
    if how == "cut":
        os.truncate(folder / "messages.jsonl", 50)
    elif how == "lost":
        about = load_about(Archive(root).chat(FRIEND), FRIEND)
        replace(about, messages=9).write(Archive(root).chat(FRIEND))
    else:
        folder.rename(tmp_path / "away")
        if how == "linked":
            folder.symlink_to(tmp_path / "away")
    before = {path: path.read_bytes() for path in folder.rglob("*.json*")}
    line = Line(root)
    receipt = told(line, difference(60, [said(11, peer=FRIEND), said(12, peer=GROUP)]))
    assert (receipt.new, receipt.behind) == (1, [])
    again(line, [], 1, 3, last=True, chat=FRIEND)
    line.close()
    assert {path: path.read_bytes() for path in folder.rglob("*.json*")} == before
    assert [one["id"] for one in lines(root, marked_id=GROUP)] == [2, 4, 6, 8, 10, 12]


def test_a_chat_json_that_cannot_be_read_is_not_made_up(tmp_path: Path) -> None:
    line = with_channel(tmp_path)
    path = tmp_path / "chats" / str(FRIEND) / "chat.json"
    path.unlink()
    told(line, difference(60, [said(11, peer=FRIEND), said(12, peer=GROUP)]))
    line.close()
    assert not path.exists()
    assert chat_json(tmp_path, GROUP)["messages"] == 6


def test_a_chat_json_that_a_crash_left_behind_is_written_before_anything_is_told(tmp_path: Path) -> None:
    line = with_channel(tmp_path)
    path = tmp_path / "chats" / str(FRIEND) / "chat.json"
    older = path.read_bytes()
    told(line, difference(60, [said(11, peer=FRIEND)]))
    line.close()
    newer = path.read_bytes()
    path.write_bytes(older)
    line = Line(tmp_path)
    state(line)
    line.close()
    assert path.read_bytes() == newer != older


def test_media_of_what_is_told_and_looked_at_again(tmp_path: Path) -> None:
    """Of chats that are archived alone."""

    def with_file(number: int, peer: int, text: str = "") -> types.Message:
        named = [types.DocumentAttributeFilename("a.txt")]
        there = types.Document(1000 + number, 1, b"r", made.DAY, "text/plain", 3, 2, named)
        return said(number, text, peer, media=types.MessageMediaDocument(document=there))

    line = Line(tmp_path, MediaSelection(frozenset(CATEGORIES)))
    state(line, state=AccountState(ACCOUNT, 50, 0, NOW, 1))
    walk(line, range(1, 11, 2), FRIEND, "private", 0)
    walk(line, range(2, 12, 2), GROUP, "group", 1)
    line.begin(record(GROUP, "group"), 1)
    told(line, difference(60, [with_file(11, FRIEND), with_file(12, 99), with_file(14, GROUP)]))
    again(line, [with_file(3, FRIEND, "text 3")], 3, 4, chat=FRIEND)
    again(line, [with_file(90, 99)], 90, 91, chat=99)
    line.end(record(GROUP, "group"), 1)
    line.close()
    with closing(ArchiveReader(tmp_path).media) as media:
        assert [number for number in range(1000, 1100) if media.get("document", number)] == [1003, 1011, 1014]


def test_what_is_looked_at_again_brings_peers_and_is_told(tmp_path: Path) -> None:
    line = with_channel(tmp_path)
    page = made.page([said(n) for n in range(1, 11) if n != 9], [made.user(8)])
    line.send(PayloadKind.AGAIN_END, page, first=1, bound=11, origin=ACCOUNT, subject=CHAT)
    line.writer.commit()
    assert line.said() == [ChatChanged(CHAT, 0, 0, 1, 0)]
    size = (tmp_path / "journal").stat().st_size
    line.writer.commit()
    assert (line.said(), (tmp_path / "journal").stat().st_size) == ([], size)
    line.close()
    assert [one["id"] for one in lines(tmp_path, "peers")] == [8]


def test_a_commit_holds_each_row_once_and_only_what_is_new(tmp_path: Path) -> None:
    with_channel(tmp_path).close()
    line = Line(tmp_path)
    box(line, 104)
    line.writer.commit()
    size = (tmp_path / "journal").stat().st_size
    line.writer.commit()
    assert (tmp_path / "journal").stat().st_size == size
    records: list[Any] = []
    box(line, 105)
    told(line, channel_difference(106, [said(11)]), CHAT)
    told(line, difference(51))
    for _ in range(2):
        line.writer.commit()
    told(line, difference(52))
    line.close()
    Journal(tmp_path / "journal", records.append).close()
    channel, account = [CHAT, ACCOUNT], ["account", ACCOUNT]
    assert [[one[:2] for one in some] for some in records[-2:]] == [[channel, account], [account]]


def test_what_is_lost_of_a_chat_that_is_opened_before_the_commit_is_kept(tmp_path: Path) -> None:
    line = with_channel(tmp_path)
    at(line, NOW + 5)
    told(line, difference(55))
    at(line, NOW + 9)
    state(line, state=AccountState(ACCOUNT, 60, 0, NOW, 1), lost=True)
    told(line, difference(61, [said(1, peer=FRIEND)]))
    line.close()
    assert row(tmp_path, FRIEND).unlooked == [Unlooked(NOW + 5, NOW + 9, 1, 10)]
    assert row(tmp_path, GROUP).unlooked == [Unlooked(NOW + 5, NOW + 9, 1, 11)]
    assert row(tmp_path, FRIEND).looked == NOW + 9


@pytest.mark.parametrize("again", [False, True])
def test_a_chat_that_was_away_when_the_state_was_set_was_never_looked_at(tmp_path: Path, again: bool) -> None:
    """Whether it is walked then, or the state is set once more."""
    line = Line(tmp_path)
    at(line, NOW)
    walk(line, range(1, 11), FRIEND, "private")
    os.rename(tmp_path / "chats" / str(FRIEND), tmp_path / "away")
    state(line, state=AccountState(ACCOUNT, 50, 0, NOW, 1))
    os.rename(tmp_path / "away", tmp_path / "chats" / str(FRIEND))
    if again:
        state(line, state=AccountState(ACCOUNT, 60, 0, NOW, 1))
    line.begin(record(FRIEND, "private"))
    assert boxes(line)[FRIEND] == Box(FRIEND, "open", 0, NOW, MAYBE_BEHIND, [Unlooked(0, NOW, 1, 11)])
    line.end(record(FRIEND, "private"))
    line.close()
    assert (row(tmp_path, FRIEND).behind, row(tmp_path, FRIEND).unlooked) == (0, [Unlooked(0, NOW, 1, 11)])


def test_a_late_message_is_known_to_a_deletion_in_no_chat(tmp_path: Path) -> None:
    """Its line is in changes.jsonl alone."""
    line = Line(tmp_path)
    state(line, state=AccountState(ACCOUNT, 50, 0, NOW, 1))
    walk(line, range(1, 11, 4), FRIEND, "private", 0)
    walk(line, range(2, 12, 4), GROUP, "group", 1)
    told(line, difference(60, [said(4, peer=FRIEND), said(3, peer=GROUP)]))
    line.close()
    line = Line(tmp_path)
    assert told(line, difference(61, [], [common_deletion([3, 4, 6])])).deleted == 3
    line.writer.commit()
    assert line.said() == [ChatChanged(GROUP, 0, 0, 2, 0), ChatChanged(FRIEND, 0, 0, 1, 0)]
    line.close()
    assert [one[:2] for one in changes(tmp_path, FRIEND)] == [("restored", 4), ("deleted", 4)]
    assert [one[:2] for one in changes(tmp_path, GROUP)] == [("restored", 3), ("deleted", 3), ("deleted", 6)]


def test_a_box_whose_state_is_not_known_is_told_nothing(tmp_path: Path) -> None:
    line = Line(tmp_path)
    for answer, channel in ((difference(4), 0), (channel_difference(4), CHAT)):
        assert told(line, answer, channel).error == "a difference of a box whose state is not known"
    line.close()


def test_a_deletion_elsewhere_opens_no_chat(tmp_path: Path) -> None:
    with_channel(tmp_path).close()
    line = Line(tmp_path)
    before = open_files()
    state(line)
    assert open_files() == before
    assert told(line, difference(61, [], [common_deletion([400, 1 << 20])])).unknown == 2
    assert open_files() == before
    line.close()


def test_a_chat_that_was_told_of_is_walked_and_told_of_again(tmp_path: Path) -> None:
    line = with_channel(tmp_path)
    for turn in (0, 1, 2):
        told(line, channel_difference(110 + turn, [said(20 + 2 * turn)]), CHAT)
        assert line.begin(record()).covered == [IdRange(1, 21 + 2 * turn)]
        line.page(made.page([said(21 + 2 * turn)]), 21 + 2 * turn)
        line.end(record())
        line.writer.commit()
    told(line, channel_difference(120, [said(30)], [deletion([21])]), CHAT)
    line.close()
    assert [one["id"] for one in lines(tmp_path)] == [*range(1, 11), *range(20, 26), 30]
    assert (row(tmp_path).messages, row(tmp_path).deleted) == (17, 1)


def test_chats_that_were_told_of_last_stay_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tgbulk.stages.write.boxes.OPEN_CHATS", 2)
    line = with_channel(tmp_path)
    for pts, chats in ((60, (FRIEND, GROUP)), (61, (FRIEND,))):
        told(line, difference(pts, [], [edit(said(1, f"{pts}", chat, edited=NOW + pts)) for chat in chats]))
    told(line, channel_difference(101, [said(11)]), CHAT)
    line.writer.commit()
    still = [chat for chat in (FRIEND, GROUP, CHAT) if f"{tmp_path}/chats/{chat}/messages.jsonl" in open_files().values()]
    assert still == [FRIEND, CHAT]
    line.close()


def test_a_clearing_may_have_been_since_the_first_loss(tmp_path: Path) -> None:
    line = with_channel(tmp_path)
    at(line, NOW + 9)
    box(line, 110, lost=True)
    at(line, NOW + 20)
    told(line, channel_difference(111, [], [types.UpdateChannelAvailableMessages(9, 4), deletion([7])]), CHAT)
    line.close()
    assert sightings(tmp_path, CHAT) == [(4, NOW, NOW + 20, ACCOUNT), (7, NOW + 9, NOW + 20, ACCOUNT)]
