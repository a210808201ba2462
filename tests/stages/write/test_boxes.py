from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from telethon.tl import types

from support import telegram_page as made
from support.followed import ACCOUNT, FRIEND, GROUP, NOW, again, box, changes, common, followed, row, state, told, walk
from support.line import Line
from support.told import channel_difference, common_deletion, deletion, difference, edit, said
from support.walks import CHAT, Disk, chat_json, lines, record
from tgbulk.engine.frame import pack
from tgbulk.stages.archive.account import AccountState, Unlooked
from tgbulk.stages.archive.folder import FIRST_FORMAT, FORMAT, Archive
from tgbulk.stages.archive.row import MAYBE_BEHIND, read_journal
from tgbulk.stages.fetch.push import Push, as_channel_difference, as_difference
from tgbulk.stages.protocol.difference import Box, DifferenceReceipt, StateRequest
from tgbulk.stages.protocol.event import ChatChanged
from tgbulk.stages.protocol.receipt import PayloadKind
from tgbulk.stages.write.writer import COMMIT_SECONDS, TOLD_SECONDS, Writer


@pytest.fixture(autouse=True)
def _leaks_nothing() -> Iterator[None]:
    before = len(os.listdir("/proc/self/fd"))
    yield
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_channel_tells_what_changed(tmp_path: Path) -> None:
    line = followed(tmp_path)
    first = (tmp_path / "chats" / str(CHAT) / "messages.jsonl").read_bytes()
    other = [edit(said(3, "better", edited=NOW), 102), deletion([5, 6, 999], pts=104)]
    receipt = told(line, channel_difference(105, [said(11, "news"), made.service(12)], other), CHAT)
    assert (receipt.form, receipt.final, receipt.pts, receipt.timeout) == ("updates.channelDifference", True, 105, 30)
    assert (receipt.new, receipt.edited, receipt.deleted, receipt.restored, receipt.behind) == (2, 1, 2, 0, [])
    assert changes(tmp_path) == [
        ("version", 3, "update", 102, "better"), ("deleted", 5, "update", 104, None), ("deleted", 6, "update", 104, None),
    ]
    assert line.said() == []
    line.writer.commit()
    assert line.said() == [ChatChanged(CHAT, 2, 1, 2, 0)]
    found = row(tmp_path)
    data = (tmp_path / "chats" / str(CHAT) / "changes.jsonl").read_bytes()
    assert (found.change_bytes, found.pts, found.versions, found.deleted, found.messages) == (len(data), 105, 1, 2, 12)
    assert found.looked > NOW // 2
    line.close()
    whole = (tmp_path / "chats" / str(CHAT) / "messages.jsonl").read_bytes()
    assert whole.startswith(first)
    assert [one["id"] for one in lines(tmp_path)] == list(range(1, 13))
    about = chat_json(tmp_path)
    assert (about["messages"], about["services"], about["versions"], about["deleted"]) == (12, 1, 1, 2)
    assert about["covered"] == [[1, 13]]
    assert about["total"] == 12 + 2 - 2


def test_what_is_told_is_committed_soon_but_once_a_second(tmp_path: Path) -> None:
    line = followed(tmp_path)
    line.writer._committed_at = float("-inf")
    before = time.monotonic()
    told(line, channel_difference(105, [said(11)]), CHAT)
    after = time.monotonic()
    assert line.writer.due is not None
    assert before + TOLD_SECONDS <= line.writer.due <= after + TOLD_SECONDS
    line.writer.commit()
    assert after <= line.writer._committed_at <= time.monotonic()
    line.writer._committed_at = after + 100
    told(line, channel_difference(106, [said(12)]), CHAT)
    assert line.writer.due == after + 100 + COMMIT_SECONDS
    line.close()


