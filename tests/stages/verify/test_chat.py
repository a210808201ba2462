"""What is said of one chat: a chat that a test wrote, with one thing wrong at a time."""
from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from support.changed_archive import CHANGES, change_again
from support.lines_archive import CHAT, LinesArchive, message, user
from tgbulk.engine import document
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.id_range import IdRange
from tgbulk.stages.archive.quarantine import Quarantine, Undecoded
from tgbulk.stages.archive.row import ChatRow, CoveredRange
from tgbulk.stages.verify.chat import check_chat
from tgbulk.stages.verify.report import PLANTED, Report, Weight

NOTE, UNFINISHED, DAMAGE = Weight
HERE = f"chats/{CHAT}"
MESSAGES = [message(number) for number in (1, 2, 3)]
#: The chat itself, which every message names.
PEERS = [user(7, "Ann"), {"_": "channel", "id": 1234567890, "title": "A chat"}]
Found = list[tuple[Weight, str, str]]


@pytest.fixture
def chat(tmp_path: Path) -> Chat:
    return Chat(tmp_path / "archive")


class Chat:
    def __init__(self, root: Path) -> None:
        self.made = LinesArchive(root)
        self.archive = Archive(root)
        self.folder = self.archive.chat(CHAT)
        self.put()

    def put(self, messages: list[dict[str, Any]] = MESSAGES, peers: list[dict[str, Any]] = PEERS, **about: Any) -> None:
        self.made.put(messages, peers, **about)

    def about(self, **fields: Any) -> None:
        """chat.json says this instead."""
        self.folder.about.path.write_bytes(document.dump(document.load(self.folder.about) | fields))

    def state(self, state: str, **about: Any) -> None:
        """In the journal, and in chat.json as well."""
        self.put(state=state, **about)
        row = self.row
        row.state = state
        self.made.commit(row)

    @property
    def row(self) -> ChatRow:
        return self.made.row(CHAT)

    def looked(self) -> None:
        """Its changes were looked for."""
        row = self.row
        row.looked = 200
        self.made.commit(row)

    def report(self) -> Report:
        return check_chat(self.archive, self.row)

    def found(self) -> Found:
        """(weight, file within the chat's folder, what) of each finding."""
        return [(one.weight, one.file.removeprefix(HERE).removeprefix("/"), one.text) for one in self.report().findings]


def test_a_sound_one(chat: Chat) -> None:
    report = chat.report()
    assert report.findings == []
    assert (report.marked_id, report.title, report.state, report.messages) == (CHAT, "A chat", "complete", 3)
    assert report.covered == [IdRange(1, 4)]
    statement = report.statement
    assert statement is not None
    assert (statement.count, statement.messages, statement.services, statement.empty) == (3, 3, 0, 0)
    assert (statement.missing, statement.filtered, statement.quarantined, statement.changed) == ([], [], [], 0)


def test_what_is_known_of_it_is_stated(chat: Chat) -> None:
    """Of services, empty ids, what was not asked for, and what became of messages later."""
    chat.put([*MESSAGES, {**message(4), "_": "messageService"}])
    change_again(chat.made, CHANGES[1:2], hi=12, versions=0, deleted=1, late=0)
    row = chat.row
    row.services, row.empty = 1, [IdRange(5, 8)]
    chat.made.commit(row)
    chat.about(services=1, deleted=1, empty_ids=[[5, 7]], covered=[[1, 12]], asked=[1, 11])
    report = chat.report()
    assert report.findings == []
    statement = report.statement
    assert statement is not None
    assert (statement.messages, statement.services, statement.empty, statement.changed) == (4, 1, 3, -1)
    assert statement.filtered == [IdRange(12, IdRange.from_closed([1, 0]).hi)]


@pytest.mark.parametrize("committed", [True, False])
def test_its_folder_is_missing(chat: Chat, committed: bool) -> None:
    if not committed:
        chat.made.commit(ChatRow(CHAT, 1))
    shutil.rmtree(chat.folder.path.path)
    said = (DAMAGE, "", "it is missing") if committed else (UNFINISHED, "", "it was moved away, or never made")
    assert chat.found() == [said]
    assert chat.report().state == ("complete" if committed else "open")


@pytest.mark.parametrize("committed", [True, False])
def test_its_chat_json_is_missing(chat: Chat, committed: bool) -> None:
    if not committed:
        chat.made.commit(ChatRow(CHAT, 1))
        for place in (chat.folder.messages, chat.folder.peers):
            place.unlink()
    chat.folder.about.unlink()
    assert chat.found() == [(DAMAGE if committed else UNFINISHED, "chat.json", "it is missing")]
    assert (chat.report().title, chat.report().statement) == ("", None)


