"""`tgbulk verify --against-server` and `--repair` whose exports are ended before their time."""
from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from support.command import COMMAND
from support.exporter import HISTORY, Exporter, ended, interrupt
from support.terminal import Terminal
from tgbulk.engine.error import ExitCode

#: Withholds messages, so that counts cannot clear it.
BUSY = "-1001500000001"


@pytest.fixture
def root(exporter: Exporter, tmp_path: Path) -> Path:
    exporter.run(tmp_path / "archive", BUSY)
    exporter.dc.control("reset")
    return tmp_path / "archive"


def spoil(root: Path) -> None:
    path = root / "chats" / BUSY / "messages.jsonl"
    path.write_bytes(path.read_bytes()[:-10])


def test_a_long_flood_wait_ends_a_comparison_and_a_repair(exporter: Exporter, root: Path) -> None:
    exporter.dc.control("flood", method=HISTORY, rate=0.0005, burst=1)
    done = exporter.tgbulk("verify", str(root), "--against-server", "--repair")
    assert done.returncode == ExitCode.PARKED
    assert "it could not be compared: Telegram asks to wait" in done.stdout
    assert list(root.glob("verify-*")) == []
    spoil(root)
    done = exporter.tgbulk("verify", str(root), "--repair")
    assert done.returncode == ExitCode.PARKED
    assert done.stderr.endswith(f"moved aside with tgbulk export --retry-failed -o {root}\n")
    exporter.calm()
    exporter.forget_waits()
    exporter.run(root, "--retry-failed")
    assert exporter.tgbulk("verify", str(root)).returncode == ExitCode.COMPLETE


def test_one_ctrl_c_ends_the_loop_of_a_shell(exporter: Exporter, root: Path) -> None:
    exporter.dc.control("set", latency_ms=1000, methods=[HISTORY])
    script = f"for c in a b c; do {COMMAND} verify {root} --against-server; done; echo went on"
    with Terminal(["bash", "-c", script], exporter.tgbulk.environment, exporter.tgbulk.home) as screen:
        while not exporter.calls()[HISTORY]:
            assert screen.process.poll() is None
            time.sleep(0.05)
        screen.type("\x03")
        assert screen.wait() in (-signal.SIGINT, 128 + signal.SIGINT)
        assert "went on" not in screen.screen
    assert list(root.glob("verify-*")) == []


def test_an_interrupted_repair_goes_no_further(exporter: Exporter, root: Path) -> None:
    spoil(root)
    exporter.dc.control("set", latency_ms=1000, methods=[HISTORY])
    with ended(exporter.tgbulk.start("verify", str(root), "--repair")) as process:
        while not exporter.calls()[HISTORY]:
            assert process.poll() is None
            time.sleep(0.05)
        interrupt(process)
        out, _ = process.communicate()
        assert process.returncode == -signal.SIGINT
    assert out.startswith("damaged ")
    assert "unfinished" not in out