def test_twice_is_once(tmp_path: Path) -> None:
    line = followed(tmp_path)
    other = [edit(said(3, "better", edited=NOW)), deletion([5, 6])]
    answer = channel_difference(105, [said(11, "news")], other)
    told(line, answer, CHAT)
    once = changes(tmp_path)
    for _ in range(2):
        receipt = told(line, answer, CHAT)
        assert (receipt.new, receipt.edited, receipt.deleted, receipt.restored) == (0, 0, 0, 0)
    line.close()
    again_line = Line(tmp_path)
    told(again_line, answer, CHAT)
    again_line.close()
    assert changes(tmp_path) == once
    assert len(lines(tmp_path)) == 11


@pytest.mark.parametrize("same", [
    {"views": 5, "forwards": 2}, {"pinned": True}, {"edit_hide": True, "edited": NOW},
])
def test_what_is_no_content_makes_no_version(tmp_path: Path, same: dict[str, Any]) -> None:
    line = followed(tmp_path)
    assert told(line, channel_difference(101, [], [edit(said(3, **same))]), CHAT).edited == 0
    line.close()
    assert changes(tmp_path) == []
    assert not (tmp_path / "chats" / str(CHAT) / "changes.jsonl").exists()


def test_an_older_edit_comes_late(tmp_path: Path) -> None:
    line = followed(tmp_path)
    for text, when in (("second", NOW + 2), ("first", NOW + 1), ("second", NOW + 2), ("third", NOW + 3)):
        told(line, channel_difference(101, [], [edit(said(3, text, edited=when))]), CHAT)
    line.close()
    assert [one[4] for one in changes(tmp_path)] == ["second", "third"]


def test_a_message_that_is_seen_after_its_deletion_is_restored(tmp_path: Path) -> None:
    line = followed(tmp_path)
    told(line, channel_difference(101, [], [deletion([3])]), CHAT)
    told(line, channel_difference(102, [said(3)]), CHAT)
    told(line, channel_difference(103, [said(3)]), CHAT)
    line.writer.commit()
    assert (row(tmp_path).deleted, row(tmp_path).late) == (0, 0)
    told(line, channel_difference(104, [], [deletion([3])]), CHAT)
    line.close()
    assert [one[:2] for one in changes(tmp_path)] == [("deleted", 3), ("restored", 3), ("deleted", 3)]
    assert row(tmp_path).deleted == 1


def test_a_message_where_there_was_none_is_kept(tmp_path: Path) -> None:
    line = followed(tmp_path, range(1, 21, 2))
    told(line, channel_difference(101, [said(4, "late")]), CHAT)
    line.writer.commit()
    assert (row(tmp_path).late, row(tmp_path).messages, row(tmp_path).alive) == (1, 10, 11)
    told(line, channel_difference(102, [], [deletion([4])]), CHAT)
    line.close()
    assert [one[:2] for one in changes(tmp_path)] == [("restored", 4), ("deleted", 4)]
    assert row(tmp_path).alive == 10


def test_a_cleared_history(tmp_path: Path) -> None:
    line = followed(tmp_path)
    told(line, channel_difference(101, [], [deletion([2])]), CHAT)
    cleared = channel_difference(102, [], [types.UpdateChannelAvailableMessages(9, 4)])
    assert told(line, cleared, CHAT).deleted == 3
    assert told(line, cleared, CHAT).deleted == 0
    told(line, channel_difference(103, [said(3)]), CHAT)
    line.close()
    assert [one[:3] for one in changes(tmp_path)] == [
        ("deleted", 2, "update"), ("cleared", 4, "cleared"), ("restored", 3, "update"),
    ]
    assert row(tmp_path).deleted == 3


def test_a_slice_leaves_the_box_open(tmp_path: Path) -> None:
    line = followed(tmp_path)
    looked = row(tmp_path).looked
    line.writer._boxes._now = lambda: NOW + 5
    assert not told(line, channel_difference(103, [said(11)], final=False), CHAT).final
    line.writer.commit()
    assert (row(tmp_path).pts, row(tmp_path).looked) == (103, looked)
    told(line, channel_difference(105, [said(12)]), CHAT)
    line.close()
    assert (row(tmp_path).pts, row(tmp_path).looked) == (105, NOW + 5)


def pushes(*updates: Any) -> list[Push]:
    return [Push(one, bytes(one), (), (), 0.0, 0) for one in updates]


