"""Archives that are not complete, or that a crash met: unfinished, and never damaged for that."""
from __future__ import annotations

import random
from pathlib import Path

import pytest

from support import telegram_page as made
from support.line import Line
from support.verdict import CHANNEL, CHAT_JSON, OTHER, check, texts
from support.walks import CHAT, Disk, History, record, step
from tgbulk.engine.frame import pack
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.id_range import IdRange
from tgbulk.stages.archive.quarantine import Undecoded
from tgbulk.stages.fetch.missing import MissingRanges
from tgbulk.stages.protocol.receipt import PayloadKind
from tgbulk.stages.protocol.request import QuarantineRequest
from tgbulk.stages.verify.archive import check_archive
from tgbulk.stages.verify.report import Weight


def test_a_peer_that_telegram_never_sent_is_no_damage(tmp_path: Path) -> None:
    line = Line(tmp_path)
    line.begin(record())
    line.page(made.page([made.message(1)]), 1)
    line.end(record())
    line.close()
    report = check(tmp_path)[CHAT]
    assert report.worst == Weight.NOTE
    assert "1 peers that messages name are not there" in report.findings[0].text


def test_a_chat_that_failed_or_was_cut_short_is_unfinished(tmp_path: Path) -> None:
    line = Line(tmp_path)
    for stream, chat in enumerate((CHAT, OTHER)):
        line.begin(record(chat), stream)
        line.page(made.page([made.message(1)], [], [CHANNEL]), 1, stream=stream)
    failed = record()
    failed.reason = "Telegram said no"
    line.end(failed, state="failed")
    line.close()
    reports = check(tmp_path)
    assert (reports[CHAT].verdict, texts(reports[CHAT], Weight.UNFINISHED)) == (
        "unfinished", [f"{CHAT_JSON}: it failed: Telegram said no"],
    )
    assert (reports[OTHER].verdict, reports[OTHER].state) == ("unfinished", "open")
    (said,) = texts(reports[OTHER], Weight.UNFINISHED)
    assert said.endswith(": a run did not come to its end with this chat")


def test_a_chat_that_failed_and_does_not_say_why(tmp_path: Path) -> None:
    line = Line(tmp_path)
    line.begin(record())
    line.end(record(), state="failed")
    line.close()
    assert texts(check(tmp_path)[CHAT], Weight.UNFINISHED) == [f"{CHAT_JSON}: it failed: no reason is known"]


def test_what_is_in_quarantine_is_checked_too(tmp_path: Path) -> None:
    line = Line(tmp_path)
    line.begin(record())
    line.page(made.page([made.message(1)], [], [CHANNEL]), 1)
    about = Undecoded(CHAT, 2, 2, "nobody can read it", [], [7], "1.0", 200)
    line.send(PayloadKind.QUARANTINE, pack(QuarantineRequest(about, b"strange")), first=2)
    line.page(made.page([made.message(3)], [], [CHANNEL]), 3, range_start=3)
    line.end(record(), state="gaps")
    line.close()
    report = check(tmp_path)[CHAT]
    assert (report.worst, report.state) == (Weight.UNFINISHED, "gaps")
    assert report.statement is not None
    assert report.statement.quarantined == [IdRange(2, 3)]
    answers = tmp_path / "quarantine" / f"{CHAT}-2-2.tl"
    for path in (answers, answers.with_suffix(".json")):
        data = path.read_bytes()
        path.write_bytes(data[:3] + b"?" + data[4:])
        assert check(tmp_path)[CHAT].worst == Weight.DAMAGE
        path.unlink()
        assert f"quarantine/{path.name}: it is missing" in texts(check(tmp_path)[CHAT])
        path.write_bytes(data)
    assert check(tmp_path)[CHAT].worst == Weight.UNFINISHED


@pytest.mark.parametrize("power_cut", [False, True], ids=["killed", "power cut"])
@pytest.mark.parametrize("seed", [3, 4])
def test_no_crash_looks_like_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, power_cut: bool
) -> None:
    """Every moment of two runs, which join and part segments."""
    source = random.Random(seed)
    history = History(source)
    line = Line(tmp_path / "live")
    disk = Disk(tmp_path / "live", tmp_path, power_cut)
    with monkeypatch.context() as patch:
        disk.watch(patch)
        for state in ("failed", "complete"):
            missing = MissingRanges.of(line.begin(record()).covered)
            while not missing.done and (state == "complete" or source.random() < 0.9):
                step(line, history, missing, source)
                if source.random() < 0.2:
                    line.writer.commit()
            line.end(record(), state=state)
            line.writer.commit()
        line.close()
    assert disk.count > 10
    for number in range(disk.count):
        for report in check_archive(Archive(tmp_path / str(number))):
            assert report.worst < Weight.DAMAGE, report.findings
    assert [report.worst for report in check(tmp_path / "live").values()] == [Weight.NOTE] * 2
