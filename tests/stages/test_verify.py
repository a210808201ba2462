"""Archives of a real writer, then spoiled: nothing that was committed can change unnoticed, no crash looks like damage."""
from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
import telegram_page as made
from line import Line
from test_writer import CHAT, record

from engine.error import LockedError, NewerFormatError, StorageError, UsageError
from scripts.outcome import Outcome
from scripts.summary import keep_summary, make_run_id, make_summary
from stages.collect.config import CollectConfig
from stages.verify.archive import check_archive, held
from stages.verify.finding import SHOWN, Report, Weight
from stages.verify.peer import named
from stages.write.archive import Archive

CHANNEL = made.channel(9)
OTHER = -5
CHAT_JSON, MESSAGES, PEERS = (f"chats/{CHAT}/{name}" for name in ("chat.json", "messages.jsonl", "peers.jsonl"))


@pytest.fixture(autouse=True)
def _leaks_nothing() -> Iterator[None]:
    before = len(os.listdir("/proc/self/fd"))
    yield
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two chats, one of them in two parts that were asked for one after the other, and the summary of their run."""
    root = tmp_path_factory.mktemp("verify") / "archive"
    line = Line(root)
    line.begin(record())
    messages = [made.message(1), made.service(2), made.empty(3), *(made.message(n) for n in range(4, 9))]
    line.page(made.page(messages, [made.user(3)], [CHANNEL]), 1)
    line.page(made.page([made.message(21), made.message(22, "newest")], [made.user(4)], [CHANNEL]), 20, segment=20)
    line.begin(record(OTHER, "group"), stream=1)
    line.page(made.page([made.message(7)], [], [CHANNEL]), 1, stream=1)
    line.end(replace(record(), asked=[20, 0]))
    line.end(record(OTHER, "group"), stream=1)
    line.close()
    archive = Archive(root)
    run = make_run_id(time.time())
    config = CollectConfig(run, archive.runs / run, time.time(), time.monotonic(), 1)
    keep_summary(config.folder, make_summary(Outcome(), config, archive))
    (root / "lock").unlink()
    return root


@pytest.fixture
def root(whole: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(whole, tmp_path / "copy"))


def check(root: Path, *only: int) -> dict[int | None, Report]:
    return {report.marked_id: report for report in check_archive(Archive(root), list(only) or None, not only)}


def worst(root: Path) -> Weight:
    return max(report.worst for report in check(root).values())


def texts(report: Report, weight: Weight = Weight.DAMAGE) -> list[str]:
    return [f"{one.file}: {one.text}" for one in report.findings if one.weight == weight]


def edit(root: Path, file: str, change: Callable[[list[bytes]], list[bytes]]) -> None:
    path = root / file
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))


def test_an_archive_as_it_was_written_is_whole(root: Path) -> None:
    reports = check(root)
    assert list(reports) == [None, CHAT, OTHER]
    assert all(report.findings == [] for report in reports.values())
    assert (reports[CHAT].messages, reports[CHAT].state, reports[CHAT].title) == (9, "complete", f"Chat {CHAT}")
    about = orjson.loads((root / CHAT_JSON).read_bytes())
    statement = reports[CHAT].statement
    assert statement is not None
    assert statement.document() == about["statement"]
    assert statement.filtered == [[9, 19]]


def test_only_the_chats_that_were_named(root: Path) -> None:
    assert list(check(root, OTHER)) == [None, OTHER]
    with pytest.raises(UsageError, match="no chat 77"):
        check(root, OTHER, 77)


def test_any_flipped_byte_of_any_file_is_found(root: Path) -> None:
    for path in sorted(root.rglob("*")):
        if not path.is_file():
            continue
        data = path.read_bytes()
        for place in range(len(data)):
            path.write_bytes(data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :])
            try:
                found = worst(root)
            except NewerFormatError:
                continue  # the digit of the format itself
            assert found == Weight.DAMAGE, (path, place)
        path.write_bytes(data)
    assert worst(root) == Weight.NOTE


def test_any_file_cut_anywhere_is_found(root: Path) -> None:
    for path in sorted(root.rglob("*")):
        if not path.is_file():
            continue
        data = path.read_bytes()
        for size in range(0, len(data), 7):
            path.write_bytes(data[:size])
            assert worst(root) == Weight.DAMAGE, (path, size)
        path.write_bytes(data)


@pytest.mark.parametrize("name", ["archive.json", "journal", CHAT_JSON, MESSAGES, PEERS, f"chats/{CHAT}", "chats"])
def test_anything_that_is_missing_is_found(root: Path, name: str) -> None:
    path = root / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert worst(root) == Weight.DAMAGE


def test_runs_may_go(root: Path) -> None:
    shutil.rmtree(root / "runs")
    assert worst(root) == Weight.NOTE


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda lines: lines[:1] + lines[2:], "0 of them service, where 9 and 1 were committed"),
        (lambda lines: lines[:2] + lines[1:], "line 3 is message 2 again"),
        (lambda lines: [*lines, lines[-1]], "bytes lie behind the"),
        (lambda lines: [lines[1], lines[0], *lines[2:]], "line 2 is message 1, after 2"),
        (lambda lines: [lines[0].replace(b"text 1", b"text 2"), *lines[1:]], "ids 1 to 8 (bytes 0 to "),
        (lambda lines: [lines[0].replace(b'"id":1,', b'"id":9,'), *lines[1:]], "line 1 is message 9, outside of ids 1 to 8"),
        (lambda lines: [b"\0" * len(lines[0]), *lines[1:]], "line 1 is no message"),
        (lambda lines: [b"[7]\n", *lines[1:]], "line 1 is no message"),
        (lambda lines: [lines[0].replace(b'"message"', b'"massage"', 1), *lines[1:]], "line 1 is no message"),
        (lambda lines: lines[:-1], "where"),
    ],
    ids=["removed", "doubled", "last doubled", "swapped", "altered", "id", "zeros", "other", "constructor", "cut"],
)
def test_lines_that_are_not_what_they_were(
    root: Path, change: Callable[[list[bytes]], list[bytes]], expected: str
) -> None:
    edit(root, MESSAGES, change)
    reports = check(root)
    assert any(expected in text for text in texts(reports[CHAT])), texts(reports[CHAT])
    assert reports[OTHER].worst == Weight.NOTE
    assert reports[None].worst == Weight.NOTE


def test_a_missing_peer_is_named(root: Path) -> None:
    edit(root, PEERS, lambda lines: [line for line in lines if orjson.loads(line)["id"] != 9])
    report = check(root)[CHAT]
    assert report.worst == Weight.DAMAGE
    assert texts(report, Weight.NOTE) == [f"{PEERS}: 1 peers that messages name are not there: -1000000000009"]


def test_names_of_peers_in_a_line() -> None:
    line = orjson.dumps({
        "from_id": {"_": "peerUser", "user_id": 1},
        "peer_id": {"_": "peerChannel", "channel_id": 2},
        "via_bot_id": 3,
        "message": '"user_id":4 \\"user_id":5 \\',
        "action": {"users": [6, 7], "chat_id": 8, "inviter_id": 0, "chats": [], "channels": [9]},
    })
    assert list(named(line)) == [1, -1000000000002, 3, 6, 7, -8, -1000000000009]


def test_many_findings_are_counted(root: Path) -> None:
    edit(root, MESSAGES, lambda lines: [b"{}\n"] * 1000)
    report = check(root)[CHAT]
    assert len(report.findings) == SHOWN
    assert report.more > 0
    assert report.document()["more_findings"] == report.more


def test_an_older_journal_is_found(root: Path) -> None:
    """All its records are good, but some are gone."""
    archive = Archive(root)
    before = archive.journal.read_bytes()
    line = Line(root)
    line.begin(record())
    line.page(made.page([made.message(30)]), 23, segment=20)
    line.end(record())
    line.close()
    archive.journal.write_bytes(before)
    report = check(root)[CHAT]
    assert f"{CHAT_JSON}: it differs from the journal in messages, covered" in texts(report)


def test_chats_without_a_journal(root: Path) -> None:
    size = (root / "journal").stat().st_size
    (root / "journal").unlink()
    reports = check(root)
    assert texts(reports[None]) == [f"journal: 0 bytes of it are good; the last run ended with {size:,}"]
    assert texts(reports[CHAT]) == [f"chats/{CHAT}: the journal has nothing of this chat"]


def test_strangers_are_named_and_harmless(root: Path) -> None:
    for name in ("notes.txt", f"chats/{CHAT}/mine", f"chats/{CHAT}/chat.json.part"):
        (root / name).write_text("x")
    (root / "chats" / f"{CHAT}.damaged-20260101T000000Z").mkdir()
    (root / "chats" / str(CHAT) / "segments").mkdir()
    (root / "chats" / str(CHAT) / "segments" / "500.jsonl").write_text("x")
    reports = check(root)
    assert [one.file for one in reports[None].findings] == [f"chats/{CHAT}.damaged-20260101T000000Z", "notes.txt"]
    assert [one.file.rsplit("/", 1)[1] for one in reports[CHAT].findings] == ["chat.json.part", "mine", "500.jsonl"]
    assert worst(root) == Weight.NOTE


def test_a_newer_format_and_no_archive(root: Path, tmp_path: Path) -> None:
    (root / "archive.json").write_text('{"format": 2, "new": "form"}')
    with pytest.raises(NewerFormatError):
        check(root)
    with pytest.raises(StorageError, match="there is no archive"):
        check(tmp_path)


def test_nobody_writes_meanwhile(root: Path) -> None:
    archive = Archive(root)
    with held(archive):
        with pytest.raises(LockedError):
            archive.open()
    assert not (root / "lock").exists()
    with archive.open():
        with pytest.raises(LockedError), held(archive):
            pass


def test_a_moved_folder_is_no_damage_once_the_chat_began_anew(root: Path) -> None:
    shutil.move(root / f"chats/{CHAT}", root / f"chats/{CHAT}.damaged-x")
    assert worst(root) == Weight.DAMAGE
    line = Line(root)
    line.begin(record())
    line.abandon()
    assert worst(root) == Weight.UNFINISHED
    shutil.rmtree(root / f"chats/{CHAT}")
    assert worst(root) == Weight.UNFINISHED