def test_pushes_do_not_say_that_nothing_else_has_happened(tmp_path: Path) -> None:
    """They come late: only who was asked can say that."""
    line = followed(tmp_path)
    state(line, state=AccountState(ACCOUNT, 50, 0, NOW, 1))
    line.writer.commit()
    channel, account = row(tmp_path).looked, read_journal(Archive(tmp_path)).accounts
    line.writer._boxes._now = lambda: NOW + 5
    assert told(line, as_channel_difference(pushes(deletion([3], pts=101)), 101), CHAT).deleted == 1
    assert told(line, as_difference(pushes(common_deletion([7], 51)), AccountState(ACCOUNT, 51, 0, NOW, 1))).unknown == 1
    line.writer.commit()
    assert (row(tmp_path).pts, row(tmp_path).looked) == (101, channel)
    found = read_journal(Archive(tmp_path)).accounts[ACCOUNT]
    assert (found.pts, found.looked) == (51, account[ACCOUNT].looked)
    told(line, difference(51, [], [types.UpdateChannelTooLong(9, 101)]))
    line.close()
    assert (row(tmp_path).looked, read_journal(Archive(tmp_path)).accounts[ACCOUNT].looked) == (NOW + 5, NOW + 5)
    assert [one["since"] for one in lines(tmp_path, "changes")] == [channel]


def test_an_account_that_takes_over_a_channel_has_to_ask_for_it(tmp_path: Path) -> None:
    """Nobody names to it what changed before its own state."""
    line = followed(tmp_path)
    line.send(PayloadKind.STATE, pack(StateRequest(78, AccountState(78, 5, 0, NOW, 1))))
    for account, dirty in ((ACCOUNT, {}), (78, {CHAT: 0})):
        line.begin(record(account=account))
        line.end(record(account=account))
        line.writer.commit()
        assert read_journal(Archive(tmp_path)).accounts[78].dirty == dirty
    line.send(PayloadKind.DIFFERENCE, channel_difference(100), origin=78, subject=CHAT)
    line.close()
    assert read_journal(Archive(tmp_path)).accounts[78].dirty == {}


def test_pages_that_are_older_than_what_was_told_since(tmp_path: Path) -> None:
    """In a feed the box is asked while chats are walked: their pages may have been on the way."""
    line = common(tmp_path)
    line.begin(record(FRIEND, "private"))
    line.page(made.page([said(11, peer=FRIEND)]), 10)
    told(line, difference(60, [], [common_deletion([5, 13], 58), edit(said(15, "better", FRIEND, edited=NOW), 60)]))
    line.page(made.page([said(n, peer=FRIEND) for n in (13, 15, 17)]), 12)
    again(line, [said(n, peer=FRIEND) for n in (1, 3, 5, 7)], 1, 10, chat=FRIEND)
    line.end(record(FRIEND, "private"))
    line.writer.commit()
    told(line, difference(61, [said(5, peer=FRIEND)]))
    line.close()
    assert changes(tmp_path, FRIEND) == [
        ("deleted", 5, "update", 58, None), ("deleted", 13, "update", 58, None), ("version", 15, "update", 60, "better"),
        ("restored", 5, "update", 61, "text 5"),
    ]


def test_too_long_and_undecodable_change_nothing(tmp_path: Path) -> None:
    line = common(tmp_path)
    before = read_journal(Archive(tmp_path))
    too_long = bytes(types.updates.DifferenceTooLong(900))
    assert (told(line, too_long).form, told(line, too_long).pts) == ("updates.differenceTooLong", 900)
    assert told(line, b"what is this").error
    assert told(line, channel_difference(4)).error
    assert told(line, difference(4), CHAT).error
    line.close()
    assert read_journal(Archive(tmp_path)).chats == before.chats
    assert read_journal(Archive(tmp_path)).accounts == before.accounts


