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

from support import telegram_page as made
from support.line import Line
from support.verdict import CHANNEL, CHAT_JSON, MESSAGES, OTHER, PEERS, check, texts
from support.walks import CHAT, record
from tgbulk.engine import document
from tgbulk.engine.error import LockedError, NewerFormatError, StorageError, UsageError
from tgbulk.engine.lock import Lock
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.id_range import IdRange
from tgbulk.stages.collect.config import CollectConfig
from tgbulk.stages.run.outcome import Outcome
from tgbulk.stages.run.summary import keep_summary, make_run_id, make_summary
from tgbulk.stages.telegram.peer import named_peers
from tgbulk.stages.verify.archive import held
from tgbulk.stages.verify.report import PLANTED, SHOWN, Weight


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
    line.page(made.page([made.message(21), made.message(22, "newest")], [made.user(4)], [CHANNEL]), 20, range_start=20)
    line.begin(record(OTHER, "group"), stream=1)
    line.page(made.page([made.message(7)], [], [CHANNEL]), 1, stream=1)
    line.end(replace(record(), asked=[20, 0]))
    line.end(record(OTHER, "group"), stream=1)
    line.close()
    archive = Archive(root)
    run = make_run_id(time.time())
    config = CollectConfig(run, archive.run(run), time.time(), time.monotonic(), 1)
    keep_summary(config.folder, make_summary(Outcome(), config, archive), print)
    (root / "lock").unlink()
    return root


@pytest.fixture
def root(whole: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(whole, tmp_path / "copy"))


def worst(root: Path) -> Weight:
    return max(report.worst for report in check(root).values())


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
    assert statement.filtered == [IdRange(9, 20)]


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


@pytest.mark.parametrize("name", ["summary.json", "request.json"])
def test_a_damaged_document_of_a_run_is_named_with_its_cure(root: Path, name: str) -> None:
    summary = next(root.glob("runs/*/summary.json"))
    place = summary.with_name(name)
    if place != summary:
        shutil.copy(summary, place)
    place.write_bytes(place.read_bytes()[:-5])
    findings = check(root)[None].findings
    assert [f"runs/{place.parent.name}/{name}"] == [one.file for one in findings if "; delete it" in one.text]
    place.unlink()
    assert worst(root) == Weight.NOTE


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
    assert list(named_peers(line)) == [1, -1000000000002, 3, 6, 7, -8, -1000000000009]


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
    line.page(made.page([made.message(30)]), 23, range_start=20)
    line.end(record())
    line.close()
    archive.journal.path.write_bytes(before)
    report = check(root)[CHAT]
    assert f"{CHAT_JSON}: it differs from the journal in messages, covered" in texts(report)


def test_chats_without_a_journal(root: Path) -> None:
    size = (root / "journal").stat().st_size
    (root / "journal").unlink()
    reports = check(root)
    assert texts(reports[None]) == [f"journal: 0 bytes of it are good; the last run ended with {size:,}"]
    assert texts(reports[CHAT]) == [f"chats/{CHAT}: the journal has nothing of this chat"]


def test_unknown_files_are_named_and_harmless(root: Path) -> None:
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
    (root / "archive.json").write_text('{"format": 3, "new": "form"}')
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
    assert texts(check(root)[CHAT]) == [f"chats/{CHAT}: it is missing"]
    line = Line(root)
    line.begin(record())
    line.abandon()
    assert worst(root) == Weight.UNFINISHED
    shutil.rmtree(root / f"chats/{CHAT}")
    assert worst(root) == Weight.UNFINISHED
    assert texts(check(root)[CHAT], Weight.UNFINISHED) == [f"chats/{CHAT}: it was moved away, or never made"]


