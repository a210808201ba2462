"""What people see of an export: lines that move on a terminal, plain lines elsewhere."""
from __future__ import annotations

import re
import termios
import time
from pathlib import Path

import pytest

from support.command import COMMAND, TIMEOUT
from support.exporter import HISTORY, Exporter, ended
from support.terminal import Terminal
from tgbulk.cli.lines import STAGES, clock
from tgbulk.cli.progress import Progress
from tgbulk.cli.reporting import Reporter, Reporting
from tgbulk.cli.screen import progress_lines
from tgbulk.cli.table import columns
from tgbulk.stages.protocol.event import ChatFailed, ChatProgress, ChatStarted, Waiting


def plain(text: str) -> str:
    """Without weight and colour."""
    return re.sub(r"\x1b\[[\d;]*m", "", text)


def test_a_terminal_is_shown_how_far_it_is(exporter: Exporter, tmp_path: Path) -> None:
    exporter.dc.control("flood", method=HISTORY, rate=0.5, burst=5)
    command = [COMMAND, "export", "-o", str(tmp_path / "a"), "@sim_middle", "@sim_nobody_at_all"]
    with Terminal(command, exporter.tgbulk.environment, exporter.tgbulk.home) as screen:
        screen.expect("of 2 chats")
        screen.expect(" messages of 5,000")
        screen.expect("s for Telegram")
        exporter.dc.control("flood", method=HISTORY)
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
        blocks = [re.split("[\r\n]", plain(block))[0] for block in screen.screen.split("\x1b[J")[1:-1]]
    drawn = [line for line in blocks if re.match(r"\d+:\d\d  ", line)]
    assert drawn
    # What is said of a chat at its end stays on the screen, whole.
    assert len(blocks) - len(drawn) <= 1
    assert max(map(len, drawn)) < 40


@pytest.mark.parametrize("variables", [{"TERM": "xterm"}, {"TERM": "xterm", "NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_table_keeps_to_the_terminal(exporter: Exporter, variables: dict[str, str]) -> None:
    """Colours where they are wanted, none with NO_COLOR, nothing but text on a dumb terminal; ids stay whole."""
    with Terminal([COMMAND, "chats"], {**exporter.tgbulk.environment, **variables}, exporter.tgbulk.home) as screen:
        termios.tcsetwinsize(screen.slave, (24, 60))
        assert screen.wait() == 0
        text = screen.screen
    coloured = [code for code in re.findall(r"\x1b\[([\d;]*)m", text) if re.search(r"(^|;)(3|4|9|10)\d", code)]
    assert ("\x1b" in text, bool(coloured)) == (variables["TERM"] != "dumb", False)
    assert re.search(r"^-1001500000011\b", plain(text), re.MULTILINE)
    if variables["TERM"] != "dumb":
        assert [line for line in plain(text).splitlines() if columns(line) > 60] == []


@pytest.mark.parametrize(("variables", "colours"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_what_moves_has_colours_unless_nobody_wants_them(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], colours: bool
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    parts = [("0:05", "bold"), ("5 messages of 10", "cyan"), ("evil \x1b[2J\n", "red")]
    lines = progress_lines(parts, 0.5, [STAGES, ("fetch", "9/s", "1 out", "5%", "2%", "90% for Telegram's limit")], 40)
    assert len(lines) == 4
    assert bool(re.search(r"\x1b\[(\d+;)*3\dm", lines[0])) == colours
    assert all(columns(plain(line)) <= 40 for line in lines)
    assert "\x1b" not in "".join(map(plain, lines))


def test_a_run_that_is_over_at_once_has_no_statistics(exporter: Exporter, tmp_path: Path) -> None:
    done = exporter.run(tmp_path / "a", "@sim_empty")
    *_, last = done.stderr.splitlines()
    took = re.search(r"complete, 0 failed, 0 new messages in ([\d.]+) s", done.stderr)
    assert took is not None
    assert last.startswith("complete: 1 chat") or float(took[1]) >= 2


def test_elsewhere_every_line_is_whole(exporter: Exporter, tmp_path: Path) -> None:
    exporter.dc.control("flood", method=HISTORY, rate=0.5, burst=5)
    with ended(exporter.start(tmp_path / "a", "@sim_middle", "@sim_empty")) as process:
        while not exporter.dc.counters()["methods"].get(HISTORY, {}).get("floods"):
            assert process.poll() is None
            time.sleep(0.05)
        exporter.dc.control("flood", method=HISTORY)
        said = process.communicate(timeout=TIMEOUT)[1]
        assert process.returncode == 0, said
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f]", said)
    assert re.search(r"^waiting \d+ s for Telegram: messages.getHistory$", said, re.MULTILINE)
    assert sum("5,000 new" in line for line in said.splitlines()) >= 1


def test_a_hostile_title_cannot_steer(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(quiet=False)
    progress.on_start(1)
    progress.on_event(ChatStarted(0, 5, "\x1b[2Jevil\n\u202e", 10))
    progress.on_event(ChatProgress(0, 5))
    progress.tick()
    progress.on_event(ChatFailed("@x\x1b[31m", 0, "evil \x1b]0;title\x07 reason", "", 4))
    progress.close()
    assert "\x1b" not in capsys.readouterr().err


def test_the_clock_has_hours() -> None:
    shown = [clock(one) for one in (0, 59.9, 61, 3_599, 3_600, 90_061)]
    assert shown == ["0:00", "0:59", "1:01", "59:59", "1:00:00", "25:01:01"]


def test_quiet_shows_what_needs_attention(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(quiet=True)
    progress.on_start(1)
    progress.on_event(ChatStarted(0, 5, "Title", 10))
    progress.on_event(Waiting("main", "messages.getHistory", 30))
    progress.tick()
    assert capsys.readouterr().err == ""
    progress.on_event(ChatFailed("@x", 0, "gone", "Look elsewhere.", 4))
    assert capsys.readouterr().err == "tgbulk: error: @x: gone\ntgbulk: hint: Look elsewhere.\n"


def test_advice_is_for_people(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for reporting in (Reporting(quiet=True), Reporting(log_json=True), Reporting(events=True)):
        Reporter(reporting, tmp_path).advise("look elsewhere")
    assert capsys.readouterr().err == ""
    Reporter(Reporting(), tmp_path).advise("look elsewhere")
    assert capsys.readouterr().err == "tgbulk: hint: look elsewhere\n"