def test_the_common_box_of_an_account(tmp_path: Path) -> None:
    line = common(tmp_path)
    new = [said(11, "news", FRIEND), said(12, "more", 99), said(14, "group", GROUP)]
    other = [edit(said(2, "better", GROUP, edited=NOW), 52), common_deletion([1, 4, 5000], 55)]
    receipt = told(line, difference(60, new, other, [made.user(FRIEND)], date=NOW + 9, seq=3))
    assert (receipt.new, receipt.edited, receipt.deleted, receipt.unknown) == (2, 1, 2, 1)
    assert receipt.state is not None
    assert (receipt.state.pts, receipt.state.date, receipt.state.seq) == (60, NOW + 9, 3)
    line.close()
    assert changes(tmp_path, FRIEND) == [("deleted", 1, "update", 55, None)]
    assert changes(tmp_path, GROUP) == [("version", 2, "update", 52, "better"), ("deleted", 4, "update", 55, None)]
    assert [one["id"] for one in lines(tmp_path, marked_id=FRIEND)] == [1, 3, 5, 7, 9, 11]
    assert [one["id"] for one in lines(tmp_path, marked_id=GROUP)] == [2, 4, 6, 8, 10, 14]
    assert not (tmp_path / "chats" / "99").exists()
    assert read_journal(Archive(tmp_path)).accounts[ACCOUNT].pts == 60


def test_a_common_deletion_leaves_channels_alone(tmp_path: Path) -> None:
    line = common(tmp_path)
    line.begin(record(), 2)
    box(line, 7)
    line.page(made.page([said(n) for n in range(1, 11)]), 1, stream=2)
    line.end(record(), 2)
    told(line, difference(61, [], [common_deletion(list(range(1, 11)))]))
    line.close()
    assert changes(tmp_path) == []
    assert (row(tmp_path, FRIEND).deleted, row(tmp_path, GROUP).deleted) == (5, 5)


def test_channels_that_changed_stay_dirty_until_they_were_asked(tmp_path: Path) -> None:
    line = common(tmp_path)
    line.begin(record(), 2)
    box(line, 7)
    line.page(made.page([said(1)]), 1, stream=2)
    line.end(record(), 2)
    other = [types.UpdateChannelTooLong(9, 12), types.UpdateChannelTooLong(4444, 3), edit(said(1, "elsewhere"), 11)]
    receipt = told(line, difference(61, [], other))
    assert receipt.state is not None
    assert receipt.state.dirty == {CHAT: 12}
    assert told(line, difference(61, [], [types.UpdateChannelTooLong(9, 7)])).state == receipt.state
    line.close()
    line = Line(tmp_path)
    reply = state(line)
    assert reply.state is not None
    assert (reply.state.dirty, changes(tmp_path)) == ({CHAT: 12}, [])
    told(line, channel_difference(10, final=False), CHAT)
    told(line, channel_difference(12), CHAT)
    reply = state(line)
    assert reply.state is not None
    assert reply.state.dirty == {}
    assert {one.marked_id: one.pts for one in reply.boxes} == {CHAT: 12, GROUP: 0, FRIEND: 0}
    line.close()


def test_a_state_that_is_lost_is_named(tmp_path: Path) -> None:
    line = common(tmp_path)
    line.begin(record(), 2)
    box(line, 7)
    line.page(made.page([said(1)]), 1, stream=2)
    line.end(record(), 2)
    before = state(line).state
    assert before is not None
    line.writer._boxes._now = lambda: before.looked + 100
    reply = state(line, state=AccountState(ACCOUNT, 900, 0, NOW, 5), lost=True)
    assert reply.state is not None
    assert (reply.state.pts, reply.state.dirty) == (900, {CHAT: 0})
    gap = before.looked, before.looked + 100
    boxes = {one.marked_id: one for one in reply.boxes}
    assert boxes[FRIEND].unlooked == [Unlooked(*gap, 1, 10)]
    assert boxes[CHAT].unlooked == []
    again(line, [said(n, peer=FRIEND) for n in (5, 7)], 4, 8, chat=FRIEND)
    line.close()
    assert row(tmp_path, FRIEND).unlooked == [Unlooked(*gap, 1, 4), Unlooked(*gap, 8, 10)]
    assert changes(tmp_path, FRIEND) == []