def test_a_link_among_the_files_of_a_chat_is_named_and_not_followed(root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes((root / CHAT_JSON).read_bytes())
    link = root / "chats" / str(CHAT) / "annexes.json"
    link.symlink_to(tmp_path / "outside")
    reports = check(root)
    assert texts(reports[CHAT]) == [f"{link.relative_to(root)}: {PLANTED}"]
    assert (reports[CHAT].state, texts(reports[OTHER])) == ("complete", [])


@pytest.mark.parametrize(
    ("about", "has_lines", "begun"),
    [
        ({"state": "open"}, False, True),
        ({"state": "open"}, True, True),
        ({"state": "open", "covered": [[1, 2]]}, False, False),
        ({"state": "complete"}, False, False),
        ({"state": "failed"}, False, False),
        (None, False, True),
        (None, True, False),
    ],
)
def test_a_chat_that_the_journal_does_not_know(
    root: Path, about: dict[str, object] | None, has_lines: bool, begun: bool
) -> None:
    """A run that was killed before its first commit leaves one; anything else was lost."""
    folder = root / "chats" / "-77"
    folder.mkdir()
    if about is not None:
        (folder / "chat.json").write_bytes(document.dump({"id": -77, "title": "Lost one", **about}))
    if has_lines:
        (folder / "messages.jsonl").write_text("{}")
    report = check(root)[-77]
    assert report.title == ("" if about is None else "Lost one")
    said = "a run was killed before it committed anything of it" if begun else "the journal has nothing of this chat"
    assert texts(report, Weight.UNFINISHED if begun else Weight.DAMAGE) == [f"chats/-77: {said}"]
    assert len(report.findings) == 1


def test_what_is_said_of_the_files_of_the_archive_itself(root: Path) -> None:
    size = (root / "journal").stat().st_size
    with open(root / "journal", "ab") as file:
        file.write(b"torn")
    text = f"its last record, 4 bytes at byte {size:,}, is not whole and does not count"
    assert texts(check(root)[None], Weight.UNFINISHED) == [f"journal: {text}"]
    (root / "archive.json").unlink()
    assert texts(check(root)[None]) == ["archive.json: it is missing"]
    (root / "archive.json").write_text("{")
    (said,) = texts(check(root)[None])
    assert said.startswith("archive.json: it ")
    data = bytearray((root / "journal").read_bytes())
    data[20] ^= 1
    (root / "journal").write_bytes(data)
    reports = check(root)
    assert list(reports) == [None]
    assert texts(reports[None])[1].startswith("journal: at byte 0, ")
    assert texts(reports[None])[1].endswith("; no chat can be checked")
    shutil.rmtree(root / "runs")
    (root / "journal").unlink()
    assert texts(check(root)[None])[1:] == ["journal: it is missing"]
    shutil.rmtree(root / "chats")
    assert texts(check(root)[None])[1:] == []


def test_media_are_checked_with_the_archive_and_with_no_chat_alone(root: Path) -> None:
    (root / "media").mkdir()
    (root / "media" / "photo").mkdir()
    (root / "media" / "photo" / "1.jpg").write_bytes(b"x")
    assert "media.sqlite" in [one.file for one in check(root)[None].findings]
    assert check(root, OTHER)[None].findings == []
    with pytest.raises(UsageError, match="no chat -88"):
        check(root, OTHER, 77, -88)


def test_where_nothing_can_be_written_a_run_is_looked_for(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(lock: Lock) -> int:
        raise StorageError(lock.path, "cannot be locked: Read-only file system")

    archive = Archive(root)
    running = archive.open()
    monkeypatch.setattr(Lock, "_open", read_only)
    with pytest.raises(LockedError, match=f"is in use by process {os.getpid()}"), held(archive):
        pass
    running.release()
    with held(archive):
        assert worst(root) == Weight.NOTE
    assert (root / "lock").exists()
    with pytest.raises(StorageError, match="there is no archive"), held(Archive(root / "nowhere")):
        pass


def _plant(path: Path, thing: str, outside: Path) -> None:
    path.unlink(missing_ok=True)
    if thing == "pipe":
        os.mkfifo(path)
    elif thing == "folder":
        path.mkdir()
    else:
        path.symlink_to(outside)


@pytest.mark.parametrize("thing", ["pipe", "link", "folder"])
@pytest.mark.parametrize(
    "name", [CHAT_JSON, MESSAGES, PEERS, "archive.json", "journal", "media.sqlite", "runs/*/summary.json"]
)
def test_what_is_no_plain_file_is_named_and_not_opened(whole: Path, tmp_path: Path, name: str, thing: str) -> None:
    """Who opens a pipe waits for somebody else. The other chat is checked all the same, where the journal can be read."""
    root = tmp_path / "archive"
    shutil.copytree(whole, root)
    path = next(root.glob(name), root / name)
    (tmp_path / "outside").write_bytes(path.read_bytes() if path.exists() else b"")
    _plant(path, thing, tmp_path / "outside")
    found = check(root)
    of = CHAT if "chats" in name else None
    told = texts(found[of])
    assert [text for text in told if text.startswith(f"{path.relative_to(root)}: it is not a file of its own")], told
    assert (OTHER in found) == (name != "journal")
    if name != "journal":
        assert texts(found[OTHER]) == []
