"""Archives that are not complete, or that a crash met: unfinished, and never damaged for that."""
from __future__ import annotations

import random
from pathlib import Path

import msgpack
import pytest
import telegram_page as made
from line import Line
from test_verify import CHANNEL, CHAT_JSON, OTHER, check, texts
from test_writer import CHAT, Disk, History, record, step

from stages.fetch.coverage import Coverage
from stages.receipt import Kind
from stages.verify.archive import check_archive
from stages.verify.finding import Weight
from stages.write.archive import Archive


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


def test_what_is_in_quarantine_is_checked_too(tmp_path: Path) -> None:
    line = Line(tmp_path)
    line.begin(record())
    line.page(made.page([made.message(1)], [], [CHANNEL]), 1)
    about = {"chat": CHAT, "first": 2, "last": 2, "reason": "nobody can read it", "sizes": [7]}
    line.send(Kind.QUARANTINE, msgpack.packb([about, b"strange"]), mark=2)
    line.page(made.page([made.message(3)], [], [CHANNEL]), 3, segment=3)
    line.end(record(), state="gaps")
    line.close()
    report = check(tmp_path)[CHAT]
    assert (report.worst, report.state) == (Weight.UNFINISHED, "gaps")
    assert report.statement is not None
    assert report.statement.quarantined == [[2, 2]]
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
            coverage = Coverage.of(line.begin(record())[0] or [])
            while not coverage.done and (state == "complete" or source.random() < 0.9):
                step(line, history, coverage, source)
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
