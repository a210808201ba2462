"""The journal's rows, place for place (docs/archive.md)."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tgbulk.engine.folder import Place
from tgbulk.stages.archive.account import AccountState, Unlooked
from tgbulk.stages.archive.folder import Archive, ChatFolder
from tgbulk.stages.archive.hole import append_row
from tgbulk.stages.archive.id_range import IdRange
from tgbulk.stages.archive.row import ChatRow, CoveredRange, JournalState, LastRows, journal_size, read_journal

CHANNEL, FRIEND = -1000000000009, 6
#: Of a chat with something in every place.
FULL = [
    CHANNEL, 7, "gaps", 5, 1, 40, 99, 1, [[1, 9, 30, 77], [20, 30, 12, 78]], [[4, 6], [8, 8]], [[10, 19], [30, 0]],
    50, 88, 3, 2, 1, 100, 1_800_000_000, 44, [[1, 2, 3, 4]],
]


def test_a_row_is_written_and_read_place_for_place() -> None:
    row = ChatRow.unpack(FULL)
    assert row == ChatRow(
        CHANNEL, 7, "gaps", 5, 1, 40, 99, 1, [CoveredRange(1, 9, 30, 77), CoveredRange(20, 30, 12, 78)],
        [IdRange(4, 7), IdRange(8, 9)], [IdRange(10, 20), IdRange(30)], 50, 88, 3, 2, 1, 100, 1_800_000_000, 44,
        [Unlooked(1, 2, 3, 4)],
    )
    assert row.pack() == FULL
    assert (row.covered, row.joined_size, row.empty_count) == ([IdRange(1, 9), IdRange(20, 30)], 30, 4)
    assert (row.counts(), row.alive, row.committed) == ((5, 3, 2, 1), 4, True)
    older = ChatRow.unpack(FULL[:10])
    assert (older.quarantined, older.unlooked, older.empty) == ([], [], row.empty)
    copy = row.ranges[0].copy()
    copy.hi = 10
    assert (copy, row.covered[0]) == (CoveredRange(1, 10, 30, 77), IdRange(1, 9))


def test_a_row_that_nobody_was_told_of_is_as_the_first_format_has_it() -> None:
    row = ChatRow(CHANNEL, 7)
    assert row.pack() == [CHANNEL, 7, "open", 0, 0, 0, 0, 0, [], [], []]
    assert ChatRow.unpack(row.pack()) == row == ChatRow.unpack(row.pack()[:-1])
    assert (row.alive, row.counts(), row.committed, row.joined_size) == (0, (0, 0, 0, 0), False, 0)
    assert [getattr(row, name) for name in row.__slots__[11:]] == [0] * 8 + [[]]
    assert CoveredRange(3, 4) == CoveredRange(3, 4, 0, 0)


@pytest.mark.parametrize("place", range(11, 20))
def test_anything_that_was_told_makes_the_row_longer(place: int) -> None:
    packed = [*FULL[:11], *[0] * 8, []]
    assert ChatRow.unpack(packed).pack() == packed[:11]
    packed[place] = FULL[place]
    assert ChatRow.unpack(packed).pack() == packed


def test_files_beside_the_messages_are_those_of_which_bytes_are_committed(tmp_path: Path) -> None:
    folder, row = ChatFolder(Place(tmp_path)), ChatRow.unpack(FULL)
    peers = folder.peers, 40, 99
    assert row.growing(folder) == [peers, (folder.changes, 50, 88)]
    row.change_bytes = 0
    assert row.growing(folder) == [peers]
    row.ranges = []
    assert row.committed
    row.peer_bytes = 0
    assert not row.committed


def test_the_last_word_on_each_chat_and_each_account() -> None:
    rows, state = LastRows(), AccountState(6, 50, 1, 2, 3, 4, {CHANNEL: 5})
    for messages in (1, 2):
        rows.take([ChatRow(FRIEND, 6, messages=messages).pack(), AccountState(6, messages, 0, 0, 0).pack()])
    rows.take([state.pack(), ChatRow(CHANNEL, 7).pack()])
    assert rows.chats() == {FRIEND: ChatRow(FRIEND, 6, messages=2), CHANNEL: ChatRow(CHANNEL, 7)}
    assert rows.accounts() == {6: state}


@pytest.mark.parametrize(("chat", "looked", "account", "known"), [
    (FRIEND, 5, 9, 9), (FRIEND, 9, 5, 9), (FRIEND, 0, 9, 0), (FRIEND, 5, None, 5), (CHANNEL, 5, 9, 5), (CHANNEL, 0, 9, 0),
])
def test_what_is_known_of_a_chat_until_when(chat: int, looked: int, account: int | None, known: int) -> None:
    states = {} if account is None else {7: AccountState(7, 1, 1, 1, 1, account)}
    assert JournalState({}, accounts=states).known_until(ChatRow(chat, 7, looked=looked)) == known


def test_a_journal_is_read_as_far_as_it_is_whole(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    nothing: Any = read_journal(archive)
    assert (nothing.chats, nothing.accounts, nothing.end, nothing.torn, journal_size(archive)) == ({}, {}, 0, 0, 0)
    append_row(archive, ChatRow.unpack(FULL))
    whole = read_journal(archive)
    assert (whole.chats, whole.end, whole.torn) == ({CHANNEL: ChatRow.unpack(FULL)}, journal_size(archive), 0)
    with open(tmp_path / "journal", "ab") as file:
        file.write(b"torn")
    torn = read_journal(archive)
    assert (torn.chats, torn.end, torn.torn, journal_size(archive)) == (whole.chats, whole.end, 4, whole.end + 4)
