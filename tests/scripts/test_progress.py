"""What people see of an export: lines that move on a terminal, plain lines elsewhere."""
from __future__ import annotations

import re
import termios
from pathlib import Path

import pytest
from command import COMMAND
from exporter import HISTORY, Exporter
from terminal import Terminal

from scripts.progress import Progress
from stages.event import ChatFailed, ChatProgress, ChatStarted, Waiting


def test_a_terminal_is_shown_how_far_it_is(exporter: Exporter, tmp_path: Path) -> None:
    exporter.dc.control("set", latency_ms=100, methods=[HISTORY])
    exporter.dc.control("flood", method=HISTORY, rate=15, burst=15)
    command = [COMMAND, "export", "-o", str(tmp_path / "a"), "@sim_middle", "@sim_nobody_at_all"]
    with Terminal(command, exporter.tgbulk.environment, exporter.tgbulk.home) as screen:
        screen.expect("of 2 chats")
        screen.expect(" messages of 5,000")
        screen.expect("s for Telegram")
        assert screen.wait() == 3
        text = screen.screen
    assert "tgbulk: error: @sim_nobody_at_all: nobody has this username" in text
    assert "\x1b[J" in text
    assert "Traceback" not in text
    assert text.count("partial: 1 chat complete, 1 failed, 5,000 new messages") == 1


def test_lines_fit_the_terminal_that_shows_them(exporter: Exporter, tmp_path: Path) -> None:
    """Standard output, which is none, has no say in it."""
    exporter.dc.control("set", latency_ms=100, methods=[HISTORY])
    command = ["sh", "-c", f"exec {COMMAND} export @sim_middle -o {tmp_path / 'a'} > /dev/null"]
    with Terminal(command, exporter.tgbulk.environment, exporter.tgbulk.home) as screen:
        termios.tcsetwinsize(screen.slave, (24, 40))
        screen.expect("of 1 chats")
        assert screen.wait() == 0
        drawn = [re.split("[\r\n]", block)[0] for block in screen.screen.split("\x1b[J")[1:-1]]
    assert drawn
    assert max(map(len, drawn)) < 40


def test_elsewhere_every_line_is_whole(exporter: Exporter, tmp_path: Path) -> None:
    exporter.dc.control("flood", method=HISTORY, rate=15, burst=15)
    said = exporter.run(tmp_path / "a", "@sim_middle", "@sim_empty").stderr
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f]", said)
    assert re.search(r"^waiting \d+ s for Telegram: messages.getHistory$", said, re.MULTILINE)
    assert sum("5,000 new" in line for line in said.splitlines()) >= 1


def test_a_hostile_title_cannot_steer(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(1, quiet=False)
    progress.told(ChatStarted(0, 5, "\x1b[2Jevil\n\u202e", 10))
    progress.told(ChatProgress(0, 5))
    progress.tick()
    progress.told(ChatFailed("@x\x1b[31m", 0, "evil \x1b]0;title\x07 reason", "", 4))
    progress.close()
    assert "\x1b" not in capsys.readouterr().err


def test_quiet_shows_what_needs_attention(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(1, quiet=True)
    progress.told(ChatStarted(0, 5, "Title", 10))
    progress.told(Waiting("main", "messages.getHistory", 30))
    progress.tick()
    assert capsys.readouterr().err == ""
    progress.told(ChatFailed("@x", 0, "gone", "Look elsewhere.", 4))
    assert capsys.readouterr().err == "tgbulk: error: @x: gone\ntgbulk: hint: Look elsewhere.\n"