def test_its_chat_json_cannot_be_read(chat: Chat, tmp_path: Path) -> None:
    chat.folder.about.path.write_bytes(b"{")
    assert chat.found() == [(DAMAGE, "chat.json", "it cannot be read")]
    chat.folder.about.unlink()
    chat.folder.about.path.symlink_to(tmp_path / "outside")
    assert chat.found() == [(DAMAGE, "chat.json", PLANTED)]
    assert chat.report().messages == 3


@pytest.mark.parametrize(
    ("messages", "found"),
    [
        (None, (UNFINISHED, "a run did not come to its end with this chat")),
        (3, (UNFINISHED, "a run did not come to its end with this chat")),
        (2, (UNFINISHED, "a run did not come to its end with this chat")),
        (4, (DAMAGE, "it is newer than the journal, which has lost records")),
    ],
)
def test_a_run_did_not_come_to_its_end(chat: Chat, messages: int | None, found: tuple[Weight, str]) -> None:
    """Then chat.json is as old as the run; it is never newer than the journal."""
    chat.about(state="open", messages=messages)
    assert chat.found() == [(found[0], "chat.json", found[1])]
    assert chat.report().statement is None


@pytest.mark.parametrize("name", ["messages.jsonl", "peers.jsonl", "changes.jsonl"])
@pytest.mark.parametrize(
    ("state", "looked", "weight"), [("open", False, UNFINISHED), ("complete", True, UNFINISHED), ("complete", False, DAMAGE)]
)
def test_there_is_more_than_was_committed(chat: Chat, name: str, state: str, looked: bool, weight: Weight) -> None:
    """Of a run that was killed it may be; of a chat that came to its end only where it is told of changes."""
    chat.put(state=state)
    if looked:
        chat.looked()
    with open(chat.folder.path.path / name, "ab") as file:
        file.write(b"more")
    (said,) = [one for one in chat.found() if one[1] == name]
    assert (said[0], said[2].startswith("4 bytes lie behind the ")) == (weight, True)


def test_it_differs_from_the_journal(chat: Chat) -> None:
    chat.about(messages=4, covered=[[1, 5]])
    differs = (DAMAGE, "chat.json", "it differs from the journal in messages, covered")
    assert chat.found() == [differs]
    chat.looked()
    assert chat.found() == [differs]
    assert chat.report().statement is None
    chat.put()
    chat.about(messages=2, covered=[[1, 5]])
    assert chat.found() == [differs]
    chat.looked()
    assert chat.found() == [(UNFINISHED, "chat.json", "it is older than the journal: a run did not come to its end")]
    assert chat.report().statement is None


def test_it_is_called_complete_and_lacks_what_was_asked_for(chat: Chat) -> None:
    chat.put(asked=[1, 9])
    report = chat.report()
    assert chat.found() == [
        (DAMAGE, "chat.json", "it is called complete, but ids that were asked for are not covered")
    ]
    assert report.statement is not None
    assert report.statement.missing == [IdRange(4, 10)]
    chat.state("failed", asked=[1, 9], reason="a flood")
    assert chat.found() == [(UNFINISHED, "chat.json", "it failed: a flood")]


@pytest.mark.parametrize(("state", "reason", "said"), [
    ("failed", "a flood", "it failed: a flood"), ("failed", None, "it failed: no reason is known"),
    ("gaps", "strange", "it has gaps: strange"), ("gaps", None, "it has gaps: no reason is known"),
])
def test_it_is_not_complete(chat: Chat, state: str, reason: str | None, said: str) -> None:
    chat.state(state, reason=reason)
    assert chat.found() == [(UNFINISHED, "chat.json", said)]
    assert chat.report().statement is not None


@pytest.mark.parametrize(("name", "count"), [("messages", 4), ("messages", 2), ("services", 1)])
def test_it_has_not_as_many_messages_as_were_committed(chat: Chat, name: str, count: int) -> None:
    row = chat.row
    setattr(row, name, count)
    chat.made.commit(row)
    said = f"3 messages, 0 of them service, where {row.messages} and {row.services} were committed"
    assert (DAMAGE, "", said) in chat.found()


def segmented(chat: Chat, *numbers: int) -> None:
    """The last two of five messages are in segments of their own."""
    chat.put([message(number) for number in range(1, 4)])
    row = chat.row
    chat.folder.segments.mkdir()
    for number in (7, 9):
        line = chat.folder.messages.read_bytes().splitlines(keepends=True)[0].replace(b'"id":1', b'"id":%d' % number)
        chat.folder.segment(number).path.write_bytes(line)
        row.ranges.append(CoveredRange(number, number + 1, len(line), crc32(line)))
    row.messages, row.state = 5, "failed"
    chat.made.commit(row)
    chat.about(messages=5, state="failed", covered=[[1, 4], [7, 8], [9, 10]], reason="a flood", asked=[1, 9])