def test_what_was_archived_before_its_box_was_known_is_not_looked_at(tmp_path: Path) -> None:
    line = Line(tmp_path)
    walk(line, range(1, 11), FRIEND, "private")
    walk(line, range(1, 6))
    line.close()
    assert orjson.loads((tmp_path / "archive.json").read_bytes())["format"] == FIRST_FORMAT
    assert len(read_journal(Archive(tmp_path)).chats[FRIEND].pack()) == 11
    line = Line(tmp_path)
    line.writer._boxes._now = lambda: NOW
    assert state(line).state is None
    assert state(line, state=AccountState(ACCOUNT, 50, 0, NOW, 1)).boxes == [
        Box(CHAT, "complete", 0, 0, 0, []), Box(FRIEND, "complete", 0, NOW, MAYBE_BEHIND, [Unlooked(0, NOW, 1, 11)]),
    ]
    assert box(line, 30).boxes == [Box(CHAT, "complete", 30, NOW, MAYBE_BEHIND, [Unlooked(0, NOW, 1, 6)])]
    line.close()
    assert orjson.loads((tmp_path / "archive.json").read_bytes())["format"] == FORMAT
    Archive(tmp_path).prove_format()


def test_a_walk_tells_what_is_gone_and_what_is_another(tmp_path: Path) -> None:
    line = followed(tmp_path)
    since = row(tmp_path).looked
    page = [said(2), said(3, "edited", edited=NOW), said(5, views=7, forwards=1)]
    receipt = again(line, page, 2, 11)
    assert receipt.next == 6
    again(line, [], 6, 11)
    assert row(tmp_path).deleted == 0
    again(line, [said(8)], 6, 11)
    again(line, [], 9, 11, last=True)
    line.close()
    assert [one[:3] for one in changes(tmp_path)] == [
        ("version", 3, "walk"), ("deleted", 4, "walk"), ("deleted", 6, "walk"), ("deleted", 7, "walk"),
        ("deleted", 9, "walk"), ("deleted", 10, "walk"),
    ]
    assert {one["since"] for one in lines(tmp_path, "changes")} == {since}


def test_a_message_above_a_chat_that_is_not_whole_is_only_noted(tmp_path: Path) -> None:
    line = Line(tmp_path)
    line.begin(record())
    box(line, 5)
    line.page(made.page([said(1), said(2)]), 1)
    assert told(line, channel_difference(9, [said(8)], [edit(said(2, "better"))]), CHAT).behind == [CHAT]
    line.writer.commit()
    assert (row(tmp_path).behind, row(tmp_path).messages) == (MAYBE_BEHIND, 2)
    line.page(made.page([said(8)]), 3)
    line.end(record())
    line.close()
    assert (row(tmp_path).behind, row(tmp_path).messages) == (0, 3)
    assert [one[:2] for one in changes(tmp_path)] == [("version", 2)]


def test_the_highest_message_above_a_chat_under_way_is_noted_until_it_is_there(tmp_path: Path) -> None:
    line = followed(tmp_path)
    line.begin(record())
    for pts, number in ((101, 13), (102, 15), (103, 12)):
        assert told(line, channel_difference(pts, [said(number)]), CHAT).behind == [CHAT]
    line.writer.commit()
    assert (row(tmp_path).behind, row(tmp_path).messages) == (15, 10)
    line.page(made.page([said(12), said(13)]), 11)
    line.writer.commit()
    assert row(tmp_path).behind == 15
    line.page(made.page([said(15)]), 14)
    line.writer.commit()
    assert row(tmp_path).behind == 0
    line.close()


def test_news_and_edits_of_one_batch_are_in_order(tmp_path: Path) -> None:
    """As a follower sends them: one difference of many pushes."""
    line = followed(tmp_path)
    pushed = [
        types.UpdateNewChannelMessage(said(12, "a"), 101, 1), types.UpdateNewChannelMessage(said(11, "b"), 102, 1),
        edit(said(12, "aa", edited=NOW), 103), edit(said(12, "aaa", edited=NOW + 1), 104), deletion([12], pts=105),
    ]
    receipt = told(line, channel_difference(105, [], pushed), CHAT)
    assert (receipt.new, receipt.edited, receipt.deleted) == (2, 2, 1)
    line.close()
    assert [(one["id"], one["message"]) for one in lines(tmp_path)][10:] == [(11, "b"), (12, "a")]
    assert [one[:2] + one[3:] for one in changes(tmp_path)] == [
        ("version", 12, 103, "aa"), ("version", 12, 104, "aaa"), ("deleted", 12, 105, None),
    ]


def test_peers_come_to_the_chat_that_names_them(tmp_path: Path) -> None:
    line = common(tmp_path)
    users = [made.user(FRIEND, "Friend"), made.user(8, "Other")]
    new = [said(11, "news", FRIEND), said(14, "group", GROUP, from_id=types.PeerUser(8))]
    told(line, difference(60, new, users=users))
    line.close()
    assert [one["id"] for one in lines(tmp_path, "peers", FRIEND)] == [FRIEND]
    assert [one["id"] for one in lines(tmp_path, "peers", GROUP)] == [8]


@pytest.mark.parametrize("other", [76, 78])
def test_another_account_does_not_touch_the_chats_of_one(tmp_path: Path, other: int) -> None:
    line = common(tmp_path)
    line.send(PayloadKind.STATE, pack(StateRequest(other, AccountState(other, 5, 0, NOW, 1))))
    answer = difference(9, [said(11, "x", FRIEND)], [common_deletion([1, 2, 3])])
    receipt: DifferenceReceipt = line.send(PayloadKind.DIFFERENCE, answer, origin=other)
    assert (receipt.new, receipt.deleted, receipt.unknown) == (0, 0, 3)
    line.close()
    assert changes(tmp_path, FRIEND) == []


def test_more_chats_than_stay_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tgbulk.stages.write.boxes.OPEN_CHATS", 1)
    monkeypatch.setattr("tgbulk.stages.write.boxes.BOXES", 2)
    line = Line(tmp_path)
    state(line, state=AccountState(ACCOUNT, 50, 0, NOW, 1))
    for stream in range(5):
        walk(line, range(stream + 1, 50, 5), 100 + stream, "private", stream)
    for turn in range(3):
        new = [said(50 + turn * 5 + stream, peer=100 + stream) for stream in range(5)]
        told(line, difference(60 + turn, new, [common_deletion([turn * 5 + stream + 1 for stream in range(5)])]))
        line.writer.commit()
        assert len(line.writer._boxes._files) == 1
    first = state(line)
    assert ([one.marked_id for one in first.boxes], first.more) == ([100, 101], True)
    assert [one.marked_id for one in state(line, above=103).boxes] == [104]
    line.close()
    for stream in range(5):
        assert row(tmp_path, 100 + stream).deleted == 3
        assert chat_json(tmp_path, 100 + stream)["messages"] == len(lines(tmp_path, marked_id=100 + stream))


def answers() -> list[tuple[bytes, int]]:
    """(answer, channel) of a long way of both boxes."""
    steps = []
    for turn in range(3):
        base = 20 + 4 * turn
        new = [said(base, f"new {base}", FRIEND), said(base + 1, f"new {base + 1}", GROUP)]
        other = [edit(said(3, f"turn {turn}", FRIEND, edited=NOW + turn)), common_deletion([5 + turn, base - 4])]
        steps.append((difference(60 + turn, new, other, [made.user(FRIEND, f"Name {turn}")]), 0))
        there = [edit(said(2, f"turn {turn}", edited=NOW + turn)), deletion([3 + turn])]
        steps.append((channel_difference(110 + turn, [said(30 + turn)], there, final=turn % 2 == 1), CHAT))
    return steps


def prepared(root: Path) -> Line:
    line = common(root)
    line.begin(record(), 2)
    box(line, 100)
    line.page(made.page([said(n) for n in range(1, 11)]), 1, stream=2)
    line.page(made.page([]), 11, stream=2, last=True)
    line.end(record(), 2)
    line.writer.commit()
    return line