def test_it_lies_in_several_files(chat: Chat) -> None:
    segmented(chat)
    failed = (UNFINISHED, "chat.json", "it failed: a flood")
    assert chat.found() == [failed]
    assert chat.report().messages == 5
    for name in ("7.txt", "8.jsonl"):
        (chat.folder.segments.path / name).write_text("x")
    left = [(NOTE, f"segments/{name}", "a crash left it; the next export removes it") for name in ("7.txt", "8.jsonl")]
    assert chat.found() == [failed, *left]
    chat.folder.segment(9).unlink()
    size = chat.row.ranges[-1].size
    assert chat.found()[0] == (DAMAGE, "segments/9.jsonl", f"it is missing; {size} bytes were committed")


@pytest.mark.parametrize(("senders", "shown"), [
    ([], ""), ([12], "12"), ([12, 5, 11], "5, 11, 12"), ([15, 14, 13, 12, 11], "11, 12, 13, 14, 15"),
    ([16, 15, 14, 13, 12, 11], "11, 12, 13, 14, 15 ..."),
])
def test_messages_name_peers_that_are_not_there(chat: Chat, senders: list[int], shown: str) -> None:
    chat.put([message(number, sender=sender) for number, sender in enumerate([7, *senders], 1)])
    text = f"{len(senders)} peers that messages name are not there: {shown}"
    assert chat.found() == ([(NOTE, "peers.jsonl", text)] if senders else [])


def test_there_are_files_that_it_does_not_have(chat: Chat) -> None:
    for name in ("mine", "chat.json.part", "segments.part"):
        (chat.folder.path / name).path.write_text("x")
    assert chat.found() == [
        (NOTE, "chat.json.part", "a crash left it"), (NOTE, "mine", "it is nothing that tgbulk makes"),
        (NOTE, "segments.part", "a crash left it"),
    ]


@pytest.mark.parametrize(("state", "weight"), [("open", UNFINISHED), ("gaps", DAMAGE)])
def test_what_is_kept_of_a_gap_is_not_as_it_was(chat: Chat, state: str, weight: Weight) -> None:
    """A run that was killed between its two files may leave them so."""
    chat.state(state, quarantined=[[2, 2], [5, 6]], reason="strange", asked=[1, 3])
    row = chat.row
    row.quarantined = [IdRange(2, 3), IdRange(5, 7)]
    chat.made.commit(row)
    quarantine = Quarantine(chat.archive.quarantine, CHAT)
    for gap in row.quarantined:
        first, last = gap.closed()
        quarantine.add(first, b"answers", 0)
        quarantine.keep(Undecoded(CHAT, first, last, "strange", [], [7], "1.0", 200))
    own = chat.found()
    assert len(own) == 1
    about, answers = quarantine.files(IdRange(5, 7))
    answers.path.write_bytes(b"others.")
    shown = f"quarantine/{CHAT}-5-6"
    assert chat.found() == [*own, (weight, f"{shown}.tl", "it does not have its checksum")]
    about.path.write_bytes(b"{")
    assert chat.found() == [*own, (DAMAGE, f"{shown}.json", "it cannot be read")]
    about.unlink()
    assert chat.found() == [*own, (DAMAGE, f"{shown}.json", "it is missing")]
    answers.unlink()
    quarantine.files(IdRange(2, 3))[1].unlink()
    missing = [(DAMAGE, f"quarantine/{CHAT}-{gap}.tl", "it is missing") for gap in ("2-2", "5-6")]
    assert chat.found() == [*own, *missing]


def test_a_chat_of_which_nothing_is_known_yet_was_begun(chat: Chat) -> None:
    """Not lost: its chat.json has no count, and the journal no message."""
    shutil.rmtree(chat.folder.path.path)
    chat.folder.path.mkdir()
    chat.made.commit(ChatRow(CHAT, 1))
    chat.folder.about.path.write_bytes(document.dump({"id": CHAT, "state": "open"}))
    assert chat.found() == [(UNFINISHED, "chat.json", "a run did not come to its end with this chat")]
    assert chat.report().title == ""


@pytest.mark.parametrize("name", ["messages.jsonl", "peers.jsonl"])
def test_without_its_chat_json_what_is_too_much_is_damage(chat: Chat, name: str) -> None:
    """Unless it is told of changes."""
    chat.folder.about.unlink()
    with open(chat.folder.path.path / name, "ab") as file:
        file.write(b"more")
    assert [weight for weight, file, _ in chat.found() if file == name] == [DAMAGE]
    chat.looked()
    assert [weight for weight, file, _ in chat.found() if file == name] == [UNFINISHED]