def whole(root: Path) -> dict[str, Any]:
    """Everything but the times at which it was seen."""
    found: dict[str, Any] = {}
    for chat in (FRIEND, GROUP, CHAT):
        for name in ("messages", "peers"):
            found[f"{chat} {name}"] = lines(root, name, chat)
        found[f"{chat} changes"] = changes(root, chat)
        about = chat_json(root, chat)
        found[f"{chat} about"] = {name: value for name, value in about.items() if name != "crc32"}
        found[f"{chat} row"] = row(root, chat).counts()
    return found


def consistent(root: Path) -> None:
    """The commit holds the content of which its states speak."""
    if not (root / "journal").exists():
        return
    journal = read_journal(Archive(root))
    state_now = journal.accounts.get(ACCOUNT)
    if state_now is not None and state_now.pts >= 60 and FRIEND in journal.chats:
        turns = state_now.pts - 59
        size = journal.chats[FRIEND].change_bytes
        data = (root / "chats" / str(FRIEND) / "changes.jsonl").read_bytes()[:size]
        versions = [one for one in map(orjson.loads, data.splitlines()) if one["kind"] == "version"]
        assert len(versions) == turns


@pytest.mark.parametrize("name", ["messages", "peers", "changes"])
def test_what_a_crash_left_behind_is_cut_off_before_anything_is_told(tmp_path: Path, name: str) -> None:
    line = common(tmp_path)
    told(line, difference(60, [said(11, peer=FRIEND)], [common_deletion([1, 4], 55)], [made.user(FRIEND)]))
    line.close()
    path = tmp_path / "chats" / str(FRIEND) / f"{name}.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:20])
    line = Line(tmp_path)
    state(line)
    assert path.read_bytes() == whole
    line.close()


def test_a_state_is_that_of_the_account_that_sets_it(tmp_path: Path) -> None:
    line = Line(tmp_path)
    known = state(line, state=AccountState(0, 50, 0, NOW, 1)).state
    assert known is not None
    assert (known.account, known.pts) == (ACCOUNT, 50)
    line.close()
    assert list(read_journal(Archive(tmp_path)).accounts) == [ACCOUNT]


@pytest.mark.parametrize("power_cut", [False, True])
def test_killed_anywhere_it_goes_on_and_ends_the_same(tmp_path: Path, power_cut: bool) -> None:
    steps = answers()
    line = prepared(tmp_path / "a")
    for answer, channel in steps:
        told(line, answer, channel)
    line.close()
    expected = whole(tmp_path / "a")
    line = prepared(tmp_path / "b")
    disk = Disk(tmp_path / "b", tmp_path / "copies", power_cut)
    for path in (tmp_path / "b" / "chats").rglob("*.jsonl"):
        disk._synced[path.relative_to(tmp_path / "b")] = path.read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        disk.watch(patch)
        for place, (answer, channel) in enumerate(steps):
            told(line, answer, channel)
            if place % 2:
                line.writer.commit()
        line.close()
    assert disk.count > 20
    for number in range(disk.count):
        copy = tmp_path / "copies" / str(number)
        consistent(copy)
        resumed = Line(copy)
        reply = state(resumed)
        assert reply.state is not None
        boxes = {one.marked_id: one.pts for one in reply.boxes}
        for place, (answer, channel) in enumerate(steps):
            done = boxes[CHAT] >= 110 + place // 2 if channel else reply.state.pts >= 60 + place // 2
            if not done:
                told(resumed, answer, channel)
        resumed.close()
        assert whole(copy) == expected
        shutil.rmtree(copy)


def test_the_writer_of_a_run_without_boxes_keeps_the_format(tmp_path: Path) -> None:
    line = Line(tmp_path)
    walk(line, range(1, 4))
    assert isinstance(line.writer, Writer)
    line.close()
    assert orjson.loads((tmp_path / "archive.json").read_bytes())["format"] == FIRST_FORMAT
    assert sorted(os.listdir(tmp_path / "chats" / str(CHAT))) == ["chat.json", "messages.jsonl", "peers.jsonl"]
